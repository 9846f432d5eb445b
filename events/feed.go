package events

import (
	"context"
	"strconv"
	"sync"
	"time"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
)

// Limits of the feed.
const (
	MaxWait    = 30 * time.Second
	maxWaiting = 256            // readers that wait at a time; more are answered at once
	maxScanned = 10             // batches read for one answer
	otherNodes = time.Second    // how often to look for entries that another node wrote
	scanBatch  = models.MaxPage // entries read at a time
)

// Ledger is the read side of the ledger; *database.DB.
type Ledger interface {
	Head(ctx context.Context) (ledger.Head, error)
	Entries(ctx context.Context, f models.EntryFilter, page models.Page) ([]ledger.Record, error)
}

// Query asks for a part of the feed.
type Query struct {
	Cursor string   // where to go on; empty: from the oldest event
	Newest bool     // without a cursor: from now on
	Kinds  []string // these alone; "provision." stands for all that begin so
	Limit  int      // as in models.Page
	// Wait is how long to wait for an event when there is none yet; at most
	// MaxWait.
	Wait time.Duration
	// Still is asked after waiting whether the actor may still read; may be nil.
	Still func(ctx context.Context) error
}

// Batch is a part of the feed.
type Batch struct {
	Events []Event
	Cursor string // where to go on
	More   bool   // there is more to read at once
}

// Feed gives the events of the ledger in its order. Make it with NewFeed.
type Feed struct {
	ledger  Ledger
	closing chan struct{}
	close   func()
	waiting chan struct{}

	mu   sync.Mutex
	news chan struct{} // closed at the next entry
}

// NewFeed is the feed of a ledger. Committed must be called after every change of
// it by this process; those of others are looked for.
func NewFeed(l Ledger) *Feed {
	f := &Feed{ledger: l, closing: make(chan struct{}), waiting: make(chan struct{}, maxWaiting), news: make(chan struct{})}
	f.close = sync.OnceFunc(func() { close(f.closing) })
	return f
}

// Committed wakes everybody who waits for an event.
func (f *Feed) Committed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.news)
	f.news = make(chan struct{})
}

// Close ends all waiting, now and later: the server is about to stop.
func (f *Feed) Close() { f.close() }

func (f *Feed) next() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.news
}

// Read gives the events that the actor may see, the oldest first; the people of a
// recipient see what concerns it.
func (f *Feed) Read(ctx context.Context, actor access.Actor, q Query) (Batch, error) {
	if err := access.Can(actor, access.ReadEvents, access.Whole()); err != nil {
		return Batch{}, err
	}
	who := scope{}
	if actor.Role == models.RecipientUser {
		if actor.RecipientID == "" {
			return Batch{}, models.Errorf(models.Denied, "the account belongs to no recipient; ask an administrator")
		}
		who.recipientID = actor.RecipientID
	}
	next, err := f.start(ctx, q)
	if err != nil {
		return Batch{}, err
	}
	batch, err := f.wait(ctx, who, next, q)
	if err == nil && q.Still != nil && q.Wait > 0 {
		err = q.Still(ctx)
	}
	if err != nil {
		return Batch{}, err
	}
	return batch, nil
}

// start is the entry that comes next for the reader.
func (f *Feed) start(ctx context.Context, q Query) (int64, error) {
	if q.Cursor == "" && !q.Newest {
		return 0, nil
	}
	head, err := f.ledger.Head(ctx)
	if err != nil || q.Cursor == "" {
		return head.Size, err
	}
	next, err := parseCursor(q.Cursor)
	if err == nil && next > head.Size {
		err = models.Errorf(models.Invalid, "the cursor is ahead of this ledger, so it is of another one; start without it")
	}
	return next, err
}

// wait reads, and when there is nothing reads again after every new entry, until
// the time is over.
func (f *Feed) wait(ctx context.Context, who scope, next int64, q Query) (Batch, error) {
	limit := time.NewTimer(min(max(q.Wait, 0), MaxWait))
	defer limit.Stop()
	look := time.NewTicker(otherNodes)
	defer look.Stop()
	patient := f.queue(q.Wait)
	defer patient.leave()
	for {
		news := f.next()
		batch, err := f.read(ctx, who, next, q)
		if err != nil || len(batch.Events) > 0 || batch.More || !patient.may {
			return batch, err
		}
		if next, err = parseCursor(batch.Cursor); err != nil {
			return Batch{}, err
		}
		select {
		case <-news:
		case <-look.C:
		case <-limit.C:
			return batch, nil
		case <-f.closing:
			return batch, nil
		case <-ctx.Done():
			return Batch{}, models.Wrap(models.Unavailable, ctx.Err(), "the client went away")
		}
	}
}

// patience is a place among those who wait.
type patience struct {
	feed *Feed
	may  bool
}

func (f *Feed) queue(wait time.Duration) patience {
	if wait <= 0 {
		return patience{}
	}
	select {
	case f.waiting <- struct{}{}:
		return patience{f, true}
	default:
		return patience{}
	}
}

func (p patience) leave() {
	if p.may {
		<-p.feed.waiting
	}
}

// read gives what is there from entry next on.
func (f *Feed) read(ctx context.Context, who scope, next int64, q Query) (Batch, error) {
	r := reader{ledger: f.ledger, scope: who, kinds: q.Kinds, limit: models.Page{Limit: q.Limit}.Size()}
	found, next, more, err := r.from(ctx, next)
	return Batch{Events: found, Cursor: formatCursor(next), More: more}, err
}

// reader finds the events of a scope.
type reader struct {
	ledger Ledger
	scope  scope
	kinds  []string
	limit  int
}

// from gives at most limit events from entry next on, the entry to go on with,
// and whether there may be more at once.
func (r reader) from(ctx context.Context, next int64) ([]Event, int64, bool, error) {
	head, err := r.ledger.Head(ctx) // before the entries: what is below it can be seen
	if err != nil {
		return nil, next, false, err
	}
	filter := models.EntryFilter{}
	if r.scope.recipientID != "" {
		filter.Noun, filter.ID = "recipient", r.scope.recipientID
	}
	var found []Event
	for range maxScanned {
		records, err := r.ledger.Entries(ctx, filter, models.Page{After: lastSeen(next), Limit: scanBatch})
		if err != nil {
			return nil, next, false, err
		}
		for _, record := range records {
			if len(found) == r.limit {
				return found, next, true, nil
			}
			next = record.Index + 1
			if e, ok := r.scope.view(record); ok && wanted(r.kinds, e.Kind) {
				found = append(found, e)
			}
		}
		if len(records) < scanBatch {
			return found, max(next, head.Size), false, nil
		}
	}
	return found, next, true, nil
}

// lastSeen is the cursor of the list of entries before entry next.
func lastSeen(next int64) string {
	if next <= 0 {
		return ""
	}
	return strconv.FormatInt(next-1, 10)
}
