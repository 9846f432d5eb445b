// Package memory is a store that forgets: for tests and the demo. It keeps the
// promises of storage.Store except that nothing outlives the process.
package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"teikyo/storage"
)

// Store is a storage.Store in memory. Make it with New.
type Store struct {
	now func() time.Time

	mu      sync.RWMutex
	objects map[string]object
}

type object struct {
	body    []byte // never changed
	modTime time.Time
}

var _ storage.Store = (*Store)(nil)

// New returns an empty store that dates its objects by now.
func New(now func() time.Time) *Store {
	return &Store{now: now, objects: map[string]object{}}
}

// Near is for storage.IsNear.
func (s *Store) Near() bool { return true }

// Put implements storage.Store.
func (s *Store) Put(ctx context.Context, key string, body io.Reader, size int64) (int64, error) {
	switch _, err := s.get(ctx, key); {
	case err == nil:
		return 0, fmt.Errorf("storage/memory: put: %w", storage.ErrExists)
	case !errors.Is(err, storage.ErrNotExist):
		return 0, err
	}
	src := storage.NewSource(ctx, body, size)
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(src); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.objects[key]; taken {
		return 0, fmt.Errorf("storage/memory: put: %w", storage.ErrExists)
	}
	s.objects[key] = object{body: buf.Bytes(), modTime: s.now()}
	return src.Count(), nil
}

// get returns the object of key.
func (s *Store) get(ctx context.Context, key string) (object, error) {
	if err := storage.CheckKey(key); err != nil {
		return object{}, err
	}
	if err := ctx.Err(); err != nil {
		return object{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	obj, ok := s.objects[key]
	if !ok {
		return object{}, fmt.Errorf("storage/memory: %w", storage.ErrNotExist)
	}
	return obj, nil
}

// Open implements storage.Store.
func (s *Store) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	obj, err := s.get(ctx, key)
	if err != nil {
		return nil, err
	}
	n, err := storage.ResolveRange(int64(len(obj.body)), offset, length)
	if err != nil {
		return nil, fmt.Errorf("storage/memory: open: %w", err)
	}
	return &reader{ctx: ctx, rest: obj.body[offset : offset+n]}, nil
}

// Stat implements storage.Store.
func (s *Store) Stat(ctx context.Context, key string) (storage.Object, error) {
	obj, err := s.get(ctx, key)
	if err != nil {
		return storage.Object{}, err
	}
	return obj.describe(key), nil
}

func (o object) describe(key string) storage.Object {
	return storage.Object{Key: key, Size: int64(len(o.body)), ModTime: o.modTime}
}

// Delete implements storage.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := storage.CheckKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.objects[key]; !ok {
		return fmt.Errorf("storage/memory: delete: %w", storage.ErrNotExist)
	}
	delete(s.objects, key)
	return nil
}

// List implements storage.Store, in the order of the keys.
func (s *Store) List(ctx context.Context) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		s.mu.RLock()
		seen := maps.Clone(s.objects)
		s.mu.RUnlock()
		for _, key := range slices.Sorted(maps.Keys(seen)) {
			if err := ctx.Err(); err != nil {
				yield(storage.Object{}, err)
				return
			}
			if !yield(seen[key].describe(key), nil) {
				return
			}
		}
	}
}

// Sweep implements storage.Store: an unfinished Put leaves nothing here.
func (s *Store) Sweep(ctx context.Context, _ time.Time) (int, error) {
	return 0, ctx.Err()
}

// reader reads a range of an object until its context ends.
type reader struct {
	ctx    context.Context
	rest   []byte
	closed bool
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.closed {
		return 0, fmt.Errorf("storage/memory: read: %w", fs.ErrClosed)
	}
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close makes later reads fail, as they would on a file.
func (r *reader) Close() error {
	r.closed = true
	return nil
}
