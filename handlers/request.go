package handlers

import (
	"context"
	"net/http"
	"time"

	"teikyo/access"
	"teikyo/models"
	"teikyo/provision"
)

func (a *api) requestRoutes() {
	const tag = "requests"
	add(a, route{post, "/requests", "request-create", "Ask that a version be provided to a recipient", tag, http.StatusCreated, false, 0}, a.createRequest)
	add(a, route{post, "/requests/preview", "request-preview", "What a request would provide; nothing is stored", tag, 0, false, 0}, a.previewRequest)
	add(a, route{post, "/requests/batch", "request-create-many", "Make many requests, each by itself", tag, 0, false, 16 << 20}, a.createRequests)
	add(a, route{post, "/requests/approve", "request-approve-many", "Approve many requests, each by itself", tag, 0, false, 0}, a.approveRequests)
	add(a, route{post, "/requests/reject", "request-reject-many", "Reject many requests, each by itself", tag, 0, false, 0}, a.rejectRequests)
	add(a, route{get, "/requests", "request-list", "List requests, the newest first", tag, 0, false, 0}, a.listRequests)
	add(a, route{get, "/requests/{id}", "request-show", "Show a request with its remarks", tag, 0, false, 0}, a.showRequest)
	add(a, route{put, "/requests/{id}", "request-resubmit", "Change a returned request and submit it again", tag, 0, false, 0}, a.resubmitRequest)
	add(a, route{post, "/requests/{id}/comments", "request-comment", "Add a remark to a request", tag, http.StatusCreated, false, 0}, a.commentRequest)
	add(a, route{post, "/requests/{id}/approve", "request-approve", "Approve a request, which makes the provision", tag, 0, false, 0}, a.approveRequest)
	for verb, do := range map[string]decideRequest{
		"reject": a.Provisions.Reject, "return": a.Provisions.Return, "withdraw": a.Provisions.Withdraw,
	} {
		add(a, route{post, "/requests/{id}/" + verb, "request-" + verb, "Decide about a request: " + verb, tag, 0, false, 0},
			func(ctx context.Context, actor access.Actor, in *decideInput) (*body[RequestView], error) {
				req, err := do(ctx, actor, in.ID, in.Body.Reason)
				return respond(viewRequest(req), err)
			})
	}
}

type decideRequest func(ctx context.Context, actor access.Actor, id, reason string) (models.Request, error)

