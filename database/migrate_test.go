package database

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"

	"teikyo/database/dbtest"
	"teikyo/models"
)

func TestNewerDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	opts := Options{URL: dbtest.URL(t, t.TempDir()), Rand: rand.Reader}
	var db *DB
	for range 2 { // a second start finds its own schema
		var err error
		if db, err = Open(t.Context(), opts); err != nil {
			t.Fatal(err)
		}
		defer db.Close()
	}
	err := db.Update(t.Context(), func(ctx context.Context) error {
		return db.mutate(ctx).Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)").Error
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), opts); !models.IsKind(err, models.Conflict) || !strings.Contains(err.Error(), "newer version") {
		t.Fatalf("got %v", err)
	}
}
