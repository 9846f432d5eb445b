package jobs_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"teikyo/database"
	"teikyo/jobs"
	"teikyo/models"
)

// bench is a runner on a database of its own, with a clock that can be moved.
type bench struct {
	t      *testing.T
	db     *database.DB
	runner *jobs.Runner
	stop   func()

	mu    sync.Mutex
	moved time.Duration
}

type work func(ctx context.Context, j models.Job) jobs.Result

func (w work) Work(ctx context.Context, j models.Job) jobs.Result { return w(ctx, j) }

func newBench(t *testing.T, w work) *bench {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "jobs.db"), Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	b := &bench{t: t, db: db}
	b.runner = &jobs.Runner{
		Store: db, Workers: map[string]jobs.Worker{"test": w}, Now: b.now, Name: "test",
		Limit: 4, Lease: 200 * time.Millisecond, Poll: 5 * time.Millisecond,
		Jitter: func() float64 { return 1 }, Failed: func(err error) { t.Log(err) },
	}
	return b
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Add(b.moved)
}

func (b *bench) move(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved += d
}

// run starts the runner; it is stopped at the end of the test, or by b.stop.
func (b *bench) run() {
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.t.Context()))
	done := make(chan error, 1)
	go func() { done <- b.runner.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	})
	b.t.Cleanup(b.stop)
}

func (b *bench) add(id, destination string) {
	b.t.Helper()
	err := b.db.Update(b.t.Context(), func(ctx context.Context) error {
		return b.db.AddJob(ctx, models.Job{ID: id, Kind: "test", Destination: destination, RunAt: b.now(), MaxFailures: 3, CreatedAt: b.now()})
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.runner.Wake()
}

// until waits for a job to be so.
func (b *bench) until(id, what string, so func(j models.Job) bool) models.Job {
	b.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for {
		j, err := b.db.Job(b.t.Context(), id)
		if err != nil {
			b.t.Fatal(err)
		}
		if so(j) {
			return j
		}
		select {
		case <-tick.C:
		case <-limit:
			b.t.Fatalf("%s is not %s but %+v", id, what, j)
		}
	}
}

func (b *bench) untilState(id string, state models.JobState) models.Job {
	b.t.Helper()
	return b.until(id, string(state), func(j models.Job) bool { return j.State == state })
}

func TestRunnerRepeatsWithGrowingPauses(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(context.Context, models.Job) jobs.Result {
		return jobs.Result{Err: models.Wrap(models.Unavailable, fmt.Errorf("secret cause"), "the receiver answered 500")}
	})
	b.run()
	b.add("j-1", "a")
	for failures, pause := range []time.Duration{0, 5 * time.Second, 10 * time.Second} {
		if failures == 0 {
			continue
		}
		j := b.until("j-1", "failed once more", func(j models.Job) bool { return j.Failures == failures && j.State == models.JobQueued })
		if wait := j.RunAt.Sub(b.now()); wait > pause || wait < pause-5*time.Second {
			t.Errorf("after %d failures it waits %v, want %v", failures, wait, pause)
		}
		b.move(pause)
	}
	j := b.untilState("j-1", models.JobFailed)
	if j.Failures != 3 || j.LastError != "the receiver answered 500" || j.EndedAt.IsZero() {
		t.Errorf("%+v", j)
	}
}

func TestRunnerRecordsTheOutcome(t *testing.T) {
	t.Parallel()
	var b *bench
	b = newBench(t, func(_ context.Context, j models.Job) jobs.Result {
		switch j.ID {
		case "j-panic":
			panic("broken")
		case "j-final":
			return jobs.Result{Err: models.Errorf(models.Invalid, "gone"), Final: true}
		case "j-cancelled":
			return jobs.Result{Cancelled: true}
		case "j-again":
			if j.Attempt < 3 {
				return jobs.Result{Again: time.Millisecond}
			}
		case "j-after":
			return jobs.Result{Err: models.Errorf(models.Unavailable, "busy"), After: time.Hour}
		case "j-recorded":
			return jobs.Result{Record: func(ctx context.Context, state models.JobState) error {
				return b.db.AddJob(ctx, models.Job{ID: "j-next-" + string(state), Kind: "test", Destination: "n", RunAt: b.now(), CreatedAt: b.now()})
			}}
		}
		return jobs.Result{}
	})
	b.run()
	for _, id := range []string{"j-panic", "j-final", "j-cancelled", "j-again", "j-after", "j-recorded"} {
		b.add(id, id)
	}
	if j := b.until("j-panic", "tried", func(j models.Job) bool { return j.Failures == 1 }); strings.Contains(j.LastError, "broken") {
		t.Errorf("the panic is shown: %s", j.LastError)
	}
	b.untilState("j-final", models.JobFailed)
	b.untilState("j-cancelled", models.JobCancelled)
	if j := b.untilState("j-again", models.JobDone); j.Attempt != 3 || j.Failures != 0 {
		t.Errorf("%+v", j)
	}
	j := b.until("j-after", "put off", func(j models.Job) bool { return j.Failures == 1 && j.State == models.JobQueued })
	if wait := j.RunAt.Sub(b.now()); wait < 59*time.Minute {
		t.Errorf("it waits %v, the other side asked for an hour", wait)
	}
	b.untilState("j-recorded", models.JobDone)
	b.untilState("j-next-done", models.JobDone)
}

// A destination that never answers takes one worker, not all of them.
func TestRunnerIsNotHeldUpByADeadDestination(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(ctx context.Context, j models.Job) jobs.Result {
		if j.Destination == "dead" {
			<-ctx.Done()
			return jobs.Result{Err: ctx.Err()}
		}
		return jobs.Result{}
	})
	for i := range 100 {
		b.add(fmt.Sprintf("j-dead%d", i), "dead")
	}
	b.run()
	for i := range 20 {
		b.add(fmt.Sprintf("j-live%d", i), "live")
	}
	for i := range 20 {
		b.untilState(fmt.Sprintf("j-live%d", i), models.JobDone)
	}
	list, err := b.db.JobList(t.Context(), models.JobFilter{Destination: "dead", State: models.JobRunning}, models.Page{})
	if err != nil || len(list) != 1 {
		t.Errorf("%d jobs of the dead destination run, %v", len(list), err)
	}
}

