package database_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"teikyo/database"
	"teikyo/database/dbtest"
	"teikyo/jobs"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
	"teikyo/provision/dispatch"
)

// Other packages' words for what the tables must be able to do.
var (
	_ jobs.Store     = (*database.DB)(nil)
	_ dispatch.Store = (*database.DB)(nil)
)

const (
	holderURL  = "TEIKYO_TEST_JOB_HOLDER" // makes this program a worker that can be killed
	jobsLease  = 30 * time.Second
	jobsWorker = "this"
)

// TestMain is the tests, or a process that takes a job and holds it until it is
// killed.
func TestMain(m *testing.M) {
	url := os.Getenv(holderURL)
	if url == "" {
		os.Exit(m.Run())
	}
	db, err := database.Open(context.Background(), database.Options{URL: url, Rand: rand.Reader})
	if err == nil {
		var j models.Job
		err = db.Update(context.Background(), func(ctx context.Context) error {
			var err error
			j, err = db.TakeJob(ctx, []string{"test"}, "other", time.Now(), time.Now().Add(jobsLease))
			return err
		})
		fmt.Printf("%s %d\n", j.ID, j.Attempt)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	select {}
}

func TestJobsSQLite(t *testing.T) {
	t.Parallel()
	testJobs(t, func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "jobs.db") })
}

func TestJobsPostgres(t *testing.T) {
	t.Parallel()
	testJobs(t, func(t *testing.T) string { return dbtest.Postgres(t) })
}

// testJobs is what every database must do with jobs.
func testJobs(t *testing.T, url func(t *testing.T) string) {
	b := &jobBench{t: t, url: url(t), now: time.Now().Truncate(time.Second)}
	b.db = b.open()
	for name, test := range map[string]func(*jobBench){
		"queued with its change":            (*jobBench).queuedWithItsChange,
		"ids alone":                         (*jobBench).idsAlone,
		"due in order":                      (*jobBench).dueInOrder,
		"one at a time for a destination":   (*jobBench).oneAtATime,
		"fenced":                            (*jobBench).fenced,
		"a lease is extended":               (*jobBench).extended,
		"cancelled":                         (*jobBench).cancelled,
		"failed and tried again":            (*jobBench).failedAndRetried,
		"a killed worker's job is taken up": (*jobBench).killedWorker,
		"many workers":                      (*jobBench).manyWorkers,
		"old ones are swept":                (*jobBench).swept,
		"a list in pages":                   (*jobBench).pages,
	} {
		b.t = t
		t.Run(name, func(t *testing.T) {
			b.t = t
			b.clear()
			test(b)
		})
	}
	ledgertest.CheckLedger(t, b.db, ledger.VerifyOptions{})
}

type jobBench struct {
	t   *testing.T
	url string
	db  *database.DB
	now time.Time
}

func (b *jobBench) open() *database.DB {
	b.t.Helper()
	db, err := database.Open(b.t.Context(), database.Options{URL: b.url, Rand: rand.Reader})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { db.Close() })
	return db
}

func (b *jobBench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *jobBench) update(fn func(ctx context.Context) error) error {
	return b.db.Update(b.t.Context(), fn)
}

// clear ends and removes every job of the test before.
func (b *jobBench) clear() {
	b.must(b.update(func(ctx context.Context) error {
		list, err := b.db.JobList(ctx, models.JobFilter{}, models.Page{Limit: 500})
		for _, j := range list {
			_, cancelErr := b.db.CancelJob(ctx, j.ID, b.now)
			err = errors.Join(err, cancelErr)
		}
		for _, state := range []models.JobState{models.JobDone, models.JobFailed, models.JobCancelled} {
			_, sweepErr := b.db.SweepJobs(ctx, state, b.now.Add(1000*time.Hour))
			err = errors.Join(err, sweepErr)
		}
		return err
	}))
}

func (b *jobBench) add(id, destination string, due time.Time) {
	b.t.Helper()
	b.must(b.update(func(ctx context.Context) error {
		return b.db.AddJob(ctx, models.Job{
			ID: id, Kind: "test", Destination: destination, IDs: map[string]string{"provision": "p-1"},
			RunAt: due, MaxFailures: 3, CreatedAt: b.now,
		})
	}))
}

