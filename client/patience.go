package client

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"teikyo/models"
)

const (
	firstWait = time.Second
	longWait  = time.Minute
	// firstTries is how often a server is asked that has not answered yet: a
	// misspelt address should not be tried for days.
	firstTries = 3
	// sayEvery keeps several transfers from repeating the same news.
	sayEvery = 30 * time.Second
)

// patience decides how long a server that fails is asked again. Its fields may
// be read by several transfers at once.
type patience struct {
	now      func() time.Time
	sleep    func(context.Context, time.Duration) error
	jitter   func(time.Duration) time.Duration
	say      func(format string, args ...any)
	retryFor time.Duration // without any progress; 0: until the link ends
	ends     time.Time     // of the link; zero: not known yet

	mu   sync.Mutex
	said time.Time
}

// final marks an error that another try would make worse.
type final struct{ error }

// again calls try until it succeeds, fails for good, or patience ends. try tells
// whether it came further than before.
func (p *patience) again(ctx context.Context, try func() (progress bool, err error)) error {
	since, tries := p.now(), 0
	for {
		progress, err := try()
		if done, ok := err.(final); ok { //nolint:errorlint // made by try itself
			return done.error
		}
		if err == nil || !worthAnotherTry(err) || ctx.Err() != nil {
			return err
		}
		if progress {
			since, tries = p.now(), 0
		}
		if tries++; p.ends.IsZero() && tries >= firstTries {
			return err
		}
		if err := p.wait(ctx, since, tries, err); err != nil {
			return err
		}
	}
}

// wait waits longer every time, at most a minute unless the server asks for more.
func (p *patience) wait(ctx context.Context, since time.Time, tries int, cause error) error {
	now := p.now()
	if !p.ends.IsZero() && !now.Before(p.ends) {
		return models.Wrap(models.Expired, cause, "the link has ended before everything was here; ask for a new link and give the same folder: it goes on there")
	}
	if p.retryFor > 0 && now.Sub(since) >= p.retryFor {
		return models.Wrap(models.Unavailable, cause, "the server could not be reached for "+p.retryFor.String()+
			"; run the same command again: it goes on where it stopped")
	}
	d := p.jitter(min(longWait, firstWait<<min(tries-1, 10)))
	var e *models.Error
	if errors.As(cause, &e) {
		d = max(d, e.RetryAfter)
	}
	if !p.ends.IsZero() {
		d = min(d, p.ends.Sub(now))
	}
	p.tell(now, d)
	return p.sleep(ctx, d)
}

func (p *patience) tell(now time.Time, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.said) < sayEvery {
		return
	}
	p.said = now
	p.say("the connection broke; trying again in %s (interrupt at any time: a new run goes on)", d.Round(time.Second))
}

func worthAnotherTry(err error) bool {
	return models.IsKind(err, models.Unavailable) || models.IsKind(err, models.RateLimited)
}

// notSent tells whether a request certainly never reached the server.
func notSent(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial"
}

// Sleep waits, or returns the context's error.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
