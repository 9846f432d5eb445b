package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// startWriteback does nothing: this system has no such hint.
func startWriteback(*os.File, int64, int64) {}

// moveNoReplace renames from to to unless to exists (fs.ErrExist).
func moveNoReplace(from, to string) error {
	err := unix.RenamexNp(from, to, unix.RENAME_EXCL)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EINVAL) {
		return linkAndRemove(from, to) // this file system does not know the flag
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}
