package intake

import (
	"context"
	"encoding/json"
	"errors"

	"teikyo/crypto"
	"teikyo/models"
	"teikyo/storage"
)

// resume is what the row keeps of an upload under way: how sealing goes on, and
// the object that the segment after the last kept one goes to. Whatever a broken
// attempt left there was sealed with nonces that the next attempt uses again.
type resume struct {
	crypto.SealState
	Pending string
}

// clean removes what an earlier attempt wrote and did not keep, before anything
// is sealed for the same place, and records where the next segment goes. The
// epoch has been counted up: no other attempt can keep that object any more.
func (u *upload) clean(ctx context.Context) error {
	var state resume
	if err := json.Unmarshal(u.sealed.Resume, &state); err != nil {
		return models.Wrap(models.Integrity, err, "the state of the upload is damaged; send the file from the start")
	}
	if state.Pending != "" {
		if err := u.d.Objects.Delete(ctx, state.Pending); err != nil && !errors.Is(err, storage.ErrNotExist) {
			return StoreError(err)
		}
	}
	var err error
	if state.Pending, err = newSegmentKey(u.d.Rand); err != nil {
		return err
	}
	next := u.sealed
	if next.Resume, err = json.Marshal(state); err != nil {
		return models.Wrap(models.Internal, err, "the state of the upload cannot be kept")
	}
	if err := u.save(ctx, next, models.Segment{}, nil); err != nil {
		return err
	}
	u.sealed, u.pending = next, state.Pending
	return nil
}
