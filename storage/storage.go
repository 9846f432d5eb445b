// Package storage keeps sealed segments as write-once objects under random
// keys. It says what a store promises and holds the parts that every store
// shares; the stores themselves are in storage/disk, storage/memory and
// storage/s3, and storage/storagetest holds the suite that all of them pass.
//
// A store never sees plaintext and knows nothing of datasets: callers make an
// object durable first and write the row that names it second, so that a crash
// leaves at most an orphan, never a row without its object.
package storage

import (
	"context"
	"io"
	"iter"
	"time"
)

// Object describes a stored object.
type Object struct {
	Key     string
	Size    int64     // bytes
	ModTime time.Time // when its last byte was stored, by the store's clock
}

// Store keeps write-once objects. All methods are safe for concurrent use and
// refuse keys that CheckKey refuses with ErrInvalidKey.
type Store interface {
	// Put stores body under key and returns the number of bytes written. size is
	// the exact length of body, or -1 when unknown; a body of another length
	// gives ErrSize. The object is durable before Put returns nil, and on any
	// error nothing is visible under key. Put never overwrites: ErrExists. Any
	// error of body but io.EOF (io.ErrUnexpectedEOF too) is returned as a
	// *SourceError. A full device gives ErrFull.
	Put(ctx context.Context, key string, body io.Reader, size int64) (int64, error)

	// Open returns length bytes from offset; length -1 means to the end. A range
	// that is negative or passes the end gives ErrRange, an absent key
	// ErrNotExist. ctx ends the reading, too: after it Read returns its error.
	Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)

	// Stat describes the object, or gives ErrNotExist.
	Stat(ctx context.Context, key string) (Object, error)

	// Delete removes the object, durably. ErrNotExist when it is absent.
	Delete(ctx context.Context, key string) error

	// List yields every object in no particular order. The first error is the
	// last thing yielded. Objects that come or go meanwhile may be missed.
	List(ctx context.Context) iter.Seq2[Object, error]

	// Sweep removes what unfinished Puts left behind and was last touched before
	// olderThan, and returns how many. It never touches objects. A running Put
	// older than that fails, so olderThan lies well in the past or before start.
	Sweep(ctx context.Context, olderThan time.Time) (int, error)
}

// IsNear reports whether a Put into the store ends within the time of some syncs
// of this machine, so that a transaction may wait for its end. Stores say so by a
// method Near.
func IsNear(s Store) bool {
	near, ok := s.(interface{ Near() bool })
	return ok && near.Near()
}
