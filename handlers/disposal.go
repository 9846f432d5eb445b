package handlers

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"teikyo/access"
	"teikyo/disposal"
	"teikyo/models"
)

func (a *api) disposalRoutes() {
	const tag = "disposals"
	add(a, route{method: post, path: "/datasets/{id}/versions/{n}/destroy", id: "version-destroy", tag: tag, status: http.StatusCreated,
		summary: "Propose that the contents and keys of a version be destroyed; a second person confirms"}, a.proposeDestroy)
	add(a, route{method: post, path: "/ledger/entries/{index}/redact", id: "entry-redact", tag: tag, status: http.StatusCreated,
		summary: "Propose that the details of a ledger entry be removed; a second person confirms"}, a.proposeRedact)
	add(a, route{method: get, path: "/disposals", id: "disposal-list", tag: tag, summary: "List disposals, the newest first"}, a.listDisposals)
	add(a, route{method: get, path: "/disposals/{id}", id: "disposal-show", tag: tag, summary: "Show a disposal"}, a.showDisposal)
	add(a, route{method: get, path: "/disposals/{id}/items", id: "disposal-items", tag: tag, summary: "List the things of a disposal"}, a.listItems)
	add(a, route{method: post, path: "/disposals/{id}/items/{number}/hold", id: "disposal-hold", tag: tag,
		summary: "Keep one thing of a proposed disposal back"}, a.holdItem)
	add(a, route{method: post, path: "/disposals/{id}/confirm", id: "disposal-confirm", tag: tag,
		summary: "Let a disposal that another person proposed be carried out"}, a.decideDisposal(a.Disposals.Confirm))
	add(a, route{method: post, path: "/disposals/{id}/reject", id: "disposal-reject", tag: tag,
		summary: "Refuse a disposal, or take it back"}, a.decideDisposal(a.Disposals.Reject))
	add(a, route{method: get, path: "/disposals/{id}/certificate", id: "disposal-certificate", tag: tag,
		summary: "The signed certificate of destruction with its ledger receipt"}, a.showCertificate)
	add(a, route{method: get, path: "/disposals/{id}/certificate/print", id: "disposal-certificate-print", tag: tag,
		summary: "The certificate of destruction as a page to be printed and signed"}, a.printCertificate)
}

type disposalView struct {
	ID           string      `json:"id"`
	Kind         string      `json:"kind" enum:"destroy,redact,yearly"`
	Year         int         `json:"year,omitempty"`
	State        string      `json:"state" enum:"proposed,confirmed,done,rejected" doc:"What is confirmed is carried out whatever happens; done when nothing is left of it."`
	Reason       string      `json:"reason"`
	ProposedBy   string      `json:"proposed_by"`
	ProposedAt   time.Time   `json:"proposed_at"`
	DecidedBy    string      `json:"decided_by,omitempty"`
	DecidedAt    time.Time   `json:"decided_at,omitzero"`
	Decision     string      `json:"decision,omitempty" doc:"The words of the person who decided."`
	Independence string      `json:"independence,omitempty" doc:"Whether the two people are shown to be independent."`
	FinishedAt   time.Time   `json:"finished_at,omitzero"`
	Impact       *impactView `json:"impact,omitempty" doc:"Of a version that is not destroyed yet."`
}

type impactView struct {
	Item       string `json:"item"`
	Provisions int    `json:"provisions" doc:"Live provisions that end with it."`
	Shared     int    `json:"shared_files" doc:"Files whose sealed contents stay, because another version has them, too."`
}

func viewDisposal(d models.Disposal) disposalView {
	return disposalView{
		ID: d.ID, Kind: string(d.Kind), Year: d.Year, State: string(d.State), Reason: d.Reason, ProposedBy: d.ProposedBy,
		ProposedAt: d.ProposedAt, DecidedBy: d.DecidedBy, DecidedAt: d.DecidedAt, Decision: d.Decision,
		Independence: string(d.Independence), FinishedAt: d.FinishedAt,
	}
}

// withImpact adds what a person should know before deciding about a version.
func (a *api) withImpact(ctx context.Context, actor access.Actor, d models.Disposal, err error) (*body[disposalView], error) {
	if err != nil {
		return nil, err
	}
	view := viewDisposal(d)
	if d.Kind != models.DestroyVersion || d.State != models.DisposalProposed {
		return &body[disposalView]{Body: view}, nil
	}
	name, impact, err := a.Disposals.ImpactOfDisposal(ctx, actor, d.ID)
	view.Impact = &impactView{Item: name, Provisions: impact.Provisions, Shared: impact.Shared}
	return respond(view, err)
}

type destroyInput struct {
	VersionPath
	Body struct {
		Reason string `json:"reason" doc:"Why, in words; it stays in the ledger."`
	}
}

func (a *api) proposeDestroy(ctx context.Context, actor access.Actor, in *destroyInput) (*body[disposalView], error) {
	d, err := a.Disposals.ProposeDestroy(ctx, actor, in.ID, in.Number, in.Body.Reason)
	return a.withImpact(ctx, actor, d, err)
}

type redactInput struct {
	Index int64 `path:"index" minimum:"0"`
	Body  struct {
		Reason string `json:"reason" doc:"Why, in words; it stays in the ledger for ever."`
	}
}

func (a *api) proposeRedact(ctx context.Context, actor access.Actor, in *redactInput) (*body[disposalView], error) {
	d, err := a.Disposals.ProposeRedact(ctx, actor, in.Index, in.Body.Reason)
	return respond(viewDisposal(d), err)
}

