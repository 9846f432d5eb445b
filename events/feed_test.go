package events_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"teikyo/access"
	"teikyo/database"
	"teikyo/database/dbtest"
	"teikyo/events"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
)

// bench is a ledger with a feed.
type bench struct {
	t    *testing.T
	db   *database.DB
	feed *events.Feed
}

var (
	auditor = access.Actor{UserID: "u-auditor", Role: models.Auditor}
	keio    = access.Actor{UserID: "u-keio", Role: models.RecipientUser, RecipientID: "r-keio"}
)

func newBench(t *testing.T, url string) *bench {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{URL: url, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ledgertest.CheckLedger(t, db, ledger.VerifyOptions{})
		db.Close()
	})
	b := &bench{t: t, db: db, feed: events.NewFeed(db)}
	db.OnCommit(func(ledger.Head) { b.feed.Committed() })
	return b
}

func sqlite(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "events.db") }

func (b *bench) append(kind ledger.Kind, ids ...string) {
	b.t.Helper()
	e := &ledger.Entry{Kind: kind, IDs: map[string]string{"actor": "u-mori"}, Details: map[string]string{"name": "Suzuki Hanako"}}
	for i := 0; i < len(ids); i += 2 {
		e.IDs[ids[i]] = ids[i+1]
	}
	if kind == ledger.ProvisionIssued {
		e.ManifestSHA256 = fmt.Sprintf("%064x", 1)
		e.IDs["provision"] = "p-1"
	}
	err := b.db.Update(b.t.Context(), func(ctx context.Context) error { return b.db.Append(ctx, e) })
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) read(actor access.Actor, q events.Query) events.Batch {
	b.t.Helper()
	batch, err := b.feed.Read(b.t.Context(), actor, q)
	if err != nil {
		b.t.Fatal(err)
	}
	return batch
}

func kinds(batch events.Batch) []ledger.Kind {
	list := []ledger.Kind{}
	for _, e := range batch.Events {
		list = append(list, e.Kind)
	}
	return list
}

func TestFeed(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(*testing.T) string{
		"SQLite": sqlite, "PostgreSQL": func(t *testing.T) string { return dbtest.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testFeed(newBench(t, url(t)))
		})
	}
}

// testFeed reads everything in small parts, while more arrives.
func testFeed(b *bench) {
	for i := range 7 {
		b.append(ledger.RecipientApplied, "recipient", fmt.Sprintf("r-%d", i))
	}
	var seen []int64
	q := events.Query{Limit: 3}
	for {
		batch := b.read(auditor, q)
		if batch.More != (len(seen) < 6) {
			b.t.Errorf("after %d: more is %v", len(seen), batch.More)
		}
		q.Cursor = batch.Cursor
		if len(batch.Events) == 0 {
			break
		}
		for _, e := range batch.Events {
			seen = append(seen, e.Index)
		}
	}
	b.append(ledger.RecipientApproved, "recipient", "r-1")
	for _, e := range b.read(auditor, q).Events {
		seen = append(seen, e.Index)
	}
	if want := []int64{0, 1, 2, 3, 4, 5, 6, 7}; !slices.Equal(seen, want) {
		b.t.Errorf("read %v", seen)
	}
	one := b.read(auditor, events.Query{Limit: 5}).Events[4]
	if next := b.read(auditor, events.Query{Cursor: one.Cursor(), Limit: 1}).Events[0]; next.Index != 5 {
		b.t.Errorf("after event 4 comes %d", next.Index)
	}
	if now := b.read(auditor, events.Query{Newest: true}); len(now.Events) != 0 || now.Cursor != b.read(auditor, q).Cursor {
		b.t.Errorf("from now on: %+v", now)
	}
}

