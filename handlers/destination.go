package handlers

import (
	"context"
	"net/http"
	"time"

	"teikyo/access"
	"teikyo/models"
	"teikyo/recipient"
)

func (a *api) destinationRoutes() {
	const tag, base = "recipients", "/recipients/{id}/destinations"
	add(a, route{post, base, "destination-add", "Enter a place to which parcels are uploaded", tag, http.StatusCreated, false, 0}, a.addDestination)
	add(a, route{get, base, "destination-list", "List the destinations of an organisation", tag, 0, false, 0}, a.listDestinations)
	add(a, route{get, base + "/{destination}", "destination-show", "Show a destination, without its credential", tag, 0, false, 0}, a.showDestination)
	add(a, route{post, base + "/{destination}/approve", "destination-approve", "Approve a destination", tag, 0, false, 0}, a.approveDestination)
	add(a, route{post, base + "/{destination}/revoke", "destination-revoke", "End a destination and what is under way to it", tag, 0, false, 0}, a.revokeDestination)
}

// DestinationView is a destination as the API shows it.
type DestinationView struct {
	ID           string    `json:"id"`
	RecipientID  string    `json:"recipient_id"`
	Type         string    `json:"type"`
	URL          string    `json:"url"`
	HostKeys     []string  `json:"host_keys" doc:"The server must show one of them."`
	Login        string    `json:"login" doc:"password or key"`
	PublicKey    string    `json:"public_key,omitempty" doc:"What the recipient lets in (authorized_keys)."`
	Config       string    `json:"config_sha256" doc:"Of everything that says where it leads."`
	State        string    `json:"state" doc:"added, approved or revoked"`
	AddedBy      string    `json:"added_by"`
	AddedAt      time.Time `json:"added_at"`
	ApprovedBy   string    `json:"approved_by,omitempty"`
	ApprovedAt   time.Time `json:"approved_at,omitzero"`
	RevokedBy    string    `json:"revoked_by,omitempty"`
	RevokedAt    time.Time `json:"revoked_at,omitzero"`
	Reason       string    `json:"reason,omitempty"`
	Independence string    `json:"independence,omitempty"`
}

func viewDestination(d models.Destination) DestinationView {
	return DestinationView{
		ID: d.ID, RecipientID: d.RecipientID, Type: string(d.Type), URL: d.URL, HostKeys: d.HostKeys, Login: d.Login,
		PublicKey: d.PublicKey, Config: d.Config, State: string(d.State), AddedBy: d.AddedBy, AddedAt: d.AddedAt,
		ApprovedBy: d.ApprovedBy, ApprovedAt: d.ApprovedAt, RevokedBy: d.RevokedBy, RevokedAt: d.RevokedAt,
		Reason: d.Reason, Independence: string(d.Independence),
	}
}

type addDestinationInput struct {
	ID   string `path:"id" maxLength:"40"`
	Body struct {
		Type       string   `json:"type" maxLength:"20" doc:"sftp"`
		URL        string   `json:"url" maxLength:"500" doc:"sftp://USER@HOST:PORT/FOLDER"`
		HostKeys   []string `json:"host_keys" maxItems:"100" doc:"Of the server, as known_hosts or ssh-keyscan write them."`
		Password   string   `json:"password,omitempty" maxLength:"1024" doc:"To log in with; or private_key, or make_key."`
		PrivateKey string   `json:"private_key,omitempty" maxLength:"16384" doc:"OpenSSH, without a passphrase."`
		MakeKey    bool     `json:"make_key,omitempty" doc:"Make a key; the answer shows its public half."`
	}
}

func (a *api) addDestination(ctx context.Context, actor access.Actor, in *addDestinationInput) (*body[DestinationView], error) {
	d, err := a.Recipients.AddDestination(ctx, actor, recipient.DestinationInput{
		RecipientID: in.ID, Type: models.DestinationType(in.Body.Type), URL: in.Body.URL, HostKeys: in.Body.HostKeys,
		Password: in.Body.Password, PrivateKey: in.Body.PrivateKey, MakeKey: in.Body.MakeKey,
	})
	return respond(viewDestination(d), err)
}

func (a *api) listDestinations(ctx context.Context, actor access.Actor, in *idInput) (*body[listOf[DestinationView]], error) {
	rows, err := a.Recipients.DestinationList(ctx, actor, in.ID)
	list := page(rows, models.Page{Limit: models.MaxPage}, viewDestination, func(d models.Destination) string { return d.ID })
	list.Next = "" // one page; see recipient.MaxDestinations
	return respond(list, err)
}

// DestinationPath names a destination of a recipient in an address.
type DestinationPath struct {
	ID          string `path:"id" maxLength:"40"`
	Destination string `path:"destination" maxLength:"40"`
}

func (a *api) showDestination(ctx context.Context, actor access.Actor, in *DestinationPath) (*body[DestinationView], error) {
	d, err := a.Recipients.Destination(ctx, actor, in.ID, in.Destination)
	return respond(viewDestination(d), err)
}

type approveDestinationInput struct {
	DestinationPath
	Body struct {
		Config string `json:"config_sha256" maxLength:"64" doc:"Of the destination, as it was shown to you."`
	}
}

func (a *api) approveDestination(ctx context.Context, actor access.Actor, in *approveDestinationInput) (*body[DestinationView], error) {
	d, err := a.Recipients.ApproveDestination(ctx, actor, in.ID, in.Destination, in.Body.Config)
	return respond(viewDestination(d), err)
}

type revokeDestinationInput struct {
	DestinationPath
	Body struct {
		Reason string `json:"reason" maxLength:"2000"`
	}
}

func (a *api) revokeDestination(ctx context.Context, actor access.Actor, in *revokeDestinationInput) (*body[DestinationView], error) {
	d, err := a.Recipients.RevokeDestination(ctx, actor, in.ID, in.Destination, in.Body.Reason)
	return respond(viewDestination(d), err)
}
