package deid

import (
	"io"

	"teikyo/deid/source"
	"teikyo/deid/spill"
)

// SealedTemp makes sealed temporary files in dir ("" is the system's folder);
// rand is the source of their keys.
func SealedTemp(dir string, rand io.Reader) source.Temp {
	folder := spill.Folder{Dir: dir, Rand: rand}
	return func() (source.File, error) { return folder.Create() }
}
