package keys

import (
	"context"
	"errors"
	"slices"
	"time"

	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
)

// maxReads is how many payloads the read test opens. Their keys are opened all.
const maxReads = 100

func permanent(err error) bool {
	return errors.Is(err, crypto.ErrUnwrap) || errors.Is(err, crypto.ErrMissingKey)
}

// Destroyed says what a destruction was preceded by.
type Destroyed struct {
	ID     string
	Opened int64 // wraps that were opened in the read test: all there are
	Read   int64 // payloads whose beginning was opened
}

// destroyDetails is the details of the entry.
type destroyDetails struct {
	Setting string `json:"setting"`
	Kek     string `json:"destroyed"`
	Opened  int64  `json:"wraps_opened"`
	Read    int64  `json:"payloads_read"`
}

// Destroy removes a version that wraps nothing any more, for good. Before that
// nothing more may come under it, everything else must open, and payloads must
// open with the keys so found. What stands in its way leaves it as it was.
func (s *Service) Destroy(ctx context.Context, id string) (Destroyed, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	done := Destroyed{ID: id}
	if err := s.destroyable(ctx, id); err != nil {
		return done, err
	}
	before, err := s.move(ctx, id, models.KEKClosing)
	if err != nil {
		return done, err
	}
	if err := s.prove(ctx, id, &done); err != nil {
		_, reopenErr := s.move(context.WithoutCancel(ctx), id, before)
		return done, errors.Join(err, reopenErr)
	}
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		if _, err := s.move(ctx, id, models.KEKDestroyed); err != nil {
			return err
		}
		return s.Store.Append(ctx, &ledger.Entry{
			Kind: ledger.ConfigChanged, IDs: map[string]string{"kek": id, "actor": "system"},
			Details: destroyDetails{"kek", id, done.Opened, done.Read},
		})
	})
	if err != nil {
		return done, err
	}
	return done, s.Refresh(ctx) // which removes it
}

// destroyable looks before anything changes. Other nodes get the time to notice
// that another version wraps.
func (s *Service) destroyable(ctx context.Context, id string) error {
	versions, err := s.Store.KEKVersions(ctx)
	if err != nil {
		return err
	}
	v, err := find(versions, id)
	if err != nil {
		return err
	}
	if err := s.unused(ctx, id); err != nil {
		return err
	}
	if s.Nodes == nil || v.State != models.KEKOld {
		return nil
	}
	select {
	case <-time.After(v.Changed.Add(2 * RefreshEvery).Sub(s.now())):
		return nil
	case <-ctx.Done():
		return models.Wrap(models.Unavailable, ctx.Err(), "it was interrupted; nothing was destroyed")
	}
}

// find is a version that may be destroyed.
func find(versions []models.KEKVersion, id string) (models.KEKVersion, error) {
	i := slices.IndexFunc(versions, func(v models.KEKVersion) bool { return v.ID == id })
	if i < 0 {
		return models.KEKVersion{}, models.Errorf(models.NotFound, "there is no key-encryption key %s; see teikyo key status", id)
	}
	switch versions[i].State {
	case models.KEKCurrent:
		return versions[i], models.Errorf(models.Conflict, "%s wraps now; run teikyo key rotate and teikyo key rewrap first", id)
	case models.KEKDestroyed:
		return versions[i], models.Errorf(models.Conflict, "%s is destroyed already", id)
	}
	return versions[i], nil
}

// prove makes sure that nothing came under the version before it was closed,
// and that everything opens without it.
func (s *Service) prove(ctx context.Context, id string, done *Destroyed) error {
	if err := s.unused(ctx, id); err != nil {
		return err
	}
	return s.readTest(ctx, done)
}

func (s *Service) unused(ctx context.Context, id string) error {
	n, err := s.under(ctx, id)
	if err == nil && n > 0 {
		err = models.Errorf(models.Conflict, "%d things are still wrapped under %s; run teikyo key rewrap first", n, id)
	}
	return err
}

// move changes the state of a version and returns the one before.
func (s *Service) move(ctx context.Context, id string, to models.KEKState) (models.KEKState, error) {
	var before models.KEKState
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		versions, err := s.Store.KEKVersions(ctx)
		if err != nil {
			return err
		}
		v, err := find(versions, id)
		if err != nil {
			return err
		}
		before = v.State
		v.State, v.Changed = to, s.now()
		return s.Store.SaveKEKVersion(ctx, v)
	})
	if before == models.KEKClosing { // left by a process that died
		before = models.KEKOld
	}
	return before, err
}

// readTest opens everything that is wrapped, and payloads with what it finds.
func (s *Service) readTest(ctx context.Context, done *Destroyed) error {
	for _, shelf := range models.WrapShelves() {
		for after := ""; ; {
			list, err := s.Store.WrapsNotUnder(ctx, shelf, "", after, batch)
			if err != nil {
				return err
			}
			if len(list) == 0 {
				break
			}
			for _, w := range list {
				if err := s.readOne(ctx, w, done); err != nil {
					return err
				}
			}
			after = list[len(list)-1].ID
		}
	}
	return nil
}

func (s *Service) readOne(ctx context.Context, w models.Wrapped, done *Destroyed) error {
	secret, _, err := s.unwrap(ctx, w)
	if err != nil {
		return models.Wrap(models.KindOf(err), err, "the read test failed, nothing was destroyed: "+err.Error())
	}
	defer clear(secret)
	done.Opened++
	if w.Shelf != models.ShelfSealedFiles || w.State != models.SealedComplete || done.Read >= maxReads {
		return nil
	}
	if len(secret) != len(crypto.FileKey{}) {
		return models.Errorf(models.Integrity, "the key of the sealed file %s is damaged; nothing was destroyed", w.ID)
	}
	if err := s.Read(ctx, w.ID, crypto.FileKey(secret)); err != nil {
		if models.IsKind(err, models.NotFound) { // removed meanwhile
			return nil
		}
		return models.Wrap(models.Integrity, err, "the read test failed, nothing was destroyed: the sealed file "+w.ID+" does not open: "+err.Error())
	}
	done.Read++
	return nil
}
