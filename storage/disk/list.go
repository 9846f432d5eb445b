package disk

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"teikyo/storage"
)

// listBatch is how many names are read from a folder at once.
const listBatch = 1024

// List implements storage.Store. Names that are no keys, or stand in the wrong
// folder, are none of ours and left out.
func (s *Store) List(ctx context.Context) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		folders, err := os.ReadDir(s.root)
		if err != nil {
			yield(storage.Object{}, failed("list", err))
			return
		}
		for _, folder := range folders {
			if !folder.IsDir() || len(folder.Name()) != fanOut {
				continue
			}
			if !s.listFolder(ctx, folder.Name(), yield) {
				return
			}
		}
	}
}

// listFolder yields the objects of one folder; false means stop.
func (s *Store) listFolder(ctx context.Context, name string, yield func(storage.Object, error) bool) bool {
	dir, err := os.Open(filepath.Join(s.root, name))
	if err != nil {
		yield(storage.Object{}, failed("list", err))
		return false
	}
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(listBatch)
		for _, entry := range entries {
			if !listEntry(ctx, name, entry, yield) {
				return false
			}
		}
		if err == io.EOF {
			return true
		}
		if err != nil {
			yield(storage.Object{}, failed("list", err))
			return false
		}
	}
}

func listEntry(ctx context.Context, folder string, entry fs.DirEntry, yield func(storage.Object, error) bool) bool {
	if err := ctx.Err(); err != nil {
		yield(storage.Object{}, err)
		return false
	}
	key := entry.Name()
	if storage.CheckKey(key) != nil || key[:fanOut] != folder || !entry.Type().IsRegular() {
		return true
	}
	info, err := entry.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return true // deleted meanwhile
	}
	if err != nil {
		yield(storage.Object{}, failed("list", err))
		return false
	}
	return yield(storage.Object{Key: key, Size: info.Size(), ModTime: info.ModTime()}, nil)
}
