package database

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"

	"github.com/pressly/goose/v3"

	"teikyo/models"
)

//go:embed migrations
var migrations embed.FS

// bringUpToDate migrates the schema. Nodes on one PostgreSQL do so one after the
// other, over connections that may take their time.
func (db *DB) bringUpToDate(ctx context.Context) error {
	if !db.isPostgres() {
		pool, err := db.pool()
		if err != nil {
			return err
		}
		return db.migrate(ctx, pool)
	}
	return db.Exclusive(ctx, "migrate", func(ctx context.Context) error {
		pool, err := db.patientPool()
		if err != nil {
			return err
		}
		defer pool.Close()
		return db.migrate(ctx, pool)
	})
}

// migrate brings the schema up to date, each migration in its own transaction.
func (db *DB) migrate(ctx context.Context, pool *sql.DB) error {
	provider, err := db.migrations(pool)
	if err != nil {
		return err
	}
	if err := notNewer(ctx, provider); err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return models.Wrap(models.Internal, err, "the database schema could not be brought up to date; "+
			"nothing was changed; restore the program version that made this database or ask for help")
	}
	return nil
}

// migrations are those of the database's dialect, to be run on pool.
func (db *DB) migrations(pool *sql.DB) (*goose.Provider, error) {
	dialect, dir := goose.DialectSQLite3, "migrations/sqlite"
	if db.isPostgres() {
		dialect, dir = goose.DialectPostgres, "migrations/postgres"
	}
	files, err := fs.Sub(migrations, dir)
	if err != nil {
		return nil, err
	}
	provider, err := goose.NewProvider(dialect, pool, files)
	if err != nil {
		return nil, models.Wrap(models.Internal, err, "the schema migrations are broken")
	}
	return provider, nil
}

// notNewer refuses a database that a later version of the program has changed:
// what this one writes could be wrong there.
func notNewer(ctx context.Context, provider *goose.Provider) error {
	at, err := provider.GetDBVersion(ctx)
	if err != nil {
		return translate(err, "the version of the database schema cannot be read")
	}
	sources := provider.ListSources()
	if known := sources[len(sources)-1].Version; at > known {
		return models.Errorf(models.Conflict, "the database was changed by a newer version of this program (schema %d, this one knows %d); "+
			"run that version, or restore the copy from before the upgrade", at, known)
	}
	return nil
}
