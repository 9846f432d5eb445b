package handlers

import (
	"context"
	"net/http"
	"time"

	"teikyo/access"
	"teikyo/models"
	"teikyo/recipient"
)

func (a *api) recipientRoutes() {
	const tag = "recipients"
	add(a, route{post, "/recipients", "recipient-apply", "Enter an organisation", tag, http.StatusCreated, false, 0}, a.applyRecipient)
	add(a, route{get, "/recipients", "recipient-list", "List organisations", tag, 0, false, 0}, a.listRecipients)
	add(a, route{get, "/recipients/{id}", "recipient-show", "Show an organisation", tag, 0, false, 0}, a.showRecipient)
	add(a, route{patch, "/recipients/{id}", "recipient-update", "Change what is known about an organisation", tag, 0, false, 0}, a.updateRecipient)
	add(a, route{post, "/recipients/{id}/approve", "recipient-approve", "Approve an organisation until a day", tag, 0, false, 0}, a.approveRecipient)
	for verb, do := range map[string]endRecipient{
		"reject": a.Recipients.Reject, "suspend": a.Recipients.Suspend,
		"reinstate": a.Recipients.Reinstate, "revoke": a.Recipients.Revoke,
	} {
		add(a, route{post, "/recipients/{id}/" + verb, "recipient-" + verb, "Decide about an organisation: " + verb, tag, 0, false, 0},
			func(ctx context.Context, actor access.Actor, in *reasonInput) (*body[recipientView], error) {
				rcpt, err := do(ctx, actor, in.ID, in.Body.Reason)
				return respond(viewRecipient(rcpt), err)
			})
	}
	a.recipientKeyRoutes()
	a.destinationRoutes()
	a.agreementRoutes()
}

type endRecipient func(ctx context.Context, actor access.Actor, id, reason string) (models.Recipient, error)

type reasonInput struct {
	ID   string `path:"id"`
	Body struct {
		Reason string `json:"reason" maxLength:"2000" doc:"Why, in words; it stays in the ledger."`
	}
}

type contactView struct {
	Role  string `json:"role" maxLength:"100"`
	Name  string `json:"name" maxLength:"200"`
	Email string `json:"email" maxLength:"254"`
}

type recipientView struct {
	ID             string        `json:"id"`
	Name           string        `json:"name"`
	Country        string        `json:"country"`
	Address        string        `json:"address"`
	Representative string        `json:"representative"`
	Email          string        `json:"email"`
	Contacts       []contactView `json:"contacts,omitempty"`
	State          string        `json:"state"`
	ApprovedUntil  time.Time     `json:"approved_until,omitzero" doc:"The instant at which the approval ends."`
	AppliedBy      string        `json:"applied_by"`
	AppliedAt      time.Time     `json:"applied_at"`
	DecidedBy      string        `json:"decided_by,omitempty"`
	DecidedAt      time.Time     `json:"decided_at,omitzero"`
	Reason         string        `json:"reason,omitempty"`
	Independence   string        `json:"independence,omitempty" doc:"Whether the two people are shown to be independent."`
}

func viewRecipient(r models.Recipient) recipientView {
	v := recipientView{
		ID: r.ID, Name: r.Name, Country: r.Country, Address: r.Address, Representative: r.Representative, Email: r.Email,
		State: string(r.State), ApprovedUntil: r.ApprovedUntil, AppliedBy: r.AppliedBy, AppliedAt: r.AppliedAt,
		DecidedBy: r.DecidedBy, DecidedAt: r.DecidedAt, Reason: r.Reason, Independence: string(r.Independence),
	}
	for _, c := range r.Contacts {
		v.Contacts = append(v.Contacts, contactView(c))
	}
	return v
}

type applyInput struct {
	Body struct {
		Name           string        `json:"name" maxLength:"500"`
		Country        string        `json:"country" maxLength:"2" doc:"ISO 3166-1 alpha-2, for example JP."`
		Address        string        `json:"address" maxLength:"500"`
		Representative string        `json:"representative" maxLength:"500"`
		Email          string        `json:"email" maxLength:"254"`
		Contacts       []contactView `json:"contacts,omitempty" maxItems:"50"`
	}
}

func (a *api) applyRecipient(ctx context.Context, actor access.Actor, in *applyInput) (*body[recipientView], error) {
	rcpt, err := a.Recipients.Apply(ctx, actor, recipient.Profile{
		Name: in.Body.Name, Country: in.Body.Country, Address: in.Body.Address,
		Representative: in.Body.Representative, Email: in.Body.Email, Contacts: contactsOf(in.Body.Contacts),
	})
	return respond(viewRecipient(rcpt), err)
}

func contactsOf(views []contactView) []models.Contact {
	var list []models.Contact
	for _, v := range views {
		list = append(list, models.Contact(v))
	}
	return list
}

type updateRecipientInput struct {
	ID   string `path:"id"`
	Body struct {
		Name           *string        `json:"name,omitempty" maxLength:"500"`
		Country        *string        `json:"country,omitempty" maxLength:"2"`
		Address        *string        `json:"address,omitempty" maxLength:"500"`
		Representative *string        `json:"representative,omitempty" maxLength:"500"`
		Email          *string        `json:"email,omitempty" maxLength:"254"`
		Contacts       *[]contactView `json:"contacts,omitempty" maxItems:"50"`
	}
}

func (a *api) updateRecipient(ctx context.Context, actor access.Actor, in *updateRecipientInput) (*body[recipientView], error) {
	rcpt, err := a.Recipients.Update(ctx, actor, in.ID, func(p *recipient.Profile) {
		set(&p.Name, in.Body.Name)
		set(&p.Country, in.Body.Country)
		set(&p.Address, in.Body.Address)
		set(&p.Representative, in.Body.Representative)
		set(&p.Email, in.Body.Email)
		if in.Body.Contacts != nil {
			p.Contacts = contactsOf(*in.Body.Contacts)
		}
	})
	return respond(viewRecipient(rcpt), err)
}

// set changes a field that the input names.
func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

type approveRecipientInput struct {
	ID   string `path:"id"`
	Body struct {
		Until  string `json:"until" maxLength:"40" doc:"Last day, for example 2027-03-31."`
		Reason string `json:"reason,omitempty" maxLength:"2000"`
	}
}

func (a *api) approveRecipient(ctx context.Context, actor access.Actor, in *approveRecipientInput) (*body[recipientView], error) {
	rcpt, err := a.Recipients.Approve(ctx, actor, in.ID, in.Body.Until, in.Body.Reason)
	return respond(viewRecipient(rcpt), err)
}

type idInput struct {
	ID string `path:"id"`
}

func (a *api) showRecipient(ctx context.Context, actor access.Actor, in *idInput) (*body[recipientView], error) {
	rcpt, err := a.Recipients.Get(ctx, actor, in.ID)
	return respond(viewRecipient(rcpt), err)
}

type listRecipientsInput struct {
	PageInput
	State string `query:"state" enum:"applied,approved,rejected,suspended,revoked"`
	Query string `query:"q" maxLength:"200" doc:"Part of the name, address or e-mail address."`
}

func (a *api) listRecipients(ctx context.Context, actor access.Actor, in *listRecipientsInput) (*body[listOf[recipientView]], error) {
	filter := models.RecipientFilter{State: models.RecipientState(in.State), Query: in.Query}
	rows, err := a.Recipients.List(ctx, actor, filter, in.page())
	return respond(page(rows, in.page(), viewRecipient, func(r models.Recipient) string { return r.ID }), err)
}
