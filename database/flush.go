package database

import (
	"context"

	"teikyo/models"
)

// Flush brings everything into the file of a SQLite database itself, so that
// after Close the file can be moved alone. PostgreSQL needs nothing of the kind.
func (db *DB) Flush(ctx context.Context) error {
	if db.isPostgres() {
		return nil
	}
	pool, err := db.pool()
	if err != nil {
		return err
	}
	var busy, log, done int
	if err := pool.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &done); err != nil {
		return db.fault(err, "the database could not be written whole")
	}
	if busy != 0 {
		return models.Errorf(models.Unavailable, "the database is used by another program; try again")
	}
	return nil
}