type listDisposalsInput struct {
	PageInput
	State string `query:"state" enum:"proposed,confirmed,done,rejected" doc:"Only those in this state."`
}

func (a *api) listDisposals(ctx context.Context, actor access.Actor, in *listDisposalsInput) (*body[listOf[disposalView]], error) {
	rows, err := a.Disposals.List(ctx, actor, models.DisposalState(in.State), in.page())
	return respond(page(rows, in.page(), viewDisposal, func(d models.Disposal) string {
		return models.TimeCursor(d.ProposedAt, d.ID)
	}), err)
}

// DisposalPath names a disposal in an address.
type DisposalPath struct {
	ID string `path:"id"`
}

func (a *api) showDisposal(ctx context.Context, actor access.Actor, in *DisposalPath) (*body[disposalView], error) {
	d, err := a.Disposals.Get(ctx, actor, in.ID)
	return a.withImpact(ctx, actor, d, err)
}

type disposalItemView struct {
	Number     int             `json:"number"`
	Item       string          `json:"item" doc:"version:ID@VERSION, entry:INDEX, provision:ID or application:ID."`
	Due        time.Time       `json:"due" doc:"Since when it may go."`
	Done       bool            `json:"done"`
	HeldBy     string          `json:"held_by,omitempty"`
	HeldAt     time.Time       `json:"held_at,omitzero"`
	HeldReason string          `json:"held_reason,omitempty"`
	Result     json.RawMessage `json:"result,omitempty" doc:"What was destroyed."`
}

func viewItem(i models.DisposalItem) disposalItemView {
	return disposalItemView{
		Number: i.Number, Item: i.Name(), Due: i.Due, Done: i.Done, HeldBy: i.HeldBy, HeldAt: i.HeldAt, HeldReason: i.HeldReason,
		Result: json.RawMessage(i.Result),
	}
}

type listItemsInput struct {
	DisposalPath
	PageInput
}

func (a *api) listItems(ctx context.Context, actor access.Actor, in *listItemsInput) (*body[listOf[disposalItemView]], error) {
	after := 0
	if in.Cursor != "" {
		var err error
		if after, err = strconv.Atoi(in.Cursor); err != nil {
			return nil, models.Errorf(models.Invalid, "the cursor is not one of this list; start without it")
		}
	}
	rows, err := a.Disposals.Items(ctx, actor, in.ID, after, in.page().Size())
	return respond(page(rows, in.page(), viewItem, func(i models.DisposalItem) string { return strconv.Itoa(i.Number) }), err)
}

type holdItemInput struct {
	DisposalPath
	Number int `path:"number" minimum:"1"`
	Body   struct {
		Reason string `json:"reason" doc:"Why it must stay, for example a lawsuit."`
	}
}

func (a *api) holdItem(ctx context.Context, actor access.Actor, in *holdItemInput) (*body[disposalItemView], error) {
	item, err := a.Disposals.Hold(ctx, actor, in.ID, in.Number, in.Body.Reason)
	return respond(viewItem(item), err)
}

type decideDisposalInput struct {
	DisposalPath
	Body struct {
		Reason string `json:"reason,omitempty" doc:"The words of the decision; needed for a refusal."`
	}
}

type decideDisposal func(ctx context.Context, actor access.Actor, id, words string) (models.Disposal, error)

func (a *api) decideDisposal(do decideDisposal) useCase[decideDisposalInput, body[disposalView]] {
	return func(ctx context.Context, actor access.Actor, in *decideDisposalInput) (*body[disposalView], error) {
		d, err := do(ctx, actor, in.ID, in.Body.Reason)
		return respond(viewDisposal(d), err)
	}
}

type certificateView struct {
	ID          string `json:"id" doc:"The disposal."`
	Certificate string `json:"certificate" doc:"Canonical JSON, byte for byte what is signed."`
	SHA256      string `json:"sha256" doc:"Of the certificate, as the leaf of the ledger entry names it."`
	Signature   string `json:"signature" doc:"OpenSSH signature by the manifest key, namespace teikyo-certificate."`
	EntryIndex  int64  `json:"entry_index" doc:"Of disposal.completed in the ledger."`
	Receipt     string `json:"receipt" doc:"C2SP tlog-proof of that entry."`
}

func (a *api) showCertificate(ctx context.Context, actor access.Actor, in *DisposalPath) (*body[certificateView], error) {
	p, err := a.Disposals.CertificateOf(ctx, actor, in.ID)
	return respond(viewCertificate(p), err)
}

func viewCertificate(p disposal.Proof) certificateView {
	return certificateView{
		ID: p.Disposal, Certificate: string(p.JSON), SHA256: p.SHA256, Signature: p.Signature, EntryIndex: p.Index, Receipt: string(p.Receipt),
	}
}

type printCertificateInput struct {
	DisposalPath
	Lang string `query:"lang" enum:"en,ja" default:"en"`
}

// printCertificate gives the certificate as a page to be printed and signed.
func (a *api) printCertificate(ctx context.Context, actor access.Actor, in *printCertificateInput) (*huma.StreamResponse, error) {
	text, err := a.Disposals.Print(ctx, actor, in.ID, in.Lang)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		out.SetHeader("Content-Type", "text/html; charset=utf-8")
		out.SetHeader("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
		if _, err := out.BodyWriter().Write(text); err != nil {
			recordError(ctx, err)
		}
	}}, nil
}
