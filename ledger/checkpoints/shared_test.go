package checkpoints_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/ledger"
	"teikyo/ledger/checkpoints"
	"teikyo/ledger/ledgertest"
)

// sharing is a second place as several servers see it.
func sharing(place checkpoints.SecondPlace, mu *sync.Mutex, k keys) *checkpoints.Shared {
	return &checkpoints.Shared{
		SecondPlace: place,
		Exclusive: func(ctx context.Context, fn func(ctx context.Context) error) error {
			mu.Lock()
			defer mu.Unlock()
			return fn(ctx)
		},
		Verifiers: func() ([]ledger.Verifier, error) { return []ledger.Verifier{k.verifier}, nil },
	}
}

func TestSharedPlaceNeverShrinks(t *testing.T) {
	t.Parallel()
	place, mu, k := checkpoints.FolderPlace(t.TempDir()), &sync.Mutex{}, newKeys(t)
	if err := place.Create(); err != nil {
		t.Fatal(err)
	}
	log := newDatabase(t, 0)
	var texts [][]byte
	for range 30 {
		texts = append(texts, k.sign(t, log.commit(t, 1)))
	}
	var servers sync.WaitGroup
	for server := range 3 {
		servers.Go(func() {
			shared := sharing(place, mu, k)
			for i := server; i < len(texts); i += 3 {
				if err := shared.Put(t.Context(), texts[i]); err != nil {
					t.Error(err)
				}
				text, err := shared.Newest(t.Context())
				c, openErr := ledger.OpenCheckpoint(text, k.verifier)
				if err != nil || openErr != nil || c.Tree.N < int64(i+1) {
					t.Errorf("%d entries after a put of %d: %v, %v", c.Tree.N, i+1, err, openErr)
				}
			}
		})
	}
	servers.Wait()
}

func TestSharedPlaceOfAnother(t *testing.T) {
	t.Parallel()
	mu, k := &sync.Mutex{}, newKeys(t)
	log := newDatabase(t, 3)
	tree := log.tree()
	forked := tlog.Tree{N: tree.N, Hash: tlog.Hash{1}}
	for name, there := range map[string][]byte{
		"of another key": newKeys(t).sign(t, tree), "forked": k.sign(t, forked), "no checkpoint": []byte("hello\n"),
	} {
		place := &ledgertest.Place{}
		if err := place.Put(t.Context(), there); err != nil {
			t.Fatal(err)
		}
		if err := sharing(place, mu, k).Put(t.Context(), k.sign(t, tree)); !errors.Is(err, checkpoints.ErrForeignCheckpoint) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
