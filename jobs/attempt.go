package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"teikyo/models"
)

// Pauses between attempts: they double from firstPause up to longestPause, and
// each is between half and the whole of that, so that what failed together does
// not come back together.
const (
	firstPause   = 5 * time.Second
	longestPause = 12 * time.Hour
)

var errLost = errors.New("the job is not held by this worker any more")

// do makes one attempt and settles the job; asked is closed when somebody wants
// to know whether it still is this worker's.
func (r *Runner) do(ctx context.Context, j models.Job, asked <-chan struct{}) {
	if j.Exhausted() {
		r.settle(ctx, j, r.gaveUp(j))
		return
	}
	work, lose := context.WithCancelCause(ctx)
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		r.hold(work, j, lose, asked)
	}()
	result := r.work(work, j)
	lost := errors.Is(context.Cause(work), errLost)
	lose(nil)
	<-beating
	if lost {
		return
	}
	r.settle(ctx, j, result)
}

// gaveUp is the outcome of a job whose last worker died.
func (r *Runner) gaveUp(j models.Job) Result {
	result := Result{Err: models.Errorf(models.Internal, "the server stopped while it worked on this"), Final: true}
	if mourner, ok := r.Workers[j.Kind].(Mourner); ok {
		result.Record = mourner.GaveUp(j)
	}
	return result
}

// work calls the worker; a panic is a failed attempt.
func (r *Runner) work(ctx context.Context, j models.Job) (result Result) {
	defer func() {
		if p := recover(); p != nil {
			r.Failed(fmt.Errorf("panic in a job of kind %s: %v", j.Kind, p))
			result = Result{Err: models.Errorf(models.Internal, "the server failed at this; its log says more")}
		}
	}()
	return r.Workers[j.Kind].Work(ctx, j)
}

// hold extends the lease until ctx ends, or ends ctx when the job was lost.
func (r *Runner) hold(ctx context.Context, j models.Job, lose context.CancelCauseFunc, asked <-chan struct{}) {
	beat := time.NewTicker(r.Lease / 4)
	defer beat.Stop()
	until := r.Now().Add(r.Lease)
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		case <-asked:
			asked = r.check.wait()
		}
		next := r.Now().Add(r.Lease)
		held := j
		held.State, held.RunAt = models.JobRunning, next
		err := r.Store.Update(ctx, func(ctx context.Context) error { return r.Store.SettleJob(ctx, held) })
		switch {
		case err == nil:
			until = next
		case models.IsKind(err, models.Conflict), !r.Now().Before(until):
			lose(errLost)
			return
		default:
			r.report(ctx, err)
		}
	}
}

// settle writes what became of the attempt.
func (r *Runner) settle(ctx context.Context, j models.Job, result Result) {
	stopped := ctx.Err() != nil && result.Err != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if stopped { // the server stops: no failure of the job
		result = Result{Again: time.Nanosecond}
	}
	r.decide(&j, result)
	err := r.Store.Update(ctx, func(ctx context.Context) error {
		if err := r.Store.SettleJob(ctx, j); err != nil || result.Record == nil {
			return err
		}
		return result.Record(ctx, j.State)
	})
	if err != nil && !models.IsKind(err, models.Conflict) {
		r.Failed(err) // the lease ends, and the job is done again
	}
}

// decide says how the job stands after the attempt.
func (r *Runner) decide(j *models.Job, result Result) {
	now := r.Now()
	j.State, j.RunAt, j.EndedAt = models.JobDone, now, now
	switch {
	case result.Cancelled:
		j.State = models.JobCancelled
	case result.Err == nil && result.Again > 0:
		j.State, j.RunAt, j.EndedAt = models.JobQueued, now.Add(result.Again), time.Time{}
	case result.Err != nil:
		if !j.Exhausted() {
			j.Failures++
		}
		j.LastError = message(result.Err)
		if result.Final || j.Exhausted() {
			j.State = models.JobFailed
			return
		}
		j.State, j.RunAt, j.EndedAt = models.JobQueued, now.Add(max(result.After, r.pause(j.Failures))), time.Time{}
	default:
		j.Failures, j.LastError = 0, ""
	}
}

// pause is how long to wait after so many failures.
func (r *Runner) pause(failures int) time.Duration {
	pause := longestPause
	if n := failures - 1; n < 14 {
		pause = min(pause, firstPause<<max(n, 0))
	}
	return pause/2 + time.Duration(r.Jitter()*float64(pause/2))
}

// message is what people may read of an error: that of a models.Error, whose
// cause stays out.
func message(err error) string {
	text := "it did not work"
	var known *models.Error
	if errors.As(err, &known) {
		text = known.Msg
	}
	return strings.ToValidUTF8(text[:min(len(text), models.MaxJobError)], "")
}

// broadcast tells everybody who waits.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *broadcast) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