// take takes the next job as of an instant; "" when none is due.
func (b *jobBench) take(at time.Time) models.Job {
	b.t.Helper()
	var j models.Job
	err := b.update(func(ctx context.Context) error {
		var err error
		j, err = b.db.TakeJob(ctx, []string{"test"}, jobsWorker, at, at.Add(jobsLease))
		return err
	})
	due, dueErr := b.db.JobDue(b.t.Context(), []string{"none", "test"}, at.Add(-time.Nanosecond))
	b.must(dueErr)
	if models.IsKind(err, models.NotFound) {
		if due {
			b.t.Fatal("a job is due that nobody can take")
		}
		return models.Job{}
	}
	b.must(err)
	return j
}

func (b *jobBench) settle(j models.Job, state models.JobState) error {
	j.State, j.RunAt, j.EndedAt = state, b.now, b.now
	return b.update(func(ctx context.Context) error { return b.db.SettleJob(ctx, j) })
}

func (b *jobBench) state(id string) models.JobState {
	b.t.Helper()
	j, err := b.db.Job(b.t.Context(), id)
	b.must(err)
	return j.State
}

func (b *jobBench) queuedWithItsChange() {
	refused := errors.New("refused")
	for name, outcome := range map[string]error{"j-kept": nil, "j-gone": refused} {
		err := b.update(func(ctx context.Context) error {
			return errors.Join(
				b.db.Append(ctx, &ledger.Entry{Kind: ledger.RecipientApplied, IDs: map[string]string{"recipient": "r-" + name}}),
				b.db.AddJob(ctx, models.Job{ID: name, Kind: "test", Destination: "d", RunAt: b.now, CreatedAt: b.now}), outcome)
		})
		if !errors.Is(err, outcome) {
			b.t.Fatal(err)
		}
	}
	if _, err := b.db.Job(b.t.Context(), "j-gone"); !models.IsKind(err, models.NotFound) {
		b.t.Errorf("the job of a change that was rolled back: %v", err)
	}
	if got := b.take(b.now); got.ID != "j-kept" || got.Attempt != 1 || got.Worker != jobsWorker || !got.RunAt.Equal(b.now.Add(jobsLease)) {
		b.t.Errorf("took %+v", got)
	}
	b.add("j-kept", "other", b.now) // stays as it is
	if got := b.state("j-kept"); got != models.JobRunning {
		b.t.Errorf("adding it again made it %s", got)
	}
}

func (b *jobBench) idsAlone() {
	for _, j := range []models.Job{
		{Kind: "test", Destination: "d", IDs: map[string]string{"name": "Suzuki Hanako"}},
		{Kind: "test", Destination: "d", IDs: map[string]string{"url": "https://example.jp/hook?token=x"}},
		{Kind: "test", Destination: "d", IDs: map[string]string{"secret": "whsec_" + string(make([]byte, 100))}},
		{Kind: "test", Destination: ""}, {Kind: "Test!", Destination: "d"},
	} {
		err := b.update(func(ctx context.Context) error { return b.db.AddJob(ctx, j) })
		if !models.IsKind(err, models.Internal) {
			b.t.Errorf("%v: %v", j.IDs, err)
		}
	}
}

func (b *jobBench) dueInOrder() {
	b.add("j-2", "b", b.now.Add(-time.Second))
	b.add("j-1", "a", b.now.Add(-time.Minute))
	b.add("j-3", "c", b.now.Add(time.Second))
	var got []string
	for range 3 {
		got = append(got, b.take(b.now).ID)
	}
	if want := []string{"j-1", "j-2", ""}; !slices.Equal(got, want) {
		b.t.Errorf("took %v, want %v", got, want)
	}
	if got := b.take(b.now.Add(time.Second)).ID; got != "j-3" {
		b.t.Errorf("took %q when it was due", got)
	}
}

func (b *jobBench) oneAtATime() {
	for i := range 100 {
		b.add(fmt.Sprintf("j-dead%02d", i), "dead", b.now.Add(-time.Hour))
	}
	b.add("j-live", "live", b.now)
	first, second := b.take(b.now), b.take(b.now)
	if first.Destination != "dead" || second.ID != "j-live" {
		b.t.Errorf("took %s, then %s", first.ID, second.ID)
	}
	if third := b.take(b.now); third.ID != "" {
		b.t.Errorf("%s is worked on beside another one for its destination", third.ID)
	}
	b.must(b.settle(first, models.JobDone))
	if next := b.take(b.now); next.Destination != "dead" || next.ID == first.ID {
		b.t.Errorf("then took %q", next.ID)
	}
	n, err := b.db.OpenJobs(b.t.Context(), "dead")
	if err != nil || n != 99 {
		b.t.Errorf("%d open, %v", n, err)
	}
}

