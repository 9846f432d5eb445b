package checkpoints_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"teikyo/ledger"
	"teikyo/ledger/checkpoints"
	"teikyo/ledger/ledgertest"
)

func TestCheckStart(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	db := newDatabase(t, 5)
	old := db.log.Clone()
	five := k.sign(t, db.tree())
	db.commit(t, 4)
	nine := k.sign(t, db.tree())
	other := newDatabase(t, 9).log
	tests := map[string]struct {
		log    *ledgertest.MemoryLog
		origin string
		kept   []byte
		size   int64 // of the checkpoint returned
		want   error
	}{
		"nothing kept yet":         {db.log, k.signer.Origin(), nil, 0, nil},
		"grown since":              {db.log, k.signer.Origin(), five, 5, nil},
		"as kept":                  {db.log, k.signer.Origin(), nine, 9, nil},
		"rolled back":              {old, k.signer.Origin(), nine, 0, checkpoints.ErrRolledBack},
		"emptied":                  {ledgertest.NewMemoryLog(), k.signer.Origin(), nine, 0, checkpoints.ErrRolledBack},
		"rewritten, same size":     {other, k.signer.Origin(), nine, 0, ledger.ErrInconsistent},
		"rewritten and grown":      {other, k.signer.Origin(), five, 0, ledger.ErrInconsistent},
		"forged":                   {db.log, k.signer.Origin(), newKeys(t).sign(t, db.tree()), 0, checkpoints.ErrForeignCheckpoint},
		"damaged":                  {db.log, k.signer.Origin(), []byte("not a checkpoint"), 0, checkpoints.ErrForeignCheckpoint},
		"of the log before a fork": {db.log, ledger.LogOrigin("hospital.example", 2), nine, 0, checkpoints.ErrForeignCheckpoint},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			place := &ledgertest.Place{}
			if c.kept != nil {
				if err := place.Put(t.Context(), c.kept); err != nil {
					t.Fatal(err)
				}
			}
			got, err := checkpoints.CheckStart(t.Context(), c.origin, c.log.Tree(), c.log, place, k.verifier)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || got.Tree.N != c.size {
				t.Errorf("CheckStart = %d entries, %v; want %d, %v", got.Tree.N, err, c.size, c.want)
			}
		})
	}
	gone := checkpoints.FolderPlace(filepath.Join(t.TempDir(), "unmounted"))
	if _, err := checkpoints.CheckStart(t.Context(), k.signer.Origin(), db.tree(), db.log, gone, k.verifier); !errors.Is(err, checkpoints.ErrPlaceGone) {
		t.Errorf("second place gone: %v", err)
	}
}

func TestFolder(t *testing.T) {
	t.Parallel()
	k, db := newKeys(t), newDatabase(t, 1)
	dir := filepath.Join(t.TempDir(), "second", "place")
	place := checkpoints.FolderPlace(dir)
	for range 2 { // making it again harms nothing
		if err := place.Create(); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := place.Newest(t.Context()); text != nil || err != nil {
		t.Errorf("new: %q, %v", text, err)
	}
	var history []byte
	for range 3 {
		text := k.sign(t, db.commit(t, 1))
		history = append(append(history, text...), '\n')
		if err := place.Put(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		got, err := checkpoints.FolderPlace(dir).Newest(t.Context()) // as after a restart
		if err != nil || string(got) != string(text) {
			t.Errorf("Newest = %q, %v", got, err)
		}
	}
	if kept, err := os.ReadFile(filepath.Join(dir, "checkpoint.history")); err != nil || string(kept) != string(history) {
		t.Errorf("history = %q, %v", kept, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("left in the folder: %v, %v", entries, err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info.Mode(), err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := place.Put(cancelled, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A mount point without its disk is an empty folder: it must not pass for a
// second place that never held anything.
func TestFolderGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	place := checkpoints.FolderPlace(dir)
	if err := place.Put(t.Context(), []byte("x")); !errors.Is(err, checkpoints.ErrPlaceGone) {
		t.Errorf("Put = %v", err)
	}
	if _, err := place.Newest(t.Context()); !errors.Is(err, checkpoints.ErrPlaceGone) {
		t.Errorf("Newest = %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
}

// A full disk is played by /dev/full, on which every write answers ENOSPC.
func TestFolderFull(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full on this system")
	}
	k, db := newKeys(t), newDatabase(t, 1)
	dir := t.TempDir()
	place := checkpoints.FolderPlace(dir)
	if err := errors.Join(place.Create(), place.Put(t.Context(), k.sign(t, db.tree()))); err != nil {
		t.Fatal(err)
	}
	before, err := place.Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(filepath.Join(dir, "checkpoint.history")), os.Symlink("/dev/full", filepath.Join(dir, "checkpoint.history"))); err != nil {
		t.Fatal(err)
	}
	if err := place.Put(t.Context(), k.sign(t, db.commit(t, 1))); err == nil {
		t.Error("Put on a full disk succeeded")
	}
	if after, err := place.Newest(t.Context()); err != nil || string(after) != string(before) {
		t.Errorf("Newest = %q, %v; want what was there before", after, err)
	}
}
