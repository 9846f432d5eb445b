package database

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"gorm.io/gorm"

	"teikyo/ledger"
	"teikyo/models"
)

// change is an open transaction: it travels in the context, so that every
// method of DB that is called inside Update takes part in it.
type change struct {
	raw     transaction
	tx      *gorm.DB // on raw
	xid     string   // PostgreSQL's number of the transaction
	entries []*ledger.Entry
	leaf    []byte // of the last entry, once it is written
	after   []func()
}

type changeKey struct{}

func changeOf(ctx context.Context) *change {
	c, _ := ctx.Value(changeKey{}).(*change)
	return c
}

// Update runs fn in one transaction and commits what it did together with the
// ledger entries that it appended. When fn or the commit fails nothing is left.
// Calls inside fn must use the context that fn gets. An Update inside an Update
// joins it.
//
// Once it has its turn the transaction runs to its end even if ctx is cancelled
// meanwhile: a client that goes away must not leave the outcome unknown.
func (db *DB) Update(ctx context.Context, fn func(ctx context.Context) error) error {
	if changeOf(ctx) != nil {
		return fn(ctx)
	}
	if err := db.dead.check(); err != nil {
		return err
	}
	release, err := db.takeTurn(ctx)
	if err != nil {
		return err
	}
	c := &change{}
	lasting, end := db.lasting(ctx)
	tree, err := db.transact(lasting, c, fn)
	end()
	release()
	if err != nil {
		return err
	}
	for _, f := range c.after {
		f()
	}
	if len(c.entries) > 0 {
		db.notify.committed(tree)
	}
	return nil
}

// lasting is the context of a transaction. On a network, even a transaction has
// to end some time.
func (db *DB) lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx = context.WithoutCancel(ctx)
	if db.isPostgres() {
		return context.WithTimeout(ctx, transactionTimeout)
	}
	return ctx, func() {}
}

// takeTurn waits in the queue of writers. Go serves blocked channel senders
// first in, first out, which SQLite's own lock does not.
func (db *DB) takeTurn(ctx context.Context) (func(), error) {
	select {
	case db.turn <- struct{}{}:
		return func() { <-db.turn }, nil
	case <-ctx.Done():
		return nil, models.Wrap(models.Unavailable, ctx.Err(), "the server is busy; try again")
	}
}

func (db *DB) transact(ctx context.Context, c *change, fn func(ctx context.Context) error) (ledgerTree, error) {
	if err := db.begin(ctx, c); err != nil {
		return ledgerTree{}, db.fault(err, "the database is not writable now; try again")
	}
	done := false
	defer func() {
		if !done { // fn failed or panicked
			_ = c.raw.Rollback()
		}
	}()
	if err := fn(context.WithValue(ctx, changeKey{}, c)); err != nil {
		return ledgerTree{}, err
	}
	tree, err := db.appendAll(c)
	if err != nil {
		return ledgerTree{}, err
	}
	done = true
	if err := c.raw.Commit(); err != nil {
		if err := db.commitFault(c, err); err != nil {
			return ledgerTree{}, err
		}
	}
	db.head.keep(tree)
	return tree, nil
}

// begin opens the transaction of c. GORM's own Begin would wrap it in a cache of
// statements that prepares each of them anew every time: a statement that was
// prepared inside a transaction belongs to it.
func (db *DB) begin(ctx context.Context, c *change) error {
	var err error
	if db.sole != nil {
		err = db.sole.begin(ctx)
		c.raw = db.sole
	} else {
		var pool *sql.DB
		if pool, err = db.pool(); err == nil {
			c.raw, err = pool.BeginTx(ctx, nil)
		}
	}
	if err != nil {
		return err
	}
	c.tx = db.write.WithContext(ctx)
	c.tx.Statement.ConnPool = c.raw
	if db.isPostgres() {
		if err := db.takePlace(ctx, c); err != nil {
			return errors.Join(err, c.raw.Rollback())
		}
	}
	return nil
}

// conn is the transaction or the snapshot of ctx, or the pool for reading.
func (db *DB) conn(ctx context.Context) *gorm.DB {
	if c := changeOf(ctx); c != nil {
		return c.tx.WithContext(ctx)
	}
	if tx, ok := ctx.Value(snapshotKey{}).(*gorm.DB); ok {
		return tx.WithContext(ctx)
	}
	return db.read.WithContext(ctx)
}

// mutate is the transaction of ctx. Writing outside Update is a bug: it would
// go past the queue of writers and the ledger.
func (db *DB) mutate(ctx context.Context) *gorm.DB {
	c := changeOf(ctx)
	if c == nil {
		panic("database: write outside Update")
	}
	return c.tx.WithContext(ctx)
}

// AfterCommit runs f once the transaction of ctx has been committed.
func (db *DB) AfterCommit(ctx context.Context, f func()) {
	c := changeOf(ctx)
	if c == nil {
		panic("database: AfterCommit outside Update")
	}
	c.after = append(c.after, f)
}

// subscribers hear of every committed tree.
type subscribers struct {
	mu   sync.Mutex
	list []func(ledgerTree)
}

func (s *subscribers) add(f func(ledgerTree)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, f)
}

func (s *subscribers) committed(tree ledgerTree) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.list {
		f(tree)
	}
}
