package dispatch

import (
	"context"
	"errors"
	"time"

	"teikyo/delivery"
	"teikyo/jobs"
	"teikyo/ledger"
	"teikyo/models"
)

// run is one attempt at a delivery.
type run struct {
	desk    *Desk
	v       models.Delivery
	ground  ground
	parcel  delivery.Parcel
	sizes   []int64 // of the files, in the order in which they are sent
	counter int64
}

// ground is what a delivery stands on, as it is now.
type ground struct {
	prov  models.Provision
	place models.Destination
	end   time.Time // by itself
}

// errStopped: a person paused or cancelled the delivery, or it has ended.
var errStopped = errors.New("the delivery was stopped")

// Work does a delivery; it implements jobs.Worker.
func (d *Desk) Work(ctx context.Context, j models.Job) jobs.Result {
	r, err := d.begin(ctx, j)
	if err == nil {
		err = r.carry(ctx)
	}
	return r.result(err)
}

// begin loads the delivery of a job and asks every rule again.
func (d *Desk) begin(ctx context.Context, j models.Job) (*run, error) {
	r := &run{desk: d}
	var err error
	if r.v, err = d.Store.Delivery(ctx, j.IDs["delivery"]); err != nil {
		return r, err
	}
	if r.v.Paused || r.v.State.Ended() && r.v.State != models.DeliverySent {
		return r, errStopped
	}
	if r.counter, err = d.Store.RevocationCounter(ctx); err != nil {
		return r, err
	}
	r.ground, err = d.ground(ctx, r.v)
	return r, err
}

// ground asks everything that a delivery depends on: what a download asks, and
// the destination. What has ended is an Expired error.
func (d *Desk) ground(ctx context.Context, v models.Delivery) (ground, error) {
	var g ground
	var err error
	if g.prov, err = d.Store.Provision(ctx, v.ProvisionID); err != nil {
		return g, err
	}
	if g.end, err = d.Parcels.Live(ctx, g.prov, d.now()); err != nil {
		return g, err
	}
	if g.prov.ManifestSHA256 != v.ManifestSHA256 {
		return g, models.Errorf(models.Expired, "the provision was reissued; its new parcel has a delivery of its own")
	}
	if g.place, err = d.Store.Destination(ctx, v.DestinationID); err != nil {
		return g, err
	}
	switch {
	case !g.place.Usable():
		return g, models.Errorf(models.Expired, "the destination is %s", g.place.State)
	case g.place.RecipientID != v.RecipientID || g.place.Config != g.place.ConfigDigest():
		return g, models.Errorf(models.Integrity, "the stored destination was changed; revoke it and run teikyo ledger verify")
	}
	return g, nil
}

// carry brings the parcel to its destination and asks whether it is there.
func (r *run) carry(ctx context.Context) error {
	ctx, release := r.hold(ctx)
	defer release()
	if err := r.load(ctx); err != nil {
		return cause(ctx, err)
	}
	channel, ok := r.desk.Channels[r.ground.place.Type]
	if !ok {
		return delivery.Final{Err: models.Errorf(models.Invalid, "this server cannot upload by %s", r.ground.place.Type)}
	}
	secret, err := r.desk.KEK.Unwrap(ctx, r.ground.place.KEKID, r.ground.place.Secret, models.DestinationContext(r.ground.place.ID))
	if err != nil {
		return models.Wrap(models.Unavailable, err, "the destination's credential cannot be opened; check the server's keys")
	}
	session, err := channel.Connect(ctx, delivery.Target{Destination: r.ground.place, Secret: secret})
	clear(secret)
	if err != nil {
		return cause(ctx, err)
	}
	defer session.Close()
	if r.v.State != models.DeliverySent {
		if err := r.send(ctx, session); err != nil {
			return cause(ctx, err)
		}
	}
	return cause(ctx, r.confirm(ctx, session))
}

// cause is why ctx ended rather than what that broke.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// send carries what is missing. That it began is durable, here and in the second
// place, before the first byte.
func (r *run) send(ctx context.Context, session delivery.Session) error {
	if err := r.started(ctx); err != nil {
		return err
	}
	p := r.newProgress()
	stop := p.writeDown(ctx)
	err := session.Send(ctx, r.parcel, p.track())
	stop()
	if err != nil {
		return err
	}
	return r.settle(ctx, models.DeliverySent, ledger.DeliverySent, details{Files: r.v.Files, Bytes: r.v.Bytes})
}

func (r *run) started(ctx context.Context) error {
	now := r.desk.now()
	r.v.State, r.v.UpdatedAt = models.DeliverySending, now
	r.v.Attempts++
	if r.v.StartedAt.IsZero() {
		r.v.StartedAt = now
	}
	e := entry(ledger.DeliveryStarted, r.v, systemActor, details{
		Attempt: r.v.Attempts, Files: r.v.Files, Bytes: r.v.Bytes, Config: r.ground.place.Config,
	})
	err := r.save(ctx, e)
	if err == nil {
		_, err = r.desk.Store.Published(ctx, e.Index)
	}
	return err
}

