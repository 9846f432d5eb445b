package database

import (
	"context"
	"database/sql"
	"errors"

	"gorm.io/gorm"
	"modernc.org/sqlite"
)

// transaction is what a change runs in: *sql.Tx on PostgreSQL, soleWriter on
// SQLite.
type transaction interface {
	gorm.ConnPool
	Commit() error
	Rollback() error
	// StmtContext is a statement of the pool for use in the transaction.
	StmtContext(ctx context.Context, stmt *sql.Stmt) *sql.Stmt
}

// soleWriter is the one connection that writes to SQLite, with its transaction
// when one is open. A sql.Tx would start a goroutine for every transaction, which
// took a tenth of the time of a short one; nothing here needs it, because a
// change runs to its end whatever its context does.
type soleWriter struct {
	*sql.Conn
}

// begin opens the transaction. One that an error left open is given up first.
func (w *soleWriter) begin(ctx context.Context) error {
	_, err := w.ExecContext(ctx, "BEGIN IMMEDIATE")
	var lite *sqlite.Error
	if errors.As(err, &lite) && lite.Code() == sqliteError && w.Rollback() == nil {
		_, err = w.ExecContext(ctx, "BEGIN IMMEDIATE")
	}
	return err
}

// Commit ends the transaction. After an error it may still be open.
func (w *soleWriter) Commit() error {
	_, err := w.ExecContext(context.Background(), "COMMIT")
	return err
}

// Rollback gives the transaction up. SQLite has done so itself after some errors
// and then answers that there is none.
func (w *soleWriter) Rollback() error {
	_, err := w.ExecContext(context.Background(), "ROLLBACK")
	return err
}

// StmtContext returns the statement itself: it was prepared on this connection.
func (w *soleWriter) StmtContext(_ context.Context, stmt *sql.Stmt) *sql.Stmt { return stmt }
