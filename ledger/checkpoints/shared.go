package checkpoints

import (
	"context"
	"fmt"

	"teikyo/ledger"
)

// Shared is a second place to which several servers of one log bring
// checkpoints. What it holds never gets smaller, whoever comes last.
type Shared struct {
	SecondPlace
	// Exclusive runs fn while no other server runs one.
	Exclusive func(ctx context.Context, fn func(ctx context.Context) error) error
	// Verifiers are the keys that may have signed what is there.
	Verifiers func() ([]ledger.Verifier, error)
}

// Put implements SecondPlace. A checkpoint of the same log that covers this one
// stays in its place. Errors wrap ErrForeignCheckpoint when something else is
// there.
func (s *Shared) Put(ctx context.Context, checkpoint []byte) error {
	mine, err := ledger.ParseCheckpoint(checkpoint)
	if err != nil {
		return err
	}
	return s.Exclusive(ctx, func(ctx context.Context) error {
		covered, err := s.covers(ctx, mine)
		if err != nil || covered {
			return err
		}
		return s.SecondPlace.Put(ctx, checkpoint)
	})
}

func (s *Shared) covers(ctx context.Context, mine ledger.Checkpoint) (bool, error) {
	text, err := s.Newest(ctx)
	if err != nil || text == nil {
		return false, err
	}
	verifiers, err := s.Verifiers()
	if err != nil {
		return false, err
	}
	there, err := ledger.OpenCheckpoint(text, verifiers...)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrForeignCheckpoint, err)
	}
	if there.Origin != mine.Origin || there.Tree.N == mine.Tree.N && there.Tree != mine.Tree {
		return false, fmt.Errorf("%w: it has %d entries of %q", ErrForeignCheckpoint, there.Tree.N, there.Origin)
	}
	return there.Tree.N >= mine.Tree.N, nil
}