// confirm asks the target for what it holds. One that does not say leaves the
// delivery sent, which is all that can be known.
func (r *run) confirm(ctx context.Context, session delivery.Session) error {
	seen, err := session.Confirm(ctx, r.parcel)
	if models.IsKind(err, models.Integrity) { // everything goes out again
		r.v.FilesDone, r.v.BytesDone, r.v.State, r.v.EndedAt = 0, 0, models.DeliveryQueued, time.Time{}
		return err
	}
	if err != nil || !seen.Confirmed {
		r.v.LastError = seen.Why
		return err
	}
	return r.settle(ctx, models.DeliveryConfirmed, ledger.DeliveryConfirmed, details{
		Files: r.v.Files, Bytes: r.v.Bytes, Confirmed: "every file was read back and compared",
	})
}

// settle writes a good outcome with its entry.
func (r *run) settle(ctx context.Context, state models.DeliveryState, kind ledger.Kind, about details) error {
	now := r.desk.now()
	r.v.State, r.v.LastError, r.v.Rate = state, "", 0
	r.v.FilesDone, r.v.BytesDone = r.v.Files, r.v.Bytes
	r.v.UpdatedAt, r.v.EndedAt = now, now
	return r.save(ctx, entry(kind, r.v, systemActor, about))
}

// save writes the delivery with an entry unless a person stopped it meanwhile.
func (r *run) save(ctx context.Context, e *ledger.Entry) error {
	return r.desk.Store.Update(ctx, func(ctx context.Context) error {
		if err := r.stillRuns(ctx); err != nil {
			return err
		}
		if err := r.desk.Store.SaveDelivery(ctx, r.v); err != nil {
			return err
		}
		return r.desk.Store.Append(ctx, e)
	})
}

func (r *run) stillRuns(ctx context.Context) error {
	current, err := r.desk.Store.Delivery(ctx, r.v.ID)
	if err == nil && (current.Paused || current.State.Ended() && current.State != models.DeliverySent || current.Attempts > r.v.Attempts) {
		err = errStopped
	}
	return err
}

// result says to the queue what became of the attempt.
func (r *run) result(err error) jobs.Result {
	var final delivery.Final
	switch {
	case err == nil && r.v.State == models.DeliverySent && r.v.LastError != "":
		return jobs.Result{Record: r.record("")} // sent, and why there is no more to know
	case err == nil:
		return jobs.Result{}
	case errors.Is(err, errStopped):
		return jobs.Result{Cancelled: true}
	case models.IsKind(err, models.Expired) && r.v.State == models.DeliverySent:
		return jobs.Result{Record: r.record(message(err))} // not confirmed any more
	case models.IsKind(err, models.Expired):
		return jobs.Result{Cancelled: true, Record: r.record(message(err))}
	default:
		return jobs.Result{Err: err, Final: errors.As(err, &final), Record: r.record(message(err))}
	}
}

// record writes how the delivery stands after an attempt that brought no good
// outcome, in the transaction that settles the job.
func (r *run) record(problem string) func(ctx context.Context, state models.JobState) error {
	return func(ctx context.Context, state models.JobState) error {
		err := r.stillRuns(ctx)
		if errors.Is(err, errStopped) {
			return nil
		}
		if err != nil {
			return err
		}
		if problem != "" {
			r.v.LastError = problem
		}
		now := r.desk.now()
		r.v.Rate, r.v.UpdatedAt = 0, now
		if r.v.State == models.DeliverySent {
			return r.desk.Store.SaveDelivery(ctx, r.v)
		}
		kind := ledger.Kind("")
		switch state {
		case models.JobCancelled:
			r.v.State, kind = models.DeliveryCancelled, ledger.DeliveryCancelled
		case models.JobFailed:
			r.v.State, kind = models.DeliveryFailed, ledger.DeliveryFailed
		default:
			r.v.State = models.DeliveryQueued
			return r.desk.Store.SaveDelivery(ctx, r.v)
		}
		r.v.EndedAt = now
		if err := r.desk.Store.SaveDelivery(ctx, r.v); err != nil {
			return err
		}
		return r.desk.Store.Append(ctx, entry(kind, r.v, systemActor, details{
			Attempt: r.v.Attempts, Files: r.v.Files, Bytes: r.v.Bytes, Sent: r.v.BytesDone, Reason: problem,
		}))
	}
}

// GaveUp implements jobs.Mourner.
func (d *Desk) GaveUp(j models.Job) func(ctx context.Context, state models.JobState) error {
	return func(ctx context.Context, state models.JobState) error {
		v, err := d.Store.Delivery(ctx, j.IDs["delivery"])
		if err != nil || v.State.Ended() {
			return err
		}
		r := &run{desk: d, v: v}
		return r.record("the server stopped while it worked on this")(ctx, state)
	}
}

// message is what people may read of an error.
func message(err error) string {
	var known *models.Error
	if errors.As(err, &known) {
		return known.Msg
	}
	return "it did not work; the server's log says more"
}
