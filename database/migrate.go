package database

import (
	"context"
	"embed"
	"io/fs"

	"github.com/pressly/goose/v3"

	"teikyo/models"
)

//go:embed migrations
var migrations embed.FS

// migrate brings the schema up to date, each migration in its own transaction.
func (db *DB) migrate(ctx context.Context) error {
	dialect, dir := goose.DialectSQLite3, "migrations/sqlite"
	if db.isPostgres() {
		dialect, dir = goose.DialectPostgres, "migrations/postgres"
	}
	files, err := fs.Sub(migrations, dir)
	if err != nil {
		return err
	}
	pool, err := db.pool()
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(dialect, pool, files)
	if err != nil {
		return models.Wrap(models.Internal, err, "the schema migrations are broken")
	}
	if _, err := provider.Up(ctx); err != nil {
		return models.Wrap(models.Internal, err, "the database schema could not be brought up to date; "+
			"nothing was changed; restore the program version that made this database or ask for help")
	}
	return nil
}
