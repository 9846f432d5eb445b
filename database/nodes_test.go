package database

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"

	"teikyo/database/dbtest"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
)

// nodes opens the same PostgreSQL several times.
func nodes(t *testing.T, n int) []*DB {
	t.Helper()
	url := dbtest.Postgres(t)
	list := make([]*DB, n)
	var opening sync.WaitGroup
	for i := range list { // the first start of all at once: one of them migrates
		opening.Go(func() {
			var err error
			if list[i], err = Open(context.Background(), Options{URL: url, Rand: rand.Reader}); err != nil {
				t.Error(err)
			}
		})
	}
	opening.Wait()
	if t.Failed() {
		t.FailNow()
	}
	t.Cleanup(func() {
		for _, db := range list {
			db.Close()
		}
	})
	return list
}

func TestNodesWriteOneChain(t *testing.T) {
	t.Parallel()
	list := nodes(t, 3)
	const each, writers = 15, 4
	var all sync.WaitGroup
	for _, db := range list {
		for range writers {
			all.Go(func() {
				for range each {
					if _, err := appendEntry(t.Context(), db); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	for _, db := range list {
		if report := ledgertest.CheckLedger(t, db, ledger.VerifyOptions{}); report.Size != int64(len(list)*each*writers) {
			t.Errorf("%d entries", report.Size)
		}
	}
}

// Reading, deciding and writing of different nodes do not mix.
func TestNodesDoNotOverwriteEachOther(t *testing.T) {
	t.Parallel()
	list := nodes(t, 2)
	rcpt := models.Recipient{ID: "r-abc", Name: "a", State: models.RecipientApplied}
	add := func(db *DB) error {
		return db.Update(t.Context(), func(ctx context.Context) error {
			r, err := db.Recipient(ctx, rcpt.ID)
			r.Name += "a"
			return errors.Join(err, db.SaveRecipient(ctx, r))
		})
	}
	if err := list[0].Update(t.Context(), func(ctx context.Context) error { return list[0].SaveRecipient(ctx, rcpt) }); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			if err := add(list[i%2]); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if r, err := list[1].Recipient(t.Context(), rcpt.ID); err != nil || len(r.Name) != 41 {
		t.Errorf("%d changes are left, %v", len(r.Name)-1, err)
	}
}

func TestUsesEndAtTheirLimitOnAllNodes(t *testing.T) {
	t.Parallel()
	list := nodes(t, 2)
	save(t, list[0], func(ctx context.Context) error {
		db, l := list[0], someLink(1)
		l.MaxUses = 5
		return errors.Join(db.SaveNotice(ctx, someNotice(models.Test, 1)), db.SaveRequest(ctx, someRequest(1)),
			db.SaveProvision(ctx, someProvision(1)), db.AddLink(ctx, l))
	})
	var mu sync.Mutex
	used := 0
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			err := list[i%2].Update(t.Context(), func(ctx context.Context) error {
				ok, err := list[i%2].UseLink(ctx, someLink(1).ID, someLink(1).CreatedAt)
				mu.Lock()
				defer mu.Unlock()
				if ok {
					used++
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if used != 5 {
		t.Errorf("%d uses of 5", used)
	}
}

func TestExclusiveAcrossNodes(t *testing.T) {
	t.Parallel()
	list := nodes(t, 2)
	inside := 0
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			err := list[i%2].Exclusive(t.Context(), "test", func(ctx context.Context) error {
				mu.Lock()
				inside++
				alone := inside == 1
				mu.Unlock()
				ran, err := list[(i+1)%2].Alone(ctx, "test", func(context.Context) error { return nil })
				mu.Lock()
				defer mu.Unlock()
				inside--
				if !alone || ran {
					t.Errorf("alone %v, another ran %v", alone, ran)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if ran, err := list[0].Alone(t.Context(), "test", func(context.Context) error { return nil }); !ran || err != nil {
		t.Errorf("the lock stayed: %v, %v", ran, err)
	}
}

// A commit that may be lost after its answer is refused, wherever it was set, and
// cannot be brought in later.
func TestUnsafeCommitIsRefused(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"of the database": "ALTER DATABASE %db SET synchronous_commit = off",
		"of the role":     "ALTER ROLE %role SET synchronous_commit = off",
		"of both":         "ALTER ROLE %role IN DATABASE %db SET synchronous_commit = off",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := dbtest.Postgres(t)
			u, err := url.Parse(at)
			if err != nil {
				t.Fatal(err)
			}
			base := strings.TrimPrefix(u.Path, "/")
			role := "role_" + base
			dbtest.SQL(t, at, "CREATE ROLE "+role+" LOGIN", "GRANT ALL ON SCHEMA public TO "+role)
			t.Cleanup(func() { dbtest.SQL(t, at, "DROP OWNED BY "+role+" CASCADE", "DROP ROLE "+role) })
			q := u.Query()
			q.Set("user", role)
			u.RawQuery = q.Encode()
			db, err := Open(t.Context(), Options{URL: u.String(), Rand: rand.Reader})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			dbtest.SQL(t, at, strings.NewReplacer("%db", base, "%role", role).Replace(statement))
			if other, err := Open(t.Context(), Options{URL: u.String(), Rand: rand.Reader}); !models.IsKind(err, models.Unavailable) || !strings.Contains(err.Error(), "synchronous_commit") {
				t.Errorf("opened: %v", err)
				if err == nil {
					other.Close()
				}
			}
			if _, err := appendEntry(t.Context(), db); err != nil { // over a connection from before
				t.Error(err)
			}
			var commit string
			err = db.Update(t.Context(), func(ctx context.Context) error {
				return scanRow(db.conn(ctx).Raw("SHOW synchronous_commit"), &commit)
			})
			if err != nil || commit != "on" {
				t.Errorf("synchronous_commit=%s, %v", commit, err)
			}
		})
	}
}

func TestPostgresAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"postgres://u:hunter2@db.example.jp/t":                     "TLS",
		"postgres://u:hunter2@db.example.jp/t?sslmode=disable":     "TLS",
		"postgres://u:hunter2@db.example.jp/t?sslmode=prefer":      "TLS",
		"postgres://u:hunter2@db.example.jp:x/t":                   "no address",
		"postgres://u:hunter2@127.0.0.1:1/t?sslmode=disable":       "cannot be reached",
		"postgres://u:hunter2@db.example.jp/t?sslmode=verify-full": "",
		"postgres://u:hunter2@db.example.jp/t?sslmode=require":     "",
	} {
		_, err := postgresConfig(address, "")
		if want == "cannot be reached" {
			_, err = Open(t.Context(), Options{URL: address})
		}
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", address, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: %v", address, err)
		}
	}
	cfg, err := postgresConfig("postgres://u@localhost/t", "s3cret")
	if err != nil || cfg.Password != "s3cret" {
		t.Errorf("%v", err)
	}
}
