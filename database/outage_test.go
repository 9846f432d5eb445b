//go:build unix

package database

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"teikyo/database/dbtest"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
)

// cuttable is a database whose connections pass a cutter.
func cuttable(t *testing.T) (*DB, *dbtest.Cutter, chan error) {
	t.Helper()
	cluster := dbtest.OwnCluster(t)
	c := dbtest.NewCutter(t, cluster.Address())
	fatal := make(chan error, 1)
	db, err := Open(t.Context(), Options{
		URL: cluster.Through(c.Address(), "postgres"), Rand: rand.Reader, Fatal: func(err error) { fatal <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db, c, fatal
}

// TestCommitWithoutAnswer: what a COMMIT without an answer came to is asked. What
// was done counts as done, what was not is told, and the database goes on.
func TestCommitWithoutAnswer(t *testing.T) {
	t.Parallel()
	db, c, _ := cuttable(t)
	revocations := int64(0)
	for _, entry := range []bool{true, false} {
		for _, when := range []dbtest.When{dbtest.Before, dbtest.After} {
			told := false
			err := db.Update(t.Context(), func(ctx context.Context) error {
				db.AfterCommit(ctx, func() { told = true })
				c.Arm(when, 0, false)
				if entry {
					return errors.Join(db.Revoke(ctx), db.Append(ctx, &ledger.Entry{Kind: ledger.RecipientApplied}))
				}
				return db.Revoke(ctx)
			})
			if when == dbtest.After {
				revocations++
			}
			if done := when == dbtest.After; told != done || done && err != nil || !done && !models.IsKind(err, models.Unavailable) {
				t.Errorf("cut %s, entry %v: %v, told %v", when, entry, err, told)
			}
			if n, err := db.RevocationCounter(t.Context()); err != nil || n != revocations {
				t.Errorf("cut %s, entry %v: %d, want %d (%v)", when, entry, n, revocations, err)
			}
			if _, err := appendEntry(t.Context(), db); err != nil {
				t.Errorf("after a cut %s: %v", when, err)
			}
			ledgertest.CheckLedger(t, db, ledger.VerifyOptions{})
		}
	}
}

// Where nobody can say what a COMMIT came to, the server stops (DESIGN decision 9).
func TestUnknownCommitStops(t *testing.T) {
	t.Parallel()
	db, c, fatal := cuttable(t)
	db.settleFor = 300 * time.Millisecond
	err := db.Update(t.Context(), func(ctx context.Context) error {
		c.Arm(dbtest.After, 0, true)
		return db.Append(ctx, &ledger.Entry{Kind: ledger.RecipientApplied})
	})
	if !models.IsKind(err, models.Unavailable) {
		t.Errorf("got %v", err)
	}
	if err := <-fatal; !models.IsKind(err, models.Unavailable) {
		t.Errorf("told %v", err)
	}
	if _, err := appendEntry(t.Context(), db); !models.IsKind(err, models.Unavailable) {
		t.Errorf("a stopped database took an entry: %v", err)
	}
}

// The server restarts under a database, which comes back by itself; a change that
// was under way is told to be tried again.
func TestPostgresRestarts(t *testing.T) {
	t.Parallel()
	cluster := dbtest.OwnCluster(t)
	db, err := Open(t.Context(), Options{URL: cluster.URL("postgres"), Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := appendEntry(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		err := db.Update(t.Context(), func(ctx context.Context) error {
			cluster.Stop(t)
			return db.Revoke(ctx)
		})
		if !models.IsKind(err, models.Unavailable) {
			t.Errorf("a change during the stop: %v", err)
		}
		if _, err := appendEntry(t.Context(), db); !models.IsKind(err, models.Unavailable) {
			t.Errorf("without a server: %v", err)
		}
		if _, err := db.Head(t.Context()); !models.IsKind(err, models.Unavailable) {
			t.Errorf("reading without a server: %v", err)
		}
		cluster.Start(t)
		if e, err := appendEntry(t.Context(), db); err != nil || e.Index != int64(round+1) {
			t.Errorf("after the start: %+v, %v", e, err)
		}
	}
	ledgertest.CheckLedger(t, db, ledger.VerifyOptions{})
}

// An administrator of PostgreSQL who ends connections harms nothing.
func TestTerminatedConnections(t *testing.T) {
	t.Parallel()
	url := dbtest.Postgres(t)
	db, err := Open(t.Context(), Options{URL: url, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var writers sync.WaitGroup
	done := make(chan struct{})
	var mu sync.Mutex
	saved := 0
	for range 4 {
		writers.Go(func() {
			for range 40 {
				_, err := appendEntry(t.Context(), db)
				mu.Lock()
				if err == nil {
					saved++
				} else if !models.IsKind(err, models.Unavailable) {
					t.Errorf("got %v", err)
				}
				mu.Unlock()
			}
		})
	}
	go func() {
		writers.Wait()
		close(done)
	}()
	for ended := false; !ended; {
		dbtest.SQL(t, url, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		select {
		case <-done:
			ended = true
		case <-time.After(20 * time.Millisecond):
		}
	}
	head := ledgertest.CheckLedger(t, db, ledger.VerifyOptions{})
	if head.Size != int64(saved) {
		t.Errorf("%d entries, %d were answered", head.Size, saved)
	}
}
