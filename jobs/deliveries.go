package jobs

import (
	"context"
	"io"
	"time"

	"teikyo/models"
)

// DeliveryKind is the kind of jobs that carry a parcel to its recipient.
const DeliveryKind = "delivery"

// maxDeliveryFailures with the pauses between them is about two days.
const maxDeliveryFailures = 16

// Adder is the side of the store that queues.
type Adder interface {
	AddJob(ctx context.Context, j models.Job) error
}

// Deliveries queues the provisions that are not fetched by their recipient: the
// Queue of package provision.
type Deliveries struct {
	Store Adder
	Now   func() time.Time
	Rand  io.Reader
}

// Enqueue queues the delivery of a provision in the transaction of ctx. What one
// recipient gets by one method goes one after the other, whatever state another
// recipient's server is in.
func (d Deliveries) Enqueue(ctx context.Context, prov models.Provision) error {
	id, err := models.NewID(d.Rand, models.JobID)
	if err != nil {
		return err
	}
	now := d.Now()
	return d.Store.AddJob(ctx, models.Job{
		ID: id, Kind: DeliveryKind, Destination: string(prov.Method) + ":" + prov.RecipientID,
		IDs:   map[string]string{"provision": prov.ID, "recipient": prov.RecipientID},
		RunAt: now, MaxFailures: maxDeliveryFailures, CreatedAt: now,
	})
}
