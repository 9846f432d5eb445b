package spill

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// ErrFull: the open files hold as much as their Space allows.
var ErrFull = errors.New("spill: the space for temporary files is used up")

// Space bounds what the files of one or more folders take together. It is safe
// for concurrent use; a nil Space bounds nothing.
type Space struct {
	max  int64
	used atomic.Int64
}

// NewSpace allows bytes of contents in all open files together.
func NewSpace(bytes int64) *Space { return &Space{max: bytes} }

// Used is how many bytes the open files hold.
func (s *Space) Used() int64 { return s.used.Load() }

func (s *Space) take(n int64) error {
	if s == nil {
		return nil
	}
	if s.used.Add(n) > s.max {
		s.used.Add(-n)
		return fmt.Errorf("%w (%d bytes)", ErrFull, s.max)
	}
	return nil
}

func (s *Space) free(n int64) {
	if s != nil {
		s.used.Add(-n)
	}
}

// prefix begins the names of temporary files for as long as they have one.
const prefix = ".teikyo-spill-"

// leftover is how old a file must be to be taken for one of a process that died:
// a younger one may be of another process and about to lose its name.
const leftover = time.Hour

// Sweep removes what a process that died left in the folder, and returns how many
// files that were: none where the system lets a file without a name live on.
// Nothing is lost, their keys died with the process.
func (d Folder) Sweep(now time.Time) (int, error) {
	dir := d.Dir
	if dir == "" {
		dir = os.TempDir()
	}
	names, err := filepath.Glob(filepath.Join(dir, prefix+"*"))
	if err != nil {
		return 0, err
	}
	swept := 0
	for _, name := range names {
		info, statErr := os.Lstat(name)
		if statErr != nil || !info.Mode().IsRegular() || now.Sub(info.ModTime()) < leftover {
			continue
		}
		if rmErr := os.Remove(name); rmErr != nil {
			err = errors.Join(err, rmErr)
			continue
		}
		swept++
	}
	return swept, err
}
