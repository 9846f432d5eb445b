package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"teikyo/client/arrival"
	"teikyo/config"
	"teikyo/internal/datadir"
	"teikyo/models"
	"teikyo/storage"
	"teikyo/storage/move"
)

const (
	copyWorkers = 4
	// copyPasses is how often a copy looks again for what was written meanwhile.
	copyPasses = 5
)

func (c *cli) storageCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "storage", Short: "The store of sealed objects, on the server's machine", Args: noArgs, RunE: showHelp}
	cmd.AddCommand(c.storageCopy(), c.storageCheck())
	return cmd
}

func (c *cli) storageCheck() *cobra.Command {
	settings := &settingFlags{}
	cmd := &cobra.Command{
		Use: "check", Short: "Say whether everything that the database names is in the store", Args: noArgs,
		Long: "Compare the list of stored objects with the database: is every object there, in its\nsize? Exit 7 when something is missing. Contents are not read.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings.load(cmd)
			if err != nil {
				return err
			}
			var report storeReport
			err = c.onServer(cmd.Context(), cfg.Config, serverWork{
				method: "GET", path: "/storage/check", out: &report,
				alone: func(ctx context.Context, a *app) (err error) {
					report, err = a.reportStore(ctx)
					return err
				},
			})
			if err != nil {
				return err
			}
			if c.json {
				c.printJSON(report)
			} else {
				fmt.Fprintln(c.out, report.text())
			}
			if !report.OK {
				return &exitWith{code: 7}
			}
			return nil
		},
	}
	settings.addData(cmd)
	return cmd
}

func (c *cli) storageCopy() *cobra.Command {
	settings := &settingFlags{}
	var to string
	var dryRun bool
	cmd := &cobra.Command{
		Use: "copy", Short: "Copy all objects to another store, while the server runs", Args: noArgs,
		Long: "Copy all objects from the store of the settings to another one, read every copy\nback, and compare the digests. Nothing is deleted. Run again after a break it goes\n" +
			"on. The server may run meanwhile; to switch, stop it, run the same command once\nmore, set storage.url, and start it.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings.load(cmd)
			if err != nil {
				return err
			}
			return c.copyStore(cmd.Context(), cfg.Config, to, dryRun)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the other store, written like storage.url: s3://BUCKET/PREFIX?… or folder:PATH")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "count what would be copied, write nothing")
	settings.addData(cmd)
	requireFlags(cmd, "to")
	return cmd
}

// copyReport is what storage copy did.
type copyReport struct {
	move.Counts
	From   string `json:"from"`
	To     string `json:"to"`
	DryRun bool   `json:"dry_run"`
	// Final means that no server ran on the data folder meanwhile, so that nothing
	// can be missing.
	Final bool   `json:"final"`
	Next  string `json:"next"` // what to do now
}

// copyStore copies from the store of cfg to the one that the URL names.
func (c *cli) copyStore(ctx context.Context, cfg config.Config, url string, dryRun bool) error {
	cfg = cfg.WithDefaults()
	if err := needDataFolder(cfg.Data); err != nil {
		return err
	}
	from, err := openStore(cfg)
	if err != nil {
		return err
	}
	target := cfg
	target.Storage.URL = url
	if err := target.Check(); err != nil {
		return models.Wrap(models.Invalid, nil, "--to: "+err.Error())
	}
	to, err := openStore(target)
	if err != nil {
		return err
	}
	if from.name == to.name {
		return models.Errorf(models.Invalid, "the objects are in %s already", to.name)
	}
	if to.check != nil {
		if err := to.check(ctx); err != nil {
			return models.Wrap(models.Unavailable, nil, "the new store cannot be used: "+err.Error())
		}
	}
	// Who has the lock keeps a server from starting until the copy is whole.
	lock, err := datadir.Open(cfg.Data)
	if err != nil && !errors.Is(err, datadir.ErrLocked) {
		return models.Wrap(models.Invalid, nil, err.Error())
	}
	report := copyReport{From: from.name, To: to.name, DryRun: dryRun, Final: err == nil && !dryRun}
	if err == nil {
		defer lock.Close()
	}
	if err := c.runCopy(ctx, cfg.Data, from, to, &report); err != nil {
		return copyFailed(err)
	}
	report.Next = nextStep(report)
	return c.showCopy(report)
}

// runCopy copies until a pass finds nothing new.
func (c *cli) runCopy(ctx context.Context, data string, from, to objectStore, report *copyReport) error {
	name := sha256.Sum256([]byte(from.name + "\n" + to.name))
	journal, err := move.OpenJournal(filepath.Join(data, fmt.Sprintf("storage-copy-%x", name[:4])))
	if err != nil {
		return models.Wrap(models.Unavailable, nil, err.Error())
	}
	defer journal.Close()
	line := c.startCopyLine()
	defer line.stop()
	copied, bytes := 0, int64(0)
	for range copyPasses {
		pass := &move.Pass{From: from, To: to, Journal: journal, Workers: copyWorkers, DryRun: report.DryRun, Progress: line.set}
		counts, err := pass.Run(ctx)
		copied, bytes = copied+counts.Copied, bytes+counts.CopiedBytes
		news := counts.Copied
		counts.Copied, counts.CopiedBytes = copied, bytes
		counts.Present = counts.Objects - copied - counts.Vanished
		report.Counts = counts
		if err != nil || news == 0 || report.DryRun {
			return err
		}
	}
	return nil
}

// copyFailed says what a broken copy means.
func copyFailed(err error) error {
	var known *models.Error
	const again = "; what was copied is kept; run the command again and it goes on"
	switch {
	case errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, storage.ErrFull):
		return models.Wrap(models.Full, nil, "the new store is full"+again+" ("+err.Error()+")")
	case errors.Is(err, storage.ErrCorrupt):
		return models.Wrap(models.Integrity, nil, err.Error()+again)
	}
	return models.Wrap(models.Unavailable, nil, err.Error()+again)
}

