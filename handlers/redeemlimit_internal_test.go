package handlers

import (
	"fmt"
	"testing"
	"time"

	"teikyo/models"
)

func TestRedeemLimit(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	limit := newRedeemLimit(func() time.Time { return now }, nil)
	spend := func(address string) (n int) {
		for limit.take(t.Context(), address) == nil {
			n++
		}
		return n
	}
	if n := spend("192.0.2.1"); n != redeemBurst {
		t.Errorf("%d attempts at once", n)
	}
	if n := spend("2001:db8::1"); n != redeemBurst {
		t.Errorf("another address has %d", n)
	}
	if n := spend("2001:db8::2"); n != 0 {
		t.Errorf("the same network has %d more", n)
	}
	err := limit.take(t.Context(), "192.0.2.1")
	if !models.IsKind(err, models.RateLimited) || problemOf(err, false, "").GetHeaders().Get("Retry-After") != "1" {
		t.Errorf("refused with %v", err)
	}
	now = now.Add(2 * time.Second)
	if n := spend("192.0.2.1"); n != 2*redeemsPerSecond {
		t.Errorf("%d more after two seconds", n)
	}
}

// However many addresses come, the memory is bounded, and who is limited stays
// so among those who came lately.
func TestRedeemLimitForgets(t *testing.T) {
	t.Parallel()
	now := time.Now()
	limit := newRedeemLimit(func() time.Time { return now }, nil)
	for range redeemBurst {
		_ = limit.take(t.Context(), "192.0.2.1")
	}
	for i := range 5 * maxAddresses {
		if limit.take(t.Context(), fmt.Sprintf("10.%d.%d.1", i>>8, i&255)) != nil {
			t.Fatal("refused at once")
		}
		if i%1000 == 0 && limit.take(t.Context(), "192.0.2.1") == nil {
			t.Fatalf("forgotten after %d others", i)
		}
	}
	if n := len(limit.newer) + len(limit.older); n > 2*maxAddresses {
		t.Errorf("%d addresses are remembered", n)
	}
}
