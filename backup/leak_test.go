package backup_test

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teikyo/database"
	"teikyo/ledger"
)

// openFiles counts the descriptors that lead into a folder.
func openFiles(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("needs /proc")
	}
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && strings.HasPrefix(target, dir) {
			names = append(names, filepath.Base(target))
		}
	}
	return names
}

// A database that was moved must not be held open by the process that filled it:
// who opens it in the same process would get the old file's log of changes.
func TestClosedMeansClosed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	url := "sqlite:" + filepath.Join(dir, "teikyo.db")
	from := open(t, sqliteURL(t))
	fill(t, from)
	f := openBackup(t, makeBackup(t, source(from)))
	err := database.Load(t.Context(), database.Options{URL: url, Rand: rand.Reader}, f.Manifest.Schema, func(put database.PutTable) error { return f.Fill(put) })
	if err != nil {
		t.Fatal(err)
	}
	if left := openFiles(t, dir); len(left) > 0 {
		t.Errorf("after Load: %v", left)
	}
	steps := map[string]func(ctx context.Context, db *database.DB) error{
		"nothing": func(context.Context, *database.DB) error { return nil },
		"flush":   func(ctx context.Context, db *database.DB) error { return db.Flush(ctx) },
		"verify": func(ctx context.Context, db *database.DB) error {
			return db.Snapshot(ctx, func(ctx context.Context) error {
				_, err := ledger.Verify(ctx, db, ledger.VerifyOptions{Manifest: db.ManifestOf})
				return err
			})
		},
		"numbers": func(ctx context.Context, db *database.DB) error { _, err := db.LogNumber(ctx); return err },
		"objects": func(ctx context.Context, db *database.DB) error {
			for _, err := range db.StoredObjects(ctx) {
				return err
			}
			return nil
		},
	}
	for name, step := range steps {
		db, err := database.Open(t.Context(), database.Options{URL: url, Rand: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		if err := step(t.Context(), db); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if left := openFiles(t, dir); len(left) > 0 {
			t.Errorf("after %s: %v", name, left)
		}
	}
}
