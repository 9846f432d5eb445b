package checkpoints

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/ledger"
)

// ErrUnproven means that a checkpoint could not be compared with the one kept,
// because nothing proves either of them: ask again with a way to the log.
var ErrUnproven = errors.New("the ledger's consistency could not be proved")

// Witness is a recipient's memory: it keeps the newest checkpoint of every log
// in a folder and accepts only what is consistent with it. Recipients together
// are the witnesses that an issuer cannot give each its own history.
type Witness struct {
	dir string
	mu  sync.Mutex
}

// NewWitness keeps its memory in dir, which is made (0700) when needed.
func NewWitness(dir string) *Witness { return &Witness{dir: dir} }

// Prove shows that the log's newer tree contains the older one, such as by
// ConsistencyFromTiles; an error that wraps ledger.ErrInconsistent says that it does not.
type Prove func(ctx context.Context, older, newer tlog.Tree) error

// Check compares c, which ledger.OpenCheckpoint or a Receipt gave, with the newest
// checkpoint kept of its log and keeps the newer of the two. c may be the older
// one: parcels do not arrive in the order of their making. prove may be nil when
// the log is out of reach. Errors wrap ledger.ErrInconsistent (the log was rewritten or
// split: keep both checkpoints as evidence) or ErrUnproven.
func (w *Witness) Check(ctx context.Context, c ledger.Checkpoint, prove Prove) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept, err := w.Newest(c.Origin)
	if err != nil {
		return err
	}
	if kept.Text == nil {
		return w.keep(c)
	}
	older, newer := kept.Tree, c.Tree
	if older.N > newer.N {
		older, newer = newer, older
	}
	switch {
	case older.N == 0 || older.N == newer.N:
		err = ledger.CheckConsistency(older, newer, nil)
	case prove == nil:
		return fmt.Errorf("%w: the log %s is out of reach", ErrUnproven, c.Origin)
	default:
		err = prove(ctx, older, newer)
	}
	if errors.Is(err, ledger.ErrInconsistent) {
		return fmt.Errorf("%s has signed two histories, of %d and of %d entries: %w", c.Origin, older.N, newer.N, err)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnproven, err)
	}
	if c.Tree.N <= kept.Tree.N {
		return nil
	}
	return w.keep(c)
}

// Newest is the newest checkpoint kept of a log; zero when there is none.
func (w *Witness) Newest(origin string) (ledger.Checkpoint, error) {
	text, err := readCheckpointFile(w.path(origin))
	if err != nil {
		return ledger.Checkpoint{}, fmt.Errorf("kept checkpoint of %s: %w", origin, err)
	}
	if text == nil {
		return ledger.Checkpoint{}, nil
	}
	c, err := ledger.ParseCheckpoint(text)
	if err != nil || c.Origin != origin {
		return ledger.Checkpoint{}, fmt.Errorf("kept checkpoint of %s: %s is damaged", origin, w.path(origin))
	}
	return c, nil
}

func (w *Witness) keep(c ledger.Checkpoint) error {
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		return fmt.Errorf("keep a checkpoint: %w", err)
	}
	if err := replaceFile(w.path(c.Origin), c.Text); err != nil {
		return fmt.Errorf("keep a checkpoint: %w", err)
	}
	return nil
}

// path names the file by a digest: an origin may hold slashes.
func (w *Witness) path(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return filepath.Join(w.dir, hex.EncodeToString(sum[:16])+".checkpoint")
}
