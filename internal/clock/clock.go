// Package clock is the time of a server whose records must not be dated wrongly
// (DESIGN decision 20): it never runs behind the ledger, and it notices when
// somebody moves the machine's clock.
package clock

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// MaxSkew is how far the clocks may be apart.
const MaxSkew = 5 * time.Minute

// Errors of a clock that must not date records.
var (
	// ErrBehind: the wall clock lies before the newest ledger entry.
	ErrBehind = errors.New("the machine's clock is behind the ledger")
	// ErrMoved: the wall clock was set while the server ran.
	ErrMoved = errors.New("the machine's clock was moved while the server ran")
)

// Clock is safe for concurrent use.
type Clock struct {
	wall    func() time.Time
	elapsed func() time.Duration
	start   time.Time
	newest  atomic.Int64 // time of the newest ledger entry, Unix nanoseconds
}

// New is the clock of this machine.
func New() *Clock {
	start := time.Now() // holds a reading of the monotonic clock
	return With(func() time.Time { return time.Now().Round(0) }, func() time.Duration { return time.Since(start) })
}

// With is a clock made of a wall clock and of the time that a monotonic one
// says has passed.
func With(wall func() time.Time, elapsed func() time.Duration) *Clock {
	return &Clock{wall: wall, elapsed: elapsed, start: wall().Add(-elapsed())}
}

// Now is the later of the wall clock and the newest ledger entry.
func (c *Clock) Now() time.Time {
	now, newest := c.wall(), time.Unix(0, c.newest.Load())
	if now.Before(newest) {
		return newest.In(now.Location())
	}
	return now
}

// Saw tells of a ledger entry's time.
func (c *Clock) Saw(entry time.Time) {
	if entry.IsZero() {
		return
	}
	for at := entry.UnixNano(); ; {
		last := c.newest.Load()
		if at <= last || c.newest.CompareAndSwap(last, at) {
			return
		}
	}
}

// Check says why no record may be dated now; nil when all is well. Errors wrap
// ErrBehind or ErrMoved.
func (c *Clock) Check() error {
	wall := c.wall()
	if newest := c.newest.Load(); newest != 0 {
		if behind := time.Unix(0, newest).Sub(wall); behind > MaxSkew {
			return fmt.Errorf("%w by %s; set it right (chronyc tracking, timedatectl), then start again", ErrBehind, behind.Round(time.Second))
		}
	}
	moved := wall.Sub(c.start) - c.elapsed()
	if moved.Abs() > MaxSkew {
		return fmt.Errorf("%w by %s; make sure that it is right, then restart the server", ErrMoved, moved.Round(time.Second))
	}
	return nil
}
