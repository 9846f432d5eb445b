package jobs

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A pause is never longer than the longest, and grows until there.
func TestPause(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		jitter := rapid.Float64Range(0, 1).Draw(t, "jitter")
		failures := rapid.IntRange(1, 1000).Draw(t, "failures")
		r := &Runner{Jitter: func() float64 { return jitter }}
		got := r.pause(failures)
		if got < firstPause/2 || got > longestPause {
			t.Fatalf("%v after %d failures", got, failures)
		}
		if next := r.pause(failures + 1); next < got {
			t.Fatalf("%v after %v", next, got)
		}
	})
	r := &Runner{Jitter: func() float64 { return 1 }}
	var all time.Duration
	for failures := range MaxDeliveryFailures - 1 {
		all += r.pause(failures + 1)
	}
	if all < 24*time.Hour || all > 72*time.Hour {
		t.Errorf("a delivery is tried for %v", all)
	}
}
