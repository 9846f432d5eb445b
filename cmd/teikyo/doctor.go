package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"teikyo/config"
	"teikyo/internal/clock"
	"teikyo/internal/datadir"
	"teikyo/models"
)

// Verdicts of the doctor.
const (
	doctorOK      = "ok"
	doctorWarning = "warning"
	doctorProblem = "problem"
)

// certificateSoon is when the doctor speaks of a certificate that ends.
const certificateSoon = 21 * 24 * time.Hour

// lowSpace is the free space, in bytes, below which the doctor warns.
const lowSpace = 5 << 30

// doctorFinding is one thing that was looked at.
type doctorFinding struct {
	Check   string `json:"check"`
	Verdict string `json:"verdict"`
	Message string `json:"message"`
}

func (c *cli) doctorCommand() *cobra.Command {
	settings := &settingFlags{}
	cmd := &cobra.Command{
		Use: "doctor", Short: "Look for what is wrong or risky on the server's machine", Args: noArgs,
		Long: "Look at settings, folders, keys, disks, clock and the running server, and say\nwhat to do. Nothing is changed. Exit 1 when there is a problem, 3 when there are\nwarnings alone.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings.load(cmd)
			if err != nil {
				return err
			}
			d := &doctor{cfg: cfg.Config}
			d.examine(cmd.Context())
			return c.showFindings(d.findings)
		},
	}
	settings.addData(cmd)
	return cmd
}

func (c *cli) showFindings(findings []doctorFinding) error {
	code := 0
	for _, f := range findings {
		switch {
		case f.Verdict == doctorProblem:
			code = 1
		case f.Verdict == doctorWarning && code == 0:
			code = 3
		}
	}
	if c.json {
		c.printJSON(map[string]any{"ok": code == 0, "findings": findings})
	} else {
		for _, f := range findings {
			fmt.Fprintf(c.out, "%-8s %-14s %s\n", f.Verdict, f.Check, f.Message)
		}
	}
	if code != 0 {
		return &exitWith{code: code}
	}
	return nil
}

// doctor gathers findings about one data folder.
type doctor struct {
	cfg      config.Config
	findings []doctorFinding
}

func (d *doctor) note(check, verdict, format string, args ...any) {
	d.findings = append(d.findings, doctorFinding{check, verdict, fmt.Sprintf(format, args...)})
}

func (d *doctor) examine(ctx context.Context) {
	d.address()
	d.certificate()
	d.modes()
	d.disks()
	d.kek(ctx, system{clock: clock.New(), rand: rand.Reader})
	d.space()
	d.objects(ctx)
	d.clock(ctx)
	d.server(ctx)
}

func (d *doctor) keysDir() string {
	if d.cfg.KeysDir != "" {
		return d.cfg.KeysDir
	}
	return filepath.Join(d.cfg.Data, datadir.KeysDir)
}

// secondDir is the folder of the second place; empty when it is none.
func (d *doctor) secondDir() string {
	switch {
	case d.cfg.CheckpointsURL != "":
		return ""
	case d.cfg.CheckpointsDir != "":
		return d.cfg.CheckpointsDir
	}
	return filepath.Join(d.cfg.Data, datadir.CheckpointsDir)
}

func (d *doctor) address() {
	switch {
	case d.cfg.PublicURL == "":
		d.note("public_url", doctorWarning, "it is not set: links will start with the listening address, which others cannot reach; set it to the address that people use")
	case strings.HasPrefix(d.cfg.PublicURL, "http://"):
		d.note("public_url", doctorWarning, "%s is for this machine alone", d.cfg.PublicURL)
	default:
		d.note("public_url", doctorOK, "%s", d.cfg.PublicURL)
	}
	if d.cfg.TLSProxy && len(d.cfg.TrustedProxies) == 0 {
		d.note("trusted_proxies", doctorWarning, "tls_proxy is set without trusted_proxies: every request seems to come from the proxy, and sign-in delays hit everybody at once")
	}
	if d.cfg.AdminIsPublic() {
		d.note("admin_listen", doctorWarning, "%s can be reached from other machines and asks for no password; use 127.0.0.1 or a network of its own", d.cfg.AdminListen)
	}
}

func (d *doctor) certificate() {
	certs, err := loadCertificates(d.cfg.TLSCert, d.cfg.TLSKey)
	switch {
	case err != nil:
		d.note("tls", doctorProblem, "%s", messageOf(err))
	case certs != nil:
		end := certs.current.Leaf.NotAfter
		switch left := time.Until(end); {
		case left <= 0:
			d.note("tls", doctorProblem, "the certificate ended on %s; replace the file, the server takes it up by itself", end.Format(time.DateOnly))
		case left < certificateSoon:
			d.note("tls", doctorWarning, "the certificate ends on %s; replace the file in time", end.Format(time.DateOnly))
		default:
			d.note("tls", doctorOK, "the certificate lasts until %s", end.Format(time.DateOnly))
		}
	case d.cfg.TLSProxy:
		d.note("tls", doctorOK, "a proxy speaks TLS")
	default:
		d.note("tls", doctorOK, "off; the server listens on this machine alone")
	}
}