type decideInput struct {
	ID   string `path:"id"`
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"2000" doc:"Why, in words; it stays in the ledger."`
	}
}

type referenceView struct {
	Name  string `json:"name" maxLength:"64"`
	Value string `json:"value" maxLength:"256"`
}

// draftBody is what somebody asks for.
type draftBody struct {
	Dataset     string          `json:"dataset" maxLength:"40"`
	Version     int             `json:"version,omitempty" minimum:"0" doc:"The newest registered one when absent."`
	Path        string          `json:"path,omitempty" maxLength:"1024" doc:"Pattern that chooses a part of the version, for example claims/** or 2024/*.csv."`
	Recipient   string          `json:"recipient" maxLength:"40"`
	Agreement   string          `json:"agreement,omitempty" maxLength:"200" doc:"Id or number; the only one that fits when absent."`
	Key         string          `json:"key,omitempty" maxLength:"100" doc:"Fingerprint or id; the only usable one when absent."`
	Purpose     models.Purpose  `json:"purpose" maxLength:"40"`
	Words       string          `json:"words" maxLength:"4000" doc:"What the data is for, in the recipient's own words."`
	DUO         []string        `json:"duo,omitempty" maxItems:"40" doc:"GA4GH DUO codes, for example DUO:0000042."`
	Basis       models.Basis    `json:"basis,omitempty" maxLength:"40"`
	Method      models.Method   `json:"method" maxLength:"40"`
	Destination string          `json:"destination,omitempty" maxLength:"256"`
	Until       string          `json:"until" maxLength:"40" doc:"Last day, for example 2027-03-31."`
	References  []referenceView `json:"references,omitempty" maxItems:"32"`
}

func (b draftBody) draft() provision.Draft {
	d := provision.Draft{
		DatasetID: b.Dataset, Version: b.Version, PathGlob: b.Path, RecipientID: b.Recipient, Agreement: b.Agreement,
		Key: b.Key, Purpose: b.Purpose, Words: b.Words, DUO: b.DUO, Basis: b.Basis, Method: b.Method,
		Destination: b.Destination, Until: b.Until,
	}
	for _, r := range b.References {
		d.References = append(d.References, models.Reference(r))
	}
	return d
}

// RequestView is a request as the API shows it.
type RequestView struct {
	ID           string          `json:"id,omitempty"`
	State        string          `json:"state,omitempty"`
	Dataset      string          `json:"dataset"`
	Version      int             `json:"version"`
	Path         string          `json:"path,omitempty"`
	Recipient    string          `json:"recipient"`
	Agreement    string          `json:"agreement"`
	Key          string          `json:"key" doc:"Fingerprint."`
	Purpose      models.Purpose  `json:"purpose"`
	Words        string          `json:"words"`
	DUO          []string        `json:"duo,omitempty"`
	Basis        models.Basis    `json:"basis"`
	Method       models.Method   `json:"method"`
	Destination  string          `json:"destination,omitempty"`
	Notice       string          `json:"notice"`
	Items        []models.Item   `json:"items"`
	Files        int             `json:"files"`
	Bytes        int64           `json:"bytes" doc:"Of plaintext."`
	Until        time.Time       `json:"until" doc:"The instant at which the provision ends."`
	References   []referenceView `json:"references,omitempty"`
	Frozen       string          `json:"frozen,omitempty" doc:"SHA-256 of everything that the approver approves."`
	RequestedBy  string          `json:"requested_by,omitempty"`
	RequestedAt  time.Time       `json:"requested_at,omitzero"`
	ExpiresAt    time.Time       `json:"expires_at,omitzero" doc:"It cannot be approved from then on."`
	DecidedBy    string          `json:"decided_by,omitempty"`
	DecidedAt    time.Time       `json:"decided_at,omitzero"`
	Reason       string          `json:"reason,omitempty"`
	Independence string          `json:"independence,omitempty" doc:"Whether the two people are shown to be independent."`
	ProvisionID  string          `json:"provision_id,omitempty"`
}

func viewRequest(r models.Request) RequestView {
	v := RequestView{
		ID: r.ID, State: string(r.State), Dataset: r.DatasetID, Version: r.Version, Path: r.PathGlob,
		Recipient: r.RecipientID, Agreement: r.AgreementID, Key: r.KeyFingerprint, Purpose: r.Purpose, Words: r.Words,
		DUO: r.DUO, Basis: r.Basis, Method: r.Method, Destination: r.Destination, Notice: r.NoticeID, Items: r.Items,
		Files: r.FileCount, Bytes: r.TotalSize, Until: r.Until, Frozen: r.Frozen,
		RequestedBy: r.RequestedBy, RequestedAt: r.RequestedAt, ExpiresAt: r.ExpiresAt,
		DecidedBy: r.DecidedBy, DecidedAt: r.DecidedAt, Reason: r.Reason,
		Independence: string(r.Independence), ProvisionID: r.ProvisionID,
	}
	for _, ref := range r.References {
		v.References = append(v.References, referenceView(ref))
	}
	return v
}

type draftInput struct {
	Body draftBody
}

func (a *api) createRequest(ctx context.Context, actor access.Actor, in *draftInput) (*body[RequestView], error) {
	req, err := a.Provisions.Submit(ctx, actor, in.Body.draft())
	return respond(viewRequest(req), err)
}

type previewView struct {
	RequestView
	Title           string    `json:"title"`
	Class           string    `json:"class"`
	NoticePublished time.Time `json:"notice_published" doc:"When the public notice that covers it was published."`
}

func (a *api) preview(ctx context.Context, actor access.Actor, d provision.Draft) (previewView, error) {
	p, err := a.Provisions.Preview(ctx, actor, d)
	return previewView{
		RequestView: viewRequest(p.Request), Title: p.Title, Class: string(p.Class), NoticePublished: p.Notice.PublishedAt,
	}, err
}

func (a *api) previewRequest(ctx context.Context, actor access.Actor, in *draftInput) (*body[previewView], error) {
	return respond(a.preview(ctx, actor, in.Body.draft()))
}

// outcome is the result for one of several things: what was made, or why not.
type outcome[V any] struct {
	ID     string   `json:"id,omitempty"`
	Result *V       `json:"result,omitempty"`
	Error  *Problem `json:"error,omitempty"`
}

// outcomeOf renders one result; causes stay behind as in every answer.
func outcomeOf[V any](ctx context.Context, id string, v V, err error) outcome[V] {
	if err != nil {
		recordError(ctx, err)
		return outcome[V]{ID: id, Error: problemOf(err, true, requestIDOf(ctx))}
	}
	return outcome[V]{ID: id, Result: &v}
}

type createRequestsInput struct {
	Body struct {
		Requests []draftBody `json:"requests" minItems:"1" maxItems:"1000"`
		DryRun   bool        `json:"dry_run,omitempty" doc:"Say what would be provided and store nothing."`
	}
}

func (a *api) createRequests(ctx context.Context, actor access.Actor, in *createRequestsInput) (*body[listOf[outcome[previewView]]], error) {
	list := listOf[outcome[previewView]]{Items: []outcome[previewView]{}}
	for _, b := range in.Body.Requests {
		view, err := a.createOne(ctx, actor, b.draft(), in.Body.DryRun)
		list.Items = append(list.Items, outcomeOf(ctx, view.ID, view, err))
	}
	return respond(list, nil)
}

func (a *api) createOne(ctx context.Context, actor access.Actor, d provision.Draft, dryRun bool) (previewView, error) {
	view, err := a.preview(ctx, actor, d)
	if err != nil || dryRun {
		return view, err
	}
	req, err := a.Provisions.Submit(ctx, actor, d)
	view.RequestView = viewRequest(req)
	return view, err
}

type listRequestsInput struct {
	PageInput
	State     string `query:"state" maxLength:"20"`
	Recipient string `query:"recipient" maxLength:"40"`
	Dataset   string `query:"dataset" maxLength:"40"`
}

func (a *api) listRequests(ctx context.Context, actor access.Actor, in *listRequestsInput) (*body[listOf[RequestView]], error) {
	rows, err := a.Provisions.Requests(ctx, actor, models.RequestFilter{
		State: models.RequestState(in.State), RecipientID: in.Recipient, DatasetID: in.Dataset,
	}, in.page())
	cursor := func(r models.Request) string { return models.TimeCursor(r.RequestedAt, r.ID) }
	return respond(page(rows, in.page(), viewRequest, cursor), err)
}

type commentView struct {
	User string    `json:"user"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

type shownRequest struct {
	RequestView
	Comments []commentView `json:"comments,omitempty"`
}

func (a *api) showRequest(ctx context.Context, actor access.Actor, in *idInput) (*body[shownRequest], error) {
	req, comments, err := a.Provisions.Request(ctx, actor, in.ID)
	v := shownRequest{RequestView: viewRequest(req)}
	for _, c := range comments {
		v.Comments = append(v.Comments, commentView{c.UserID, c.Text, c.At})
	}
	return respond(v, err)
}

type resubmitInput struct {
	ID   string `path:"id"`
	Body draftBody
}

func (a *api) resubmitRequest(ctx context.Context, actor access.Actor, in *resubmitInput) (*body[RequestView], error) {
	req, err := a.Provisions.Resubmit(ctx, actor, in.ID, in.Body.draft())
	return respond(viewRequest(req), err)
}

type commentInput struct {
	ID   string `path:"id"`
	Body struct {
		Text string `json:"text" maxLength:"2000"`
	}
}

func (a *api) commentRequest(ctx context.Context, actor access.Actor, in *commentInput) (*body[commentView], error) {
	c, err := a.Provisions.Comment(ctx, actor, in.ID, in.Body.Text)
	return respond(commentView{c.UserID, c.Text, c.At}, err)
}

type approvedView struct {
	RequestView
	Provision provisionView `json:"provision"`
}

func viewDecision(d provision.Decision) approvedView {
	return approvedView{viewRequest(d.Request), viewProvision(d.Provision)}
}

func (a *api) approveRequest(ctx context.Context, actor access.Actor, in *decideInput) (*body[approvedView], error) {
	d, err := a.Provisions.Approve(ctx, actor, in.ID, in.Body.Reason)
	return respond(viewDecision(d), err)
}

type decideManyInput struct {
	Body struct {
		IDs    []string `json:"ids" minItems:"1" maxItems:"1000"`
		Reason string   `json:"reason,omitempty" maxLength:"2000"`
	}
}

func (a *api) approveRequests(ctx context.Context, actor access.Actor, in *decideManyInput) (*body[listOf[outcome[approvedView]]], error) {
	list := listOf[outcome[approvedView]]{Items: []outcome[approvedView]{}}
	for i, r := range a.Provisions.ApproveAll(ctx, actor, in.Body.IDs, in.Body.Reason) {
		list.Items = append(list.Items, outcomeOf(ctx, in.Body.IDs[i], viewDecision(r.Value), r.Err))
	}
	return respond(list, nil)
}

func (a *api) rejectRequests(ctx context.Context, actor access.Actor, in *decideManyInput) (*body[listOf[outcome[RequestView]]], error) {
	list := listOf[outcome[RequestView]]{Items: []outcome[RequestView]{}}
	for _, id := range in.Body.IDs {
		req, err := a.Provisions.Reject(ctx, actor, id, in.Body.Reason)
		list.Items = append(list.Items, outcomeOf(ctx, id, viewRequest(req), err))
	}
	return respond(list, nil)
}
