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
	prepared map[string]*sql.Stmt // GORM's statements, kept from one transaction to the next
}

// keptStatements is how many statements stay prepared. Each list of another length
// makes one of its own, so there must be a limit.
const keptStatements = 300

func newSoleWriter(conn *sql.Conn) *soleWriter {
	return &soleWriter{Conn: conn, prepared: map[string]*sql.Stmt{}}
}

// Close gives the connection back.
func (w *soleWriter) Close() error {
	w.forget()
	return w.Conn.Close()
}

func (w *soleWriter) forget() {
	for query, stmt := range w.prepared {
		_ = stmt.Close()
		delete(w.prepared, query)
	}
}

// statement is a query that is prepared once. Preparing took as long as running
// it. Rows of a query must be read to their end before the same one runs again.
func (w *soleWriter) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt, ok := w.prepared[query]; ok {
		return stmt, nil
	}
	stmt, err := w.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if len(w.prepared) == keptStatements {
		w.forget()
	}
	w.prepared[query] = stmt
	return stmt, nil
}

// ExecContext implements gorm.ConnPool.
func (w *soleWriter) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	stmt, err := w.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

// QueryContext implements gorm.ConnPool.
func (w *soleWriter) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := w.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
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
