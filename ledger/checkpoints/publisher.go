package checkpoints

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/ledger"
)

// DefaultMaxLag is how long the second place may lack a committed entry before
// nothing more may be issued.
const DefaultMaxLag = 60 * time.Second

// Delays between attempts at a second place that fails, and the most that one
// attempt may take.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
	putTimeout = 30 * time.Second
)

// ErrBehind means that committed entries have not reached the second place for
// longer than allowed: issuing stops until they have.
var ErrBehind = errors.New("the second place for checkpoints is behind the ledger")

// Config is what a Publisher needs.
type Config struct {
	Signer ledger.Signer
	Second SecondPlace
	// Head is the committed tree.
	Head func(ctx context.Context) (tlog.Tree, error)
	// Hashes are the stored hashes, with which every tree is shown to contain
	// the one published before it prior to being signed.
	Hashes tlog.HashReader
	// Published is what CheckStart returned.
	Published ledger.Checkpoint
	Now       func() time.Time // nil: time.Now
	MaxLag    time.Duration    // zero: DefaultMaxLag
	// Poll is how often the head is read although nobody told of a commit,
	// because other servers commit too; zero: never.
	Poll time.Duration
}

// Publisher signs the tree after commits and brings the checkpoint to the second
// place; many commits share one. Safe for concurrent use.
type Publisher struct {
	c      Config
	signal chan struct{} // capacity 1: a commit since the last look

	mu        sync.Mutex
	signer    ledger.Signer
	newest    ledger.Checkpoint // durable in the second place
	advanced  chan struct{}     // closed and replaced when newest moves on
	committed int64             // largest tree that a commit told of
	behind    time.Time         // since when an entry waits; zero when none does
	failed    error             // of the last attempt
	refused   error             // the log contradicts what was published: final
}

// NewPublisher makes a publisher; Run does its work.
func NewPublisher(c Config) *Publisher {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MaxLag == 0 {
		c.MaxLag = DefaultMaxLag
	}
	return &Publisher{
		c: c, signal: make(chan struct{}, 1), signer: c.Signer,
		newest: c.Published, committed: c.Published.Tree.N, advanced: make(chan struct{}),
	}
}

// Run publishes until ctx ends, first what a crash may have left unpublished. A
// second place that fails is tried again and again. Run returns early only when
// the log contradicts what was published (ledger.ErrInconsistent), else
// ctx.Err().
func (p *Publisher) Run(ctx context.Context) error {
	retry := firstRetry
	for {
		err := p.publish(ctx)
		p.note(err)
		if errors.Is(err, ledger.ErrInconsistent) {
			return err
		}
		var again <-chan time.Time
		if p.c.Poll > 0 {
			again = time.After(p.c.Poll)
		}
		if err != nil {
			again = time.After(retry)
			retry = min(2*retry, lastRetry)
		} else {
			retry = firstRetry
		}
		wake := p.signal
		if err != nil { // a commit is no reason to hurry a failing second place
			wake = nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wake:
		case <-again:
		}
	}
}

// Committed tells of a commit. It never blocks; the database calls it after
// every one.
func (p *Publisher) Committed(tree tlog.Tree) {
	p.saw(tree, p.c.Now())
	p.wake()
}

func (p *Publisher) wake() {
	select {
	case p.signal <- struct{}{}:
	default:
	}
}

// saw notes that entries up to tree are committed and may wait since then.
func (p *Publisher) saw(tree tlog.Tree, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.committed = max(p.committed, tree.N)
	if p.behind.IsZero() && p.committed > p.newest.Tree.N {
		p.behind = at
	}
}

