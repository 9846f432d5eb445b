package handlers

import (
	"context"
	"net/http"
	"time"

	"teikyo/access"
	"teikyo/events"
	"teikyo/models"
)

func (a *api) webhookRoutes() {
	const tag = "webhooks"
	add(a, route{post, "/webhooks", "webhook-add", "Tell an address of events; the answer shows its secret", tag, http.StatusCreated, false, 0}, a.addWebhook)
	add(a, route{get, "/webhooks", "webhook-list", "List webhooks", tag, 0, false, 0}, a.listWebhooks)
	add(a, route{get, "/webhooks/{id}", "webhook-show", "Show a webhook", tag, 0, false, 0}, a.showWebhook)
	add(a, route{get, "/webhooks/{id}/deliveries", "webhook-deliveries", "What was and is to be sent to a webhook", tag, 0, false, 0}, a.listDeliveries)
	add(a, route{post, "/webhooks/{id}/test", "webhook-test", "Send a test message at once", tag, 0, false, 0}, a.testWebhook)
	add(a, route{post, "/webhooks/{id}/rotate", "webhook-rotate", "Make a new secret; the old one signs beside it for a while", tag, 0, false, 0}, a.rotateWebhook)
	add(a, route{post, "/webhooks/{id}/enable", "webhook-enable", "Let a disabled webhook go on where it stopped", tag, 0, false, 0}, a.enableWebhook)
	add(a, route{remove, "/webhooks/{id}", "webhook-remove", "Remove a webhook", tag, http.StatusNoContent, false, 0}, a.removeWebhook)
}

// WebhookView is a webhook without its secret.
type WebhookView struct {
	ID           string              `json:"id"`
	URL          string              `json:"url"`
	Description  string              `json:"description,omitempty"`
	Kinds        []string            `json:"kinds,omitempty" doc:"Of events; absent: every kind."`
	Recipient    string              `json:"recipient,omitempty" doc:"Gets what concerns this recipient, as its people see it."`
	State        models.WebhookState `json:"state" doc:"active or disabled"`
	Reason       string              `json:"reason,omitempty" doc:"Why it is disabled."`
	NextIndex    int64               `json:"next_index" doc:"The ledger entry that it gets next."`
	FailingSince time.Time           `json:"failing_since,omitzero"`
	LastSuccess  time.Time           `json:"last_success,omitzero"`
	LastError    string              `json:"last_error,omitempty"`
	CreatedBy    string              `json:"created_by"`
	CreatedAt    time.Time           `json:"created_at"`
}

func viewWebhook(w models.Webhook) WebhookView {
	return WebhookView{
		ID: w.ID, URL: w.URL, Description: w.Description, Kinds: w.Kinds, Recipient: w.RecipientID, State: w.State, Reason: w.Reason,
		NextIndex: w.NextIndex, FailingSince: w.FailingSince, LastSuccess: w.LastSuccess, LastError: w.LastError,
		CreatedBy: w.CreatedBy, CreatedAt: w.CreatedAt,
	}
}

type newWebhookView struct {
	WebhookView
	Secret string `json:"secret" doc:"For verifying signatures (Standard Webhooks), shown this once."`
}

func respondNewWebhook(w events.NewWebhook, err error) (*body[newWebhookView], error) {
	return respond(newWebhookView{viewWebhook(w.Webhook), w.Secret}, err)
}

type addWebhookInput struct {
	Body struct {
		URL         string   `json:"url" maxLength:"500" doc:"https://…"`
		Description string   `json:"description,omitempty" maxLength:"200"`
		Kinds       []string `json:"kinds,omitempty" maxItems:"50" doc:"Of events; provision. stands for all that begin so; absent: every kind."`
		Recipient   string   `json:"recipient,omitempty" maxLength:"40" doc:"What concerns this recipient alone, as its people see it."`
	}
}

func (a *api) addWebhook(ctx context.Context, actor access.Actor, in *addWebhookInput) (*body[newWebhookView], error) {
	return respondNewWebhook(a.Webhooks.Add(ctx, actor, events.WebhookDraft{
		URL: in.Body.URL, Description: in.Body.Description, Kinds: in.Body.Kinds, RecipientID: in.Body.Recipient,
	}))
}