func (b *jobBench) fenced() {
	b.add("j-1", "a", b.now)
	slow := b.take(b.now)
	if early := b.take(b.now.Add(jobsLease - time.Second)); early.ID != "" {
		b.t.Fatal("a job was taken from its worker")
	}
	second := b.take(b.now.Add(jobsLease))
	if second.ID != "j-1" || second.Attempt != 2 || second.Failures != 1 {
		b.t.Fatalf("took %+v", second)
	}
	for _, state := range []models.JobState{models.JobDone, models.JobRunning, models.JobFailed} {
		if err := b.settle(slow, state); !models.IsKind(err, models.Conflict) {
			b.t.Errorf("a worker that lost its lease made it %s: %v", state, err)
		}
	}
	b.must(b.settle(second, models.JobDone))
	if err := b.settle(second, models.JobQueued); !models.IsKind(err, models.Conflict) {
		b.t.Errorf("a job that has ended was settled again: %v", err)
	}
}

func (b *jobBench) extended() {
	b.add("j-1", "a", b.now)
	j := b.take(b.now)
	j.RunAt = b.now.Add(3 * jobsLease)
	b.must(b.update(func(ctx context.Context) error { return b.db.SettleJob(ctx, j) }))
	if other := b.take(b.now.Add(2 * jobsLease)); other.ID != "" {
		b.t.Error("a job was taken although its lease was extended")
	}
	if other := b.take(b.now.Add(3 * jobsLease)); other.ID != "j-1" {
		b.t.Error("a job stayed after its lease")
	}
}

func (b *jobBench) cancelled() {
	b.add("j-1", "a", b.now)
	b.add("j-2", "a", b.now)
	held := b.take(b.now)
	b.must(b.update(func(ctx context.Context) error { return b.db.CancelJobs(ctx, "a", b.now) }))
	if err := b.settle(held, models.JobRunning); !models.IsKind(err, models.Conflict) {
		b.t.Errorf("a cancelled job goes on: %v", err)
	}
	if got := b.take(b.now.Add(time.Hour)); got.ID != "" {
		b.t.Errorf("%s runs after it was cancelled", got.ID)
	}
	b.must(b.update(func(ctx context.Context) error {
		found, err := b.db.CancelJob(ctx, "j-1", b.now)
		if found {
			b.t.Error("cancelled twice")
		}
		return err
	}))
}

func (b *jobBench) failedAndRetried() {
	b.add("j-1", "a", b.now)
	j := b.take(b.now)
	j.Failures, j.LastError = 3, "the receiver answered 500"
	b.must(b.settle(j, models.JobFailed))
	list, err := b.db.JobList(b.t.Context(), models.JobFilter{State: models.JobFailed, Kind: "test", Destination: "a"}, models.Page{})
	if err != nil || len(list) != 1 || list[0].LastError != j.LastError || !list[0].Exhausted() || list[0].EndedAt.IsZero() {
		b.t.Fatalf("%+v, %v", list, err)
	}
	b.must(b.update(func(ctx context.Context) error {
		found, err := b.db.RetryJob(ctx, "j-1", b.now)
		again, _ := b.db.RetryJob(ctx, "j-1", b.now)
		if !found || again {
			b.t.Errorf("tried again: %v, then %v", found, again)
		}
		return err
	}))
	if j = b.take(b.now); j.ID != "j-1" || j.Failures != 0 || j.Attempt != 2 {
		b.t.Errorf("took %+v", j)
	}
	b.must(b.settle(j, models.JobFailed))
	b.must(b.update(func(ctx context.Context) error { return b.db.RetryJobs(ctx, "a", b.now) }))
	if got := b.state("j-1"); got != models.JobQueued {
		b.t.Errorf("it is %s", got)
	}
}

