package checkpoints_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/ledger"
	"teikyo/ledger/checkpoints"
	"teikyo/ledger/ledgertest"
)

// proveWith proves from tiles, as a client does over HTTP.
func proveWith(log *ledgertest.MemoryLog) checkpoints.Prove {
	return func(ctx context.Context, older, newer tlog.Tree) error {
		return checkpoints.ConsistencyFromTiles(ctx, func(_ context.Context, path string) ([]byte, error) {
			tile, err := ledger.ParseTilePath(path)
			if err != nil {
				return nil, err
			}
			return ledger.ReadTile(tile, log.Row.Size, log)
		}, older, newer)
	}
}

func TestWitness(t *testing.T) {
	t.Parallel()
	k, db := newKeys(t), newDatabase(t, 3)
	three := k.checkpoint(t, db.tree())
	five := k.checkpoint(t, db.commit(t, 2))
	nine := k.checkpoint(t, db.commit(t, 4))
	other := newDatabase(t, 9).log // the same issuer's second history
	unreachable := errors.New("no route to host")
	steps := []struct {
		name  string
		c     ledger.Checkpoint
		prove checkpoints.Prove
		want  error
		kept  int64
	}{
		{"first contact", five, nil, nil, 5},
		{"the same again", five, nil, nil, 5},
		{"log out of reach", nine, nil, checkpoints.ErrUnproven, 5},
		{"log does not answer", nine, func(context.Context, tlog.Tree, tlog.Tree) error { return unreachable }, unreachable, 5},
		{"second history", k.checkpoint(t, other.Tree()), proveWith(other), ledger.ErrInconsistent, 5},
		{"grown", nine, proveWith(db.log), nil, 9},
		{"second history, same size", k.checkpoint(t, other.Tree()), proveWith(other), ledger.ErrInconsistent, 9},
		{"an older parcel comes late", three, proveWith(db.log), nil, 9},
		{"an older one of the second history", k.checkpoint(t, newDatabase(t, 4).tree()), proveWith(db.log), ledger.ErrInconsistent, 9},
	}
	dir := filepath.Join(t.TempDir(), "memory")
	for _, s := range steps {
		w := checkpoints.NewWitness(dir) // as in a new run of the client
		if err := w.Check(t.Context(), s.c, s.prove); !errors.Is(err, s.want) || (err == nil) != (s.want == nil) {
			t.Errorf("%s: Check = %v, want %v", s.name, err, s.want)
		}
		if kept, err := w.Newest(s.c.Origin); err != nil || kept.Tree.N != s.kept {
			t.Errorf("%s: %d entries kept, %v; want %d", s.name, kept.Tree.N, err, s.kept)
		}
	}
	w := checkpoints.NewWitness(dir)
	if kept, err := w.Newest("elsewhere.example/ledger/1"); err != nil || kept.Text != nil {
		t.Errorf("another log: %+v, %v", kept, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("left in the folder: %v, %v", files, err)
	}
	if err := os.WriteFile(files[0], []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.Check(t.Context(), nine, nil); err == nil {
		t.Error("a damaged memory passes for an empty one")
	}
}
