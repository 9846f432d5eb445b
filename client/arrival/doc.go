// Package arrival is the folder that a parcel is received into. A file arrives in
// pieces, over several connections and runs if need be (Incoming), and gets its
// final name only when it is whole and has the digests of the manifest.
//
// Whether the manifest is to be believed is decided in package received.
package arrival

import (
	"errors"
	"io/fs"

	"teikyo/crypto"
	"teikyo/models"
)

const dataFolder = "data/"

// File is one data file of a parcel.
type File struct {
	Path   string // as it was registered
	Size   int64  // plaintext bytes
	SHA256 string // hex, of the plaintext; empty as long as SHA256SUMS is not opened
	Sealed crypto.ManifestFile
}

// OpenPath is where the opened file stands in a received folder.
func (f File) OpenPath() string { return dataFolder + f.Path }

// DiskError says what to do about a failing folder; what is the thing that could
// not be done. Nil stays nil.
func DiskError(err error, what string) error {
	switch {
	case err == nil:
		return nil
	case isFull(err):
		return models.Wrap(models.Full, err, "no space left on the disk; free some and run the same command again: it goes on where it stopped")
	case errors.Is(err, fs.ErrPermission):
		return models.Wrap(models.Invalid, err, what+": this is not permitted; choose a folder that you may write to")
	}
	return models.Wrap(models.Invalid, err, what)
}
