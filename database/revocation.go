package database

import (
	"context"
	"sync"
)

// wakers are called after an early end was committed by this process.
type wakers struct {
	mu   sync.Mutex
	list []func()
}

func (w *wakers) add(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, f)
}

func (w *wakers) call() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.list {
		f()
	}
}

// OnRevoke calls f after every early end that this process commits, so that it
// need not wait for its own polling. f must not block.
func (db *DB) OnRevoke(f func()) { db.revoked.add(f) }

// Revoke counts an early end in the transaction of ctx, so that every node
// notices within its polling interval (DESIGN decision 12).
func (db *DB) Revoke(ctx context.Context) error {
	err := db.mutate(ctx).Exec("UPDATE revocation SET counter = counter + 1 WHERE id = 1").Error
	if err != nil {
		return db.fault(err, "the end could not be recorded")
	}
	db.AfterCommit(ctx, db.revoked.call)
	return nil
}

// RevocationCounter is the number of early ends so far.
func (db *DB) RevocationCounter(ctx context.Context) (int64, error) {
	var n int64
	err := scanRow(db.conn(ctx).Raw("SELECT counter FROM revocation WHERE id = 1"), &n)
	return n, translate(err, "the revocation counter cannot be read")
}
