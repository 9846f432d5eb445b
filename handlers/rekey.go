package handlers

import (
	"context"
	"net/http"
	"time"

	"teikyo/access"
	"teikyo/models"
)

func (a *api) rekeyRoutes() {
	const tag = "de-identification"
	add(a, route{method: post, path: "/deid/keys", id: "deid-key-create", tag: tag, status: http.StatusCreated,
		summary: "Make the key of a new domain, under which identifiers are replaced"}, a.createDeidKey)
	add(a, route{method: get, path: "/deid/keys", id: "deid-key-list", tag: tag, summary: "List the domains that have a key, or had one"}, a.listDeidKeys)
	add(a, route{method: post, path: "/deid/keys/{domain}/destroy", id: "deid-key-destroy", tag: tag,
		summary: "Destroy the key of a domain, for good"}, a.destroyDeidKey)
	add(a, route{method: post, path: "/deid/bundles", id: "deid-bundle", tag: tag, status: http.StatusCreated,
		summary: "Seal keys of domains and the list of people who objected to an age key, for a transformation elsewhere"}, a.exportDeidKeys)
	add(a, route{method: post, path: "/objections", id: "objection-add", tag: tag, status: http.StatusCreated, maxBody: 4 << 20,
		summary: "Note people who objected, by their keys in the source; keyed hashes alone are kept"}, a.addObjections)
	add(a, route{method: get, path: "/objections", id: "objection-list", tag: tag, summary: "List what was added when, by number"}, a.listObjections)
}

type deidKeyView struct {
	ID          string    `json:"id"`
	Domain      string    `json:"domain"`
	State       string    `json:"state" enum:"active,destroyed"`
	Exports     int       `json:"exports" doc:"How often it was sealed for somebody. Copies outlive its destruction here."`
	CreatedBy   string    `json:"created_by"`
	CreatedAt   time.Time `json:"created_at"`
	DestroyedBy string    `json:"destroyed_by,omitempty"`
	DestroyedAt time.Time `json:"destroyed_at,omitzero"`
	Reason      string    `json:"reason,omitempty"`
}

func viewDeidKey(k models.DeidKey) deidKeyView {
	return deidKeyView{
		ID: k.ID, Domain: k.Domain, State: string(k.State), Exports: k.Exports, CreatedBy: k.CreatedBy, CreatedAt: k.CreatedAt,
		DestroyedBy: k.DestroyedBy, DestroyedAt: k.DestroyedAt, Reason: k.Reason,
	}
}

type createDeidKeyInput struct {
	Body struct {
		Domain string `json:"domain" maxLength:"64" doc:"A recipient, a project, a release: lower-case letters, digits, dots, hyphens, underscores."`
	}
}

func (a *api) createDeidKey(ctx context.Context, actor access.Actor, in *createDeidKeyInput) (*body[deidKeyView], error) {
	k, err := a.Rekey.Create(ctx, actor, in.Body.Domain)
	return respond(viewDeidKey(k), err)
}

func (a *api) listDeidKeys(ctx context.Context, actor access.Actor, in *PageInput) (*body[listOf[deidKeyView]], error) {
	rows, err := a.Rekey.Keys(ctx, actor, in.page())
	cursor := func(k models.DeidKey) string { return models.TimeCursor(k.CreatedAt, k.ID) }
	return respond(page(rows, in.page(), viewDeidKey, cursor), err)
}

type destroyDeidKeyInput struct {
	Domain string `path:"domain" maxLength:"64"`
	Body   struct {
		Reason string `json:"reason" maxLength:"500"`
	}
}

func (a *api) destroyDeidKey(ctx context.Context, actor access.Actor, in *destroyDeidKeyInput) (*body[deidKeyView], error) {
	k, err := a.Rekey.Destroy(ctx, actor, in.Domain, in.Body.Reason)
	return respond(viewDeidKey(k), err)
}

type exportDeidKeysInput struct {
	Body struct {
		Domains []string `json:"domains" minItems:"1" maxItems:"100" doc:"A domain without a key gets one."`
		Public  string   `json:"public" maxLength:"4096" doc:"The age public key that the file is sealed to."`
	}
}

type deidBundleView struct {
	Sealed []byte `json:"sealed" doc:"An age file, in base64; given this once"`
}

func (a *api) exportDeidKeys(ctx context.Context, actor access.Actor, in *exportDeidKeysInput) (*body[deidBundleView], error) {
	sealed, err := a.Rekey.Export(ctx, actor, in.Body.Domains, in.Body.Public)
	return respond(deidBundleView{sealed}, err)
}

type objectionView struct {
	ID      string    `json:"id"`
	Keys    int64     `json:"keys" doc:"Different source keys in this list."`
	New     int64     `json:"new" doc:"Of these, not known before."`
	Reason  string    `json:"reason,omitempty"`
	AddedBy string    `json:"added_by"`
	AddedAt time.Time `json:"added_at"`
}

func viewObjection(b models.ObjectionBatch) objectionView { return objectionView(b) }

type addObjectionsInput struct {
	Body struct {
		Keys   []string `json:"keys" minItems:"1" maxItems:"10000" doc:"Chart numbers and the like, as the source files have them. They are hashed and not kept."`
		Reason string   `json:"reason,omitempty" maxLength:"500" doc:"Such as the letters that asked for it; no names."`
	}
}

func (a *api) addObjections(ctx context.Context, actor access.Actor, in *addObjectionsInput) (*body[objectionView], error) {
	b, err := a.Rekey.AddObjections(ctx, actor, in.Body.Keys, in.Body.Reason)
	return respond(viewObjection(b), err)
}

func (a *api) listObjections(ctx context.Context, actor access.Actor, in *PageInput) (*body[listOf[objectionView]], error) {
	rows, err := a.Rekey.Batches(ctx, actor, in.page())
	cursor := func(b models.ObjectionBatch) string { return models.TimeCursor(b.AddedAt, b.ID) }
	return respond(page(rows, in.page(), viewObjection, cursor), err)
}
