package database

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teikyo/database/dbtest"
	"teikyo/models"
)

// Turns count once, whichever node they are taken at, and come back with time.
func TestTurnsCountAcrossNodes(t *testing.T) {
	t.Parallel()
	list := nodes(t, 3)
	const burst, tries = 20, 60
	var got, waited atomic.Int64
	var all sync.WaitGroup
	for i := range tries {
		all.Go(func() {
			wait, err := list[i%len(list)].TakeTurn(t.Context(), "192.0.2.1", time.Hour, burst)
			switch {
			case err != nil:
				t.Error(err)
			case wait == 0:
				got.Add(1)
			case wait > time.Hour || wait < 50*time.Minute:
				t.Errorf("wait %v", wait)
			default:
				waited.Add(1)
			}
		})
	}
	all.Wait()
	if got.Load() != burst || waited.Load() != tries-burst {
		t.Errorf("%d turns, %d had to wait", got.Load(), waited.Load())
	}
	if wait, err := list[0].TakeTurn(t.Context(), "192.0.2.2", time.Hour, burst); wait != 0 || err != nil {
		t.Errorf("another address: %v, %v", wait, err)
	}
}

// An address whose turns lie in a future that no turn can make is not shut out,
// and what is long free is forgotten.
func TestTurnsOfAWrongClock(t *testing.T) {
	t.Parallel()
	db := nodes(t, 1)[0]
	take := func() time.Duration {
		t.Helper()
		wait, err := db.TakeTurn(t.Context(), "192.0.2.1", time.Minute, 2)
		if err != nil {
			t.Fatal(err)
		}
		return wait
	}
	if a, b, c := take(), take(), take(); a != 0 || b != 0 || c < 50*time.Second || c > time.Minute {
		t.Fatal(a, b, c)
	}
	move := func(by time.Duration) {
		dbtest.SQL(t, db.opts.URL, fmt.Sprintf("UPDATE redeem_turns SET due = due + %d", by.Microseconds()))
	}
	move(-time.Minute)
	if a, b := take(), take(); a != 0 || b == 0 {
		t.Errorf("a minute later: %v, %v", a, b)
	}
	move(48 * time.Hour)
	if wait := take(); wait != 0 {
		t.Errorf("with a clock that was wrong: %v", wait)
	}
	move(-48 * time.Hour)
	if _, err := db.Purge(t.Context(), models.PurgeBefore{Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if left := dbtest.SQL(t, db.opts.URL, "SELECT count(*) FROM redeem_turns"); left != "0" {
		t.Errorf("%s rows are left", left)
	}
}
