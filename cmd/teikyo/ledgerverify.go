package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"teikyo/config"
	"teikyo/crypto"
	"teikyo/database"
	"teikyo/internal/datadir"
	"teikyo/ledger"
	"teikyo/ledger/export"
	"teikyo/models"
)

// verifyFlags are what the log is compared with.
type verifyFlags struct {
	settings    settingFlags
	checkpoints []string
	receipts    []string
	issuer      string
}

func (c *cli) ledgerVerifyCommand() *cobra.Command {
	f := &verifyFlags{}
	cmd := &cobra.Command{
		Use: "verify", Short: "Check the whole ledger, offline", Args: noArgs,
		Long: `Check every entry, every stored hash and every column of the ledger, and name the
first entry that does not hold (exit 7). It reads a data folder, also while its
server runs, or a file that teikyo ledger export wrote. A log that was rewritten
as a whole shows only against something from outside: a checkpoint from the
second place (the data folder's own is used by itself), or receipts that were
handed out.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := f.settings.load(cmd)
			if err != nil {
				return err
			}
			report, err := verifyLedger(cmd.Context(), cfg.Config, f)
			if err != nil {
				return err
			}
			return c.showReport(report)
		},
	}
	f.settings.add(cmd, "data", "data folder, or export file (default teikyo-data)")
	f.settings.addFile(cmd)
	cmd.Flags().StringArrayVar(&f.checkpoints, "checkpoint", nil, "file of a checkpoint that the log must contain; may be repeated")
	cmd.Flags().StringArrayVar(&f.receipts, "receipt", nil, "receipt (*.tlog-proof) that must still hold; may be repeated")
	cmd.Flags().StringVar(&f.issuer, "issuer", "", "issuer file whose keys count (default: that of the data folder)")
	return cmd
}

// showReport prints the verdict; a bad one ends with exit 7.
func (c *cli) showReport(report ledger.Report) error {
	if c.json {
		c.printJSON(report)
		if !report.OK {
			return &exitWith{code: 7}
		}
		return nil
	}
	if report.OK {
		fmt.Fprintf(c.out, "the ledger holds: %d entries, %d covered by checkpoints or receipts, %d redacted, root %s\n",
			report.Size, report.Witnessed, report.Redacted, report.Root)
		if report.Witnessed < report.Size {
			c.say("entries from %d on are only consistent with themselves: no checkpoint from outside covers them yet", report.Witnessed)
		}
		return nil
	}
	return &exitWith{code: 7, msg: "the ledger does not hold: " + report.Problem}
}

// verifyLedger reads what the log is compared with before the log itself, which
// may grow meanwhile.
func verifyLedger(ctx context.Context, cfg config.Config, f *verifyFlags) (ledger.Report, error) {
	opts, err := f.options(ctx, cfg)
	if err != nil {
		return ledger.Report{}, err
	}
	var report ledger.Report
	err = withLedger(ctx, cfg, func(ctx context.Context, src ledger.Source) error {
		var err error
		report, err = verifySource(ctx, src, opts)
		return err
	})
	return report, err
}

// verifySource verifies an export with its own checkpoint, and a database with
// its provisions.
func verifySource(ctx context.Context, src ledger.Source, opts ledger.VerifyOptions) (ledger.Report, error) {
	switch src := src.(type) {
	case *export.File:
		opts.Origin = "" // an export is of the log that its checkpoint names
		if text := src.Checkpoint(); text != nil && len(opts.Verifiers) > 0 {
			opts.Checkpoints = append(opts.Checkpoints, text)
		}
	case *database.DB:
		return verifyLogs(ctx, src, opts)
	}
	return ledger.Verify(ctx, src, opts)
}

// withLedger opens the log of a data folder or of an export file.
func withLedger(ctx context.Context, cfg config.Config, use func(ctx context.Context, src ledger.Source) error) error {
	if info, err := os.Stat(cfg.Data); err == nil && info.Mode().IsRegular() {
		return withExport(ctx, cfg.Data, info.Size(), use)
	}
	db, err := openReadOnly(ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Snapshot(ctx, func(ctx context.Context) error { return use(ctx, db) })
}

func withExport(ctx context.Context, path string, size int64, use func(ctx context.Context, src ledger.Source) error) error {
	f, err := os.Open(path)
	if err != nil {
		return models.Wrap(models.Invalid, nil, err.Error())
	}
	defer f.Close()
	file, err := export.Open(f, size)
	if err == nil {
		err = use(ctx, file)
	}
	if errors.Is(err, export.ErrMalformed) {
		return models.Wrap(models.Integrity, nil, path+": "+err.Error())
	}
	return err
}

// options gathers the issuer's keys, the second place's newest checkpoint, and
// the files that were named.
func (f *verifyFlags) options(ctx context.Context, cfg config.Config) (ledger.VerifyOptions, error) {
	var opts ledger.VerifyOptions
	file, found, err := f.issuerFile(cfg)
	if err != nil {
		return opts, err
	}
	if found {
		if opts.Verifiers, err = checkpointVerifiers(file); err != nil {
			return opts, err
		}
		opts.Origin = file.Origin // of the issuer, until the log is known
	} else if len(f.checkpoints)+len(f.receipts) > 0 {
		return opts, models.Errorf(models.Invalid, "checkpoints and receipts are checked with the issuer's keys; name the issuer file with --issuer")
	}
	if opts.Checkpoints, err = readFiles(f.checkpoints, ledger.MaxCheckpointSize); err != nil {
		return opts, err
	}
	if opts.Receipts, err = readFiles(f.receipts, ledger.MaxReceiptSize); err != nil {
		return opts, err
	}
	if newest := secondPlaceCheckpoint(ctx, cfg); newest != nil && found {
		opts.Checkpoints = append(opts.Checkpoints, newest)
	}
	return opts, nil
}

// issuerFile is the one that was named, else that of the data folder's keys.
func (f *verifyFlags) issuerFile(cfg config.Config) (crypto.Issuer, bool, error) {
	path := f.issuer
	if path == "" {
		path = filepath.Join(cfg.Data, datadir.KeysDir, issuerFile)
		if cfg.KeysDir != "" {
			path = filepath.Join(cfg.KeysDir, issuerFile)
		}
	}
	text, err := readFileLimited(path, 1<<20+1)
	if err != nil && f.issuer == "" { // a copy without keys
		return crypto.Issuer{}, false, nil
	}
	if err != nil {
		return crypto.Issuer{}, false, models.Wrap(models.Invalid, nil, "the issuer file cannot be read: "+err.Error())
	}
	file, err := crypto.ParseIssuer(text)
	if err != nil {
		return file, false, models.Wrap(models.Integrity, nil, path+": "+err.Error())
	}
	return file, true, nil
}

func readFiles(paths []string, limit int64) ([][]byte, error) {
	var texts [][]byte
	for _, path := range paths {
		text, err := readFileLimited(path, limit+1)
		if err != nil {
			return nil, models.Wrap(models.Invalid, nil, err.Error())
		}
		texts = append(texts, text)
	}
	return texts, nil
}