// The people of a recipient see what concerns it, and of that only the ids that
// they know; nobody sees details.
func TestFeedShowsWhatTheReaderMaySee(t *testing.T) {
	t.Parallel()
	b := newBench(t, sqlite(t))
	b.append(ledger.RecipientApplied, "recipient", "r-keio")
	b.append(ledger.RecipientApplied, "recipient", "r-other")
	b.append(ledger.UserChanged, "recipient", "r-keio", "user", "u-keio")
	b.append(ledger.ProvisionIssued, "recipient", "r-keio", "dataset", "ds-1", "second", "u-aoi")
	b.append(ledger.DatasetRegistered, "dataset", "ds-1")
	own := b.read(keio, events.Query{})
	if got, want := kinds(own), []ledger.Kind{ledger.RecipientApplied, ledger.ProvisionIssued}; !slices.Equal(got, want) {
		t.Errorf("the recipient sees %v", got)
	}
	issued := own.Events[1]
	if issued.IDs["actor"] != "" || issued.IDs["second"] != "" || issued.IDs["dataset"] != "ds-1" || issued.IDs["provision"] != "p-1" {
		t.Errorf("the recipient sees %v", issued.IDs)
	}
	if got := kinds(b.read(auditor, events.Query{})); len(got) != 5 {
		t.Errorf("the auditor sees %v", got)
	}
	if got := kinds(b.read(auditor, events.Query{Kinds: []string{"recipient.", "provision.issued"}})); len(got) != 3 {
		t.Errorf("of some kinds: %v", got)
	}
	nobody := access.Actor{}
	if _, err := b.feed.Read(t.Context(), nobody, events.Query{}); !models.IsKind(err, models.Denied) {
		t.Errorf("somebody who is not signed in: %v", err)
	}
	homeless := access.Actor{UserID: "u-x", Role: models.RecipientUser}
	if _, err := b.feed.Read(t.Context(), homeless, events.Query{}); !models.IsKind(err, models.Denied) {
		t.Errorf("an account without recipient: %v", err)
	}
}

func TestFeedWaits(t *testing.T) {
	t.Parallel()
	b := newBench(t, sqlite(t))
	start := b.read(keio, events.Query{}).Cursor
	got := make(chan events.Batch, 1)
	go func() {
		batch, err := b.feed.Read(t.Context(), keio, events.Query{Cursor: start, Wait: events.MaxWait})
		if err != nil {
			t.Error(err)
		}
		got <- batch
	}()
	b.append(ledger.RecipientApplied, "recipient", "r-other") // is not what it waits for
	b.append(ledger.RecipientApproved, "recipient", "r-keio")
	if batch := <-got; len(batch.Events) != 1 || batch.Events[0].Index != 1 {
		t.Errorf("got %+v", batch)
	}
	gone := models.Errorf(models.Denied, "signed out")
	q := events.Query{Cursor: b.read(keio, events.Query{}).Cursor, Wait: 10 * time.Millisecond, Still: func(context.Context) error { return gone }}
	if _, err := b.feed.Read(t.Context(), keio, q); err != gone {
		t.Errorf("somebody who was signed out while waiting: %v", err)
	}
	b.feed.Close()
	began := time.Now()
	b.read(keio, events.Query{Cursor: q.Cursor, Wait: events.MaxWait})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a server that stops let a reader wait for %v", took)
	}
}

func TestFeedRefusesForeignCursors(t *testing.T) {
	t.Parallel()
	b := newBench(t, sqlite(t))
	b.append(ledger.RecipientApplied, "recipient", "r-keio")
	ahead := events.Event{Index: 41}.Cursor()
	for _, cursor := range []string{"x", "0", "ZTE6LTE", "ZTE6MQ==", "ZTE6MDE", "ZTI6MQ", ahead} {
		if _, err := b.feed.Read(t.Context(), auditor, events.Query{Cursor: cursor}); !models.IsKind(err, models.Invalid) {
			t.Errorf("%q: %v", cursor, err)
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("ZTE6MQ")
	db, err := database.Open(context.Background(), database.Options{URL: "sqlite:" + filepath.Join(f.TempDir(), "events.db"), Rand: rand.Reader})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { db.Close() })
	feed := events.NewFeed(db)
	f.Fuzz(func(t *testing.T, cursor string) {
		batch, err := feed.Read(t.Context(), auditor, events.Query{Cursor: cursor})
		if err == nil && cursor != "" && batch.Cursor != cursor {
			t.Errorf("%q leads to %q in an empty ledger", cursor, batch.Cursor)
		}
	})
}
