package dispatch

import (
	"context"
	"time"

	"teikyo/delivery"
	"teikyo/models"
)

// How soon an early end is noticed (DESIGN.md 3.12), and how long the counter may
// be unreadable before nothing goes out any more.
const (
	watchEvery = 250 * time.Millisecond
	watchBlind = 2 * time.Second
	// saveEvery is how often progress is written down.
	saveEvery = time.Second
	// saveLast bounds the last writing.
	saveLast = 5 * time.Second
)

// hold gives a context that ends when the right to send does, whatever way it
// ends; its cause says which.
func (r *run) hold(ctx context.Context) (held context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.watch(ctx, cancel)
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

func (r *run) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	seen, end, last := r.counter, r.ground.end, time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		counter, err := r.desk.Store.RevocationCounter(ctx)
		if err != nil {
			if time.Since(last) > watchBlind {
				cancel(models.Wrap(models.Unavailable, err, "the server cannot tell whether the delivery may go on"))
			}
			continue
		}
		last = time.Now()
		if counter == seen && r.desk.now().Before(end) {
			continue
		}
		g, err := r.look(ctx)
		if err != nil {
			cancel(err)
			return
		}
		seen, end = counter, g.end
	}
}

// look asks everything again while bytes go out.
func (r *run) look(ctx context.Context) (ground, error) {
	v, err := r.desk.Store.Delivery(ctx, r.v.ID)
	if err != nil {
		return ground{}, err
	}
	if v.Paused || v.State.Ended() && v.State != models.DeliverySent {
		return ground{}, errStopped
	}
	return r.desk.ground(ctx, v)
}

// progress counts what the target acknowledged.
type progress struct {
	run  *run
	held int64 // bytes of the files that are done
	from int64 // BytesDone when last written down
	tell chan models.Delivery
}

func (r *run) newProgress() *progress {
	p := &progress{run: r, tell: make(chan models.Delivery, 1)}
	for _, size := range r.sizes[:min(r.v.FilesDone, len(r.sizes))] {
		p.held += size
	}
	r.v.BytesDone, p.from = p.held, p.held
	return p
}

// track is called by the channel, one call at a time.
func (p *progress) track() *delivery.Track {
	v, before := &p.run.v, p.held
	return &delivery.Track{
		Done: v.FilesDone,
		Moved: func(held int64) {
			v.BytesDone = p.held + held
			if n := v.BytesDone - before; n > 0 && p.run.desk.Moved != nil {
				p.run.desk.Moved(n)
			}
			before = v.BytesDone
			p.show()
		},
		FileDone: func() {
			p.held += p.run.sizes[v.FilesDone]
			v.FilesDone++
			v.BytesDone, before = p.held, p.held
			p.show()
		},
	}
}

// show leaves the newest state for whoever writes it down.
func (p *progress) show() {
	select {
	case <-p.tell:
	default:
	}
	p.tell <- p.run.v
}

// writeDown writes progress every moment until stop is called.
func (p *progress) writeDown(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(saveEvery)
		defer tick.Stop()
		last := time.Now()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			select {
			case v := <-p.tell:
				v.Rate = int64(float64(max(0, v.BytesDone-p.from)) / time.Since(last).Seconds())
				p.from, last = v.BytesDone, time.Now()
				v.UpdatedAt = p.run.desk.now()
				// Progress that is lost is sent or looked at again.
				_ = p.run.desk.Store.Update(ctx, func(ctx context.Context) error { return p.run.desk.Store.SaveProgress(ctx, v) })
			default:
			}
		}
	}()
	return func() {
		cancel()
		<-done
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveLast)
		defer cancel()
		_ = p.run.desk.Store.Update(last, func(ctx context.Context) error { return p.run.desk.Store.SaveProgress(ctx, p.run.v) })
	}
}
