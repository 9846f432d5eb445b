package keys

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"teikyo/models"
)

const (
	// batch is how many wraps change in one transaction: other writers get
	// their turn in between.
	batch = 200
	// stepTime is how long a Step works.
	stepTime = time.Second
	// maxFailures is how many failures a Step names.
	maxFailures = 20
)

// Cursor is where a pass over everything that is wrapped stands. The zero value
// is its beginning.
type Cursor struct {
	Shelf models.WrapShelf `json:"shelf,omitempty"`
	After string           `json:"after,omitempty"`
	// Done says that the pass is at its end.
	Done bool `json:"done,omitempty"`
}

// Failure is a wrap that could not be opened. It stays as it is.
type Failure struct {
	Shelf models.WrapShelf `json:"shelf"`
	ID    string           `json:"id"`
	KEK   string           `json:"kek"`
	Error string           `json:"error"`
}

// Step is what one call of Rewrap did.
type Step struct {
	Changed  int64     // wraps that are under the current version now
	Raced    int64     // wraps that somebody else changed meanwhile
	Failed   int64     // wraps that do not open
	Failures []Failure // the first of them
	Next     Cursor
	Left     int64 // at the end of a pass: still under other versions
}

// Rewrap wraps what is under other versions under the current one, for about a
// second, and says where to go on. Each batch is a short transaction, and a wrap
// that changed since it was read stays as it is: uploads and provisions go on
// meanwhile, and a pass that was broken off is simply begun again. Payloads are
// not touched (DESIGN.md 3.5).
func (s *Service) Rewrap(ctx context.Context, from Cursor) (Step, error) {
	step := Step{Next: from}
	current := s.Ring.CurrentID()
	for end := s.Now().Add(stepTime); !step.Next.Done && s.Now().Before(end); {
		shelves := models.WrapShelves()
		if step.Next.Shelf == "" {
			step.Next.Shelf = shelves[0]
		}
		i := slices.Index(shelves, step.Next.Shelf)
		if i < 0 {
			return step, models.Errorf(models.Invalid, "there is nothing wrapped called %q", step.Next.Shelf)
		}
		n, err := s.rewrapBatch(ctx, &step, current)
		if err != nil {
			return step, err
		}
		switch {
		case n > 0:
		case i+1 < len(shelves):
			step.Next = Cursor{Shelf: shelves[i+1]}
		default:
			step.Next = Cursor{Done: true}
		}
	}
	if !step.Next.Done {
		return step, nil
	}
	var err error
	step.Left, err = s.left(ctx, current)
	return step, err
}

// swap is a wrap and what it becomes.
type swap struct {
	was models.Wrapped
	now []byte
}

func (s *Service) rewrapBatch(ctx context.Context, step *Step, current string) (int, error) {
	list, err := s.Store.WrapsNotUnder(ctx, step.Next.Shelf, current, step.Next.After, batch)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	var swaps []swap
	for _, w := range list {
		wrapped, err := s.anew(ctx, w, current)
		if models.IsKind(err, models.Integrity) {
			step.fail(w, err)
			continue
		}
		if err != nil {
			return 0, err
		}
		swaps = append(swaps, swap{w, wrapped})
	}
	changed := int64(0)
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		for _, one := range swaps {
			done, err := s.Store.SwapWrap(ctx, one.was, current, one.now)
			if err != nil {
				return err
			}
			if done {
				changed++
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	step.Changed += changed
	step.Raced += int64(len(swaps)) - changed
	step.Next.After = list[len(list)-1].ID
	return len(list), nil
}

func (step *Step) fail(w models.Wrapped, err error) {
	step.Failed++
	if len(step.Failures) < maxFailures {
		step.Failures = append(step.Failures, Failure{Shelf: w.Shelf, ID: w.ID, KEK: w.KEKID, Error: err.Error()})
	}
}

// anew wraps under another version and looks whether it opens: the old wrap is
// about to go.
func (s *Service) anew(ctx context.Context, w models.Wrapped, kekID string) ([]byte, error) {
	secret, bound, err := s.unwrap(ctx, w)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	wrapped, err := s.Ring.WrapUnder(ctx, kekID, secret, bound)
	if err != nil {
		return nil, models.Wrap(models.Unavailable, err, "the provider of the keys does not wrap; try again: "+err.Error())
	}
	again, err := s.Ring.Unwrap(ctx, kekID, wrapped, bound)
	if err != nil || !bytes.Equal(again, secret) {
		return nil, models.Wrap(models.Unavailable, err, "what was wrapped anew does not open; nothing was changed; look at the provider of the keys")
	}
	clear(again)
	return wrapped, nil
}

// unwrap opens a wrap. Integrity: it will not open on another try either.
func (s *Service) unwrap(ctx context.Context, w models.Wrapped) (secret, bound []byte, err error) {
	bindOf, ok := s.Contexts[w.Shelf]
	if !ok {
		return nil, nil, models.Errorf(models.Internal, "nobody knows how to open what is on the shelf %s", w.Shelf)
	}
	if bound, err = bindOf(w); err != nil {
		return nil, nil, err
	}
	if secret, err = s.Ring.Unwrap(ctx, w.KEKID, w.Bytes, bound); err != nil {
		return nil, nil, unwrapFailed(w, err)
	}
	return secret, bound, nil
}

func unwrapFailed(w models.Wrapped, err error) error {
	kind := models.Unavailable
	if permanent(err) {
		kind = models.Integrity
	}
	return models.Wrap(kind, err, fmt.Sprintf("%s %s does not open under %s: %v", w.Shelf, w.ID, w.KEKID, err))
}
