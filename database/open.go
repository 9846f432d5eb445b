package database

import (
	"context"
	"database/sql"
	"io"
	"log/slog"
	"net/url"
	"runtime"
	"strings"
	"time"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
	_ "modernc.org/sqlite" // the driver named "sqlite": no C compiler needed

	"teikyo/ledger"
	"teikyo/models"
)

// Options says which database to open and what it needs from outside.
type Options struct {
	// URL is "sqlite:PATH" or "postgres://…".
	URL string
	// Password is that of PostgreSQL when the URL holds none.
	Password string
	// MaxConns is how many connections to PostgreSQL are open at most; zero
	// means DefaultMaxConns, the least is 8.
	MaxConns int
	// Rand is the source of salts; crypto/rand.Reader.
	Rand io.Reader
	// Now is the wall clock; nil means time.Now.
	Now func() time.Time
	// Gate is asked before every ledger entry; an error refuses the whole
	// change (DESIGN decisions 8 and 20). It may be nil.
	Gate func(kind ledger.Kind) error
	// Log may be nil.
	Log *slog.Logger
	// Fatal is called once, in its own goroutine, when the database is in a
	// state that only a restart clears: an I/O error, a failed fsync or a commit
	// whose outcome is unknown. It may be nil.
	Fatal func(error)
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	opts      Options
	postgres  bool
	settleFor time.Duration // how long a commit without an answer is asked about
	write     *gorm.DB      // SQLite: one connection, BEGIN IMMEDIATE
	read      *gorm.DB
	turn      chan struct{} // the fair queue of writers of this process
	head      headCache
	sole      *soleWriter // nil on PostgreSQL
	ledgerSQL *ledgerSQL
	notify    subscribers
	second    secondPlace
	dead      fatalState

	revoked wakers
	keep    keeping
}

// Open opens the database, checks its settings and brings its schema up to
// date.
func Open(ctx context.Context, opts Options) (*DB, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	db := &DB{opts: opts, settleFor: defaultSettle}
	scheme, rest, _ := strings.Cut(opts.URL, ":")
	var err error
	switch scheme {
	case "sqlite":
		err = db.openSQLite(ctx, rest)
	case "postgres", "postgresql":
		err = db.openPostgres(ctx)
	default:
		return nil, models.Errorf(models.Invalid, "database.url must start with sqlite: or postgres:")
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	if err := db.bringUpToDate(ctx); err != nil {
		db.Close()
		return nil, err
	}
	if err := db.prepareWriting(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// prepareWriting takes the connection that writes and prepares the statements of
// the ledger.
func (db *DB) prepareWriting(ctx context.Context) error {
	pool, err := db.pool()
	if err != nil {
		return err
	}
	if db.isPostgres() {
		db.ledgerSQL, err = db.prepareLedger(ctx, pool)
		return err
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return translate(err, "the database cannot be opened")
	}
	db.sole = newSoleWriter(conn)
	db.ledgerSQL, err = db.prepareLedger(ctx, conn)
	return err
}

// Close waits for nothing: callers stop their work first.
func (db *DB) Close() error {
	var first error
	if db.sole != nil {
		db.ledgerSQL.close() // a statement that stays open keeps its file open
		first = db.sole.Close()
	}
	for _, pool := range []*gorm.DB{db.write, db.read} {
		if pool == nil {
			continue
		}
		if conn, err := pool.DB(); err == nil {
			if err := conn.Close(); err != nil && first == nil {
				first = err
			}
		}
	}
	return first
}

// sqliteDSN sets what every connection needs: durable commits in WAL mode,
// foreign keys, and the write lock at BEGIN, without which concurrent
// read-modify-writes fail at once in spite of busy_timeout.
func sqliteDSN(path string, readOnly bool) string {
	q := url.Values{}
	for _, p := range []string{
		"busy_timeout(10000)", "journal_mode(WAL)", "foreign_keys(1)", "synchronous(FULL)",
		"cache_size(-16000)", "temp_store(MEMORY)", "secure_delete(1)",
	} {
		q.Add("_pragma", p)
	}
	if readOnly {
		q.Add("_pragma", "query_only(1)")
	} else {
		q.Set("_txlock", "immediate")
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

func (db *DB) openSQLite(ctx context.Context, path string) error {
	open := func(readOnly bool, conns int) (*gorm.DB, error) {
		pool, err := gorm.Open(
			sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: sqliteDSN(path, readOnly)}), gormConfig())
		if err != nil {
			return nil, translate(err, "the database cannot be opened")
		}
		conn, err := pool.DB()
		if err != nil {
			return nil, err
		}
		conn.SetMaxOpenConns(conns)
		conn.SetMaxIdleConns(conns)
		return pool, nil
	}
	var err error
	if db.write, err = open(false, 2); err != nil { // the sole writer, and one for migrations and settings
		return err
	}
	if db.read, err = open(true, max(4, 2*runtime.NumCPU())); err != nil {
		return err
	}
	db.turn = make(chan struct{}, 1)
	return db.checkSQLite(ctx)
}

// checkSQLite refuses a connection whose settings are not what durability and
// integrity need.
func (db *DB) checkSQLite(ctx context.Context) error {
	pool, err := db.pool()
	if err != nil {
		return err
	}
	want := []struct{ pragma, value string }{
		{"PRAGMA journal_mode", "wal"}, {"PRAGMA synchronous", "2"}, {"PRAGMA foreign_keys", "1"},
	}
	for _, w := range want {
		var got string
		if err := pool.QueryRowContext(ctx, w.pragma).Scan(&got); err != nil {
			return translate(err, "the database does not answer")
		}
		if got != w.value {
			return models.Errorf(models.Unavailable, "%s is %q and must be %q: the filesystem of the data folder "+
				"does not support what the database needs; use a local disk", w.pragma, got, w.value)
		}
	}
	return nil
}

func gormConfig() *gorm.Config {
	return &gorm.Config{
		Logger:                 logger.Discard,
		SkipDefaultTransaction: true,
		PrepareStmt:            true,
		TranslateError:         false,
		NowFunc:                func() time.Time { return time.Now().UTC() },
	}
}

func (db *DB) isPostgres() bool { return db.postgres }

func (db *DB) pool() (*sql.DB, error) { return db.write.DB() }
