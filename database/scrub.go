package database

import (
	"context"
	"database/sql"

	"teikyo/models"
)

// Scrub makes what was deleted before vanish from the files of an embedded
// database: they are written anew, and the log of changes is emptied. Writers wait
// meanwhile. On PostgreSQL it frees the space of deleted rows for reuse; what its
// files and its own log still hold is the business of its operator.
func (db *DB) Scrub(ctx context.Context) error {
	const failed = "the deleted rows could not be wiped from the database's files; it is tried again"
	pool, err := db.pool()
	if err != nil {
		return err
	}
	if db.isPostgres() {
		for _, table := range []string{"ledger_details", "sealed_files", "recipients", "requests", "provisions"} {
			if _, err := pool.ExecContext(ctx, "VACUUM "+table); err != nil {
				return translate(err, failed)
			}
		}
		return nil
	}
	release, err := db.takeTurn(ctx)
	if err != nil {
		return err
	}
	defer release()
	// The copy that VACUUM makes holds no deleted row, and may be larger than the
	// memory.
	for _, statement := range []string{"PRAGMA temp_store = FILE", "VACUUM", "PRAGMA temp_store = MEMORY"} {
		if _, err := pool.ExecContext(ctx, statement); err != nil {
			return translate(err, failed)
		}
	}
	return emptyLog(ctx, pool)
}

// emptyLog brings every change into the file and cuts the log to nothing, which
// waits for readers as long as busy_timeout says.
func emptyLog(ctx context.Context, pool *sql.DB) error {
	var busy, frames, moved int
	if err := pool.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved); err != nil {
		return translate(err, "the database's log of changes could not be emptied; it is tried again")
	}
	if busy != 0 {
		return models.Errorf(models.Unavailable, "somebody reads the database for long, so its log of changes could not be emptied; it is tried again")
	}
	return nil
}
