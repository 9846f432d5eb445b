package database

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"teikyo/models"
)

// DefaultMaxConns is how many connections a node has to PostgreSQL at most.
const DefaultMaxConns = 20

// How connections to PostgreSQL are used.
const (
	// pgWriters may be at the server at once: one changes something, the others
	// wait there for their turn, in line with those of other nodes.
	pgWriters = 3
	pgSpare   = 1 // asks what became of a transaction whose COMMIT has no answer
	pgLeast   = 8

	connectTimeout     = 10 * time.Second
	transactionTimeout = 60 * time.Second
	restedAfter        = 20 * time.Millisecond
	connIdle           = 5 * time.Minute
	connLife           = time.Hour // connections move on after a failover or a new certificate
	oldestPostgres     = 140000    // server_version_num
)

// errUnsafeCommit: a commit could be lost after its answer.
var errUnsafeCommit = models.Errorf(models.Unavailable, "PostgreSQL runs with synchronous_commit=off for this account or database: "+
	"a record could be lost after a success answer; set it to on (see ALTER SYSTEM, ALTER ROLE and ALTER DATABASE)")

func (db *DB) openPostgres(ctx context.Context) error {
	db.postgres = true
	conns := db.opts.MaxConns
	if conns == 0 {
		conns = DefaultMaxConns
	}
	conns = max(conns, pgLeast)
	var err error
	if db.write, err = db.openPool("30s", pgWriters+pgSpare); err != nil {
		return err
	}
	if db.read, err = db.openPool("5min", conns-pgWriters-pgSpare); err != nil {
		return err
	}
	db.turn = make(chan struct{}, pgWriters)
	return db.checkPostgres(ctx)
}

// openPool opens connections whose transactions the server ends when nothing
// comes for that long: a node that hangs must not hold up the others.
// more are further settings, a name and a value each.
func (db *DB) openPool(idleInTransaction string, conns int, more ...string) (*gorm.DB, error) {
	cfg, err := postgresConfig(db.opts.URL, db.opts.Password)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{
		"idle_in_transaction_session_timeout": idleInTransaction, "statement_timeout": "60s", "lock_timeout": "30s",
		"jit": "off", // compiling a query takes longer than any of ours
	} {
		cfg.RuntimeParams[name] = value
	}
	for setting := range slices.Chunk(more, 2) {
		cfg.RuntimeParams[setting[0]] = setting[1]
	}
	if len(more) > 0 { // for reading, a standby will do
		cfg.ValidateConnect = nil
	}
	raw := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(keepCommitsSafe), stdlib.OptionShouldPing(rested))
	raw.SetMaxOpenConns(conns)
	raw.SetMaxIdleConns(conns)
	raw.SetConnMaxIdleTime(connIdle)
	raw.SetConnMaxLifetime(connLife)
	settings := gormConfig()
	settings.PrepareStmt = false // the driver keeps statements by connection
	pool, err := gorm.Open(postgres.New(postgres.Config{Conn: raw}), settings)
	if err != nil {
		return nil, errors.Join(connectFault(err), raw.Close())
	}
	return pool, nil
}

// rested asks for a look at a connection that nobody used for a while: after a
// restart of PostgreSQL all that stand ready are dead, and a request that comes
// after it must not fail for that. Under load it costs nothing.
func rested(_ context.Context, p stdlib.ShouldPingParams) bool { return p.IdleDuration > restedAfter }

// patientPool has connections without time limits, for migrations.
func (db *DB) patientPool() (*sql.DB, error) {
	cfg, err := postgresConfig(db.opts.URL, db.opts.Password)
	if err != nil {
		return nil, err
	}
	pool := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(keepCommitsSafe))
	pool.SetMaxOpenConns(2)
	return pool, nil
}

// postgresConfig reads the URL, with what the environment adds (PGPASSFILE,
// PGSSLROOTCERT and so on). Errors hold no password.
func postgresConfig(dsn, password string) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil { // the driver's own words could show a part of the password
		return nil, models.Errorf(models.Invalid, "database.url is no address of a PostgreSQL database; "+
			"write it like postgres://teikyo@db.example.jp/teikyo?sslmode=verify-full, and check the files that it names")
	}
	if password != "" {
		cfg.Password = password
	}
	if err := encrypted(cfg); err != nil {
		return nil, err
	}
	cfg.RuntimeParams["application_name"] = "teikyo"
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	if cfg.ValidateConnect == nil { // of several hosts, the one that takes changes
		cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	dialer := &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 4},
		Control:         noEndlessWaiting,
	}
	cfg.DialFunc = dialer.DialContext
	return cfg, nil
}

// encrypted refuses a connection that leaves this machine in clear: it carries
// names, purposes and wrapped keys.
func encrypted(cfg *pgx.ConnConfig) error {
	bare := !stays(cfg.Host) && cfg.TLSConfig == nil
	for _, f := range cfg.Fallbacks {
		bare = bare || !stays(f.Host) && f.TLSConfig == nil
	}
	if bare {
		return models.Errorf(models.Invalid, "database.url leads to another machine without TLS; add sslmode=verify-full, "+
			"and sslrootcert=FILE when the certificate is of your own authority")
	}
	return nil
}

// stays reports whether a host of the URL is this machine.
func stays(host string) bool {
	if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// keepCommitsSafe refuses a connection that answers a COMMIT before it is
// durable, and fixes what it found: a change of the server's settings must not
// reach connections that are open.
func keepCommitsSafe(ctx context.Context, conn *pgx.Conn) error {
	var commit string
	err := conn.QueryRow(ctx, "SELECT set_config('synchronous_commit', current_setting('synchronous_commit'), false)").Scan(&commit)
	if err == nil && commit == "off" {
		return errUnsafeCommit
	}
	return err
}

func (db *DB) checkPostgres(ctx context.Context) error {
	pool, err := db.pool()
	if err != nil {
		return err
	}
	var version, encoding string
	err = pool.QueryRowContext(ctx, "SELECT current_setting('server_version_num'), current_setting('server_encoding')").Scan(&version, &encoding)
	if err != nil {
		return connectFault(err)
	}
	if n, err := strconv.Atoi(version); err != nil || n < oldestPostgres {
		return models.Errorf(models.Unavailable, "PostgreSQL 14 or newer is needed, the server is %s", version)
	}
	if encoding != "UTF8" {
		return models.Errorf(models.Unavailable, "the database is encoded as %s and must be UTF8: createdb --encoding=UTF8 --template=template0", encoding)
	}
	return nil
}

// connectFault puts a failed connection into words without the password.
func connectFault(err error) error {
	var known *models.Error
	if errors.As(err, &known) {
		return known
	}
	why := "it does not answer"
	var pg *pgconn.PgError
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &pg):
		why = pg.Message + " (" + pg.Code + ")"
	case errors.As(err, &dns):
		why = "its host is not known"
	case errors.As(err, &op):
		why = op.Err.Error()
	case strings.Contains(err.Error(), "tls"), strings.Contains(err.Error(), "x509"):
		why = "its certificate or TLS is refused; check sslmode and sslrootcert"
	}
	return models.Wrap(models.Unavailable, nil, "PostgreSQL cannot be reached: "+why+"; check database.url and the password")
}
