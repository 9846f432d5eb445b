package main

import (
	"context"
	"encoding/json"
	"fmt"

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
	number, err := db.LogNumber(ctx)
	if err != nil {
		return ledger.Report{}, err
	}
	closed, err := db.ClosedLogs(ctx)
	if err != nil {
		return ledger.Report{}, err
	}
	for i, log := range closed {
		src := db.ClosedLog(log)
		o := ofLog(opts, log.Number, false)
		o.Manifest = db.ClosedManifestOf(log)
		report, err := ledger.Verify(ctx, src, o)
		if err == nil && report.OK && i > 0 {
			report, err = checkBeginning(ctx, src, closed[i-1], report)
		}
		if err != nil || !report.OK {
			report.Problem = fmt.Sprintf("in the closed log %d: %s", log.Number, report.Problem)
			return report, err
		}
	}
	o := ofLog(opts, number, true)
	o.Manifest = db.ManifestOf
	report, err := ledger.Verify(ctx, db, o)
	if err == nil && report.OK && len(closed) > 0 {
		report, err = checkBeginning(ctx, db, closed[len(closed)-1], report)
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

// ofLog leaves of the options what speaks of one log. What names no log that is
// known here stays with the present one, which then reports it.
func ofLog(opts ledger.VerifyOptions, number int, present bool) ledger.VerifyOptions {
	issuer := opts.Origin
	if issuer == "" {
		return ledger.VerifyOptions{}
	}
	opts.Origin = ledger.LogOrigin(issuer, number)
	mine := func(origin string) bool {
		if origin == opts.Origin {
			return true
		}
		for n := 1; n < number; n++ {
			if origin == ledger.LogOrigin(issuer, n) {
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
	Size   int64     `json:"size"`
	Root   tlog.Hash `json:"root"`
	Backup string    `json:"backup_sha256,omitempty"` // absent when the database's own tools restored it
	MadeAt string    `json:"backup_made_at,omitempty"`
}

// checkBeginning compares the first entry of a log with the state of the one
// before it.
func checkBeginning(ctx context.Context, src ledger.Source, before models.ClosedLog, report ledger.Report) (ledger.Report, error) {
	for rec, err := range src.Records(ctx, 0) {
		if err != nil {
			return report, err
		}
		var d restoredDetails
		_ = json.Unmarshal(rec.Details, &d)
		if rec.Kind != ledger.Restored || d.Restored.Size != before.Size || d.Restored.Root != tlog.Hash(before.Root) ||
			d.OldLog.Checkpoint != string(before.Checkpoint) {
			report.OK, report.FirstBad = false, 0
			report.Problem = fmt.Sprintf("its first entry does not lead to the log %d that is kept here", before.Number)
		}
		break
	}
	return report, nil
}
