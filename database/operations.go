package database

import (
	"context"
	"errors"
	"net/url"
	"os"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"

	"teikyo/models"
)

// OpenReadOnly opens the SQLite database in a file for reading alone, without
// bringing its schema up to date: to verify a ledger while a server runs on it,
// or in a copy that must not change.
func OpenReadOnly(ctx context.Context, path string) (*DB, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, models.Errorf(models.NotFound, "there is no database at %s", path)
	}
	db, err := openReadOnly(ctx, path, "ro")
	if err == nil {
		return db, nil
	}
	if _, statErr := os.Stat(path + "-wal"); errors.Is(statErr, os.ErrNotExist) {
		// A folder that is not writable cannot hold the index of the log of
		// changes; without such a log the file itself is all there is.
		return openReadOnly(ctx, path, "immutable")
	}
	return nil, err
}

// OpenPostgresReadOnly is OpenReadOnly for PostgreSQL: nothing can be written
// over its connections.
func OpenPostgresReadOnly(ctx context.Context, opts Options) (*DB, error) {
	db := &DB{opts: opts, postgres: true, turn: make(chan struct{}, 1)}
	pool, err := db.openPool("5min", 4, "default_transaction_read_only", "on")
	if err != nil {
		return nil, err
	}
	db.write, db.read = pool, pool
	db.dead.set(models.Errorf(models.Unavailable, "the database was opened for reading alone"))
	var found bool
	err = scanRow(pool.WithContext(ctx).Raw("SELECT to_regclass('ledger_head') IS NOT NULL"), &found)
	if err == nil && !found {
		err = models.Errorf(models.Integrity, "the database of database.url holds no ledger")
	}
	if err != nil {
		db.Close()
		return nil, translate(err, "the database cannot be read")
	}
	return db, nil
}

func openReadOnly(ctx context.Context, path, mode string) (*DB, error) {
	q := url.Values{"_pragma": {"busy_timeout(10000)", "query_only(1)", "cache_size(-16000)"}}
	if mode == "immutable" {
		q.Set("immutable", "1")
	}
	q.Set("mode", "ro")
	dsn := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
	pool, err := gorm.Open(sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: dsn}), gormConfig())
	if err != nil {
		return nil, translate(err, "the database cannot be opened")
	}
	db := &DB{write: pool, read: pool, turn: make(chan struct{}, 1)}
	db.dead.set(models.Errorf(models.Unavailable, "the database was opened for reading alone"))
	var tables int64
	err = scanRow(pool.WithContext(ctx).Raw("SELECT count(*) FROM sqlite_master WHERE name = 'ledger_head'"), &tables)
	if err == nil && tables == 0 {
		err = models.Errorf(models.Integrity, "%s holds no ledger", path)
	}
	if err != nil {
		db.Close()
		return nil, translate(err, "the database cannot be read")
	}
	return db, nil
}
