package handlers

import (
	"context"
	"encoding/base64"
	"net/http"
	"time"

	"teikyo/access"
	"teikyo/models"
	"teikyo/provision"
)

func (a *api) linkRoutes() {
	const tag = "links"
	add(a, route{post, "/links", "link-create", "Make a download link of a provision", tag, http.StatusCreated, false, 0}, a.createLink)
	add(a, route{get, "/links", "link-list", "List links", tag, 0, false, 0}, a.listLinks)
	add(a, route{get, "/links/{id}", "link-show", "Show a link, without its address", tag, 0, false, 0}, a.showLink)
	add(a, route{post, "/links/{id}/revoke", "link-revoke", "End a link and all that is fetched through it", tag, 0, false, 0}, a.revokeLink)
	add(a, route{post, "/links/redeem", "link-redeem", "Spend one use of a link and open a download session", tag, 0, true, 0}, a.redeemLink)
	a.landingRoutes()
}

type linkView struct {
	ID          string          `json:"id"`
	URL         string          `json:"url,omitempty" doc:"The address of the link, shown this once."`
	ProvisionID string          `json:"provision_id"`
	RecipientID string          `json:"recipient_id"`
	Bind        models.LinkBind `json:"bind" doc:"Who can redeem it: key (the holder of the recipient's key), login (people of the recipient) or none (anybody who has it)."`
	State       string          `json:"state" doc:"active, expired, revoked or used_up"`
	Uses        int             `json:"uses" doc:"How often it can be redeemed in all."`
	Used        int             `json:"used"`
	NotBefore   time.Time       `json:"not_before"`
	ExpiresAt   time.Time       `json:"expires_at"`
	CreatedBy   string          `json:"created_by"`
	CreatedAt   time.Time       `json:"created_at"`
	RevokedBy   string          `json:"revoked_by,omitempty"`
	RevokedAt   time.Time       `json:"revoked_at,omitzero"`
}

func (a *api) viewLink(l models.Link) linkView {
	return linkView{
		ID: l.ID, ProvisionID: l.ProvisionID, RecipientID: l.RecipientID, Bind: l.Bind, State: linkState(l, a.Now()),
		Uses: l.MaxUses, Used: l.Uses, NotBefore: l.NotBefore, ExpiresAt: l.ExpiresAt,
		CreatedBy: l.CreatedBy, CreatedAt: l.CreatedAt, RevokedBy: l.RevokedBy, RevokedAt: l.RevokedAt,
	}
}

// linkState is computed: a link ends by itself.
func linkState(l models.Link, now time.Time) string {
	switch {
	case !l.RevokedAt.IsZero():
		return "revoked"
	case !now.Before(l.ExpiresAt):
		return "expired"
	case l.Uses >= l.MaxUses:
		return "used_up"
	default:
		return "active"
	}
}

type createLinkInput struct {
	Body struct {
		ProvisionID string          `json:"provision_id" maxLength:"40"`
		ExpiresIn   int64           `json:"expires_in,omitempty" minimum:"1" maximum:"315576000" doc:"Seconds until it ends; absent: the operator's default. Never beyond the provision."`
		Uses        int             `json:"uses,omitempty" minimum:"1" maximum:"1000" doc:"How often it can be redeemed; 3 when absent."`
		Bind        models.LinkBind `json:"bind,omitempty" maxLength:"10" doc:"key, login or none; key when absent."`
	}
}

func (a *api) createLink(ctx context.Context, actor access.Actor, in *createLinkInput) (*body[linkView], error) {
	made, err := a.Links.Create(ctx, actor, provision.LinkDraft{
		ProvisionID: in.Body.ProvisionID, TTL: time.Duration(in.Body.ExpiresIn) * time.Second, Uses: in.Body.Uses, Bind: in.Body.Bind,
	})
	view := a.viewLink(made.Link)
	view.URL = made.URL
	return respond(view, err)
}

type listLinksInput struct {
	PageInput
	Provision string `query:"provision" maxLength:"40" doc:"Those of one provision."`
}

func (a *api) listLinks(ctx context.Context, actor access.Actor, in *listLinksInput) (*body[listOf[linkView]], error) {
	rows, err := a.Links.List(ctx, actor, models.LinkFilter{ProvisionID: in.Provision}, in.page())
	cursor := func(l models.Link) string { return models.TimeCursor(l.CreatedAt, l.ID) }
	return respond(page(rows, in.page(), a.viewLink, cursor), err)
}

func (a *api) showLink(ctx context.Context, actor access.Actor, in *idInput) (*body[linkView], error) {
	l, err := a.Links.Get(ctx, actor, in.ID)
	return respond(a.viewLink(l), err)
}

func (a *api) revokeLink(ctx context.Context, actor access.Actor, in *idInput) (*body[linkView], error) {
	l, err := a.Links.Revoke(ctx, actor, in.ID)
	return respond(a.viewLink(l), err)
}

type redeemInput struct {
	Agent string `header:"User-Agent" hidden:"true"`
	Body  struct {
		Token string `json:"token" maxLength:"2048" doc:"What follows /d/ in the link."`
	}
}

type redeemView struct {
	Provision      string          `json:"provision"`
	Link           string          `json:"link"`
	Bind           models.LinkBind `json:"bind"`
	ExpiresAt      time.Time       `json:"expires_at" doc:"The session lasts until then."`
	Issuer         issuerView      `json:"issuer"`
	KeyFingerprint string          `json:"key_fingerprint" doc:"Of the key that the files are sealed to."`
	Session        string          `json:"session,omitempty" doc:"Where to fetch, /dl/…/; absent for links that are bound to a key."`
	Sealed         string          `json:"sealed_session,omitempty" doc:"For links that are bound to a key: an age file to it, base64, with the lines teikyo-session-v1, issuer origin, link, provision, /dl/…/."`
}

type issuerView struct {
	Origin      string `json:"origin"`
	Fingerprint string `json:"fingerprint"`
}

func (a *api) redeemLink(ctx context.Context, actor access.Actor, in *redeemInput) (*body[redeemView], error) {
	if err := a.redeems.take(ctx, actor.Address); err != nil {
		return nil, err
	}
	made, err := a.Links.Redeem(ctx, in.Body.Token, provision.Redeemer{Actor: actor, Agent: in.Agent})
	if err != nil {
		return nil, err
	}
	return respond(redeemView{
		Provision: made.Provision.ID, Link: made.Link.ID, Bind: made.Link.Bind, ExpiresAt: made.Ends,
		Issuer: issuerView(made.Issuer), KeyFingerprint: made.Provision.KeyFingerprint,
		Session: made.Path, Sealed: base64.StdEncoding.EncodeToString(made.Sealed),
	}, nil)
}
