package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"time"

	"teikyo/models"
)

// Attempts to sign in are counted at three places, and each has a limit of its
// own beyond which every further attempt doubles the wait. Nobody can be shut
// out for ever: failures leak away, the wait has an end, refused attempts do not
// count, and at an address where an account signed in before only the failures
// from that address delay it.
const (
	freeAtAccount = 5  // failed attempts without delay, from unused addresses together
	freeAtOwn     = 10 // at an account from an address that it is used to
	freeAtAddress = 20 // from one address, at any account

	firstDelay = time.Second
	maxDelay   = 5 * time.Minute
	leak       = 5 * time.Minute // one failure is forgotten each
	keepDelays = 24 * time.Hour
	trust      = 90 * 24 * time.Hour
)

// attempt is one try to sign in: where it counts.
type attempt struct {
	address, account, own string // keys
	trusted               bool
}

// attemptOf makes the keys. Addresses of accounts are cut hashes: the table
// must not say who tried what.
func attemptOf(email, address string) attempt {
	account := ""
	if email != "" {
		sum := sha256.Sum256([]byte(email))
		account = hex.EncodeToString(sum[:4])
	}
	net := network(address)
	return attempt{address: "a:" + net, account: "u:" + account, own: "p:" + account + "|" + net}
}

// network is the part of an address that one customer has: IPv4 as it is, /64 of
// IPv6.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown"
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.Prefix(64)
	if err != nil {
		return "unknown"
	}
	return prefix.String()
}

// counts are the three counts of an attempt.
type counts struct {
	address, own, account models.SignInDelay
}

// hold reads the counts, always in one order, so that transactions wait for each
// other and never in a circle.
func (s *Service) hold(ctx context.Context, try attempt) (c counts, err error) {
	if c.address, err = s.Store.SignInDelay(ctx, try.address); err != nil {
		return c, err
	}
	if c.own, err = s.Store.SignInDelay(ctx, try.own); err != nil {
		return c, err
	}
	c.account, err = s.Store.SignInDelay(ctx, try.account)
	return c, err
}

func (s *Service) save(ctx context.Context, delays ...models.SignInDelay) error {
	for _, d := range delays {
		if err := s.Store.SaveSignInDelay(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// begin counts the attempt as failed before the password is looked at, so that
// many at once are counted one by one; succeed takes it back. It is RateLimited,
// and does not count, while the account or the address has to wait.
func (s *Service) begin(ctx context.Context, try *attempt) error {
	return s.Store.Update(ctx, func(ctx context.Context) error {
		now := s.now()
		c, err := s.hold(ctx, *try)
		if err != nil {
			return err
		}
		try.trusted = now.Before(c.own.TrustedUntil)
		account, free := c.account, freeAtAccount
		if try.trusted {
			account, free = c.own, freeAtOwn
		}
		if wait := max(c.address.Until.Sub(now), account.Until.Sub(now)); wait > 0 {
			return tooMany(wait)
		}
		if err := s.save(ctx, failed(c.address, freeAtAddress, now), failed(account, free, now)); err != nil {
			return err
		}
		return s.Store.ForgetSignInDelays(ctx, now.Add(-keepDelays), now)
	})
}

// failed is d with one failure more, of which that many are free.
func failed(d models.SignInDelay, free int, now time.Time) models.SignInDelay {
	d = leaked(d, now)
	d.Failures++
	d.Until = now.Add(delay(d.Failures - free))
	return d
}

func tooMany(wait time.Duration) error {
	seconds := int64((wait + time.Second - 1) / time.Second)
	err := models.Errorf(models.RateLimited, "too many attempts to sign in; wait %d seconds and try again", seconds)
	err.RetryAfter = time.Duration(seconds) * time.Second
	return err
}

// leaked forgets one failure for each leak interval that went by.
func leaked(d models.SignInDelay, now time.Time) models.SignInDelay {
	if d.Failures == 0 || d.Since.IsZero() {
		d.Failures, d.Since = 0, now
		return d
	}
	gone := int(min(now.Sub(d.Since)/leak, time.Duration(d.Failures)))
	if gone > 0 {
		d.Failures, d.Since = d.Failures-gone, d.Since.Add(time.Duration(gone)*leak)
	}
	if d.Failures == 0 {
		d.Since = now
	}
	return d
}

// delay is the wait after that many failures over the limit.
func delay(over int) time.Duration {
	if over <= 0 {
		return 0
	}
	wait := firstDelay
	for range over - 1 {
		if wait *= 2; wait >= maxDelay {
			return maxDelay
		}
	}
	return wait
}

// succeed takes the attempt back at the address, forgets the failures of the
// account, and remembers that the account is used to the address. Where it is
// used to it already, failures from elsewhere go on counting.
func (s *Service) succeed(ctx context.Context, try attempt) error {
	now := s.now()
	c, err := s.hold(ctx, try)
	if err != nil {
		return err
	}
	c.address.Failures = max(0, c.address.Failures-1)
	if c.address.Failures < freeAtAddress {
		c.address.Until = time.Time{}
	}
	own := models.SignInDelay{Key: try.own, Since: now, TrustedUntil: now.Add(trust)}
	if try.trusted {
		return s.save(ctx, c.address, own)
	}
	return s.save(ctx, c.address, own, models.SignInDelay{Key: try.account, Since: now})
}
