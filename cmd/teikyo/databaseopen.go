package main

import (
	"context"
	"path/filepath"
	"strings"

	"teikyo/config"
	"teikyo/database"
	"teikyo/internal/datadir"
	"teikyo/models"
)

// maxPasswordFile bounds database.password_file, in bytes.
const maxPasswordFile = 4096

// databaseOptions says where the database is, and how it is reached.
func databaseOptions(cfg config.Config) (database.Options, error) {
	opts := database.Options{URL: cfg.Database.URL.Reveal(), MaxConns: cfg.Database.MaxConnections}
	if opts.URL == "" {
		opts.URL = "sqlite:" + sqlitePath(cfg)
	}
	if !onPostgres(cfg) || cfg.Database.PasswordFile == "" {
		return opts, nil
	}
	var err error
	opts.Password, err = passwordOf(cfg.Database.PasswordFile)
	return opts, err
}

// passwordOf reads the password of the database from a file that is nobody
// else's to read.
func passwordOf(path string) (string, error) {
	if exposed, err := datadir.Exposed(path); err == nil && exposed {
		return "", models.Errorf(models.Invalid, "others can read database.password_file; run: chmod 600 %s", path)
	}
	text, err := readFileLimited(path, maxPasswordFile)
	if err != nil {
		return "", models.Errorf(models.Invalid, "database.password_file cannot be read: %v", err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", models.Errorf(models.Invalid, "database.password_file is empty: %s", path)
	}
	return password, nil
}

// onPostgres reports whether the database is PostgreSQL, which several nodes may
// share.
func onPostgres(cfg config.Config) bool {
	scheme, _, _ := strings.Cut(cfg.Database.URL.Reveal(), ":")
	return scheme == "postgres" || scheme == "postgresql"
}

// sqlitePath is the file of the database when it is not PostgreSQL.
func sqlitePath(cfg config.Config) string {
	if path, ok := strings.CutPrefix(cfg.Database.URL.Reveal(), "sqlite:"); ok {
		return path
	}
	return filepath.Join(cfg.Data, datadir.DatabaseFile)
}

// openReadOnly opens the database for reading alone, beside a server or without
// one.
func openReadOnly(ctx context.Context, cfg config.Config) (*database.DB, error) {
	if !onPostgres(cfg) {
		return database.OpenReadOnly(ctx, sqlitePath(cfg))
	}
	opts, err := databaseOptions(cfg)
	if err != nil {
		return nil, err
	}
	return database.OpenPostgresReadOnly(ctx, opts)
}
