// Package disk is the store of one machine: a folder of objects, fanned out by
// the first two characters of their keys.
//
//	ROOT/ab/abcdef…     an object, 0600, never changed once it has this name
//	ROOT/.tmp/…         what Puts are still writing; left over after a crash
//
// An object is written under .tmp, synced, moved to its name without replacing
// anything, and its folder is synced. One process may use a root at a time.
package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"teikyo/storage"
)

const (
	tempFolder = ".tmp" // no key starts with a dot
	fanOut     = 2      // characters of the key that name its folder
	folderMode = 0o700
	fileMode   = 0o600
)

// Store is a storage.Store in a folder of this machine. Make it with New.
type Store struct {
	root    string
	buffers sync.Pool // of *[bufferSize]byte

	// The steps that make an object durable; tests let them fail.
	syncFile func(*os.File) error
	syncDir  func(path string) error
	move     func(from, to string) error // never replaces: fs.ErrExist

	mu      sync.Mutex
	folders map[string]bool // fan-out folders whose own entry is durable
}

var _ storage.Store = (*Store)(nil)

// New opens the store in the folder root and makes what is missing of it,
// durably. Folders are 0700 and files 0600.
func New(root string) (*Store, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("storage/disk: %w", err)
	}
	s := &Store{
		root:     abs,
		buffers:  sync.Pool{New: func() any { return new([bufferSize]byte) }},
		syncFile: (*os.File).Sync,
		syncDir:  syncDir,
		move:     moveNoReplace,
		folders:  map[string]bool{},
	}
	if err := s.prepare(); err != nil {
		return nil, fmt.Errorf("storage/disk: open: %w", translate(err))
	}
	return s, nil
}

// prepare makes the folders. What exists may have been made by a process that
// died before it could sync, so the root is synced in any case; a parent that
// may not be read is none that we made.
func (s *Store) prepare() error {
	if err := s.makeDurable(filepath.Join(s.root, tempFolder)); err != nil {
		return err
	}
	if err := s.syncDir(s.root); err != nil {
		return err
	}
	err := s.syncDir(filepath.Dir(s.root))
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// makeDurable makes folder and its missing parents, and syncs each folder that
// got a new entry.
func (s *Store) makeDurable(folder string) error {
	err := os.Mkdir(folder, folderMode)
	switch {
	case err == nil:
		return s.syncDir(filepath.Dir(folder))
	case errors.Is(err, fs.ErrExist):
		return requireFolder(folder)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := s.makeDurable(filepath.Dir(folder)); err != nil {
		return err
	}
	return s.makeDurable(folder)
}

func requireFolder(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", path)
	}
	return err
}

// Near is for storage.IsNear.
func (s *Store) Near() bool { return true }

func (s *Store) folder(key string) string { return filepath.Join(s.root, key[:fanOut]) }
func (s *Store) path(key string) string   { return filepath.Join(s.folder(key), key) }

// Stat implements storage.Store.
func (s *Store) Stat(ctx context.Context, key string) (storage.Object, error) {
	if err := check(ctx, key); err != nil {
		return storage.Object{}, err
	}
	info, err := os.Lstat(s.path(key))
	if err != nil {
		return storage.Object{}, failed("stat", err)
	}
	if !info.Mode().IsRegular() {
		return storage.Object{}, fmt.Errorf("storage/disk: stat %s: not a regular file", key)
	}
	return storage.Object{Key: key, Size: info.Size(), ModTime: info.ModTime()}, nil
}

// Delete implements storage.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	if err := os.Remove(s.path(key)); err != nil {
		return failed("delete", err)
	}
	if err := s.syncDir(s.folder(key)); err != nil {
		return failed("delete: sync folder", err)
	}
	return nil
}

// Sweep implements storage.Store. Files that cannot be removed do not keep it
// from removing the others; their errors come back joined.
func (s *Store) Sweep(ctx context.Context, olderThan time.Time) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	entries, err := os.ReadDir(filepath.Join(s.root, tempFolder))
	if err != nil {
		return 0, failed("sweep", err)
	}
	var removed int
	var failures []error
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return removed, errors.Join(append(failures, err)...)
		}
		gone, err := s.sweepOne(entry, olderThan)
		if err != nil {
			failures = append(failures, failed("sweep", err))
		}
		if gone {
			removed++
		}
	}
	return removed, errors.Join(failures...)
}

func (s *Store) sweepOne(entry fs.DirEntry, olderThan time.Time) (bool, error) {
	info, err := entry.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // its Put has just ended
	}
	if err != nil || !info.ModTime().Before(olderThan) {
		return false, err
	}
	err = os.Remove(filepath.Join(s.root, tempFolder, entry.Name()))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func check(ctx context.Context, key string) error {
	if err := storage.CheckKey(key); err != nil {
		return err
	}
	return ctx.Err()
}

// failed says which step failed, in the words of package storage.
func failed(step string, err error) error {
	return fmt.Errorf("storage/disk: %s: %w", step, translate(err))
}

// translate puts the error of package storage before that of the system.
func translate(err error) error {
	switch {
	case isFull(err):
		return fmt.Errorf("%w: %w", storage.ErrFull, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", storage.ErrNotExist, err)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: %w", storage.ErrExists, err)
	}
	return err
}
