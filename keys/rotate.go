package keys

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"teikyo/ledger"
	"teikyo/models"
)

// rotationDetails is the details of kek.rotated.
type rotationDetails struct {
	Old        string `json:"old"`
	New        string `json:"new"`
	CheckValue string `json:"check_value"`
	Provider   string `json:"provider"`
}

// Rotate makes a new version wrap from now on and returns it. The version is
// durable and recorded, and every node that runs has it, before it is used; a
// rotation that was interrupted goes on. What is wrapped already stays as it is
// until Rewrap.
func (s *Service) Rotate(ctx context.Context) (models.KEKVersion, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	next, err := s.prepare(ctx)
	if err != nil {
		return next, err
	}
	if err := s.everybodyHas(ctx, next.ID); err != nil {
		return next, err
	}
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		next, err = s.activate(ctx, next)
		return err
	})
	if err != nil {
		return next, err
	}
	return next, s.Refresh(ctx)
}

// prepare makes and records a version, or finds the one that was prepared.
func (s *Service) prepare(ctx context.Context) (models.KEKVersion, error) {
	versions, err := s.Store.KEKVersions(ctx)
	if err != nil {
		return models.KEKVersion{}, err
	}
	var known []string
	for _, v := range versions {
		if v.State == models.KEKPrepared {
			return v, s.compare(v)
		}
		known = append(known, v.ID)
	}
	id, err := s.Ring.Create(ctx, known)
	if err != nil {
		return models.KEKVersion{}, models.Wrap(models.Unavailable, err, "no new version could be made; nothing was changed: "+err.Error())
	}
	v, err := s.version(id, models.KEKPrepared)
	if err != nil {
		return v, models.Wrap(models.Unavailable, err, "the new version cannot be used; nothing was changed: "+err.Error())
	}
	if err := s.try(ctx, id); err != nil {
		return v, err
	}
	return v, s.Store.Update(ctx, func(ctx context.Context) error { return s.Store.SaveKEKVersion(ctx, v) })
}

// try wraps and unwraps something under a version.
func (s *Service) try(ctx context.Context, id string) error {
	secret, bound := []byte("teikyo: does it open?"), []byte("teikyo-try "+id)
	wrapped, err := s.Ring.WrapUnder(ctx, id, secret, bound)
	if err == nil {
		var got []byte
		if got, err = s.Ring.Unwrap(ctx, id, wrapped, bound); err == nil && bytes.Equal(got, secret) {
			return nil
		}
	}
	return models.Wrap(models.Unavailable, err, "what was wrapped under the new version "+id+" does not open; nothing was changed")
}

// everybodyHas waits until every node that runs has the version at hand.
func (s *Service) everybodyHas(ctx context.Context, id string) error {
	if err := s.Refresh(ctx); err != nil {
		return err
	}
	wait := s.Wait
	if wait == 0 {
		wait = DefaultWait
	}
	limit := time.NewTimer(wait)
	defer limit.Stop()
	again := time.NewTicker(RefreshEvery / 4)
	defer again.Stop()
	for {
		without, err := s.nodesWithout(ctx, id)
		if err != nil || len(without) == 0 {
			return err
		}
		select {
		case <-again.C:
		case <-limit.C:
			return models.Errorf(models.Conflict, "the new version %s is made, and not used yet: %s does not have it; copy its file from the folder "+
				"of the keys here to the one there, then run teikyo key rotate again", id, strings.Join(without, ", "))
		case <-ctx.Done():
			return models.Wrap(models.Unavailable, ctx.Err(), "the rotation was interrupted; run teikyo key rotate again")
		}
	}
}

// activate makes a prepared version the current one, with its entry.
func (s *Service) activate(ctx context.Context, next models.KEKVersion) (models.KEKVersion, error) {
	versions, err := s.Store.KEKVersions(ctx)
	if err != nil {
		return next, err
	}
	i := slices.IndexFunc(versions, func(v models.KEKVersion) bool { return v.ID == next.ID })
	if i < 0 || versions[i].State != models.KEKPrepared {
		return next, models.Errorf(models.Conflict, "somebody else has rotated meanwhile; see teikyo key status")
	}
	details := rotationDetails{New: next.ID, CheckValue: next.CheckValue, Provider: next.Provider}
	for _, v := range versions {
		if v.State != models.KEKCurrent {
			continue
		}
		details.Old, v.State, v.Changed = v.ID, models.KEKOld, s.now()
		if err := s.Store.SaveKEKVersion(ctx, v); err != nil {
			return next, err
		}
	}
	next.State, next.Changed = models.KEKCurrent, s.now()
	if err := s.Store.SaveKEKVersion(ctx, next); err != nil {
		return next, err
	}
	return next, s.Store.Append(ctx, &ledger.Entry{
		Kind: ledger.KEKRotated, IDs: map[string]string{"kek": next.ID, "actor": "system"}, Details: details,
	})
}
