package database_test

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"teikyo/database"
	"teikyo/database/dbtest"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
)

// What holds on SQLite holds on PostgreSQL.
func TestOnPostgres(t *testing.T) {
	t.Parallel()
	dbtest.Again(t)
}

// TestPostgres runs the same code as on SQLite on a real PostgreSQL: every
// migration, rows of each kind of column, entries of many writers in one chain.
func TestPostgres(t *testing.T) {
	t.Parallel()
	db, err := database.Open(t.Context(), database.Options{URL: dbtest.Postgres(t), Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	t.Run("rows", func(t *testing.T) { testRecipientRows(t, db) })
	t.Run("rollback", func(t *testing.T) { testRollback(t, db) })
	t.Run("chain", func(t *testing.T) { testOneChain(t, db) })
}

func testRecipientRows(t *testing.T, db *database.DB) {
	want := models.Recipient{
		ID: "r-abcdefghijklmnop", Name: "東都大学", Country: "JP", State: models.RecipientApplied,
		Contacts:  []models.Contact{{Role: "technical", Name: "鈴木", Email: "a@example.jp"}},
		AppliedAt: time.Date(2026, 4, 1, 0, 0, 0, 1000, time.UTC),
	}
	for range 2 { // insert, then replace
		err := db.Update(t.Context(), func(ctx context.Context) error { return db.SaveRecipient(ctx, want) })
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := db.Recipient(t.Context(), want.ID)
	if err != nil || got.Name != want.Name || !got.AppliedAt.Equal(want.AppliedAt) || len(got.Contacts) != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	list, err := db.RecipientList(t.Context(), models.RecipientFilter{Query: "東都"}, models.Page{})
	if err != nil || len(list) != 1 {
		t.Fatalf("%d found, %v", len(list), err)
	}
	key := models.RecipientKey{ID: "k-1", RecipientID: "r-nobody", Public: "age1x", State: models.KeyAdded}
	err = db.Update(t.Context(), func(ctx context.Context) error { return db.SaveRecipientKey(ctx, key) })
	if !models.IsKind(err, models.Conflict) {
		t.Errorf("a key of nobody gave %v", err)
	}
	_, err = db.Recipient(t.Context(), "r-nobody")
	if !models.IsKind(err, models.NotFound) {
		t.Errorf("nobody gave %v", err)
	}
}

func testRollback(t *testing.T, db *database.DB) {
	before, err := db.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	err = db.Update(t.Context(), func(ctx context.Context) error {
		return errors.Join(db.Append(ctx, &ledger.Entry{Kind: ledger.RecipientApplied}), refused)
	})
	after, headErr := db.Head(t.Context())
	if !errors.Is(err, refused) || headErr != nil || after != before {
		t.Errorf("%v, head %v, then %v", err, before, after)
	}
}

func testOneChain(t *testing.T, db *database.DB) {
	var writers sync.WaitGroup
	for range 32 {
		writers.Go(func() {
			for range 4 {
				e := &ledger.Entry{Kind: ledger.RecipientApplied, IDs: map[string]string{"recipient": "r-abc"}}
				if err := db.Update(t.Context(), func(ctx context.Context) error { return db.Append(ctx, e) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	head, err := db.Head(t.Context())
	if err != nil || head.Size != 128 {
		t.Fatalf("%d entries, %v", head.Size, err)
	}
	ledgertest.CheckLedger(t, db, ledger.VerifyOptions{})
}