// killedWorker kills a process that holds a job; within a minute another takes
// it up.
func (b *jobBench) killedWorker() {
	b.add("j-1", "a", b.now)
	self, err := os.Executable()
	b.must(err)
	cmd := exec.CommandContext(b.t.Context(), self)
	cmd.Env = append(os.Environ(), holderURL+"="+b.url)
	out, err := cmd.StdoutPipe()
	b.must(err)
	b.must(cmd.Start())
	said := make([]byte, 200)
	n, err := out.Read(said)
	b.must(err)
	b.must(cmd.Process.Kill())
	_ = cmd.Wait()
	if string(said[:n]) != "j-1 1\n" {
		b.t.Fatalf("the other process said %q", said[:n])
	}
	if got := b.take(time.Now()); got.ID != "" {
		b.t.Error("the lease did not hold")
	}
	got := b.take(time.Now().Add(time.Minute))
	if got.ID != "j-1" || got.Attempt != 2 || got.Failures != 1 {
		b.t.Errorf("took %+v", got)
	}
}

// manyWorkers takes jobs from two servers at once: none twice, and none beside
// another one of its destination.
func (b *jobBench) manyWorkers() {
	const count, destinations = 120, 7
	for i := range count {
		b.add(fmt.Sprintf("j-%03d", i), fmt.Sprintf("d-%d", i%destinations), b.now)
	}
	stores := []*database.DB{b.db, b.open()}
	var mu sync.Mutex
	busy, seen := map[string]string{}, map[string]bool{}
	note := func(j models.Job, taken bool) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case !taken:
			delete(busy, j.Destination)
		case seen[j.ID] || busy[j.Destination] != "":
			b.t.Errorf("%s was taken: seen %v, its destination has %q", j.ID, seen[j.ID], busy[j.Destination])
		default:
			seen[j.ID], busy[j.Destination] = true, j.ID
		}
	}
	var workers sync.WaitGroup
	for i := range 8 {
		workers.Go(func() { b.work(stores[i%len(stores)], note) })
	}
	workers.Wait()
	if len(seen) != count {
		b.t.Errorf("%d of %d jobs were done", len(seen), count)
	}
}

// work takes and ends jobs until none is left.
func (b *jobBench) work(db *database.DB, note func(j models.Job, taken bool)) {
	for {
		var j models.Job
		err := db.Update(b.t.Context(), func(ctx context.Context) error {
			var err error
			j, err = db.TakeJob(ctx, []string{"test"}, "w", b.now, b.now.Add(jobsLease))
			return err
		})
		if err != nil {
			left, countErr := db.JobList(b.t.Context(), models.JobFilter{State: models.JobQueued}, models.Page{Limit: 1})
			if countErr != nil || len(left) == 0 {
				return
			}
			if !models.IsKind(err, models.NotFound) && !models.IsKind(err, models.Conflict) {
				b.t.Error(err)
				return
			}
			continue
		}
		note(j, true)
		done := j
		done.State, done.EndedAt = models.JobDone, b.now
		err = db.Update(b.t.Context(), func(ctx context.Context) error {
			note(j, false) // before the commit, after which others may take the next one
			return db.SettleJob(ctx, done)
		})
		if err != nil {
			b.t.Error(err)
		}
	}
}

func (b *jobBench) swept() {
	b.add("j-1", "a", b.now)
	b.add("j-2", "b", b.now)
	b.must(b.settle(b.take(b.now), models.JobDone))
	sweep := func(before time.Time) int64 {
		var n int64
		b.must(b.update(func(ctx context.Context) error {
			var err error
			n, err = b.db.SweepJobs(ctx, models.JobDone, before)
			return err
		}))
		return n
	}
	if n := sweep(b.now); n != 0 {
		b.t.Errorf("%d young jobs were removed", n)
	}
	if n := sweep(b.now.Add(time.Second)); n != 1 || b.state("j-2") != models.JobQueued {
		b.t.Errorf("%d jobs were removed", n)
	}
}

func (b *jobBench) pages() {
	for i := range 5 {
		b.add(fmt.Sprintf("j-%d", i), "a", b.now)
	}
	var got []string
	page := models.Page{Limit: 2}
	for {
		list, err := b.db.JobList(b.t.Context(), models.JobFilter{}, page)
		b.must(err)
		if len(list) == 0 {
			break
		}
		for _, j := range list {
			got = append(got, j.ID)
		}
		last := list[len(list)-1]
		page.After = models.TimeCursor(last.CreatedAt, last.ID)
	}
	if want := []string{"j-4", "j-3", "j-2", "j-1", "j-0"}; !slices.Equal(got, want) {
		b.t.Errorf("%v, want %v", got, want)
	}
}