func TestRunnerHoldsWhatTakesLong(t *testing.T) {
	t.Parallel()
	let := make(chan struct{})
	b := newBench(t, func(ctx context.Context, _ models.Job) jobs.Result {
		select {
		case <-let:
			return jobs.Result{}
		case <-ctx.Done():
			return jobs.Result{Err: ctx.Err()}
		}
	})
	b.run()
	b.add("j-1", "a")
	first := b.untilState("j-1", models.JobRunning)
	b.until("j-1", "held for three leases", func(j models.Job) bool { return j.RunAt.Sub(first.RunAt) > 3*b.runner.Lease })
	close(let)
	if j := b.untilState("j-1", models.JobDone); j.Attempt != 1 {
		t.Errorf("it was taken %d times", j.Attempt)
	}
}

func TestRunnerStopsWhatIsCancelled(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	b := newBench(t, func(ctx context.Context, _ models.Job) jobs.Result {
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return jobs.Result{Err: ctx.Err()}
	})
	b.runner.Lease = time.Hour // so that only Wake makes it ask
	b.run()
	b.add("j-1", "a")
	b.untilState("j-1", models.JobRunning)
	err := b.db.Update(t.Context(), func(ctx context.Context) error {
		_, err := b.db.CancelJob(ctx, "j-1", b.now())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	b.runner.Wake()
	select {
	case <-ended:
	case <-time.After(time.Second): // DESIGN decision 12
		t.Fatal("it still runs a second after it was cancelled")
	}
	b.stop()
	if j := b.untilState("j-1", models.JobCancelled); j.Failures != 0 {
		t.Errorf("%+v", j)
	}
}

// What is under way when the server stops is queued again at once, and that is
// no failure of the job.
func TestRunnerStopsGracefully(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(ctx context.Context, _ models.Job) jobs.Result {
		<-ctx.Done()
		return jobs.Result{Err: ctx.Err()}
	})
	b.run()
	b.add("j-1", "a")
	b.untilState("j-1", models.JobRunning)
	b.stop()
	j, err := b.db.Job(t.Context(), "j-1")
	if err != nil || j.State != models.JobQueued || j.Failures != 0 || j.RunAt.After(b.now()) {
		t.Errorf("%+v, %v", j, err)
	}
}
