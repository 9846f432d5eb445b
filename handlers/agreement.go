package handlers

import (
	"context"
	"net/http"
	"time"

	"teikyo/access"
	"teikyo/models"
	"teikyo/recipient"
)

func (a *api) agreementRoutes() {
	const tag = "agreements"
	add(a, route{post, "/agreements", "agreement-add", "Enter an agreement", tag, http.StatusCreated, false, 0}, a.addAgreement)
	add(a, route{get, "/agreements", "agreement-list", "List agreements", tag, 0, false, 0}, a.listAgreements)
	add(a, route{get, "/agreements/{id}", "agreement-show", "Show an agreement", tag, 0, false, 0}, a.showAgreement)
	add(a, route{get, "/agreements/{id}/document", "agreement-document", "The agreement's document", tag, 0, false, 0}, a.agreementDocument)
	add(a, route{post, "/agreements/{id}/end", "agreement-end", "End an agreement early", tag, 0, false, 0}, a.endAgreement)
}

type agreementView struct {
	ID             string             `json:"id"`
	RecipientID    string             `json:"recipient_id"`
	Number         string             `json:"number"`
	DocumentName   string             `json:"document_name"`
	DocumentSHA256 string             `json:"document_sha256"`
	Purposes       []models.Purpose   `json:"purposes"`
	Methods        []models.Method    `json:"methods"`
	Classes        []models.DataClass `json:"classes"`
	Handlers       []string           `json:"handlers,omitempty"`
	Places         []string           `json:"places,omitempty"`
	ValidFrom      time.Time          `json:"valid_from"`
	ValidUntil     time.Time          `json:"valid_until" doc:"The instant at which it ends."`
	ReviewAt       time.Time          `json:"review_at,omitzero"`
	State          string             `json:"state" doc:"active, future, expired or ended"`
	AddedBy        string             `json:"added_by"`
	AddedAt        time.Time          `json:"added_at"`
	EndedAt        time.Time          `json:"ended_at,omitzero"`
	EndReason      string             `json:"end_reason,omitempty"`
}

func (a *api) viewAgreement(g models.Agreement) agreementView {
	return agreementView{
		ID: g.ID, RecipientID: g.RecipientID, Number: g.Number, DocumentName: g.DocumentName, DocumentSHA256: g.DocumentSHA256,
		Purposes: g.Purposes, Methods: g.Methods, Classes: g.Classes, Handlers: g.Handlers, Places: g.Places,
		ValidFrom: g.ValidFrom, ValidUntil: g.ValidUntil, ReviewAt: g.ReviewAt, State: agreementState(g, a.Now()),
		AddedBy: g.AddedBy, AddedAt: g.AddedAt, EndedAt: g.EndedAt, EndReason: g.EndReason,
	}
}

// agreementState is computed: an agreement ends by itself.
func agreementState(g models.Agreement, now time.Time) string {
	switch {
	case !g.EndedAt.IsZero():
		return "ended"
	case now.Before(g.ValidFrom):
		return "future"
	case !now.Before(g.ValidUntil):
		return "expired"
	default:
		return "active"
	}
}

type addAgreementInput struct {
	Body struct {
		RecipientID  string             `json:"recipient_id" maxLength:"40"`
		Number       string             `json:"number" maxLength:"100"`
		DocumentName string             `json:"document_name" maxLength:"255"`
		Document     []byte             `json:"document" doc:"The document, base64, at most 700 KiB."`
		Purposes     []models.Purpose   `json:"purposes" maxItems:"10"`
		Methods      []models.Method    `json:"methods" maxItems:"10"`
		Classes      []models.DataClass `json:"classes" maxItems:"10"`
		Handlers     []string           `json:"handlers,omitempty" maxItems:"500"`
		Places       []string           `json:"places,omitempty" maxItems:"100"`
		From         string             `json:"from" maxLength:"40" doc:"First day."`
		Until        string             `json:"until" maxLength:"40" doc:"Last day."`
		Review       string             `json:"review,omitempty" maxLength:"40" doc:"Day of the next review."`
	}
}

func (a *api) addAgreement(ctx context.Context, actor access.Actor, in *addAgreementInput) (*body[agreementView], error) {
	b := in.Body
	g, err := a.Recipients.AddAgreement(ctx, actor, recipient.AgreementInput{
		RecipientID: b.RecipientID, Number: b.Number, DocumentName: b.DocumentName, Document: b.Document,
		Purposes: b.Purposes, Methods: b.Methods, Classes: b.Classes, Handlers: b.Handlers, Places: b.Places,
		From: b.From, Until: b.Until, Review: b.Review,
	})
	return respond(a.viewAgreement(g), err)
}

func (a *api) showAgreement(ctx context.Context, actor access.Actor, in *idInput) (*body[agreementView], error) {
	g, err := a.Recipients.Agreement(ctx, actor, in.ID)
	return respond(a.viewAgreement(g), err)
}

func (a *api) endAgreement(ctx context.Context, actor access.Actor, in *reasonInput) (*body[agreementView], error) {
	g, err := a.Recipients.EndAgreement(ctx, actor, in.ID, in.Body.Reason)
	return respond(a.viewAgreement(g), err)
}

type listAgreementsInput struct {
	PageInput
	RecipientID string `query:"recipient" maxLength:"40"`
}

func (a *api) listAgreements(ctx context.Context, actor access.Actor, in *listAgreementsInput) (*body[listOf[agreementView]], error) {
	rows, err := a.Recipients.Agreements(ctx, actor, in.RecipientID, in.page())
	return respond(page(rows, in.page(), a.viewAgreement, func(g models.Agreement) string { return g.ID }), err)
}

type documentOutput struct {
	Type        string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

func (a *api) agreementDocument(ctx context.Context, actor access.Actor, in *idInput) (*documentOutput, error) {
	g, document, err := a.Recipients.Document(ctx, actor, in.ID)
	if err != nil {
		return nil, err
	}
	return &documentOutput{
		Type:        "application/octet-stream",
		Disposition: disposition(g.DocumentName),
		Body:        document,
	}, nil
}
