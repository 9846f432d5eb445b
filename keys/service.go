// Package keys keeps the versions of the key-encryption key (KEK) and moves what
// is wrapped under one of them to another: rotate, rewrap, destroy (DESIGN.md
// 3.5). Payloads are never touched. The keys themselves are in package crypto.
//
// The database says which version wraps. A new one is prepared first, known to
// every node that runs, and used then; an old one is closed, so that nothing more
// comes under it, before it is destroyed. Who may do all this is who can open the
// admin socket or the keys folder on the server's machine.
package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
)

// Store keeps what is known of the versions, and everything that is wrapped;
// *database.DB satisfies it.
type Store interface {
	Update(ctx context.Context, fn func(ctx context.Context) error) error
	Append(ctx context.Context, e *ledger.Entry) error

	KEKVersions(ctx context.Context) ([]models.KEKVersion, error)
	SaveKEKVersion(ctx context.Context, v models.KEKVersion) error
	WrapCounts(ctx context.Context, shelf models.WrapShelf) (map[string]int64, error)
	WrapsNotUnder(ctx context.Context, shelf models.WrapShelf, kekID, after string, limit int) ([]models.Wrapped, error)
	SwapWrap(ctx context.Context, was models.Wrapped, kekID string, wrapped []byte) (bool, error)
}

// Nodes is where nodes tell each other which versions they have at hand;
// *database.DB satisfies it.
type Nodes interface {
	ReportKEKs(ctx context.Context, h models.KEKHolder, forget time.Time) error
	KEKHolders(ctx context.Context, since time.Time) ([]models.KEKHolder, error)
}

// Service holds the use cases. Every field must be set unless it says otherwise;
// it is safe for concurrent use.
type Service struct {
	Store Store
	Ring  *crypto.Keyring
	// Contexts say, for every shelf, what a wrap on it is bound to.
	Contexts map[models.WrapShelf]func(w models.Wrapped) ([]byte, error)
	// Read opens the beginning of the payload of a sealed file with its key:
	// the test before a version is destroyed.
	Read func(ctx context.Context, sealedID string, key crypto.FileKey) error
	// Nodes is nil where one process alone uses the database.
	Nodes Nodes
	// Node is random, of this run; Name is for people.
	Node, Name string
	Now        func() time.Time
	// Wait bounds how long Rotate waits for other nodes; zero is DefaultWait.
	Wait time.Duration
	Log  *slog.Logger

	changing sync.Mutex // one change of versions at a time

	mu       sync.Mutex
	problem  error     // of the last Refresh
	reported time.Time // to Nodes
	held     []string  // that was reported
}

// Times of nodes that share a database.
const (
	RefreshEvery = 2 * time.Second
	reportEvery  = 15 * time.Second
	nodeGone     = time.Minute // a node that is silent for longer does not run
	DefaultWait  = 20 * time.Second
)

// now is the clock at the precision of the rows.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// Open compares the keyring with the database at the start: a version that the
// database knows must be there, and be the same. A database without a version
// gets its first one.
func (s *Service) Open(ctx context.Context) error {
	versions, err := s.Store.KEKVersions(ctx)
	if err != nil {
		return err
	}
	if len(versions) == 0 {
		if err := s.first(ctx); err != nil {
			return err
		}
	}
	return s.note(s.refresh(ctx, true))
}

// first makes the first version. Nothing is wrapped yet, so nobody has to know.
func (s *Service) first(ctx context.Context) error {
	id, err := s.Ring.Create(ctx, nil)
	if err != nil {
		return err
	}
	v, err := s.version(id, models.KEKCurrent)
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, func(ctx context.Context) error {
		known, err := s.Store.KEKVersions(ctx)
		if err != nil || len(known) > 0 {
			return err
		}
		return s.Store.SaveKEKVersion(ctx, v)
	})
}