func nextStep(r copyReport) string {
	switch {
	case r.DryRun:
		return "nothing was written; run it without --dry-run"
	case !r.Final:
		return "a server runs on the data folder and may write more; to switch, stop it, run this command again, set storage.url, and start it"
	}
	return "everything is copied: set storage.url to the new store and start the server; it compares the store with the database before it serves. " +
		"With several nodes, all of them must be stopped now. Keep the old store until you have looked"
}

func (c *cli) showCopy(r copyReport) error {
	if c.json {
		c.printJSON(r)
		return nil
	}
	verb := "copied"
	if r.DryRun {
		verb = "to copy"
	}
	fmt.Fprintf(c.out, "%d objects (%s) in %s\n%d %s (%s), %d there already, %d deleted meanwhile\n",
		r.Objects, arrival.Bytes(r.Bytes), r.From, r.Copied, verb, arrival.Bytes(r.CopiedBytes), r.Present, r.Vanished)
	c.say("%s", r.Next)
	return nil
}

// copyLine keeps one line about a copy on the terminal, if there is one.
type copyLine struct {
	mu     sync.Mutex
	counts move.Counts
	out    *os.File
	shown  time.Time
}

func (c *cli) startCopyLine() *copyLine {
	out, ok := terminalOf(c.err)
	if !ok || c.quiet || c.json {
		out = nil
	}
	return &copyLine{out: out}
}

// set hears of every object.
func (l *copyLine) set(n move.Counts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts = n
	if now := time.Now(); l.out != nil && now.Sub(l.shown) >= progressEvery {
		l.shown = now
		fmt.Fprintf(l.out, "\r\x1b[K%d objects, %s; %d copied, %s", n.Objects, arrival.Bytes(n.Bytes), n.Copied, arrival.Bytes(n.CopiedBytes))
	}
}

func (l *copyLine) stop() {
	if l.out != nil {
		fmt.Fprint(l.out, "\r\x1b[K")
	}
}