func messageOf(err error) string {
	var known *models.Error
	if errors.As(err, &known) {
		return known.Msg
	}
	return err.Error()
}

// modes looks for files that other users of the machine can get at.
func (d *doctor) modes() {
	bad := 0
	for _, root := range []string{d.cfg.Data, d.keysDir(), d.secondDir()} {
		if root == "" {
			continue
		}
		_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() && entry.Name() == datadir.ObjectsDir {
				return fs.SkipDir // objects are sealed, and many
			}
			if path != root && root == d.cfg.Data { // the folder itself keeps others out
				return fs.SkipDir
			}
			if exposed, err := datadir.Exposed(path); err == nil && exposed {
				bad++
				d.note("file modes", doctorProblem, "others can get at %s; run: chmod go= %s", path, path)
			}
			return nil
		})
	}
	if bad == 0 {
		d.note("file modes", doctorOK, "nobody else can get at data and keys")
	}
}

// disks looks whether one lost or restored disk takes more than it should.
func (d *doctor) disks() {
	if same, err := datadir.SameDisk(d.cfg.Data, d.keysDir()); err == nil && same {
		d.note("keys_dir", doctorWarning, "the keys are on the same disk as the data: whoever takes the disk has both; set keys_dir to another one")
	} else if err == nil {
		d.note("keys_dir", doctorOK, "the keys are on another disk than the data")
	}
	if d.secondDir() == "" {
		d.note("second place", doctorOK, "checkpoints go to a bucket")
	} else if same, err := datadir.SameDisk(d.cfg.Data, d.secondDir()); err == nil && same {
		d.note("second place", doctorWarning, "checkpoints are on the same disk as the data: a restored snapshot of it would not be noticed; set checkpoints_dir to another disk or a network mount")
	} else if err == nil {
		d.note("second place", doctorOK, "checkpoints are on another disk than the data")
	}
}

// objects asks a bucket whether it is there; a folder is looked at with the disk.
func (d *doctor) objects(ctx context.Context) {
	if d.cfg.Storage.URL == "" || strings.HasPrefix(d.cfg.Storage.URL, folderScheme) {
		return
	}
	store, err := openStore(d.cfg)
	if err != nil {
		d.note("objects", doctorProblem, "%s", messageOf(err))
		return
	}
	if err := store.check(ctx); err != nil {
		d.note("objects", doctorProblem, "%v", err)
		return
	}
	d.note("objects", doctorOK, "%s answers", store.name)
}

func (d *doctor) space() {
	free, err := datadir.FreeSpace(d.cfg.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.note("data", doctorWarning, "there is no data folder at %s yet; teikyo serve makes it", d.cfg.Data)
	case err != nil:
		d.note("data", doctorProblem, "the data folder cannot be looked at: %v", err)
	case free < minFree:
		d.note("disk space", doctorProblem, "%d MiB are free; /readyz fails below %d MiB", free>>20, minFree>>20)
	case free < lowSpace:
		d.note("disk space", doctorWarning, "%d MiB are free", free>>20)
	default:
		d.note("disk space", doctorOK, "%d GiB are free", free>>30)
	}
}

// clock compares the machine's clock with the newest ledger entry.
func (d *doctor) clock(ctx context.Context) {
	if info, err := os.Stat(sqlitePath(d.cfg)); !onPostgres(d.cfg) && (err != nil || info.Size() == 0) {
		return
	}
	db, err := openReadOnly(ctx, d.cfg)
	if err != nil {
		d.note("database", doctorProblem, "%s", messageOf(err))
		return
	}
	defer db.Close()
	head, err := db.Head(ctx)
	if err != nil {
		d.note("database", doctorProblem, "%s", messageOf(err))
		return
	}
	now := clock.New()
	now.Saw(head.Time)
	if err := now.Check(); err != nil {
		d.note("clock", doctorProblem, "%v", err)
		return
	}
	d.note("clock", doctorOK, "it is not behind the ledger")
}

// server asks the server that runs on the folder.
func (d *doctor) server(ctx context.Context) {
	var state serverState
	running, err := callAdmin(ctx, d.cfg.Data, "GET", "/state", nil, &state)
	switch {
	case err != nil:
		d.note("server", doctorProblem, "%s", messageOf(err))
	case !running:
		d.note("server", doctorOK, "none runs on this data folder")
	default:
		for _, check := range state.Ready.Checks {
			if !check.OK {
				d.note("server", doctorProblem, "%s: %s", check.Name, check.Problem)
			}
		}
		if state.Ready.Ready {
			d.note("server", doctorOK, "it serves at %s with %d ledger entries", state.PublicURL, state.LedgerSize)
		}
	}
}