// version is the record of a key at hand.
func (s *Service) version(id string, state models.KEKState) (models.KEKVersion, error) {
	check, err := s.Ring.CheckValue(id)
	if err != nil {
		return models.KEKVersion{}, err
	}
	now := s.now()
	return models.KEKVersion{
		ID: id, CheckValue: check, Provider: s.Ring.ProviderOf(id), State: state, Added: now, Changed: now,
	}, nil
}

// Refresh takes up what other nodes changed: which version wraps, which were
// destroyed. The error says what this node lacks, and Problem goes on saying so.
// A version that is only prepared may be lacking: nothing is under it yet.
func (s *Service) Refresh(ctx context.Context) error { return s.note(s.refresh(ctx, false)) }

func (s *Service) note(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problem = err
	return err
}

// Problem is how the last Refresh ended.
func (s *Service) Problem() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

func (s *Service) refresh(ctx context.Context, starting bool) error {
	versions, err := s.Store.KEKVersions(ctx)
	if err != nil {
		return err
	}
	var held []string
	var lacking error
	current := ""
	for _, v := range versions {
		if v.State == models.KEKDestroyed {
			if err := s.Ring.Destroy(ctx, v.ID); err != nil {
				return models.Wrap(models.Unavailable, err, "the destroyed key "+v.ID+" could not be removed from this node; check the folder of the keys")
			}
			continue
		}
		if err := s.compare(v); err != nil {
			if v.State != models.KEKPrepared || starting {
				lacking = errors.Join(lacking, err)
			}
			continue
		}
		held = append(held, v.ID)
		if v.State == models.KEKCurrent {
			current = v.ID
		}
	}
	if current != "" && current != s.Ring.CurrentID() {
		if err := s.Ring.Use(current); err != nil {
			return err
		}
	}
	return errors.Join(lacking, s.report(ctx, held))
}

// compare checks that the keyring has a version, and the right one.
func (s *Service) compare(v models.KEKVersion) error {
	value, err := s.Ring.CheckValue(v.ID)
	if errors.Is(err, crypto.ErrMissingKey) {
		return models.Wrap(models.Conflict, err, fmt.Sprintf("the key-encryption key %s, which this database needs, is not here; "+
			"restore it to the folder of the keys, from a backup or from another node", v.ID))
	}
	if err != nil {
		return models.Wrap(models.Unavailable, err, "the key-encryption key "+v.ID+" cannot be used: "+err.Error())
	}
	if value != v.CheckValue {
		return models.Errorf(models.Conflict, "the key %s is not the one that this database was used with; restore the right one from a backup", v.ID)
	}
	return nil
}

// report tells the other nodes what is at hand, now and then and when it changes.
func (s *Service) report(ctx context.Context, held []string) error {
	if s.Nodes == nil {
		return nil
	}
	now := s.now()
	s.mu.Lock()
	fresh := now.Sub(s.reported) < reportEvery && slices.Equal(held, s.held)
	s.mu.Unlock()
	if fresh {
		return nil
	}
	h := models.KEKHolder{Node: s.Node, Name: s.Name, KEKs: held, Seen: now}
	err := s.Store.Update(ctx, func(ctx context.Context) error { return s.Nodes.ReportKEKs(ctx, h, now.Add(-nodeGone)) })
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reported, s.held = now, slices.Clone(held)
	return nil
}

// Leave tells the other nodes that this one ends.
func (s *Service) Leave(ctx context.Context) error {
	if s.Nodes == nil {
		return nil
	}
	return s.Store.Update(ctx, func(ctx context.Context) error {
		return s.Nodes.ReportKEKs(ctx, models.KEKHolder{Node: s.Node}, s.now().Add(-nodeGone))
	})
}

// Run refreshes until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	ticker := time.NewTicker(RefreshEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			before := s.Problem()
			if err := s.Refresh(ctx); err != nil && before == nil && ctx.Err() == nil {
				s.Log.Error("key-encryption keys", "error", err)
			}
		}
	}
}
