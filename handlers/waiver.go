package handlers

import (
	"context"
	"net/http"
	"time"

	"teikyo/access"
	"teikyo/dataset"
	"teikyo/models"
)

func (a *api) waiverRoutes() {
	const tag = "waivers"
	add(a, route{method: post, path: "/waivers", id: "waiver-request", tag: tag, status: http.StatusCreated,
		summary: "Ask that a finding of the gate may pass"}, a.requestWaiver)
	add(a, route{method: get, path: "/waivers", id: "waiver-list", tag: tag, summary: "List waivers"}, a.listWaivers)
	add(a, route{method: post, path: "/waivers/{id}/approve", id: "waiver-approve", tag: tag,
		summary: "Grant a waiver that another person asked for"}, a.decideWaiver(a.Datasets.ApproveWaiver))
	add(a, route{method: post, path: "/waivers/{id}/reject", id: "waiver-reject", tag: tag,
		summary: "Refuse a waiver"}, a.decideWaiver(a.Datasets.RejectWaiver))
}

type waiverView struct {
	ID           string    `json:"id"`
	Dataset      string    `json:"dataset"`
	Version      int       `json:"version"`
	Finding      string    `json:"finding"`
	Rule         string    `json:"rule"`
	Path         string    `json:"path"`
	FileSHA256   string    `json:"file_sha256" doc:"The waiver is for these contents alone."`
	Reason       string    `json:"reason"`
	State        string    `json:"state" enum:"requested,approved,rejected,expired"`
	RequestedBy  string    `json:"requested_by"`
	RequestedAt  time.Time `json:"requested_at"`
	ApprovedBy   string    `json:"approved_by,omitempty"`
	ApprovedAt   time.Time `json:"approved_at,omitzero"`
	RejectedBy   string    `json:"rejected_by,omitempty"`
	RejectedAt   time.Time `json:"rejected_at,omitzero"`
	Decision     string    `json:"decision,omitempty" doc:"The words of the person who decided."`
	ExpiresAt    time.Time `json:"expires_at,omitzero"`
	Independence string    `json:"independence,omitempty" doc:"Whether the two people are shown to be independent."`
}

func (a *api) viewWaiver(w models.Waiver) waiverView {
	state := "requested"
	switch {
	case w.RejectedBy != "":
		state = "rejected"
	case w.Live(a.Now()):
		state = "approved"
	case w.ApprovedBy != "":
		state = "expired"
	}
	return waiverView{
		ID: w.ID, Dataset: w.DatasetID, Version: w.Version, Finding: w.FindingID, Rule: w.Rule, Path: w.Path,
		FileSHA256: w.FileSHA256, Reason: w.Reason, State: state, RequestedBy: w.RequestedBy, RequestedAt: w.RequestedAt,
		ApprovedBy: w.ApprovedBy, ApprovedAt: w.ApprovedAt, RejectedBy: w.RejectedBy, RejectedAt: w.RejectedAt,
		Decision: w.Decision, ExpiresAt: w.ExpiresAt, Independence: string(w.Independence),
	}
}

type requestWaiverInput struct {
	Body struct {
		Dataset string `json:"dataset"`
		Version int    `json:"version" minimum:"1"`
		Finding string `json:"finding" doc:"Id of the finding, as the refusal of the registration names it."`
		Reason  string `json:"reason"`
		Expires string `json:"expires_at,omitempty" doc:"End: a day (inclusive) or time; 90 days after the approval when absent, a year at most."`
	}
}

func (a *api) requestWaiver(ctx context.Context, actor access.Actor, in *requestWaiverInput) (*body[waiverView], error) {
	w, err := a.Datasets.RequestWaiver(ctx, actor, dataset.AskWaiver{
		DatasetID: in.Body.Dataset, Version: in.Body.Version, FindingID: in.Body.Finding, Reason: in.Body.Reason,
		Expires: in.Body.Expires,
	})
	return respond(a.viewWaiver(w), err)
}

type listWaiversInput struct {
	PageInput
	Dataset string `query:"dataset" doc:"Only those of this dataset."`
	Open    bool   `query:"open" doc:"Only those that nobody has decided."`
}

func (a *api) listWaivers(ctx context.Context, actor access.Actor, in *listWaiversInput) (*body[listOf[waiverView]], error) {
	rows, err := a.Datasets.Waivers(ctx, actor, models.WaiverQuery{DatasetID: in.Dataset, Open: in.Open}, in.page())
	return respond(page(rows, in.page(), a.viewWaiver, func(w models.Waiver) string {
		return models.TimeCursor(w.RequestedAt, w.ID)
	}), err)
}

type decideWaiverInput struct {
	ID   string `path:"id"`
	Body struct {
		Reason string `json:"reason,omitempty" doc:"The words of the decision; needed for a refusal."`
	}
}

type decideWaiver func(ctx context.Context, actor access.Actor, id, words string) (models.Waiver, error)

func (a *api) decideWaiver(do decideWaiver) useCase[decideWaiverInput, body[waiverView]] {
	return func(ctx context.Context, actor access.Actor, in *decideWaiverInput) (*body[waiverView], error) {
		w, err := do(ctx, actor, in.ID, in.Body.Reason)
		return respond(a.viewWaiver(w), err)
	}
}
