package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"teikyo/config"
	"teikyo/database"
	"teikyo/internal/clock"
	"teikyo/ledger"
	"teikyo/models"
)

// migration moves a server from SQLite to PostgreSQL.
type migration struct {
	cfg          config.Config
	to, password string
	verify       *verifyFlags
}

// migrated is what the command says at its end.
type migrated struct {
	database.Copied
	OK         bool   `json:"ok"`
	LedgerSize int64  `json:"ledger_size"`
	Root       string `json:"root"`
}

func (c *cli) migrateCommand() *cobra.Command {
	f, to, passwordFile := &verifyFlags{}, "", ""
	cmd := &cobra.Command{
		Use: "migrate --to postgres://…", Short: "Copy a server's SQLite database to PostgreSQL", Args: noArgs,
		Long: `Copy the SQLite database of a data folder into an empty PostgreSQL database. Stop
the server first. The ledger is verified before and after, with the second place's
newest checkpoint and the receipts that are named; every row is compared. The copy
appears at once when all of it is right; an interrupted one is made again. The old
database is only read. Then set database.url and start the server.

The password comes from --password-file, PGPASSFILE or PGPASSWORD, never from the
address.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := f.settings.load(cmd)
			if err != nil {
				return err
			}
			u, err := url.Parse(to)
			if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
				return usageError(cmd, "name the new database with --to postgres://USER@HOST/NAME?sslmode=verify-full")
			}
			if _, shown := u.User.Password(); shown || u.Query().Has("password") {
				return usageError(cmd, "the address holds a password, which others can see; give it with --password-file")
			}
			m := &migration{cfg: cfg.WithDefaults(), to: to, verify: f}
			if passwordFile != "" {
				if m.password, err = passwordOf(passwordFile); err != nil {
					return err
				}
			}
			done, err := m.run(cmd.Context())
			if err != nil {
				return err
			}
			return c.showMigrated(done)
		},
	}
	f.settings.addData(cmd)
	cmd.Flags().StringVar(&to, "to", "", "address of an empty PostgreSQL database, without password")
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file of its password")
	cmd.Flags().StringArrayVar(&f.receipts, "receipt", nil, "receipt (*.tlog-proof) that must still hold; may be repeated")
	return cmd
}

func (c *cli) showMigrated(done migrated) error {
	if c.json {
		c.printJSON(done)
		return nil
	}
	fmt.Fprintf(c.out, "copied %d rows of %d tables; the ledger holds: %d entries, root %s\n", done.Rows, done.Tables, done.LedgerSize, done.Root)
	c.say("set database.url to the new database and start the server; put the old teikyo.db away: it must not be served again")
	return nil
}

func (m *migration) run(ctx context.Context) (migrated, error) {
	if onPostgres(m.cfg) {
		return migrated{}, models.Errorf(models.Invalid, "database.url is PostgreSQL already; run this with the settings of the old server")
	}
	if err := needDataFolder(m.cfg.Data); err != nil {
		return migrated{}, err
	}
	folder, err := openDataFolder(m.cfg.Data) // no server may write meanwhile
	if err != nil {
		return migrated{}, err
	}
	defer folder.Close()
	before, err := verifyLedger(ctx, m.cfg, m.verify)
	if err != nil {
		return migrated{}, err
	}
	if !before.OK {
		return migrated{}, models.Errorf(models.Integrity, "the ledger does not hold, so nothing was copied: %s", before.Problem)
	}
	from, err := database.OpenReadOnly(ctx, sqlitePath(m.cfg))
	if err != nil {
		return migrated{}, err
	}
	defer from.Close()
	opts := database.Options{URL: m.to, Password: m.password, Rand: rand.Reader, Now: clock.New().Now}
	done := migrated{OK: true, LedgerSize: before.Size, Root: fmt.Sprint(before.Root)}
	done.Copied, err = database.CopyToPostgres(ctx, from, opts, func(ctx context.Context, copied *database.DB) error {
		return m.compare(ctx, copied, before)
	})
	if err != nil {
		return migrated{}, err
	}
	return done, m.record(ctx, opts, before)
}

// compare verifies the ledger of the copy as that of the source was.
func (m *migration) compare(ctx context.Context, copied *database.DB, before ledger.Report) error {
	opts, err := m.verify.options(ctx, m.cfg)
	if err != nil {
		return err
	}
	return copied.Snapshot(ctx, func(ctx context.Context) error {
		after, err := verifySource(ctx, copied, opts)
		if err != nil {
			return err
		}
		if !after.OK || after.Size != before.Size || after.Root != before.Root || after.Witnessed != before.Witnessed {
			return models.Errorf(models.Integrity, "the ledger of the copy does not hold, so the copy was given up: %s", after.Problem)
		}
		return nil
	})
}

// record notes the move in the new ledger: from its first checkpoint on, the
// second place refuses a server on the old database.
func (m *migration) record(ctx context.Context, opts database.Options, before ledger.Report) error {
	db, err := database.Open(ctx, opts)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Update(ctx, func(ctx context.Context) error {
		return db.Append(ctx, &ledger.Entry{
			Kind: ledger.ConfigChanged, IDs: map[string]string{"actor": "system"},
			Details: map[string]any{"setting": "database.url", "from": "sqlite", "to": "postgres", "entries": before.Size},
		})
	})
}
