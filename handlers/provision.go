package handlers

import (
	"context"
	"io"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"teikyo/access"
	"teikyo/models"
)

func (a *api) provisionRoutes() {
	const tag = "provisions"
	add(a, route{get, "/provisions", "provision-list", "List provisions, the newest first", tag, 0, false, 0}, a.listProvisions)
	add(a, route{get, "/provisions/{id}", "provision-show", "Show a provision", tag, 0, false, 0}, a.showProvision)
	add(a, route{get, "/provisions/{id}/receipt", "provision-receipt", "The ledger's proof of a provision (C2SP tlog-proof)", tag, 0, false, 0}, a.provisionReceipt)
	add(a, route{get, "/provisions/{id}/manifest", "provision-manifest", "manifest.json of the parcel", tag, 0, false, 0}, a.provisionManifest)
	add(a, route{post, "/provisions/{id}/revoke", "provision-revoke", "End a provision", tag, 0, false, 0}, a.revokeProvision)
	add(a, route{post, "/provisions/{id}/reinstate", "provision-reinstate", "Confirm a provision that a forced restore suspended", tag, 0, false, 0}, a.reinstateProvision)
	add(a, route{post, "/provisions/{id}/reissue", "provision-reissue", "Make new headers for another key of the recipient", tag, 0, false, 0}, a.reissueProvision)
	add(a, route{post, "/provisions/{id}/acknowledge", "provision-acknowledge", "Record the recipient's word that the parcel arrived", tag, 0, false, 0}, a.acknowledgeProvision)
}

type provisionView struct {
	ID             string        `json:"id"`
	Number         string        `json:"number" doc:"Running number of the fiscal year, without gaps; TEST- marks rehearsals."`
	State          string        `json:"state"`
	Request        string        `json:"request"`
	Dataset        string        `json:"dataset"`
	Version        int           `json:"version"`
	Path           string        `json:"path,omitempty"`
	Class          string        `json:"class"`
	Recipient      string        `json:"recipient"`
	Agreement      string        `json:"agreement"`
	Key            string        `json:"key" doc:"Fingerprint."`
	Method         models.Method `json:"method"`
	Files          int           `json:"files"`
	Until          time.Time     `json:"until,omitzero" doc:"The instant at which it ends."`
	ManifestSHA256 string        `json:"manifest_sha256"`
	LedgerIndex    *int64        `json:"ledger_index,omitempty"`
	Receipt        bool          `json:"receipt" doc:"Whether the ledger's receipt is made; it is when it is asked for."`
	Reissues       int           `json:"reissues,omitempty"`
	IssuedBy       string        `json:"issued_by"`
	IssuedAt       time.Time     `json:"issued_at"`
	RevokedBy      string        `json:"revoked_by,omitempty"`
	RevokedAt      time.Time     `json:"revoked_at,omitzero"`
	RevokeReason   string        `json:"revoke_reason,omitempty"`
	AcknowledgedBy string        `json:"acknowledged_by,omitempty"`
	AcknowledgedAt time.Time     `json:"acknowledged_at,omitzero"`
	Independence   string        `json:"independence" doc:"Whether the two people are shown to be independent."`
}

func viewProvision(p models.Provision) provisionView {
	v := provisionView{
		ID: p.ID, Number: p.Number, State: string(p.State), Request: p.RequestID, Dataset: p.DatasetID, Version: p.Version,
		Path: p.PathGlob, Class: string(p.Class), Recipient: p.RecipientID, Agreement: p.AgreementID, Key: p.KeyFingerprint,
		Method: p.Method, Files: p.FileCount, Until: p.Until, ManifestSHA256: p.ManifestSHA256, Receipt: p.Receipt != "",
		Reissues: p.Reissue, IssuedBy: p.IssuedBy, IssuedAt: p.IssuedAt,
		RevokedBy: p.RevokedBy, RevokedAt: p.RevokedAt, RevokeReason: p.RevokeReason,
		AcknowledgedBy: p.AcknowledgedBy, AcknowledgedAt: p.AcknowledgedAt, Independence: string(p.Independence),
	}
	if p.EntryIndex >= 0 {
		v.LedgerIndex = &p.EntryIndex
	}
	return v
}

type listProvisionsInput struct {
	PageInput
	Recipient string `query:"recipient" maxLength:"40"`
	Dataset   string `query:"dataset" maxLength:"40"`
}

func (a *api) listProvisions(ctx context.Context, actor access.Actor, in *listProvisionsInput) (*body[listOf[provisionView]], error) {
	rows, err := a.Provisions.Provisions(ctx, actor, models.ProvisionFilter{RecipientID: in.Recipient, DatasetID: in.Dataset}, in.page())
	cursor := func(p models.Provision) string { return models.TimeCursor(p.IssuedAt, p.ID) }
	return respond(page(rows, in.page(), viewProvision, cursor), err)
}

func (a *api) showProvision(ctx context.Context, actor access.Actor, in *idInput) (*body[provisionView], error) {
	prov, err := a.Provisions.Provision(ctx, actor, in.ID)
	return respond(viewProvision(prov), err)
}

func (a *api) provisionReceipt(ctx context.Context, actor access.Actor, in *idInput) (*documentOutput, error) {
	receipt, err := a.Provisions.Receipt(ctx, actor, in.ID)
	if err != nil {
		return nil, err
	}
	return &documentOutput{
		Type: "text/plain; charset=utf-8", Disposition: `attachment; filename="RECEIPT.tlog-proof"`, Body: receipt,
	}, nil
}

// provisionManifest streams: a manifest can have 16 MB.
func (a *api) provisionManifest(ctx context.Context, actor access.Actor, in *idInput) (*huma.StreamResponse, error) {
	manifest, _, err := a.Provisions.Manifest(ctx, actor, in.ID)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		defer manifest.Close()
		out.SetHeader("Content-Type", "application/json")
		if _, err := io.Copy(out.BodyWriter(), manifest); err != nil {
			recordError(ctx, err)
		}
	}}, nil
}

func (a *api) revokeProvision(ctx context.Context, actor access.Actor, in *decideInput) (*body[provisionView], error) {
	prov, err := a.Provisions.Revoke(ctx, actor, in.ID, in.Body.Reason)
	return respond(viewProvision(prov), err)
}

func (a *api) reinstateProvision(ctx context.Context, actor access.Actor, in *decideInput) (*body[provisionView], error) {
	prov, err := a.Provisions.Reinstate(ctx, actor, in.ID, in.Body.Reason)
	return respond(viewProvision(prov), err)
}

type reissueInput struct {
	ID   string `path:"id"`
	Body struct {
		Key string `json:"key" maxLength:"100" doc:"Fingerprint or id of another approved key of the recipient."`
	}
}

func (a *api) reissueProvision(ctx context.Context, actor access.Actor, in *reissueInput) (*body[provisionView], error) {
	prov, err := a.Provisions.Reissue(ctx, actor, in.ID, in.Body.Key)
	return respond(viewProvision(prov), err)
}

func (a *api) acknowledgeProvision(ctx context.Context, actor access.Actor, in *idInput) (*body[provisionView], error) {
	prov, err := a.Provisions.Acknowledge(ctx, actor, in.ID)
	return respond(viewProvision(prov), err)
}