func (a *api) listWebhooks(ctx context.Context, actor access.Actor, in *PageInput) (*body[listOf[WebhookView]], error) {
	rows, err := a.Webhooks.List(ctx, actor, in.page())
	cursor := func(w models.Webhook) string { return models.TimeCursor(w.CreatedAt, w.ID) }
	return respond(page(rows, in.page(), viewWebhook, cursor), err)
}

type webhookInput struct {
	ID string `path:"id" maxLength:"40"`
}

func (a *api) showWebhook(ctx context.Context, actor access.Actor, in *webhookInput) (*body[WebhookView], error) {
	w, err := a.Webhooks.Show(ctx, actor, in.ID)
	return respond(viewWebhook(w), err)
}

func (a *api) enableWebhook(ctx context.Context, actor access.Actor, in *webhookInput) (*body[WebhookView], error) {
	w, err := a.Webhooks.Enable(ctx, actor, in.ID)
	return respond(viewWebhook(w), err)
}

func (a *api) removeWebhook(ctx context.Context, actor access.Actor, in *webhookInput) (*none, error) {
	return &none{}, a.Webhooks.Remove(ctx, actor, in.ID)
}

type rotateWebhookInput struct {
	ID   string `path:"id" maxLength:"40"`
	Body struct {
		Overlap *int64 `json:"overlap,omitempty" minimum:"0" maximum:"2592000" doc:"Seconds for which the old secret signs, too; 86400 when absent."`
	}
}

func (a *api) rotateWebhook(ctx context.Context, actor access.Actor, in *rotateWebhookInput) (*body[newWebhookView], error) {
	overlap := events.DefaultOverlap
	if in.Body.Overlap != nil {
		overlap = time.Duration(*in.Body.Overlap) * time.Second
	}
	return respondNewWebhook(a.Webhooks.Rotate(ctx, actor, in.ID, overlap))
}

type triedView struct {
	Delivered bool   `json:"delivered"`
	Status    int    `json:"status,omitempty" doc:"Of the receiver's answer."`
	Problem   string `json:"problem,omitempty"`
}

func (a *api) testWebhook(ctx context.Context, actor access.Actor, in *webhookInput) (*body[triedView], error) {
	tried, err := a.Webhooks.Test(ctx, actor, in.ID)
	return respond(triedView(tried), err)
}

type listDeliveriesInput struct {
	PageInput
	ID    string          `path:"id" maxLength:"40"`
	State models.JobState `query:"state" maxLength:"10" doc:"queued, running, done, failed or cancelled"`
}

type deliveryView struct {
	ID        string          `json:"id" doc:"The webhook-id of its messages."`
	Entry     string          `json:"entry" doc:"Index of the ledger entry."`
	State     models.JobState `json:"state"`
	Attempts  int64           `json:"attempts"`
	Next      time.Time       `json:"next_attempt,omitzero"`
	LastError string          `json:"last_error,omitempty"`
	QueuedAt  time.Time       `json:"queued_at"`
	EndedAt   time.Time       `json:"ended_at,omitzero"`
}

func viewDelivery(j models.Job) deliveryView {
	v := deliveryView{
		ID: j.ID, Entry: j.IDs["entry"], State: j.State, Attempts: j.Attempt, LastError: j.LastError,
		QueuedAt: j.CreatedAt, EndedAt: j.EndedAt,
	}
	if j.State == models.JobQueued {
		v.Next = j.RunAt
	}
	return v
}

func (a *api) listDeliveries(ctx context.Context, actor access.Actor, in *listDeliveriesInput) (*body[listOf[deliveryView]], error) {
	rows, err := a.Webhooks.Deliveries(ctx, actor, in.ID, in.State, in.page())
	cursor := func(j models.Job) string { return models.TimeCursor(j.CreatedAt, j.ID) }
	return respond(page(rows, in.page(), viewDelivery, cursor), err)
}
