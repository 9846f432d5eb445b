package database

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"teikyo/models"
)

// defaultSettle is how long a commit without an answer is asked about.
const defaultSettle = 60 * time.Second

// changeLock is the advisory lock that every change of a database takes, so that
// changes of all nodes come one after the other, as on SQLite.
const changeLock int64 = 0x7465696b796f00 // "teikyo"

// takePlace waits until no other change runs on the database, whichever node it
// is of: each sees all of what the one before it left. The lock ends with the
// transaction, whatever becomes of the node.
func (db *DB) takePlace(ctx context.Context, c *change) error {
	return c.raw.QueryRowContext(ctx, "SELECT pg_advisory_xact_lock($1)::text, pg_current_xact_id()::text", changeLock).
		Scan(new(sql.NullString), &c.xid)
}

// errUndecided means that the server does not know the transaction.
var errUndecided = errors.New("the server cannot say what became of the transaction")

// settle finds out what became of a COMMIT that failed; nil: it was done.
func (db *DB) settle(c *change, cause error) error {
	var pg *pgconn.PgError
	if errors.As(cause, &pg) && pg.Severity == "ERROR" { // refused, and the connection lives
		return translate(cause, "the change was not saved; try again")
	}
	ctx, cancel := context.WithTimeout(context.Background(), db.settleFor)
	defer cancel()
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		done, err := db.outcome(ctx, c)
		switch {
		case err == nil && done:
			return nil
		case err == nil:
			return models.Wrap(models.Unavailable, cause, "the database broke the connection and nothing was changed; try again")
		case errors.Is(err, errUndecided):
			return db.stop(errors.Join(cause, err))
		}
		select {
		case <-ctx.Done():
			return db.stop(errors.Join(cause, err))
		case <-time.After(wait):
		}
	}
}

// outcome asks over another connection whether c was committed. The lock makes
// it wait until the server is done with c.
func (db *DB) outcome(ctx context.Context, c *change) (bool, error) {
	pool, err := db.pool()
	if err != nil {
		return false, err
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", changeLock); err != nil {
		return false, err
	}
	if len(c.entries) > 0 {
		return hasLeaf(ctx, tx, c)
	}
	var status sql.NullString
	err = tx.QueryRowContext(ctx, "SELECT pg_xact_status($1::xid8)", c.xid).Scan(&status)
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Severity == "ERROR": // a number of the future: another server's
		return false, errUndecided
	case err != nil:
		return false, err
	case status.String != "committed" && status.String != "aborted":
		return false, errUndecided
	}
	return status.String == "committed", nil
}

// hasLeaf looks for the last entry of c. A leaf holds a salted hash: no other
// transaction, and no other server after a failover, has written the same.
func hasLeaf(ctx context.Context, tx *sql.Tx, c *change) (bool, error) {
	var leaf []byte
	err := tx.QueryRowContext(ctx, "SELECT leaf FROM ledger_entries WHERE idx = $1", c.entries[len(c.entries)-1].Index).Scan(&leaf)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return bytes.Equal(leaf, c.leaf), err
}

// Exclusive runs fn while no other process on this database runs one under that
// name. On SQLite this process is the only one.
func (db *DB) Exclusive(ctx context.Context, name string, fn func(ctx context.Context) error) error {
	_, err := db.locked(ctx, "SELECT pg_advisory_lock(hashtextextended($1, 0)) IS NOT NULL", name, fn)
	return err
}

// Alone is Exclusive that does nothing when another process is at it; it reports
// whether fn ran.
func (db *DB) Alone(ctx context.Context, name string, fn func(ctx context.Context) error) (bool, error) {
	return db.locked(ctx, "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", name, fn)
}

func (db *DB) locked(ctx context.Context, query, name string, fn func(ctx context.Context) error) (bool, error) {
	if !db.isPostgres() {
		return true, fn(ctx)
	}
	pool, err := db.read.DB()
	if err != nil {
		return false, err
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return false, translate(err, "the database does not answer")
	}
	defer conn.Close()
	var held bool
	if err := conn.QueryRowContext(ctx, query, "teikyo "+name).Scan(&held); err != nil {
		return false, translate(err, "another node is at work; try again")
	}
	if !held {
		return false, nil
	}
	defer unlock(conn, name)
	return true, whileHeld(ctx, conn, fn)
}

// unlock gives a lock back. The driver closes a connection over which that fails,
// and the server then lets go itself.
func unlock(conn *sql.Conn, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), lockCheck)
	defer cancel()
	_, _ = conn.ExecContext(ctx, "SELECT pg_advisory_unlock(hashtextextended($1, 0))", "teikyo "+name)
}

// lockCheck is how often a lock that is held is looked at.
const lockCheck = 5 * time.Second

// whileHeld runs fn and ends its context when the connection that holds the lock
// is gone, because then another process may have it.
func whileHeld(ctx context.Context, conn *sql.Conn, fn func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var watch errgroup.Group
	watch.Go(func() error {
		tick := time.NewTicker(lockCheck)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
			if err := conn.PingContext(ctx); err != nil {
				cancel(models.Wrap(models.Unavailable, err, "the database does not answer"))
				return nil
			}
		}
	})
	err := fn(ctx)
	cancel(nil)
	_ = watch.Wait()
	return err
}

// translatePostgres maps SQLSTATE codes (PostgreSQL manual, appendix A).
func translatePostgres(err *pgconn.PgError, msg string) error {
	switch err.Code {
	case "23505":
		return models.Wrap(models.Conflict, err, "it exists already")
	case "23503":
		return models.Wrap(models.Conflict, err, "something that it refers to does not exist")
	case "53100":
		return models.Wrap(models.Full, err, "no space left on the database server; nothing was changed")
	case "22021", "22P05":
		return models.Wrap(models.Invalid, err, "a text holds a character that cannot be stored; remove NUL and broken UTF-8")
	case "25006":
		return models.Wrap(models.Unavailable, err, "the database takes no changes now: it is a standby; try again")
	case "XX001", "XX002":
		return models.Wrap(models.Integrity, err, "the database is damaged; stop the server and restore a backup")
	}
	switch err.Code[:min(2, len(err.Code))] {
	case "40", "55", "57", "53", "08": // conflicts, locks, shutdown and time limits, too many connections, connection
		return models.Wrap(models.Unavailable, err, "the database is busy; try again")
	}
	return models.Wrap(models.Internal, err, msg)
}

// outOfReach reports whether err means that PostgreSQL did not answer, or that
// the connection broke before it did.
func outOfReach(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.Timeout(err) || pgconn.SafeToRetry(err) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, sql.ErrConnDone)
}
