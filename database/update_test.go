package database

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"

	"teikyo/database/dbtest"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
)

func openTest(tb testing.TB) *DB {
	tb.Helper()
	db, err := Open(context.Background(), Options{
		URL: dbtest.URL(tb, tb.TempDir()), Rand: rand.Reader,
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	return db
}

func appendEntry(ctx context.Context, db *DB) (*ledger.Entry, error) {
	e := &ledger.Entry{Kind: ledger.RecipientApplied, IDs: map[string]string{"recipient": "r-abc", "actor": "u-abc"}}
	return e, db.Update(ctx, func(ctx context.Context) error { return db.Append(ctx, e) })
}

func TestAppendCountsUp(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	for want := range int64(70) {
		e, err := appendEntry(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		if e.Index != want {
			t.Fatalf("index %d, want %d", e.Index, want)
		}
		if want == 33 { // a restart forgets the right edge of the tree
			db.head = headCache{}
		}
	}
}

func TestUpdateRollsBackWithItsEntries(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	wrong := fmt.Errorf("refused")
	err := db.Update(t.Context(), func(ctx context.Context) error {
		if err := db.Append(ctx, &ledger.Entry{Kind: ledger.RecipientApplied}); err != nil {
			return err
		}
		return wrong
	})
	if err != wrong {
		t.Fatalf("got %v", err)
	}
	e, err := appendEntry(t.Context(), db)
	if err != nil || e.Index != 0 {
		t.Fatalf("index %d, %v", e.Index, err)
	}
}

func TestAppendNoticesAHeadThatMoved(t *testing.T) {
	t.Parallel()
	root := "randomblob(32)"
	if dbtest.OnPostgres() {
		root = "sha256('another')"
	}
	for _, statement := range []string{
		"UPDATE ledger_head SET size = size + 1", "UPDATE ledger_head SET size = size - 1",
		"UPDATE ledger_head SET root = " + root, "UPDATE ledger_head SET at = at + 1000", "DELETE FROM ledger_head",
	} {
		db := openTest(t)
		if _, err := appendEntry(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		db.tamper(t, statement)
		if _, err := appendEntry(t.Context(), db); !models.IsKind(err, models.Conflict) && !models.IsKind(err, models.Integrity) {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

func TestConcurrentAppendsMakeOneChain(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[int64]bool{}
	for range 64 {
		wg.Go(func() {
			for range 5 {
				e, err := appendEntry(t.Context(), db)
				mu.Lock()
				if err != nil || seen[e.Index] {
					t.Errorf("index %d: %v", e.Index, err)
				}
				seen[e.Index] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != 320 {
		t.Fatalf("%d entries", len(seen))
	}
}

func BenchmarkAppend(b *testing.B) {
	db := openTest(b)
	for b.Loop() {
		if _, err := appendEntry(b.Context(), db); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareRow(b *testing.B) {
	db := openTest(b)
	pool, _ := db.pool()
	if _, err := pool.Exec("CREATE TABLE bare (id INTEGER PRIMARY KEY, v BLOB)"); err != nil {
		b.Fatal(err)
	}
	v := make([]byte, 500)
	for b.Loop() {
		tx, err := pool.Begin()
		if err != nil {
			b.Fatal(err)
		}
		tx.Exec("INSERT INTO bare (v) VALUES (?)", v)
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

// A transaction that an error left open must not shut everybody out.
func TestUpdateAfterAnOpenTransaction(t *testing.T) {
	t.Parallel()
	if dbtest.OnPostgres() {
		return // there, a connection that is not at rest is not used again
	}
	db := openTest(t)
	if _, err := db.sole.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	e, err := appendEntry(t.Context(), db)
	if err != nil || e.Index != 0 {
		t.Fatal(e, err)
	}
	ledgertest.CheckLedger(t, db, ledger.VerifyOptions{})
}
