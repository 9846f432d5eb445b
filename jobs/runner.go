package jobs

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"teikyo/models"
)

// Times of the queue, when nobody says otherwise. A worker that was killed has
// lost its job after Lease; two workers of different nodes rely on clocks that
// differ by less.
const (
	DefaultLease   = 30 * time.Second
	DefaultPoll    = time.Second
	DefaultWorkers = 8
	keepDone       = 7 * 24 * time.Hour
	keepFailed     = 365 * 24 * time.Hour
	sweepEvery     = time.Hour
	settleTimeout  = 30 * time.Second
)

// Store keeps the jobs; *database.DB.
type Store interface {
	Update(ctx context.Context, fn func(ctx context.Context) error) error
	JobDue(ctx context.Context, kinds []string, now time.Time) (bool, error)
	TakeJob(ctx context.Context, kinds []string, worker string, now, lease time.Time) (models.Job, error)
	SettleJob(ctx context.Context, j models.Job) error
	SweepJobs(ctx context.Context, state models.JobState, before time.Time) (int64, error)
}

// Worker does the jobs of one kind.
type Worker interface {
	// Work does a job. Its context ends when the job is no longer this worker's
	// and when the server stops; what was done till then may be done again.
	Work(ctx context.Context, j models.Job) Result
}

// Mourner is a Worker that wants to know of jobs whose last attempt died with its
// process.
type Mourner interface {
	// GaveUp is the Record of such a job.
	GaveUp(j models.Job) func(ctx context.Context, state models.JobState) error
}

// Result is what became of an attempt; the zero Result is success.
type Result struct {
	// Err is why it did not work; its models.Error message is kept in the row, so
	// it must hold no secret.
	Err error
	// Final says that repeating is of no use.
	Final bool
	// Cancelled says that what the job was for is gone; no failure.
	Cancelled bool
	// Again asks for another run after that time although nothing failed.
	Again time.Duration
	// After is how long the other side asked to wait before the next attempt; the
	// queue's own pause counts when it is longer.
	After time.Duration
	// Record writes what the outcome changes, in the transaction that settles the
	// job; state is how it stands now. It may be nil.
	Record func(ctx context.Context, state models.JobState) error
}

// Runner takes jobs and has them done. Every field but Store, Workers, Now and
// Name may be zero.
type Runner struct {
	Store   Store
	Workers map[string]Worker // by the kind of jobs
	Now     func() time.Time
	Name    string // of this process among the nodes
	Limit   int    // jobs at a time; DefaultWorkers when zero
	Lease   time.Duration
	Poll    time.Duration // how often to look for what other nodes queued
	// Jitter gives a number from 0 to 1; rand.Float64 when nil.
	Jitter func() float64
	// Failed hears of trouble with the queue itself, not of jobs that failed.
	Failed func(error)

	wake  chan struct{}
	check broadcast
	once  sync.Once
}

func (r *Runner) prepare() {
	r.once.Do(func() {
		r.wake = make(chan struct{}, 1)
		orDefault(&r.Limit, DefaultWorkers)
		orDefault(&r.Lease, DefaultLease)
		orDefault(&r.Poll, DefaultPoll)
		if r.Jitter == nil {
			r.Jitter = rand.Float64
		}
		if r.Failed == nil {
			r.Failed = func(error) {}
		}
	})
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Wake makes the runner look for jobs now, for example after one was queued, and
// makes running jobs ask whether they still are theirs, for example after one was
// cancelled.
func (r *Runner) Wake() {
	r.prepare()
	r.check.send()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run does jobs until ctx ends, then waits for those under way, whose contexts
// end with it; they are queued again at once.
func (r *Runner) Run(ctx context.Context) error {
	r.prepare()
	slots := make(chan struct{}, r.Limit)
	var running sync.WaitGroup
	defer running.Wait()
	poll := time.NewTicker(r.Poll)
	defer poll.Stop()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		asked := r.check.wait() // before the job is taken: no Wake after that is missed
		if j, ok := r.take(ctx); ok {
			running.Go(func() {
				defer func() { <-slots; r.look() }()
				r.do(ctx, j, asked)
			})
			continue
		}
		<-slots
		select {
		case <-r.wake:
		case <-poll.C:
		case <-sweep.C:
			r.sweep(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// look is Wake for this runner's own loop: a destination has become free.
func (r *Runner) look() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// take takes a job that is due, if there is one.
func (r *Runner) take(ctx context.Context) (models.Job, bool) {
	kinds := slices.Sorted(maps.Keys(r.Workers))
	for range r.Limit { // another node may take one for the same destination meanwhile
		due, err := r.Store.JobDue(ctx, kinds, r.Now())
		if err != nil || !due {
			r.report(ctx, err)
			return models.Job{}, false
		}
		var j models.Job
		err = r.Store.Update(ctx, func(ctx context.Context) error {
			now := r.Now()
			var err error
			j, err = r.Store.TakeJob(ctx, kinds, r.Name, now, now.Add(r.Lease))
			return err
		})
		if err == nil {
			return j, true
		}
		if !models.IsKind(err, models.Conflict) {
			if !models.IsKind(err, models.NotFound) {
				r.report(ctx, err)
			}
			return models.Job{}, false
		}
	}
	return models.Job{}, false
}

func (r *Runner) report(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		r.Failed(err)
	}
}

func (r *Runner) sweep(ctx context.Context) {
	err := r.Store.Update(ctx, func(ctx context.Context) error {
		_, done := r.Store.SweepJobs(ctx, models.JobDone, r.Now().Add(-keepDone))
		_, cancelled := r.Store.SweepJobs(ctx, models.JobCancelled, r.Now().Add(-keepDone))
		_, failed := r.Store.SweepJobs(ctx, models.JobFailed, r.Now().Add(-keepFailed))
		return errors.Join(done, cancelled, failed)
	})
	r.report(ctx, err)
}
