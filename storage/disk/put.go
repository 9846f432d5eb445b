package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"teikyo/storage"
)

const (
	bufferSize = 256 << 10 // bytes in each pooled buffer
	// After so many bytes the system is told to start writing them, so that the
	// final sync of a 256 MiB segment finds most of the work done.
	writebackEvery = 8 << 20
)

// Put implements storage.Store.
func (s *Store) Put(ctx context.Context, key string, body io.Reader, size int64) (int64, error) {
	if err := check(ctx, key); err != nil {
		return 0, err
	}
	if _, err := os.Lstat(s.path(key)); err == nil {
		return 0, fmt.Errorf("storage/disk: put: %w", storage.ErrExists)
	}
	f, err := os.CreateTemp(filepath.Join(s.root, tempFolder), key+".*")
	if err != nil {
		return 0, putFailed("create", err)
	}
	defer os.Remove(f.Name()) // after the move it has no name here anymore
	n, err := s.write(f, storage.NewSource(ctx, body, size))
	if closeErr := f.Close(); err == nil && closeErr != nil {
		err = putFailed("close", closeErr)
	}
	if err == nil {
		err = s.publish(ctx, f.Name(), key)
	}
	if err != nil {
		return 0, err
	}
	return n, nil
}

// write copies src to f and makes its contents durable.
func (s *Store) write(f *os.File, src *storage.Source) (int64, error) {
	buf := s.buffers.Get().(*[bufferSize]byte)
	defer s.buffers.Put(buf)
	var started int64
	for {
		n, readErr := src.Read(buf[:])
		if _, err := f.Write(buf[:n]); err != nil {
			return 0, putFailed("write", err)
		}
		if readErr == io.EOF {
			break
		}
		if readErr != nil {
			return 0, readErr
		}
		if done := src.Count(); done-started >= writebackEvery {
			startWriteback(f, started, done-started)
			started = done
		}
	}
	if err := s.syncFile(f); err != nil {
		return 0, putFailed("sync", err)
	}
	return src.Count(), nil
}

// publish gives the finished file its name and makes the name durable.
func (s *Store) publish(ctx context.Context, temp, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.makeFolder(key); err != nil {
		return putFailed("make folder", err)
	}
	if err := s.move(temp, s.path(key)); err != nil {
		return putFailed("move", err)
	}
	if err := s.syncDir(s.folder(key)); err != nil {
		// Not durable, so it must not be visible either.
		return putFailed("sync folder", errors.Join(err, os.Remove(s.path(key))))
	}
	return nil
}

// makeFolder makes the fan-out folder of key. A folder counts only once a sync
// of the root that began after its making has ended: who merely finds it there
// may have overtaken that sync.
func (s *Store) makeFolder(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := key[:fanOut]
	if s.folders[name] {
		return nil
	}
	if err := os.Mkdir(s.folder(key), folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := s.syncDir(s.root); err != nil {
		return err
	}
	s.folders[name] = true
	return nil
}

// putFailed is failed for a Put, where a missing file means a swept one and
// must not read as if the key were absent.
func putFailed(step string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("storage/disk: put: %s: swept or removed from outside: %v", step, err)
	}
	return failed("put: "+step, err)
}
