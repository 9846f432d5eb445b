package clock

import (
	"errors"
	"testing"
	"time"
)

// hands are the two clocks of a test.
type hands struct {
	wall    time.Time
	elapsed time.Duration
}

func (h *hands) pass(d time.Duration) { h.wall, h.elapsed = h.wall.Add(d), h.elapsed+d }

func setup() (*hands, *Clock) {
	h := &hands{wall: time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC), elapsed: time.Hour}
	return h, With(func() time.Time { return h.wall }, func() time.Duration { return h.elapsed })
}

func TestMovedClockIsNoticed(t *testing.T) {
	t.Parallel()
	cases := []struct {
		move time.Duration
		want error
	}{
		{0, nil}, {MaxSkew, nil}, {-MaxSkew, nil}, {MaxSkew + 1, ErrMoved}, {-MaxSkew - 1, ErrMoved}, {-24 * time.Hour, ErrMoved},
	}
	for _, c := range cases {
		h, clock := setup()
		h.pass(100 * time.Hour)
		h.wall = h.wall.Add(c.move)
		if err := clock.Check(); !errors.Is(err, c.want) {
			t.Errorf("moved by %s: %v", c.move, err)
		}
		h.wall = h.wall.Add(-c.move)
		if err := clock.Check(); err != nil {
			t.Errorf("set right again after %s: %v", c.move, err)
		}
	}
}

func TestTimeDoesNotRunBehindTheLedger(t *testing.T) {
	t.Parallel()
	h, clock := setup()
	newest := h.wall.Add(MaxSkew)
	clock.Saw(newest)
	clock.Saw(newest.Add(-time.Hour))
	clock.Saw(time.Time{})
	if now := clock.Now(); !now.Equal(newest) {
		t.Fatalf("now %s, newest %s", now, newest)
	}
	if err := clock.Check(); err != nil {
		t.Fatal(err)
	}
	clock.Saw(newest.Add(time.Second))
	if err := clock.Check(); !errors.Is(err, ErrBehind) {
		t.Fatal(err)
	}
	h.pass(time.Minute)
	if now := clock.Now(); !now.Equal(newest.Add(time.Second)) {
		t.Fatal(now)
	}
	h.pass(time.Hour)
	if now := clock.Now(); !now.Equal(h.wall) || clock.Check() != nil {
		t.Fatal(now, clock.Check())
	}
}

func TestMachineClock(t *testing.T) {
	t.Parallel()
	c := New()
	if err := c.Check(); err != nil || time.Since(c.Now()).Abs() > time.Minute {
		t.Fatal(err, c.Now())
	}
}
