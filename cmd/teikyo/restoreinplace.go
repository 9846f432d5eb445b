package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"teikyo/crypto"
	"teikyo/database"
	"teikyo/internal/datadir"
	"teikyo/ledger"
	"teikyo/models"
)

// runInPlace begins a new log on a database that its own tools brought back to an
// earlier moment (DESIGN decision 25). No server may run on it.
func (r *restore) runInPlace(ctx context.Context) (err error) {
	folder, err := datadir.Reserve(r.cfg.Data)
	if errors.Is(err, datadir.ErrLocked) {
		return models.Wrap(models.Conflict, nil, err.Error()+"; stop every node first")
	}
	if err != nil {
		return models.Wrap(models.Invalid, nil, err.Error())
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	r.folder, r.result.Data = folder, folder.Root()
	if r.onSQLite() {
		if _, err := os.Lstat(r.finalPath()); err != nil {
			return models.Errorf(models.NotFound, "there is no database at %s; bring it there first", r.finalPath())
		}
	}
	text, err := readFileLimited(filepath.Join(r.keysDir(), issuerFile), 1<<20+1)
	if err != nil {
		return models.Wrap(models.Invalid, nil, "the issuer file cannot be read, and without it nobody knows whose checkpoints count: "+err.Error())
	}
	if r.issuer, err = crypto.ParseIssuer(text); err != nil {
		return models.Wrap(models.Integrity, nil, "the issuer file in "+r.keysDir()+": "+err.Error())
	}
	if err := r.useDatabase(ctx); err != nil {
		return err
	}
	return r.report()
}

// part is a small part of the backup; nil without a backup.
func (r *restore) part(name string) ([]byte, error) {
	if r.backup == nil {
		return nil, nil
	}
	return r.backup.Small(name)
}

// verifiedInPlace takes the verdict on a database that was there.
func (r *restore) verifiedInPlace(ctx context.Context, db *database.DB, report ledger.Report) error {
	if !report.OK {
		return models.Errorf(models.Integrity, "the ledger of this database does not hold: %s; bring back another moment, or a backup", report.Problem)
	}
	head, err := db.Head(ctx)
	if err != nil {
		return err
	}
	number, err := db.LogNumber(ctx)
	r.result.Origin, r.result.LedgerSize = ledger.LogOrigin(r.issuer.Origin, number), report.Size
	r.result.MadeAt = head.Time.UTC().Format(time.RFC3339)
	return err
}
