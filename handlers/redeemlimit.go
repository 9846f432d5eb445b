package handlers

import (
	"context"
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

// Turns counts attempts for all nodes of a database; *database.DB.
type Turns interface {
	// TakeTurn counts one attempt of key: burst at once, then one every interval.
	// It returns how long the attempt has to wait, zero when it may go on.
	TakeTurn(ctx context.Context, key string, every time.Duration, burst int) (wait time.Duration, err error)
}

// redeemLimit counts attempts by address in bounded memory: when the newer
// generation is full it becomes the older one, and that is forgotten. What passes
// here is counted once more together with the other nodes, so that a flood at one
// node is no flood at the database.
type redeemLimit struct {
	now    func() time.Time
	shared Turns // may be nil

	mu           sync.Mutex
	newer, older map[string]*rate.Limiter
}

func newRedeemLimit(now func() time.Time, shared Turns) *redeemLimit {
	return &redeemLimit{now: now, shared: shared, newer: map[string]*rate.Limiter{}}
}

// take refuses an attempt that comes too soon.
func (r *redeemLimit) take(ctx context.Context, address string) error {
	key := addressKey(address)
	wait, err := r.takeHere(key), error(nil)
	if wait == 0 && r.shared != nil {
		wait, err = r.shared.TakeTurn(ctx, key, time.Second/redeemsPerSecond, redeemBurst)
	}
	if err != nil || wait == 0 {
		return err
	}
	return tooManyRedeems(wait)
}

// takeHere counts an attempt at this node and says how long it has to wait.
func (r *redeemLimit) takeHere(key string) time.Duration {
	now := r.now()
	reservation := r.limiter(key).ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}

func tooManyRedeems(wait time.Duration) error {
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
