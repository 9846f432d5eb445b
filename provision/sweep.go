package provision

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"teikyo/models"
	"teikyo/provision/parcel"
	"teikyo/storage"
)

// Sweep removes packs that no provision needs: of approvals that failed or whose
// server stopped before the commit, and of parcels that were reissued. A pack is
// durable before its row, so those stored after before are spared.
func (s *Service) Sweep(ctx context.Context, before time.Time) (int, error) {
	removed := 0
	var keys []string
	flush := func() error {
		n, err := s.deleteUnknown(ctx, keys)
		removed, keys = removed+n, keys[:0]
		return err
	}
	for obj, err := range s.Objects.List(ctx) {
		if err != nil {
			return removed, models.Wrap(models.Unavailable, err, "the object store does not answer; try again")
		}
		if !strings.HasSuffix(obj.Key, parcel.KeySuffix) || obj.ModTime.After(before) {
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
	known, err := s.Store.KnownPacks(ctx, keys)
	if err != nil {
		return 0, err
	}
	removed := 0
	for _, key := range keys {
		if slices.Contains(known, key) {
			continue
		}
		if err := s.Objects.Delete(ctx, key); err != nil && !errors.Is(err, storage.ErrNotExist) {
			return removed, models.Wrap(models.Unavailable, err, "the object store does not answer; try again")
		}
		removed++
	}
	return removed, nil
}
