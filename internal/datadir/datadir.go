// Package datadir is the data folder of a server: where things stand in it, the
// lock that keeps a second server out, and what the filesystem below it is like.
package datadir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Names in the data folder.
const (
	DatabaseFile   = "teikyo.db"
	ObjectsDir     = "objects"
	KeysDir        = "keys"
	CheckpointsDir = "checkpoints"
	AdminSocket    = "admin.sock"
	SetupCodeFile  = "setup-code"
	StoreFile      = "store" // which object store was used last
	LockFile       = "lock"
)

// ErrLocked means that another process uses the folder.
var ErrLocked = errors.New("another teikyo process uses the data folder")

// Folder is a data folder that this process alone uses.
type Folder struct {
	path string
	lock *os.File
}

// Open makes the folder (0700) when it is missing and locks it. Errors wrap
// ErrLocked when another process holds it; the lock ends with the process,
// however it ends.
func Open(path string) (*Folder, error) {
	f, err := Reserve(path)
	if err != nil {
		return nil, err
	}
	if err := makePrivate(f.Path(DatabaseFile)); err != nil {
		f.Close()
		return nil, fmt.Errorf("data folder: %w", err)
	}
	return f, nil
}

// Reserve is Open for a folder that is to have no database yet.
func Reserve(path string) (*Folder, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := os.Chmod(abs, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	f := &Folder{path: abs}
	if err := f.takeLock(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *Folder) takeLock() error {
	lock, err := os.OpenFile(f.Path(LockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if err := lockExclusive(lock); err != nil {
		lock.Close()
		if errors.Is(err, ErrLocked) {
			return fmt.Errorf("%w %s%s", ErrLocked, f.path, holder(f.Path(LockFile)))
		}
		return fmt.Errorf("lock the data folder: %w", err)
	}
	f.lock = lock
	// Who holds it is for people; the lock itself is the system's.
	_ = lock.Truncate(0)
	_, _ = lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return nil
}

func holder(path string) string {
	text, err := os.ReadFile(path)
	if pid := strings.TrimSpace(string(text)); err == nil && pid != "" {
		return " (process " + pid + ")"
	}
	return ""
}

// makePrivate makes an empty file that nobody else may read, where there is none:
// the database would make it with the usual mode.
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// Close gives the lock back.
func (f *Folder) Close() error { return f.lock.Close() }

// Root is the absolute path of the folder.
func (f *Folder) Root() string { return f.path }

// Path is where a file or folder of that name stands.
func (f *Folder) Path(name string) string { return filepath.Join(f.path, name) }
