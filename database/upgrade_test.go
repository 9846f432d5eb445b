package database

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"teikyo/database/dbtest"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
)

// From the schema of every earlier version, with a row in each of its tables and
// entries in the ledger, the present one is reached: every value is still there,
// and the ledger holds and grows.
func TestUpgradeFromEveryVersion(t *testing.T) {
	t.Parallel()
	for version := range versions(t) {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			url := dbtest.URL(t, t.TempDir())
			old := atVersion(t, url, int64(version))
			for range ledgerBlock + 5 {
				if _, err := appendEntry(t.Context(), old); err != nil {
					t.Fatal(err)
				}
			}
			head := ledgertest.CheckLedger(t, old, ledger.VerifyOptions{})
			tables := fillEach(t, old)
			before := sumsOf(t, old, tables)
			if err := old.Close(); err != nil {
				t.Fatal(err)
			}
			db, err := Open(t.Context(), Options{URL: url, Rand: rand.Reader})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for name, sum := range sumsOf(t, db, tables) {
				if !sum.equals(before[name]) {
					t.Errorf("the rows of %s are others (%d, then %d)", name, before[name].rows, sum.rows)
				}
			}
			if _, err := appendEntry(t.Context(), db); err != nil {
				t.Error(err)
			}
			if now := ledgertest.CheckLedger(t, db, ledger.VerifyOptions{}); now.Size != head.Size+1 {
				t.Errorf("%d entries, before the upgrade %d", now.Size, head.Size)
			}
		})
	}
}

// versions are the numbers of the migrations.
func versions(t *testing.T) map[int]bool {
	t.Helper()
	files, err := migrations.ReadDir("migrations/sqlite")
	if err != nil {
		t.Fatal(err)
	}
	list := map[int]bool{}
	for _, f := range files {
		var n int
		if _, err := fmt.Sscanf(f.Name(), "%05d_", &n); err != nil {
			t.Fatal(err)
		}
		list[n] = true
	}
	return list
}

// atVersion is a new database with the schema of an earlier version.
func atVersion(t *testing.T, url string, version int64) *DB {
	t.Helper()
	db := &DB{opts: Options{URL: url, Rand: rand.Reader, Now: time.Now}, settleFor: defaultSettle}
	var err error
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		err = db.openSQLite(t.Context(), path)
	} else {
		err = db.openPostgres(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	pool, err := db.pool()
	if err != nil {
		t.Fatal(err)
	}
	provider, err := db.migrations(pool)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	if err := db.prepareWriting(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// fillEach puts a row into every table that is not the ledger's. Every text is the
// same, so that references hold.
func fillEach(t *testing.T, db *DB) []models.Table {
	t.Helper()
	tables, err := db.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(ctx context.Context) error {
		var errs []error
		for _, table := range tables {
			if strings.HasPrefix(table.Name, "ledger_") {
				continue
			}
			values := make([]any, len(table.Columns))
			for i, column := range table.Columns {
				switch column.Name {
				case "challenge": // open ones end with version 11
					values[i] = []byte{}
					continue
				case "challenge_expires":
					values[i] = 0
					continue
				}
				values[i] = map[models.ColumnType]any{
					models.ColumnInt: 1, models.ColumnBool: true, models.ColumnText: "1", models.ColumnBytes: []byte("1"),
				}[column.Type]
			}
			in := &inserter{table: table, postgres: db.isPostgres()}
			_, err := changeOf(ctx).raw.ExecContext(ctx, in.statement(1)+" ON CONFLICT DO NOTHING", values...)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", table.Name, err))
				break
			}
		}
		return errors.Join(errs...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

func sumsOf(t *testing.T, db *DB, tables []models.Table) map[string]*rowSum {
	t.Helper()
	sums := map[string]*rowSum{}
	err := db.Snapshot(t.Context(), func(ctx context.Context) error {
		for _, table := range tables {
			sums[table.Name] = &rowSum{}
			for _, err := range sums[table.Name].counting(db.TableRows(ctx, table)) {
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}
