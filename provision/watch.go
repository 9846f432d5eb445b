package provision

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"teikyo/models"
)

// How soon an early end is noticed (DESIGN.md 3.12), and how long the counter may
// be unreadable before nothing goes out any more.
const (
	watchEvery = 250 * time.Millisecond
	watchBlind = 2 * time.Second
	// lookWithin is how long a look at rights that may have ended may take.
	lookWithin = 700 * time.Millisecond
	// looksAtOnce bounds how many sessions are looked at side by side.
	looksAtOnce = 4
	// maxDoors bounds how many sessions are remembered between requests.
	maxDoors = 1024
)

// doors are the open sessions of this node: those of recent requests by the
// hash of their secret, and every transfer that runs.
type doors struct {
	wake chan struct{} // an early end was committed here

	mu      sync.Mutex
	recent  map[string]*door
	running map[*transfer]struct{}
}

// transfer is one answer whose bytes go out now.
type transfer struct {
	door   *door
	cancel context.CancelCauseFunc
}

func newDoors() *doors {
	return &doors{wake: make(chan struct{}, 1), recent: map[string]*door{}, running: map[*transfer]struct{}{}}
}

func (d *doors) known(hash string) *door {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.recent[hash]
}

// keep remembers a door. When there are too many, any others are forgotten: the
// next request looks again.
func (d *doors) keep(hash string, found *door) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for other := range d.recent {
		if len(d.recent) < maxDoors {
			break
		}
		delete(d.recent, other)
	}
	d.recent[hash] = found
}

func (d *doors) hold(at *door, cancel context.CancelCauseFunc) (leave func()) {
	t := &transfer{door: at, cancel: cancel}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running[t] = struct{}{}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.running, t)
	}
}

// stale are the doors, one a session, behind which transfers run and which must
// be looked at again.
func (d *doors) stale(counter int64, now time.Time) map[string]*door {
	d.mu.Lock()
	defer d.mu.Unlock()
	found := map[string]*door{}
	for t := range d.running {
		if !t.door.stands(counter, now) {
			found[t.door.session.ID] = t.door
		}
	}
	return found
}

// renew puts the transfers of a session behind the door that was found now.
func (d *doors) renew(now *door) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for t := range d.running {
		if t.door.session.ID == now.session.ID {
			t.door = now
		}
	}
}

// cut ends the transfers of a session.
func (d *doors) cut(sessionID string, why error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for t := range d.running {
		if t.door.session.ID == sessionID {
			t.cancel(why)
		}
	}
}

func (d *doors) cutAll(why error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for t := range d.running {
		t.cancel(why)
	}
}

func (d *doors) busy(sessionID string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for t := range d.running {
		if t.door.session.ID == sessionID {
			return true
		}
	}
	return false
}

// state makes what a zero Links lacks.
func (s *Links) state() *Links {
	s.once.Do(func() { s.doors, s.log = newDoors(), newTransferLog() })
	return s
}

// Wake tells that an early end was committed in this process; it never blocks.
func (s *Links) Wake() {
	select {
	case s.state().doors.wake <- struct{}{}:
	default:
	}
}

// Run watches for early ends, writes down transfers and closes sessions until
// ctx ends, and then writes down what is left.
func (s *Links) Run(ctx context.Context) error {
	s.state()
	group, ctx := errgroup.WithContext(ctx)
	ended := make(chan struct{}, 1) // something ended early: sessions may have
	ended <- struct{}{}             // and while this server was not running
	group.Go(func() error { return s.watch(ctx, ended) })
	group.Go(func() error { return s.writeDown(ctx) })
	group.Go(func() error { return s.closeEnded(ctx, ended) })
	return group.Wait()
}

// watch cuts transfers whose right has ended.
func (s *Links) watch(ctx context.Context, ended chan<- struct{}) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	seen, last := int64(-1), time.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case <-s.doors.wake:
		}
		counter, err := s.counter(ctx)
		if err != nil {
			if time.Since(last) > watchBlind {
				s.doors.cutAll(models.Wrap(models.Unavailable, err, "the server cannot tell whether the download may go on"))
			}
			continue
		}
		last = time.Now()
		s.lookAgain(ctx, counter)
		if seen != counter {
			seen = counter
			select {
			case ended <- struct{}{}:
			default:
			}
		}
	}
}

func (s *Links) counter(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, watchBlind)
	defer cancel()
	return s.Store.RevocationCounter(ctx)
}

// lookAgain asks about every session with running transfers whose rights may
// have changed. What cannot be asked, or not soon, is cut: the client comes again.
func (s *Links) lookAgain(ctx context.Context, counter int64) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(looksAtOnce)
	for _, before := range s.doors.stale(counter, s.now()) {
		group.Go(func() error {
			found := &door{session: before.session, reader: before.reader, counter: counter}
			err := s.rights(ctx, found)
			if err == nil && found.prov.ManifestSHA256 != before.prov.ManifestSHA256 {
				err = models.Errorf(models.Expired, "the provision was reissued; fetch it again")
			}
			if err == nil {
				s.doors.renew(found)
			} else {
				s.doors.cut(before.session.ID, err)
			}
			return nil
		})
	}
	_ = group.Wait()
}

// failed hands on what went wrong in the background.
func (s *Links) failed(err error) {
	if err != nil && s.Failed != nil {
		s.Failed(err)
	}
}
