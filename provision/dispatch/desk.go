// Package dispatch carries the parcels of provisions that are not fetched: it
// queues their deliveries, does them by the channels of package delivery, and lets
// people look and step in. Every rule that a download must pass holds here, too,
// before the first byte and while bytes go out.
package dispatch

import (
	"context"
	"io"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/delivery"
	"teikyo/jobs"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/provision/parcel"
)

// Store is where deliveries are kept; *database.DB.
type Store interface {
	Update(ctx context.Context, fn func(ctx context.Context) error) error
	Append(ctx context.Context, e *ledger.Entry) error
	Revoke(ctx context.Context) error
	RevocationCounter(ctx context.Context) (int64, error)
	// Published waits until the second place knows the entry with that index.
	Published(ctx context.Context, index int64) ([]byte, error)
	Deliveries
	Jobs
	Provision(ctx context.Context, id string) (models.Provision, error)
	Destination(ctx context.Context, id string) (models.Destination, error)
}

// Deliveries keeps deliveries.
type Deliveries interface {
	SaveDelivery(ctx context.Context, d models.Delivery) error
	SaveProgress(ctx context.Context, d models.Delivery) error
	Delivery(ctx context.Context, id string) (models.Delivery, error)
	DeliveryList(ctx context.Context, f models.DeliveryFilter, page models.Page) ([]models.Delivery, error)
}

// Jobs is the durable queue.
type Jobs interface {
	AddJob(ctx context.Context, j models.Job) error
	CancelJob(ctx context.Context, id string, at time.Time) (bool, error)
	RetryJob(ctx context.Context, id string, at time.Time) (bool, error)
}

// Parcels is the gate through which every byte leaves; *provision.Service.
type Parcels interface {
	Live(ctx context.Context, prov models.Provision, now time.Time) (time.Time, error)
	Parcel(ctx context.Context, prov models.Provision) (*parcel.Reader, error)
}

// Desk holds the use cases, and is the worker of the queue. Every field must be
// set unless it says that it may be nil.
type Desk struct {
	Store    Store
	Parcels  Parcels
	KEK      crypto.KEK
	Channels map[models.DestinationType]delivery.Channel
	Now      func() time.Time
	Rand     io.Reader
	// Queued is called after something was queued or ended early; may be nil.
	Queued func()
	// Moved hears how many bytes went out; may be nil.
	Moved func(n int64)
}

// now is the time to microseconds, as the database keeps it.
func (d *Desk) now() time.Time { return d.Now().UTC().Truncate(time.Microsecond) }

func (d *Desk) queued() {
	if d.Queued != nil {
		d.Queued()
	}
}

// Enqueue queues the delivery of a provision in the transaction of ctx. Those of
// an older parcel of it end.
func (d *Desk) Enqueue(ctx context.Context, prov models.Provision, destination string) error {
	if prov.Method != models.Upload {
		return models.Errorf(models.Invalid, "this server has no way out by %s", prov.Method)
	}
	if err := d.endOlder(ctx, prov); err != nil {
		return err
	}
	id, err := models.NewID(d.Rand, models.DeliveryID)
	if err != nil {
		return err
	}
	job, err := models.NewID(d.Rand, models.JobID)
	if err != nil {
		return err
	}
	now := d.now()
	made := models.Delivery{
		ID: id, ProvisionID: prov.ID, RecipientID: prov.RecipientID, DestinationID: destination, Method: prov.Method,
		JobID: job, State: models.DeliveryQueued, ManifestSHA256: prov.ManifestSHA256, QueuedAt: now, UpdatedAt: now,
	}
	if err := d.Store.SaveDelivery(ctx, made); err != nil {
		return err
	}
	err = d.Store.AddJob(ctx, models.Job{
		ID: job, Kind: jobs.DeliveryKind, Destination: "destination:" + destination,
		IDs:   map[string]string{"delivery": id, "provision": prov.ID, "recipient": prov.RecipientID},
		RunAt: now, MaxFailures: jobs.MaxDeliveryFailures, CreatedAt: now,
	})
	if err != nil {
		return err
	}
	return d.Store.Append(ctx, entry(ledger.DeliveryQueued, made, systemActor, details{}))
}

func (d *Desk) endOlder(ctx context.Context, prov models.Provision) error {
	older, err := d.Store.DeliveryList(ctx, models.DeliveryFilter{ProvisionID: prov.ID}, models.Page{Limit: models.MaxPage})
	if err != nil {
		return err
	}
	for _, old := range older {
		if old.State.Ended() {
			continue
		}
		if err := d.end(ctx, old, systemActor, "the provision was reissued"); err != nil {
			return err
		}
	}
	return nil
}

// end cancels a delivery in the transaction of ctx.
func (d *Desk) end(ctx context.Context, v models.Delivery, actor, reason string) error {
	if _, err := d.Store.CancelJob(ctx, v.JobID, d.now()); err != nil {
		return err
	}
	v.State, v.Paused, v.Reason, v.Rate = models.DeliveryCancelled, false, reason, 0
	v.EndedAt, v.UpdatedAt = d.now(), d.now()
	if err := d.Store.SaveDelivery(ctx, v); err != nil {
		return err
	}
	return d.Store.Append(ctx, entry(ledger.DeliveryCancelled, v, actor, details{Reason: reason}))
}

// systemActor is who does what no person did.
const systemActor = "system"

// details are those of the entries of deliveries.
type details struct {
	Attempt   int    `json:"attempt,omitempty"`
	Files     int    `json:"files,omitempty"`
	Bytes     int64  `json:"bytes,omitempty"`
	Sent      int64  `json:"bytes_sent,omitempty"` // when it ended early
	Config    string `json:"config_sha256,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Confirmed string `json:"confirmed_by,omitempty"`
}

func entry(kind ledger.Kind, v models.Delivery, actor string, about details) *ledger.Entry {
	return &ledger.Entry{Kind: kind, Details: about, IDs: map[string]string{
		"delivery": v.ID, "provision": v.ProvisionID, "recipient": v.RecipientID, "destination": v.DestinationID, "actor": actor,
	}}
}

// delivery finds a delivery that the actor may do the act to.
func (d *Desk) delivery(ctx context.Context, actor access.Actor, act access.Act, id string) (models.Delivery, error) {
	v, err := d.Store.Delivery(ctx, id)
	if models.IsKind(err, models.NotFound) {
		return models.Delivery{}, access.Can(actor, act, access.Absent())
	}
	if err != nil {
		return models.Delivery{}, err
	}
	return v, access.Can(actor, act, access.Of(v.RecipientID))
}

// Show shows a delivery.
func (d *Desk) Show(ctx context.Context, actor access.Actor, id string) (models.Delivery, error) {
	return d.delivery(ctx, actor, access.ReadDelivery, id)
}

// List lists deliveries, the newest first; people of a recipient see their own.
func (d *Desk) List(ctx context.Context, actor access.Actor, f models.DeliveryFilter, page models.Page) ([]models.Delivery, error) {
	if err := access.Can(actor, access.ReadDelivery, access.Whole()); err != nil {
		return nil, err
	}
	if actor.Role == models.RecipientUser {
		if f.RecipientID = actor.RecipientID; f.RecipientID == "" {
			return nil, nil
		}
	}
	return d.Store.DeliveryList(ctx, f, page)
}
