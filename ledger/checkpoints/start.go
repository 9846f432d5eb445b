package checkpoints

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/ledger"
)

// Reasons for which a server must not start.
var (
	// ErrRolledBack: the second place has seen entries that the database lacks.
	ErrRolledBack = errors.New("the database is older than its last checkpoint")
	// ErrForeignCheckpoint: what lies in the second place is not this log's.
	ErrForeignCheckpoint = errors.New("the second place holds a checkpoint that is not this log's")
)

// CheckStart compares the database with the newest checkpoint of the second
// place, which it returns; a zero Checkpoint means that there is none yet. Any
// error means: do not start. They wrap ErrRolledBack,
// ledger.ErrInconsistent or ErrForeignCheckpoint, or say that the second place could not be read.
func CheckStart(ctx context.Context, origin string, head tlog.Tree, r tlog.HashReader, second SecondPlace, verifiers ...ledger.Verifier) (ledger.Checkpoint, error) {
	text, err := second.Newest(ctx)
	if err != nil {
		return ledger.Checkpoint{}, fmt.Errorf("read the newest checkpoint from the second place, without which the ledger cannot be checked: %w", err)
	}
	if text == nil {
		return ledger.Checkpoint{}, nil
	}
	c, err := ledger.OpenCheckpoint(text, verifiers...)
	if err != nil {
		return ledger.Checkpoint{}, fmt.Errorf("%w; find out who changed it and bring back the real one: %w", ErrForeignCheckpoint, err)
	}
	if c.Origin != origin {
		return ledger.Checkpoint{}, fmt.Errorf("%w: it is of %q, this is %q; point the server to this log's own second place", ErrForeignCheckpoint, c.Origin, origin)
	}
	if c.Tree.N > head.N {
		return ledger.Checkpoint{}, fmt.Errorf("%w: %d entries were published, the database has %d; bring back the newest database, "+
			"or start a new log from this one with a forced restore", ErrRolledBack, c.Tree.N, head.N)
	}
	if err := consistentIn(c.Tree, head, r); err != nil {
		return ledger.Checkpoint{}, fmt.Errorf("the database does not contain the history of %d entries that was published; keep it for inquiry, "+
			"run the ledger verification on it and bring back an untouched copy: %w", c.Tree.N, err)
	}
	return c, nil
}
