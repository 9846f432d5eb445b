package checkpoints_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/ledger"
	"teikyo/ledger/checkpoints"
	"teikyo/ledger/ledgertest"
)

// rig is a publisher at work on a database.
type rig struct {
	*checkpoints.Publisher
	keys
	db    *database
	place *ledgertest.Place
	ended chan error
}

// run starts a publisher inside a synctest bubble; it ends with the test.
func run(t *testing.T, db *database, published ledger.Checkpoint, k keys) *rig {
	t.Helper()
	r := &rig{keys: k, db: db, place: &ledgertest.Place{}, ended: make(chan error, 1)}
	r.Publisher = checkpoints.NewPublisher(checkpoints.Config{
		Signer: k.signer, Second: r.place, Hashes: db, Published: published,
		Head: func(ctx context.Context) (tlog.Tree, error) { return db.tree(), ctx.Err() },
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { r.ended <- r.Run(ctx) }()
	t.Cleanup(cancel)
	synctest.Wait()
	return r
}

func (r *rig) commit(t *testing.T, entries int) int64 {
	t.Helper()
	tree := r.db.commit(t, entries)
	r.Committed(tree)
	return tree.N - 1
}

// within gives a wait an end. synctest's clock makes it cost nothing.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestPublish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, newDatabase(t, 0), ledger.Checkpoint{}, newKeys(t))
		if r.Newest() != nil || r.Healthy() != nil {
			t.Errorf("an empty log: %q, %v", r.Newest(), r.Healthy())
		}
		for range 3 {
			last := r.commit(t, 2)
			text, err := r.Wait(t.Context(), last)
			if err != nil {
				t.Fatal(err)
			}
			c, err := ledger.OpenCheckpoint(text, r.verifier)
			if err != nil || c.Tree.N <= last {
				t.Errorf("Wait(%d) = %d entries, %v", last, c.Tree.N, err)
			}
			if kept, _ := r.place.Newest(t.Context()); !bytes.Equal(kept, text) || !bytes.Equal(r.Newest(), text) {
				t.Errorf("not in the second place when Wait returned: %q", kept)
			}
		}
		if r.Lag() != 0 {
			t.Errorf("lag = %s", r.Lag())
		}
	})
}

func TestPublishWhatACrashLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, k := newDatabase(t, 3), newKeys(t)
		published := k.checkpoint(t, db.tree())
		db.commit(t, 4) // committed, then the power went
		r := run(t, db, published, k)
		if text, err := r.Wait(within(t, time.Second), 6); err != nil {
			t.Errorf("Wait = %q, %v", text, err)
		}
		if r.place.Puts() != 1 {
			t.Errorf("%d puts", r.place.Puts())
		}
	})
}

func TestManyCommitsShareACheckpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, newDatabase(t, 0), ledger.Checkpoint{}, newKeys(t))
		r.place.Set(ledgertest.Hangs) // until the attempt's own deadline
		first := r.commit(t, 1)
		synctest.Wait()
		var waiters sync.WaitGroup
		for range 64 {
			index := r.commit(t, 1)
			waiters.Go(func() {
				if _, err := r.Wait(within(t, time.Hour), index); err != nil {
					t.Error(err)
				}
			})
		}
		r.place.Set(ledgertest.NoFault)
		waiters.Wait()
		if _, err := r.Wait(t.Context(), first); err != nil {
			t.Error(err)
		}
		if r.place.Puts() != 2 {
			t.Errorf("%d puts for 65 commits, want 2", r.place.Puts())
		}
	})
}

func TestSecondPlaceFails(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]ledgertest.Fault{"fails": ledgertest.Fails, "fails but keeps": ledgertest.FailsButKeeps, "hangs": ledgertest.Hangs} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := run(t, newDatabase(t, 0), ledger.Checkpoint{}, newKeys(t))
				before, err := r.Wait(t.Context(), r.commit(t, 1))
				if err != nil {
					t.Fatal(err)
				}
				r.place.Set(fault)
				last := r.commit(t, 3)
				if _, err := r.Wait(within(t, 40*time.Second), last); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "second place") {
					t.Errorf("Wait = %v", err)
				}
				if err := r.Healthy(); err != nil {
					t.Errorf("after 40 s: %v", err)
				}
				time.Sleep(21 * time.Second) // of the bubble's clock
				if err := r.Healthy(); !errors.Is(err, checkpoints.ErrBehind) || strings.Contains(err.Error(), "\n") {
					t.Errorf("after 61 s: %v", err)
				}
				if !bytes.Equal(r.Newest(), before) {
					t.Errorf("what never became durable is served: %q", r.Newest())
				}
				r.place.Set(ledgertest.NoFault)
				if _, err := r.Wait(within(t, time.Minute), last); err != nil {
					t.Errorf("after the repair: %v", err)
				}
				if err := r.Healthy(); err != nil || r.Lag() != 0 {
					t.Errorf("after the repair: %v, lag %s", err, r.Lag())
				}
				onlyGrows(t, r)
			})
		})
	}
}

// onlyGrows checks that everything in the second place is one history.
func onlyGrows(t *testing.T, r *rig) {
	t.Helper()
	o := ledger.VerifyOptions{Origin: r.signer.Origin(), Verifiers: []ledger.Verifier{r.verifier}, Checkpoints: r.place.Kept()}
	ledgertest.CheckLedger(t, r.db.log, o)
	var last int64
	for _, text := range r.place.Kept() {
		c, err := ledger.ParseCheckpoint(text)
		if err != nil || c.Tree.N < last {
			t.Errorf("%d entries after %d, %v", c.Tree.N, last, err)
		}
		last = c.Tree.N
	}
}

func TestBehindFromTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t, 3)
		place := &ledgertest.Place{}
		place.Set(ledgertest.Fails)
		p := checkpoints.NewPublisher(checkpoints.Config{
			Signer: newKeys(t).signer, Second: place, Hashes: db, MaxLag: time.Second,
			Head: func(ctx context.Context) (tlog.Tree, error) { return db.tree(), ctx.Err() },
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = p.Run(ctx) }()
		time.Sleep(2 * time.Second)
		if err := p.Healthy(); !errors.Is(err, checkpoints.ErrBehind) || !errors.Is(err, ledgertest.ErrFault) {
			t.Errorf("Healthy = %v", err)
		}
	})
}

// A log whose database is changed under the running server never signs a second
// history.
func TestNeverSignsTwoHistories(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T, d *database){
		"rolled back": func(t *testing.T, d *database) { d.log = newDatabase(t, 2).log },
		"rewritten":   func(t *testing.T, d *database) { d.log = newDatabase(t, 9).log },
		"replaced":    func(t *testing.T, d *database) { d.log = newDatabase(t, 5).log },
	}
	for name, tamper := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := run(t, newDatabase(t, 5), ledger.Checkpoint{}, newKeys(t))
				tamper(t, r.db)
				r.Committed(tlog.Tree{N: 6})
				if _, err := r.Wait(t.Context(), 5); !errors.Is(err, ledger.ErrInconsistent) {
					t.Errorf("Wait = %v", err)
				}
				if err := r.Healthy(); !errors.Is(err, ledger.ErrInconsistent) {
					t.Errorf("Healthy = %v", err)
				}
				if err := <-r.ended; !errors.Is(err, ledger.ErrInconsistent) {
					t.Errorf("Run = %v", err)
				}
				if r.place.Puts() != 1 {
					t.Errorf("%d checkpoints", r.place.Puts())
				}
			})
		})
	}
}
