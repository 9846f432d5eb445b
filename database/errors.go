package database

import (
	"errors"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	"modernc.org/sqlite"

	"teikyo/models"
)

// Result codes of SQLite (sqlite.org/rescode.html); GORM's translated errors do
// not appear with this driver.
const (
	sqliteError    = 1
	sqliteBusy     = 5
	sqliteLocked   = 6
	sqliteReadOnly = 8
	sqliteIOErr    = 10
	sqliteCorrupt  = 11
	sqliteFull     = 13
	sqliteCantOpen = 14
	sqliteNotADB   = 26
	sqliteUnique   = 2067
	sqlitePrimary  = 1555
	sqliteForeign  = 787
)

// translate turns an error of the driver into one of models; msg is shown to
// people where the code itself does not say what happened.
func translate(err error, msg string) error {
	var known *models.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case errors.Is(err, gorm.ErrRecordNotFound):
		return models.Wrap(models.NotFound, err, "not found; check the id")
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return translateSQLite(lite, msg)
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return translatePostgres(pg, msg)
	}
	if outOfReach(err) {
		return models.Wrap(models.Unavailable, err, "the database does not answer; try again")
	}
	return models.Wrap(models.Internal, err, msg)
}

func translateSQLite(err *sqlite.Error, msg string) error {
	switch err.Code() {
	case sqliteUnique, sqlitePrimary:
		return models.Wrap(models.Conflict, err, "it exists already")
	case sqliteForeign:
		return models.Wrap(models.Conflict, err, "something that it refers to does not exist")
	}
	switch err.Code() & 0xff {
	case sqliteFull:
		return models.Wrap(models.Full, err, "no space left on the server's disk; nothing was changed; "+
			"free some space and try again")
	case sqliteBusy, sqliteLocked:
		return models.Wrap(models.Unavailable, err, "the database is locked by another program; try again")
	case sqliteReadOnly, sqliteCantOpen:
		return models.Wrap(models.Unavailable, err, "the database file is not writable for the server; "+
			"check the owner and mode of the data folder")
	case sqliteCorrupt, sqliteNotADB:
		return models.Wrap(models.Integrity, err, "the database file is damaged; stop the server and restore a backup")
	default:
		return models.Wrap(models.Internal, err, msg)
	}
}

// fatalState remembers that the database may not be used any more.
type fatalState struct {
	mu  sync.Mutex
	err error
}

func (f *fatalState) check() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// set keeps the first error and reports whether it was the first.
func (f *fatalState) set(err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return false
	}
	f.err = err
	return true
}

// fault translates err and stops the database when it is an I/O error.
func (db *DB) fault(err error, msg string) error {
	if err == nil {
		return nil
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) && (lite.Code()&0xff == sqliteIOErr || lite.Code()&0xff == sqliteCorrupt) {
		return db.stop(err)
	}
	return translate(err, msg)
}

// commitFault decides what a failed COMMIT means; nil: it was done all the same.
// Full disk and a busy lock are clean: SQLite rolled back or still can. PostgreSQL
// can be asked. Anything else may or may not be on disk, and only recovery at the
// next start tells.
func (db *DB) commitFault(c *change, err error) error {
	if db.isPostgres() {
		return db.settle(c, err)
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff {
		case sqliteFull, sqliteBusy, sqliteReadOnly:
			_ = c.raw.Rollback()
			return translate(err, "")
		}
	}
	return db.stop(err)
}

func (db *DB) stop(err error) error {
	fatal := models.Wrap(models.Unavailable, err,
		"the database failed and the server stops; it recovers at the next start")
	if db.dead.set(fatal) && db.opts.Fatal != nil {
		go db.opts.Fatal(fatal)
	}
	return fatal
}
