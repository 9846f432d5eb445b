package keys_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"teikyo/crypto"
	"teikyo/database/dbtest"
	"teikyo/models"
)

// Two nodes share PostgreSQL and the objects, each with keys of its own.
func TestRotationOnTwoNodes(t *testing.T) {
	t.Parallel()
	url, dir := dbtest.Postgres(t), t.TempDir()
	one := newNode(t, dir, url, filepath.Join(dir, "keys-1"))
	one.must(one.keys.Open(t.Context()))
	first := one.ring.CurrentID()
	one.full(3)

	// A node without the key does not start, and makes none in its place.
	two := newNode(t, dir, url, filepath.Join(dir, "keys-2"))
	wantKind(t, two.keys.Open(t.Context()), models.Conflict, first+", which this database needs, is not here")
	if files := two.keyFiles(); len(files) != 0 {
		t.Fatal(files)
	}
	copyKey(t, one, two, first)
	one.must(two.keys.Open(t.Context()))
	two.opens()

	// A new version is not used before the other node has it.
	_, err := one.keys.Rotate(t.Context())
	wantKind(t, err, models.Conflict, "the node keys-2 does not have it")
	if one.ring.CurrentID() != first {
		t.Fatal("it is used already")
	}
	one.must(two.keys.Refresh(t.Context())) // nothing is under it yet
	three := newNode(t, dir, url, filepath.Join(dir, "keys-3"))
	copyKey(t, one, three, first)
	wantKind(t, three.keys.Open(t.Context()), models.Conflict, "is not here") // who starts must have it
	wantKind(t, three.keys.Problem(), models.Conflict, "is not here")
	one.must(three.keys.Leave(t.Context()))
	list, err := one.keys.Status(t.Context())
	one.must(err)
	if len(list) != 2 || list[1].State != models.KEKPrepared || len(list[1].Lacking) != 1 {
		t.Fatalf("%+v", list)
	}
	copyKey(t, one, two, list[1].ID)
	one.must(two.keys.Refresh(t.Context()))
	next, err := one.keys.Rotate(t.Context()) // goes on
	one.must(err)
	if next.ID != list[1].ID || len(one.keyFiles()) != 2 {
		t.Fatal(next, one.keyFiles())
	}
	two.put(two.draft(), "late.csv", 3000) // still under the old version
	one.must(two.keys.Refresh(t.Context()))
	if two.ring.CurrentID() != next.ID {
		t.Fatal("the second node wraps under", two.ring.CurrentID())
	}
	if step := one.rewrap(); step.Left != 0 || step.Changed != 7 {
		t.Fatalf("%+v", step)
	}
	two.opens()
	closing(t, one, two, first)

	// Destroyed on both nodes; a node that leaves does not count any more.
	_, err = one.keys.Destroy(t.Context(), first)
	one.must(err)
	one.must(two.keys.Refresh(t.Context()))
	if len(one.keyFiles()) != 1 || len(two.keyFiles()) != 1 {
		t.Fatal(one.keyFiles(), two.keyFiles())
	}
	two.opens()
	one.must(two.keys.Leave(t.Context()))
	_, err = one.keys.Rotate(t.Context())
	one.must(err)
	one.rewrap()
	_, err = two.ring.CheckValue(one.ring.CurrentID())
	if !errors.Is(err, crypto.ErrMissingKey) {
		t.Fatal(err)
	}
	one.opens()
}

// closing: a node that has not noticed yet cannot save what it wrapped under a
// version that is about to go.
func closing(t *testing.T, one, two *node, first string) {
	t.Helper()
	set := func(state models.KEKState) {
		one.must(one.db.Update(t.Context(), func(ctx context.Context) error {
			versions, err := one.db.KEKVersions(ctx)
			if err != nil {
				return err
			}
			versions[0].State = state
			return one.db.SaveKEKVersion(ctx, versions[0])
		}))
	}
	set(models.KEKClosing)
	one.must(two.ring.Use(first))
	v := two.draft()
	_, err := two.datasets.Put(t.Context(), manager, uploadOf(v, "a.csv", claims(1000)))
	wantKind(t, err, models.Unavailable, "is being destroyed; try again")
	one.must(two.keys.Refresh(t.Context()))
	two.put(v, "a.csv", 1000)
	set(models.KEKOld)
}
