package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// startWriteback asks for bytes to be written out without waiting for them. It
// is a hint only: errors show in the sync that follows.
func startWriteback(f *os.File, offset, length int64) {
	_ = unix.SyncFileRange(int(f.Fd()), offset, length, unix.SYNC_FILE_RANGE_WRITE)
}

// moveNoReplace renames from to to unless to exists (fs.ErrExist).
func moveNoReplace(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return linkAndRemove(from, to) // this file system does not know the flag
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}
