package main

import (
	"context"
	"time"

	"teikyo/dataset"
)

// sweepPacks removes, at start and now and then, packs of parcels that no
// provision needs. A young one may belong to an approval that is under way.
func (a *app) sweepPacks(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		removed, err := a.provisions.Sweep(ctx, a.clock.Now().Add(-dataset.DefaultOrphanAge))
		if err != nil && ctx.Err() == nil {
			a.log.Error("sweep of packs", "error", err)
		} else if removed > 0 {
			a.log.Info("sweep of packs", "objects", removed)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
