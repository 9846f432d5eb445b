package handlers

import (
	"context"
	"time"

	"teikyo/access"
	"teikyo/models"
)

func (a *api) deliveryRoutes() {
	const tag = "deliveries"
	add(a, route{get, "/deliveries", "delivery-list", "List deliveries", tag, 0, false, 0}, a.listUploads)
	add(a, route{get, "/deliveries/{id}", "delivery-show", "Show a delivery and how far it has come", tag, 0, false, 0}, a.showUpload)
	add(a, route{post, "/deliveries/{id}/retry", "delivery-retry", "Try a failed or cancelled delivery again", tag, 0, false, 0}, a.actOnUpload(a.Deliveries.Retry))
	add(a, route{post, "/deliveries/{id}/pause", "delivery-pause", "Stop a delivery for now", tag, 0, false, 0}, a.actOnUpload(a.Deliveries.Pause))
	add(a, route{post, "/deliveries/{id}/resume", "delivery-resume", "Let a paused delivery go on", tag, 0, false, 0}, a.actOnUpload(a.Deliveries.Resume))
	add(a, route{post, "/deliveries/{id}/cancel", "delivery-cancel", "End a delivery", tag, 0, false, 0}, a.cancelUpload)
}

// UploadView is a delivery as the API shows it.
type UploadView struct {
	ID            string    `json:"id"`
	ProvisionID   string    `json:"provision_id"`
	RecipientID   string    `json:"recipient_id"`
	DestinationID string    `json:"destination_id"`
	Method        string    `json:"method"`
	State         string    `json:"state" doc:"queued, sending, sent (the target took every byte), confirmed (it was read back), failed or cancelled"`
	Paused        bool      `json:"paused,omitempty"`
	Files         int       `json:"files" doc:"Of the parcel; 0 before the first attempt."`
	FilesDone     int       `json:"files_done"`
	Bytes         int64     `json:"bytes"`
	BytesDone     int64     `json:"bytes_done" doc:"That the target acknowledged."`
	Rate          int64     `json:"bytes_per_second,omitempty"`
	SecondsLeft   int64     `json:"seconds_left,omitempty"`
	Attempts      int       `json:"attempts"`
	LastError     string    `json:"last_error,omitempty"`
	Reason        string    `json:"reason,omitempty"`
	QueuedAt      time.Time `json:"queued_at"`
	StartedAt     time.Time `json:"started_at,omitzero"`
	UpdatedAt     time.Time `json:"updated_at"`
	EndedAt       time.Time `json:"ended_at,omitzero"`
}

func viewUpload(d models.Delivery) UploadView {
	v := UploadView{
		ID: d.ID, ProvisionID: d.ProvisionID, RecipientID: d.RecipientID, DestinationID: d.DestinationID, Method: string(d.Method),
		State: string(d.State), Paused: d.Paused, Files: d.Files, FilesDone: d.FilesDone, Bytes: d.Bytes, BytesDone: d.BytesDone,
		Attempts: d.Attempts, LastError: d.LastError, Reason: d.Reason,
		QueuedAt: d.QueuedAt, StartedAt: d.StartedAt, UpdatedAt: d.UpdatedAt, EndedAt: d.EndedAt,
	}
	if d.State == models.DeliverySending && d.Rate > 0 {
		v.Rate, v.SecondsLeft = d.Rate, (d.Bytes-d.BytesDone)/d.Rate
	}
	return v
}

type listUploadsInput struct {
	PageInput
	Provision   string `query:"provision" maxLength:"40"`
	Recipient   string `query:"recipient" maxLength:"40"`
	Destination string `query:"destination" maxLength:"40"`
	State       string `query:"state" enum:"queued,sending,sent,confirmed,failed,cancelled"`
}

func (a *api) listUploads(ctx context.Context, actor access.Actor, in *listUploadsInput) (*body[listOf[UploadView]], error) {
	rows, err := a.Deliveries.List(ctx, actor, models.DeliveryFilter{
		ProvisionID: in.Provision, RecipientID: in.Recipient, DestinationID: in.Destination, State: models.DeliveryState(in.State),
	}, in.page())
	cursor := func(d models.Delivery) string { return models.TimeCursor(d.QueuedAt, d.ID) }
	return respond(page(rows, in.page(), viewUpload, cursor), err)
}

func (a *api) showUpload(ctx context.Context, actor access.Actor, in *idInput) (*body[UploadView], error) {
	d, err := a.Deliveries.Show(ctx, actor, in.ID)
	return respond(viewUpload(d), err)
}

func (a *api) actOnUpload(do func(ctx context.Context, actor access.Actor, id string) (models.Delivery, error)) useCase[idInput, body[UploadView]] {
	return func(ctx context.Context, actor access.Actor, in *idInput) (*body[UploadView], error) {
		d, err := do(ctx, actor, in.ID)
		return respond(viewUpload(d), err)
	}
}

func (a *api) cancelUpload(ctx context.Context, actor access.Actor, in *reasonInput) (*body[UploadView], error) {
	d, err := a.Deliveries.Cancel(ctx, actor, in.ID, in.Body.Reason)
	return respond(viewUpload(d), err)
}
