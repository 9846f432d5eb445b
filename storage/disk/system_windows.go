package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// startWriteback does nothing: this system has no such hint.
func startWriteback(*os.File, int64, int64) {}

// moveNoReplace renames from to to unless to exists (fs.ErrExist), and returns
// once the change is on disk.
func moveNoReplace(from, to string) error {
	from16, err := windows.UTF16PtrFromString(from)
	if err != nil {
		return err
	}
	to16, err := windows.UTF16PtrFromString(to)
	if err != nil {
		return err
	}
	if err := windows.MoveFileEx(from16, to16, windows.MOVEFILE_WRITE_THROUGH); err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// syncDir does nothing: this system cannot sync a folder, and the move was
// written through.
func syncDir(string) error { return nil }

func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) ||
		errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}
