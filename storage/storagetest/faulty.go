package storagetest

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"time"

	"teikyo/storage"
)

// ErrInjected is the error of an injected fault that names no other.
var ErrInjected = errors.New("storagetest: injected fault")

// Op is a method of storage.Store.
type Op string

// The methods that can fail.
const (
	OpPut    Op = "put"
	OpOpen   Op = "open"
	OpStat   Op = "stat"
	OpDelete Op = "delete"
	OpList   Op = "list"
	OpSweep  Op = "sweep"
)

// Flavour says how a call fails.
type Flavour int

const (
	// Fails does nothing but return the error. A Put has read part of its body.
	Fails Flavour = iota + 1
	// FailsButPersists does the work and returns the error all the same: the
	// answer got lost. For Open and List, which change nothing, it fails after
	// half of what was asked for has been given.
	FailsButPersists
)

// Faulty is a store that fails when told to. The zero value with a Store set
// never fails. Safe for concurrent use.
type Faulty struct {
	storage.Store

	mu     sync.Mutex
	calls  map[Op]int
	faults map[Op]map[int]fault // by the number of the call
}

// Near is for storage.IsNear: as the store it wraps.
func (f *Faulty) Near() bool { return storage.IsNear(f.Store) }

type fault struct {
	flavour Flavour
	err     error
}

var _ storage.Store = (*Faulty)(nil)

// NewFaulty wraps s.
func NewFaulty(s storage.Store) *Faulty { return &Faulty{Store: s} }

// Fail lets the nth call of op from now on fail (1 is the next one) with err,
// or with ErrInjected when err is nil.
func (f *Faulty) Fail(op Op, nth int, flavour Flavour, err error) {
	if err == nil {
		err = ErrInjected
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.faults == nil {
		f.faults = map[Op]map[int]fault{}
	}
	if f.faults[op] == nil {
		f.faults[op] = map[int]fault{}
	}
	f.faults[op][f.calls[op]+nth] = fault{flavour, err}
}

// Calls returns how often op was called, failures included.
func (f *Faulty) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// Pending returns how many faults have not struck yet.
func (f *Faulty) Pending() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, faults := range f.faults {
		n += len(faults)
	}
	return n
}

// next counts a call of op and takes the fault that is due.
func (f *Faulty) next(op Op) fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil {
		f.calls = map[Op]int{}
	}
	f.calls[op]++
	due := f.faults[op][f.calls[op]]
	delete(f.faults[op], f.calls[op])
	return due
}

// Put implements storage.Store.
func (f *Faulty) Put(ctx context.Context, key string, body io.Reader, size int64) (int64, error) {
	switch due := f.next(OpPut); due.flavour {
	case Fails:
		_, _ = io.CopyN(io.Discard, body, max(size/2, 1))
		return 0, due.err
	case FailsButPersists:
		if _, err := f.Store.Put(ctx, key, body, size); err != nil {
			return 0, err
		}
		return 0, due.err
	}
	return f.Store.Put(ctx, key, body, size)
}

// Open implements storage.Store.
func (f *Faulty) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	due := f.next(OpOpen)
	if due.flavour == Fails {
		return nil, due.err
	}
	r, err := f.Store.Open(ctx, key, offset, length)
	if err != nil || due.flavour == 0 {
		return r, err
	}
	obj, err := f.Store.Stat(ctx, key)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	n, err := storage.ResolveRange(obj.Size, offset, length)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return &brokenReader{ReadCloser: r, left: n / 2, err: due.err}, nil
}

// brokenReader fails after left bytes.
type brokenReader struct {
	io.ReadCloser
	left int64
	err  error
}

func (r *brokenReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, r.err
	}
	n, err := r.ReadCloser.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
}

// Stat implements storage.Store.
func (f *Faulty) Stat(ctx context.Context, key string) (storage.Object, error) {
	if due := f.next(OpStat); due.flavour != 0 {
		return storage.Object{}, due.err
	}
	return f.Store.Stat(ctx, key)
}

// Delete implements storage.Store.
func (f *Faulty) Delete(ctx context.Context, key string) error {
	due := f.next(OpDelete)
	if due.flavour == Fails {
		return due.err
	}
	if err := f.Store.Delete(ctx, key); err != nil {
		return err
	}
	return due.err
}

// List implements storage.Store.
func (f *Faulty) List(ctx context.Context) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		due := f.next(OpList)
		if due.flavour == 0 {
			f.Store.List(ctx)(yield)
			return
		}
		var objects []storage.Object
		for obj, err := range f.Store.List(ctx) {
			if err != nil || due.flavour == Fails {
				break
			}
			objects = append(objects, obj)
		}
		for _, obj := range objects[:len(objects)/2] {
			if !yield(obj, nil) {
				return
			}
		}
		yield(storage.Object{}, due.err)
	}
}

// Sweep implements storage.Store.
func (f *Faulty) Sweep(ctx context.Context, olderThan time.Time) (int, error) {
	due := f.next(OpSweep)
	if due.flavour == Fails {
		return 0, due.err
	}
	n, err := f.Store.Sweep(ctx, olderThan)
	if err == nil && due.flavour != 0 {
		return 0, due.err
	}
	return n, err
}
