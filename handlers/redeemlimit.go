package handlers

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"teikyo/models"
)

// Limits of redeeming, for one address (/64 of IPv6): a whole institute behind
// one address gets through, a program that tries tokens does not.
const (
	redeemsPerSecond = 5
	redeemBurst      = 100
	maxAddresses     = 4096 // remembered in each of two generations
)

// redeemLimit counts attempts by address in bounded memory: when the newer
// generation is full it becomes the older one, and that is forgotten.
type redeemLimit struct {
	now func() time.Time

	mu           sync.Mutex
	newer, older map[string]*rate.Limiter
}

func newRedeemLimit(now func() time.Time) *redeemLimit {
	return &redeemLimit{now: now, newer: map[string]*rate.Limiter{}}
}

// take refuses an attempt that comes too soon.
func (r *redeemLimit) take(address string) error {
	now := r.now()
	reservation := r.limiter(addressKey(address)).ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	reservation.CancelAt(now)
	err := models.Errorf(models.RateLimited, "too many links were redeemed from this address; wait a moment")
	err.RetryAfter = wait
	return err
}

func (r *redeemLimit) limiter(key string) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l, ok := r.newer[key]; ok {
		return l
	}
	l, ok := r.older[key]
	if !ok {
		l = rate.NewLimiter(redeemsPerSecond, redeemBurst)
	}
	if len(r.newer) >= maxAddresses {
		r.newer, r.older = map[string]*rate.Limiter{}, r.newer
	}
	r.newer[key] = l
	return l
}

// addressKey is what one customer has: an IPv4 address, /64 of IPv6.
func addressKey(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.Prefix(64)
	if err != nil {
		return ""
	}
	return prefix.String()
}
