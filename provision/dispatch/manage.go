package dispatch

import (
	"context"
	"time"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
)

// Cancel ends a delivery that has not ended; what is under way stops within a
// second.
func (d *Desk) Cancel(ctx context.Context, actor access.Actor, id, reason string) (models.Delivery, error) {
	return d.change(ctx, actor, id, func(ctx context.Context, v *models.Delivery) error {
		if len(reason) < 3 || len(reason) > 2000 {
			return models.Errorf(models.Invalid, "give the reason in words (--reason), at most 2,000 bytes")
		}
		if v.State.Ended() {
			return models.Errorf(models.Conflict, "the delivery is %s already", v.State)
		}
		if err := d.end(ctx, *v, actor.UserID, reason); err != nil {
			return err
		}
		return d.Store.Revoke(ctx)
	})
}

// Pause stops a delivery for now; Resume goes on where it stopped.
func (d *Desk) Pause(ctx context.Context, actor access.Actor, id string) (models.Delivery, error) {
	return d.change(ctx, actor, id, func(ctx context.Context, v *models.Delivery) error {
		if v.State.Ended() || v.Paused {
			return models.Errorf(models.Conflict, "the delivery is %s; only one that is queued or sending can be paused", stateWord(*v))
		}
		if _, err := d.Store.CancelJob(ctx, v.JobID, d.now()); err != nil {
			return err
		}
		v.State, v.Paused, v.Rate, v.UpdatedAt = models.DeliveryQueued, true, 0, d.now()
		if err := d.Store.SaveDelivery(ctx, *v); err != nil {
			return err
		}
		return d.Store.Revoke(ctx)
	})
}

// Resume lets a paused delivery go on.
func (d *Desk) Resume(ctx context.Context, actor access.Actor, id string) (models.Delivery, error) {
	return d.change(ctx, actor, id, func(ctx context.Context, v *models.Delivery) error {
		if !v.Paused {
			return models.Errorf(models.Conflict, "the delivery is %s, not paused", v.State)
		}
		return d.again(ctx, v)
	})
}

// Retry gives a failed or cancelled delivery all its attempts again.
func (d *Desk) Retry(ctx context.Context, actor access.Actor, id string) (models.Delivery, error) {
	return d.change(ctx, actor, id, func(ctx context.Context, v *models.Delivery) error {
		if v.State != models.DeliveryFailed && v.State != models.DeliveryCancelled {
			return models.Errorf(models.Conflict, "the delivery is %s; only one that failed or was cancelled can be tried again", stateWord(*v))
		}
		v.EndedAt, v.Reason, v.LastError = time.Time{}, "", ""
		if err := d.again(ctx, v); err != nil {
			return err
		}
		return d.Store.Append(ctx, entry(ledger.DeliveryQueued, *v, actor.UserID, details{Reason: "tried again"}))
	})
}

// again queues a delivery that stopped, when its provision still stands.
func (d *Desk) again(ctx context.Context, v *models.Delivery) error {
	if _, err := d.ground(ctx, *v); err != nil {
		return err
	}
	ok, err := d.Store.RetryJob(ctx, v.JobID, d.now())
	if err != nil {
		return err
	}
	if !ok {
		return models.Errorf(models.Conflict, "the job of this delivery is not there any more; ask for the data in a new request")
	}
	v.State, v.Paused, v.UpdatedAt = models.DeliveryQueued, false, d.now()
	return d.Store.SaveDelivery(ctx, *v)
}

func stateWord(v models.Delivery) string {
	if v.Paused {
		return "paused"
	}
	return string(v.State)
}

// change lets a person's act change a delivery, and shows it afterwards.
func (d *Desk) change(ctx context.Context, actor access.Actor, id string, do func(ctx context.Context, v *models.Delivery) error) (models.Delivery, error) {
	var v models.Delivery
	err := d.Store.Update(ctx, func(ctx context.Context) error {
		var err error
		if v, err = d.delivery(ctx, actor, access.ManageDelivery, id); err != nil {
			return err
		}
		if err := do(ctx, &v); err != nil {
			return err
		}
		v, err = d.Store.Delivery(ctx, id)
		return err
	})
	if err == nil {
		d.queued()
	}
	return v, err
}
