// Package move copies every object of one store to another while the first is
// in use: objects are written once, so that what is there is whole and stays.
// A copy counts when it was read back and has the digest of the original; what
// was copied is kept in a Journal, so that a copy that broke goes on.
package move

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"teikyo/storage"
)

// Counts says how far a pass is. Sizes are in bytes.
type Counts struct {
	Objects     int   `json:"objects"` // seen in the old store
	Bytes       int64 `json:"bytes"`
	Copied      int   `json:"copied"` // by this pass
	CopiedBytes int64 `json:"copied_bytes"`
	Present     int   `json:"present"`  // were there already, with the same digest
	Vanished    int   `json:"vanished"` // deleted in the old store meanwhile
}

// Pass copies what From has and To lacks. All fields but Progress must be set.
type Pass struct {
	From, To storage.Store
	Journal  *Journal
	Workers  int
	// DryRun counts what would be copied and writes nothing.
	DryRun bool
	// Progress hears of every object; it may be nil. It is not called twice at
	// once.
	Progress func(Counts)

	there map[string]int64 // sizes of the objects in To
	mu    sync.Mutex
	count Counts
}

// Run copies until everything is there or something fails; Counts tell how far
// it came. Run it again to go on, or to copy what was written meanwhile.
func (p *Pass) Run(ctx context.Context) (Counts, error) {
	p.there, p.count = map[string]int64{}, Counts{}
	for obj, err := range p.To.List(ctx) {
		if err != nil {
			return p.count, fmt.Errorf("list the new store: %w", err)
		}
		p.there[obj.Key] = obj.Size
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan storage.Object)
	var workers sync.WaitGroup
	for range p.Workers {
		workers.Go(func() {
			for obj := range work {
				if err := p.one(ctx, obj); err != nil {
					cancel(fmt.Errorf("object %s: %w", obj.Key, err))
				}
			}
		})
	}
	err := p.feed(ctx, work)
	close(work)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return p.count, err
}

// feed hands out the objects of the old store.
func (p *Pass) feed(ctx context.Context, work chan<- storage.Object) error {
	for obj, err := range p.From.List(ctx) {
		if err != nil {
			return fmt.Errorf("list the old store: %w", err)
		}
		select {
		case work <- obj:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// one brings one object over, unless it is there.
func (p *Pass) one(ctx context.Context, obj storage.Object) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the pass says why it ended
	}
	size, there := p.there[obj.Key]
	if there && size == obj.Size && p.Journal.Has(obj.Key) {
		p.book(func(c *Counts) { c.Present++ }, obj)
		return nil
	}
	if p.DryRun {
		p.book(func(c *Counts) { c.Copied++; c.CopiedBytes += obj.Size }, obj)
		return nil
	}
	if there {
		same, err := p.compare(ctx, obj)
		if err != nil || same {
			return err
		}
		if err := p.To.Delete(ctx, obj.Key); err != nil && !errors.Is(err, storage.ErrNotExist) {
			return fmt.Errorf("remove a copy that is not like the original: %w", err)
		}
	}
	return p.copy(ctx, obj)
}

// compare reads both, for a copy of which nobody knows whether it was checked.
func (p *Pass) compare(ctx context.Context, obj storage.Object) (same bool, err error) {
	original, err := digest(ctx, p.From, obj.Key)
	if errors.Is(err, storage.ErrNotExist) {
		p.book(func(c *Counts) { c.Vanished++ }, obj)
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the original: %w", err)
	}
	copied, err := digest(ctx, p.To, obj.Key)
	if errors.Is(err, storage.ErrCorrupt) || errors.Is(err, storage.ErrNotExist) || err == nil && copied != original {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the copy: %w", err)
	}
	p.book(func(c *Counts) { c.Present++ }, obj)
	return true, p.Journal.Add(obj.Key, original)
}

// copy copies and reads back.
func (p *Pass) copy(ctx context.Context, obj storage.Object) error {
	r, err := p.From.Open(ctx, obj.Key, 0, -1)
	if errors.Is(err, storage.ErrNotExist) {
		p.book(func(c *Counts) { c.Vanished++ }, obj)
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the original: %w", err)
	}
	defer r.Close()
	sum := sha256.New()
	if _, err := p.To.Put(ctx, obj.Key, io.TeeReader(r, sum), obj.Size); err != nil {
		return fmt.Errorf("write the copy: %w", err)
	}
	original := sumOf(sum)
	copied, err := digest(ctx, p.To, obj.Key)
	if err != nil {
		return fmt.Errorf("read the copy: %w", err)
	}
	if copied != original {
		return fmt.Errorf("%w: the new store gives other bytes back than it was given", storage.ErrCorrupt)
	}
	p.book(func(c *Counts) { c.Copied++; c.CopiedBytes += obj.Size }, obj)
	return p.Journal.Add(obj.Key, original)
}

func (p *Pass) book(change func(*Counts), obj storage.Object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count.Objects++
	p.count.Bytes += obj.Size
	change(&p.count)
	if p.Progress != nil {
		p.Progress(p.count)
	}
}

// digest is the SHA-256 of an object.
func digest(ctx context.Context, s storage.Store, key string) (sum [sha256.Size]byte, err error) {
	r, err := s.Open(ctx, key, 0, -1)
	if err != nil {
		return sum, err
	}
	h := sha256.New()
	_, err = io.Copy(h, r)
	if err := errors.Join(err, r.Close()); err != nil {
		return sum, err
	}
	return sumOf(h), nil
}

func sumOf(h hash.Hash) [sha256.Size]byte { return [sha256.Size]byte(h.Sum(nil)) }
