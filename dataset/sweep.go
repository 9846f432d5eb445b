package dataset

import (
	"context"
	"errors"
	"slices"
	"time"

	"teikyo/access"
	"teikyo/dataset/intake"
	"teikyo/models"
	"teikyo/storage"
)

// partialGrace is how much longer than an object without a row an unfinished
// write is spared: on another node a slow client may still be sending its body.
const partialGrace = 23 * time.Hour

// Swept says what a sweep removed.
type Swept struct {
	Objects int // segments that no row names
	Partial int // what unfinished writes left in the store
	Drafts  int // abandoned drafts
}

// Sweep removes what interrupted work left behind: abandoned drafts, segments
// without a row and unfinished writes, each when it is old enough that nobody
// can be working on it (Limits.DraftAge, Limits.OrphanAge).
func (s *Service) Sweep(ctx context.Context) (Swept, error) {
	return s.sweep(ctx, s.Now().Add(-s.Limits.orDefault().OrphanAge))
}

// SweepAtStart is Sweep for a process that knows that it is alone and has not
// begun to work: objects of any age count, whatever the clock of the store says.
func (s *Service) SweepAtStart(ctx context.Context) (Swept, error) {
	return s.sweep(ctx, s.Now().AddDate(100, 0, 0))
}

// SweepNow is Sweep on a person's word.
func (s *Service) SweepNow(ctx context.Context, actor access.Actor) (Swept, error) {
	if err := access.Can(actor, access.Operate, access.Whole()); err != nil {
		return Swept{}, err
	}
	return s.Sweep(ctx)
}

func (s *Service) sweep(ctx context.Context, before time.Time) (Swept, error) {
	var swept Swept
	var err error
	if swept.Drafts, err = s.sweepDrafts(ctx); err != nil {
		return swept, err
	}
	if swept.Objects, err = s.sweepObjects(ctx, before); err != nil {
		return swept, err
	}
	swept.Partial, err = s.Objects.Sweep(ctx, before.Add(-partialGrace))
	return swept, intake.StoreError(err)
}

func (s *Service) sweepDrafts(ctx context.Context) (int, error) {
	before := s.Now().Add(-s.Limits.orDefault().DraftAge)
	for n := 0; ; n++ {
		stale, err := s.Store.StaleDrafts(ctx, before, 1)
		if err != nil || len(stale) == 0 {
			return n, err
		}
		if err := s.dropDraft(ctx, stale[0]); err != nil {
			return n, err
		}
	}
}

// sweepObjects deletes segments that no row names. A segment is durable before
// its row: what is older than before, has none yet and is not held by an upload
// of this process will never get one.
func (s *Service) sweepObjects(ctx context.Context, before time.Time) (int, error) {
	removed := 0
	var keys []string
	flush := func() error {
		n, err := s.deleteUnknown(ctx, keys)
		removed, keys = removed+n, keys[:0]
		return err
	}
	for obj, err := range s.Objects.List(ctx) {
		if err != nil {
			return removed, intake.StoreError(err)
		}
		if !intake.IsSegment(obj.Key) || obj.ModTime.After(before) {
			continue
		}
		if keys = append(keys, obj.Key); len(keys) == models.MaxPage {
			if err := flush(); err != nil {
				return removed, err
			}
		}
	}
	return removed, flush()
}

func (s *Service) deleteUnknown(ctx context.Context, keys []string) (int, error) {
	// Asked before the rows: what is let go meanwhile has its row by then.
	keys = slices.DeleteFunc(slices.Clone(keys), s.running.Holds)
	known, err := s.Store.KnownSegments(ctx, keys)
	if err != nil {
		return 0, err
	}
	named := make(map[string]bool, len(known))
	for _, key := range known {
		named[key] = true
	}
	removed := 0
	for _, key := range keys {
		if named[key] {
			continue
		}
		if err := s.Objects.Delete(ctx, key); err != nil && !errors.Is(err, storage.ErrNotExist) {
			return removed, intake.StoreError(err)
		}
		removed++
	}
	return removed, nil
}
