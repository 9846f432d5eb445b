package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/database"
	"teikyo/ledger"
	"teikyo/models"
)

// verifyLogs verifies the log of a database, those that forced restores ended,
// and that each begins where the one before it was restored to. opts.Origin is
// that of the issuer; empty when it is not known. The report is of the present
// log, or of the first that does not hold.
func verifyLogs(ctx context.Context, db *database.DB, opts ledger.VerifyOptions) (ledger.Report, error) {
	closed, err := db.ClosedLogs(ctx)
	if err != nil {
		return ledger.Report{}, err
	}
	number, err := db.LogNumber(ctx)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return ledger.Report{}, err
	}
	if problem := checkNumber(number, closed); problem != "" {
		return ledger.Report{FirstBad: -1, Problem: problem}, nil
	}
	for i, log := range closed {
		src := db.ClosedLog(log)
		o := ofLog(opts, log.Number, false, nil)
		o.Checkpoints = withoutLost(o.Checkpoints, log)
		o.Manifest = db.ClosedManifestOf(log)
		report, err := ledger.Verify(ctx, src, o)
		if err == nil && report.OK && i > 0 {
			report, err = checkBeginning(ctx, src, log.Number, closed[i-1], report)
		}
		if err != nil || !report.OK {
			report.Problem = fmt.Sprintf("in the closed log %d: %s", log.Number, report.Problem)
			return report, err
		}
	}
	o := ofLog(opts, number, true, closed)
	o.Manifest = db.ManifestOf
	report, err := ledger.Verify(ctx, db, o)
	if err == nil && report.OK && len(closed) > 0 {
		report, err = checkBeginning(ctx, db, number, closed[len(closed)-1], report)
	}
	if err != nil || !report.OK {
		return report, err
	}
	id, err := db.UnrecordedProvision(ctx)
	if id != "" {
		report.OK, report.Problem = false, "the provision "+id+" stands in no ledger entry"
	}
	return report, err
}

// withoutLost leaves out checkpoints that cover entries that are known to be lost:
// those beyond what was restored of a log, up to the last checkpoint that was known
// when it was closed. The second place holds one until the server starts again.
func withoutLost(texts [][]byte, log models.ClosedLog) [][]byte {
	last, err := ledger.ParseCheckpoint(log.Checkpoint)
	if err != nil {
		return texts
	}
	return slices.DeleteFunc(texts, func(text []byte) bool {
		c, err := ledger.ParseCheckpoint(text)
		return err == nil && c.Tree.N > log.Size && c.Tree.N <= last.Tree.N
	})
}

// closedLog is a log of src that a forced restore ended, with its last checkpoint
// when that covers nothing but what was restored.
func closedLog(ctx context.Context, src ledger.Source, number int) (ledger.Source, []byte, error) {
	db, ok := src.(*database.DB)
	if !ok {
		return nil, nil, models.Errorf(models.Invalid, "an export holds one log; name the data folder")
	}
	closed, err := db.ClosedLogs(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, log := range closed {
		if log.Number != number {
			continue
		}
		last, err := ledger.ParseCheckpoint(log.Checkpoint)
		if err != nil || last.Tree.N > log.Size { // it covers lost entries
			return db.ClosedLog(log), nil, nil //nolint:nilerr // none is known
		}
		return db.ClosedLog(log), log.Checkpoint, nil
	}
	return nil, nil, models.Errorf(models.NotFound, "no log %d was closed here; teikyo ledger list --kind restored tells of forced restores", number)
}

// checkNumber says what is wrong with the number of the present log.
func checkNumber(number int, closed []models.ClosedLog) string {
	switch {
	case number < 1:
		return "the row that numbers the log is missing or damaged"
	case number > 1 && len(closed) == 0:
		return fmt.Sprintf("the log has the number %d, and none before it is kept here", number)
	case number == 1 && len(closed) > 0, len(closed) > 0 && closed[len(closed)-1].Number >= number:
		return fmt.Sprintf("the log has the number %d, and one with a number that is not lower is closed", number)
	}
	return ""
}

// ofLog leaves of the options what speaks of one log. What speaks of none that is
// kept here stays with the present one, which then reports it.
func ofLog(opts ledger.VerifyOptions, number int, present bool, closed []models.ClosedLog) ledger.VerifyOptions {
	issuer := opts.Origin
	if issuer == "" {
		return ledger.VerifyOptions{}
	}
	opts.Origin = ledger.LogOrigin(issuer, number)
	mine := func(origin string) bool {
		if origin == opts.Origin {
			return true
		}
		for _, log := range closed {
			if origin == ledger.LogOrigin(issuer, log.Number) {
				return false
			}
		}
		return present
	}
	var checkpoints, receipts [][]byte
	for _, text := range opts.Checkpoints {
		if c, _ := ledger.ParseCheckpoint(text); mine(c.Origin) {
			checkpoints = append(checkpoints, text)
		}
	}
	for _, text := range opts.Receipts {
		r, _ := ledger.VerifyReceipt(text, nil, opts.Verifiers...)
		if mine(r.Checkpoint().Origin) {
			receipts = append(receipts, text)
		}
	}
	opts.Checkpoints, opts.Receipts = checkpoints, receipts
	return opts
}

// restoredDetails are the details of the first entry after a forced restore.
type restoredDetails struct {
	Log          int                 `json:"log"` // number of the log that begins
	Reason       string              `json:"reason"`
	Second       string              `json:"second"`    // who confirmed beside the actor
	OldLog       oldLog              `json:"old_log"`   // as the world knew it last
	Restored     restoredState       `json:"restored"`  // what was brought back of it
	Suspended    map[string]int64    `json:"suspended"` // until a person confirms each
	Independence models.Independence `json:"independence"`
}

type oldLog struct {
	Origin     string `json:"origin"`
	Checkpoint string `json:"checkpoint"` // the last one known; empty: none
}

type restoredState struct {
	Log      int       `json:"log"` // its number
	Size     int64     `json:"size"`
	Root     tlog.Hash `json:"root"`
	ClosedAt int64     `json:"closed_at"`               // UTC microseconds
	Backup   string    `json:"backup_sha256,omitempty"` // absent when the database's own tools restored it
	MadeAt   string    `json:"backup_made_at,omitempty"`
}

// checkBeginning compares the first entry of a log with its number and the state
// of the log before it.
func checkBeginning(ctx context.Context, src ledger.Source, number int, before models.ClosedLog, report ledger.Report) (ledger.Report, error) {
	for rec, err := range src.Records(ctx, 0) {
		if err != nil {
			return report, err
		}
		var d restoredDetails
		_ = json.Unmarshal(rec.Details, &d)
		if rec.Kind != ledger.Restored || d.Log != number || d.Restored.Log != before.Number || d.Restored.ClosedAt != before.ClosedAt.UnixMicro() || d.Restored.Size != before.Size || d.Restored.Root != tlog.Hash(before.Root) ||
			d.OldLog.Checkpoint != string(before.Checkpoint) {
			report.OK, report.FirstBad = false, 0
			report.Problem = fmt.Sprintf("its first entry does not lead to the log %d that is kept here", before.Number)
		}
		break
	}
	return report, nil
}