// publish brings the present tree to the second place.
func (p *Publisher) publish(ctx context.Context) error {
	taken := p.c.Now()
	tree, err := p.c.Head(ctx)
	if err != nil {
		return fmt.Errorf("head of the ledger: %w", err)
	}
	p.saw(tree, taken)
	last := p.last()
	if err := p.grew(last, tree); err != nil {
		return err
	}
	if tree.N == last.Tree.N {
		return nil
	}
	signer := p.signedBy()
	text, err := signer.Sign(tree)
	if err != nil {
		return fmt.Errorf("sign a checkpoint: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	if err := p.c.Second.Put(limited, text); err != nil {
		return fmt.Errorf("second place for checkpoints: %w", err)
	}
	p.advance(ledger.Checkpoint{Origin: signer.Origin(), Tree: tree, Text: text}, taken)
	return nil
}

// SignWith signs with s from now on: the checkpoint key was replaced.
func (p *Publisher) SignWith(s ledger.Signer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signer = s
}

func (p *Publisher) signedBy() ledger.Signer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.signer
}

func (p *Publisher) last() ledger.Checkpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.newest
}

// grew checks that tree contains what was published: a log never signs two
// histories, even when its own database was tampered with while it ran.
func (p *Publisher) grew(last ledger.Checkpoint, tree tlog.Tree) error {
	if last.Tree.N == 0 || last.Tree == tree {
		return nil
	}
	return consistentIn(last.Tree, tree, p.c.Hashes)
}

// advance makes c the newest and wakes those who wait. taken is when its tree
// was read: what was committed after that waits at most since then.
func (p *Publisher) advance(c ledger.Checkpoint, taken time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.newest = c
	p.behind = time.Time{}
	if p.committed > c.Tree.N {
		p.behind = taken
	}
	close(p.advanced)
	p.advanced = make(chan struct{})
}

// note keeps the outcome of an attempt for Wait and Healthy.
func (p *Publisher) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed = err
	if errors.Is(err, ledger.ErrInconsistent) {
		p.refused = err
		close(p.advanced) // nobody waits for what cannot come
		p.advanced = make(chan struct{})
	}
}

// Wait blocks until a checkpoint that covers entry index is durable in the
// second place, and returns the newest one. After ctx ends its error says what
// the second place last answered.
func (p *Publisher) Wait(ctx context.Context, index int64) ([]byte, error) {
	for {
		p.mu.Lock()
		newest, advanced, refused := p.newest, p.advanced, p.refused
		p.mu.Unlock()
		if newest.Tree.N > index {
			return newest.Text, nil
		}
		if refused != nil {
			return nil, refused
		}
		p.wake() // the entry may be of another server
		select {
		case <-advanced:
		case <-ctx.Done():
			p.mu.Lock()
			defer p.mu.Unlock()
			return nil, because(fmt.Errorf("no checkpoint covers ledger entry %d yet: %w", index, ctx.Err()), p.failed)
		}
	}
}

// Newest is the newest checkpoint that is durable in the second place; nil when
// none is. It is the one to serve.
func (p *Publisher) Newest() []byte { return p.last().Text }

// Lag is how long the oldest entry that the second place lacks has waited.
func (p *Publisher) Lag() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.behind.IsZero() {
		return 0
	}
	return max(0, p.c.Now().Sub(p.behind))
}

// Healthy is nil while issuing may go on. Errors wrap ErrBehind or, when the log
// contradicts what was published, ledger.ErrInconsistent.
func (p *Publisher) Healthy() error {
	lag := p.Lag()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused != nil {
		return p.refused
	}
	if lag > p.c.MaxLag {
		return because(fmt.Errorf("%w by %s, more than %s", ErrBehind, lag.Truncate(time.Second), p.c.MaxLag), p.failed)
	}
	return nil
}

// because adds the outcome of the last attempt to err.
func because(err, failed error) error {
	if failed == nil {
		return err
	}
	return fmt.Errorf("%w; the last attempt: %w", err, failed)
}

// consistentIn shows with the stored hashes that newer contains older. Errors
// wrap ledger.ErrInconsistent when it does not.
func consistentIn(older, newer tlog.Tree, r tlog.HashReader) error {
	if older.N == 0 || older.N >= newer.N {
		return ledger.CheckConsistency(older, newer, nil)
	}
	proof, err := tlog.ProveTree(newer.N, older.N, r)
	if err != nil {
		return fmt.Errorf("stored hashes of the ledger: %w", err)
	}
	return ledger.CheckConsistency(older, newer, proof)
}
