package main

import (
	"context"
	"time"

	"teikyo/dataset"
	"teikyo/deid"
	"teikyo/deid/profile"
	"teikyo/models"
)

// sweepEvery is how often a running server sweeps.
const sweepEvery = time.Hour

// openDatasets makes the use cases of datasets and sweeps what the process
// before left behind; nobody is working yet.
func (a *app) openDatasets(ctx context.Context) error {
	profiles, err := profile.OpenSet(a.cfg.ProfilesDir)
	if err != nil {
		return models.Wrap(models.Invalid, nil, "profiles_dir: "+err.Error())
	}
	a.datasets = &dataset.Service{
		Store: a.db, Objects: a.objects, KEK: a.kek, People: a.access, Now: a.clock.Now, Rand: a.rand, Zone: a.zone,
		Profiles: profiles.Find, Scan: deid.Gate{Temp: deid.SealedTemp(a.cfg.Data, a.rand)},
	}
	swept, err := a.sweepStart(ctx)
	a.logSweep(swept, err)
	a.loops = append(a.loops, a.sweepDatasets)
	if onPostgres(a.cfg) {
		a.loops = append(a.loops, a.watchIssuer)
	}
	return nil
}

// sweepDatasets sweeps now and then until ctx ends.
func (a *app) sweepDatasets(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			swept, err := a.sweepAlone(ctx)
			a.logSweep(swept, err)
		}
	}
}

// logSweep keeps a failed sweep from stopping a server: the next one comes.
func (a *app) logSweep(swept dataset.Swept, err error) {
	if err != nil {
		a.log.Error("sweep", "error", err)
		return
	}
	if swept != (dataset.Swept{}) {
		a.log.Info("sweep", "objects", swept.Objects, "partial", swept.Partial, "drafts", swept.Drafts)
	}
}
