package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path"
	"strconv"
	"strings"
	"time"

	"teikyo/access"
	"teikyo/evidence"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/provision/parcel"
	"teikyo/report"
)

// maxEntries bounds the entries about one thing, for example the downloads of
// one provision.
const maxEntries = 2000

// gatherer writes the folder of one provision.
type gatherer struct {
	*Service
	actor  access.Actor
	w      *writer
	folder string
	seen   map[int64]bool // entries that were written
}

func (g *gatherer) provision(ctx context.Context, c evidence.Chosen) error {
	g.seen = map[int64]bool{}
	prov, err := g.Store.Provision(ctx, c.Provision)
	if err != nil {
		return err
	}
	if prov.EntryIndex != c.LedgerIndex {
		return models.Errorf(models.Conflict, "the provision %s was reissued meanwhile; draw the sample again", prov.Number)
	}
	req, err := g.Store.Request(ctx, prov.RequestID)
	if err != nil {
		return err
	}
	g.w.json(g.folder+evidence.RecordFile, json.RawMessage(prov.Record))
	for _, step := range []func(context.Context, models.Provision, models.Request) error{
		g.request, g.agreement, g.notice, g.gate, g.waivers, g.people, g.parcel, g.entries,
	} {
		if err := step(ctx, prov, req); err != nil {
			return err
		}
	}
	return g.w.err
}

type requestView struct {
	ID           string    `json:"id"`
	State        string    `json:"state"`
	Purpose      string    `json:"purpose"`
	Words        string    `json:"words"`
	Method       string    `json:"method"`
	Basis        string    `json:"basis"`
	RequestedBy  string    `json:"requested_by"`
	RequestedAt  time.Time `json:"requested_at"`
	DecidedBy    string    `json:"decided_by"`
	DecidedAt    time.Time `json:"decided_at"`
	Reason       string    `json:"reason"`
	Independence string    `json:"independence"`
	Frozen       string    `json:"frozen"`
	Comments     []comment `json:"comments"`
}

type comment struct {
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

func (g *gatherer) request(ctx context.Context, _ models.Provision, r models.Request) error {
	v := requestView{
		r.ID, string(r.State), string(r.Purpose), r.Words, string(r.Method), string(r.Basis), r.RequestedBy, r.RequestedAt,
		r.DecidedBy, r.DecidedAt, r.Reason, string(r.Independence), r.Frozen, []comment{},
	}
	comments, err := g.Store.Comments(ctx, r.ID)
	for _, c := range comments {
		v.Comments = append(v.Comments, comment{c.UserID, c.At, c.Text})
	}
	g.w.json(g.folder+evidence.RequestFile, v)
	g.w.text(g.folder+evidence.FactsFile, r.Facts)
	return err
}

// agreement adds the agreement, and its document when it is kept here.
func (g *gatherer) agreement(ctx context.Context, prov models.Provision, _ models.Request) error {
	a, err := g.Store.Agreement(ctx, prov.AgreementID)
	if err != nil {
		return err
	}
	g.w.json(g.folder+evidence.AgreementFile, map[string]any{
		"id": a.ID, "number": a.Number, "document_name": a.DocumentName, "document_sha256": a.DocumentSHA256,
		"purposes": a.Purposes, "methods": a.Methods, "classes": a.Classes, "handlers": a.Handlers, "places": a.Places,
		"valid_from": a.ValidFrom, "valid_until": a.ValidUntil, "added_by": a.AddedBy, "added_at": a.AddedAt,
	})
	_, document, err := g.Documents.Document(ctx, g.actor, a.ID)
	if models.IsKind(err, models.NotFound) {
		return nil
	}
	if err == nil {
		g.w.text(g.folder+evidence.DocumentDir+documentName(a.DocumentName), document)
	}
	return err
}

// documentName is a name that every system takes.
func documentName(name string) string {
	ext := path.Ext(name)
	if len(ext) > 6 || strings.Trim(strings.ToLower(ext), ".abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		ext = ""
	}
	return "agreement" + ext
}

func (g *gatherer) notice(ctx context.Context, _ models.Provision, r models.Request) error {
	n, err := g.Store.Notice(ctx, r.NoticeID)
	g.w.text(g.folder+evidence.NoticeFile, []byte(n.Text))
	return err
}

// gate adds what the check for identifiers found in each file, without digests
// of plaintexts and without examples: those could give away what they hide.
func (g *gatherer) gate(ctx context.Context, prov models.Provision, _ models.Request) error {
	type finding struct {
		ID       string `json:"id,omitempty"`
		Location string `json:"location"`
		Rule     string `json:"rule"`
	}
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	for after := ""; ; {
		files, err := g.Store.Files(ctx, prov.DatasetID, prov.Version, after, models.MaxPage)
		if err != nil {
			return err
		}
		reports, err := g.reports(ctx, files)
		if err != nil {
			return err
		}
		for _, f := range files {
			r := reports[f.ReportID]
			findings := []finding{}
			for _, x := range r.Findings {
				findings = append(findings, finding{x.ID, x.Location, x.Rule})
			}
			err := enc.Encode(map[string]any{
				"path": f.Path, "size": f.Size, "items": f.Items, "report": r.ID, "profile": r.Profile, "verdict": r.Verdict, "findings": findings,
			})
			if err != nil {
				return err
			}
		}
		if len(files) < models.MaxPage {
			g.w.file(g.folder+evidence.GateFile, &lines)
			return nil
		}
		after = files[len(files)-1].Path
	}
}

func (g *gatherer) reports(ctx context.Context, files []models.File) (map[string]models.GateReport, error) {
	ids := make([]string, 0, len(files))
	for _, f := range files {
		ids = append(ids, f.ReportID)
	}
	list, err := g.Store.Reports(ctx, ids)
	byID := make(map[string]models.GateReport, len(list))
	for _, r := range list {
		byID[r.ID] = r
	}
	return byID, err
}

// waiverIDs are those that the approver said yes to.
func waiverIDs(req models.Request) ([]string, error) {
	var facts struct {
		Waivers []string `json:"waivers"`
	}
	if err := json.Unmarshal(req.Facts, &facts); err != nil {
		return nil, models.Wrap(models.Integrity, err, "a request is damaged; run teikyo ledger verify")
	}
	return facts.Waivers, nil
}

func (g *gatherer) waivers(ctx context.Context, _ models.Provision, r models.Request) error {
	ids, err := waiverIDs(r)
	list := []map[string]any{}
	for _, id := range ids {
		w, err := g.Store.Waiver(ctx, id)
		if err != nil {
			return err
		}
		list = append(list, map[string]any{
			"id": w.ID, "path": w.Path, "rule": w.Rule, "finding": w.FindingID, "reason": w.Reason, "requested_by": w.RequestedBy,
			"requested_at": w.RequestedAt, "approved_by": w.ApprovedBy, "approved_at": w.ApprovedAt, "decision": w.Decision,
			"expires_at": w.ExpiresAt, "independence": w.Independence,
		})
	}
	g.w.json(g.folder+evidence.WaiversFile, list)
	return err
}

type person struct {
	ID       string              `json:"id"`
	Name     string              `json:"name"`
	Did      string              `json:"did"`
	At       time.Time           `json:"at"`
	RoleThen models.Role         `json:"role_then"` // by the ledger; empty when it does not say
	Roles    []report.RolePeriod `json:"roles"`
}

func (g *gatherer) people(ctx context.Context, prov models.Provision, r models.Request) error {
	people := []person{{ID: r.RequestedBy, Did: "asked", At: r.RequestedAt}, {ID: r.DecidedBy, Did: "approved", At: r.DecidedAt}}
	for i := range people {
		p := &people[i]
		u, err := g.Store.User(ctx, p.ID)
		if err != nil && !models.IsKind(err, models.NotFound) {
			return err
		}
		p.Name = u.Name
		if p.Roles, err = report.Roles(ctx, g.Store, p.ID); err != nil {
			return err
		}
		for _, period := range p.Roles {
			if !period.From.After(p.At) && (period.To.IsZero() || period.To.After(p.At)) {
				p.RoleThen = period.Role
			}
		}
	}
	g.w.json(g.folder+evidence.PeopleFile, map[string]any{"people": people, "independence": prov.Independence})
	return nil
}

// parcel adds the documents of the parcel; what is sealed stays away.
func (g *gatherer) parcel(ctx context.Context, prov models.Provision, _ models.Request) error {
	reader, err := g.Provisions.Parcel(ctx, prov)
	if err != nil {
		return err
	}
	for _, name := range []string{parcel.ManifestPath, parcel.SignaturePath, parcel.NoticePath, parcel.ReceiptPath} {
		entry, err := reader.Stat(ctx, name)
		if err != nil {
			return err
		}
		body, err := reader.Open(ctx, entry, 0, -1)
		if err != nil {
			return err
		}
		g.w.file(g.folder+name, body)
		if err := errors.Join(g.w.err, body.Close()); err != nil {
			return err
		}
	}
	return nil
}

// subject is something that ledger entries are about; without kinds all of them
// count.
type subject struct {
	noun, id string
	kinds    []ledger.Kind
}

func subjects(prov models.Provision, req models.Request, waivers []string) []subject {
	list := []subject{
		{"provision", prov.ID, nil},
		{"request", req.ID, []ledger.Kind{ledger.RequestSubmitted, ledger.RequestReturned, ledger.RequestApproved}},
		{"agreement", prov.AgreementID, []ledger.Kind{ledger.AgreementAdded, ledger.AgreementEnded}},
		{"key", prov.KeyID, []ledger.Kind{ledger.KeyAdded, ledger.KeyProved, ledger.KeyApproved, ledger.KeyRevoked}},
		{"notice", req.NoticeID, []ledger.Kind{ledger.NoticePublished}},
		{"dataset", prov.DatasetID, []ledger.Kind{ledger.DatasetRegistered, ledger.DatasetWithdrawn}},
		{"recipient", prov.RecipientID, []ledger.Kind{
			ledger.RecipientApplied, ledger.RecipientUpdated, ledger.RecipientApproved, ledger.RecipientSuspended,
			ledger.RecipientReinstated, ledger.RecipientRevoked,
		}},
		{"user", req.RequestedBy, []ledger.Kind{ledger.UserChanged}},
		{"user", req.DecidedBy, []ledger.Kind{ledger.UserChanged}},
	}
	for _, id := range waivers {
		list = append(list, subject{"waiver", id, []ledger.Kind{ledger.WaiverGranted}})
	}
	return list
}

func (g *gatherer) entries(ctx context.Context, prov models.Provision, req models.Request) error {
	waivers, err := waiverIDs(req)
	if err != nil {
		return err
	}
	for _, s := range subjects(prov, req, waivers) {
		kinds := s.kinds
		if kinds == nil {
			kinds = []ledger.Kind{""}
		}
		for _, kind := range kinds {
			if err := g.entriesAbout(ctx, models.EntryFilter{Noun: s.noun, ID: s.id, Kind: string(kind)}, prov); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *gatherer) entriesAbout(ctx context.Context, f models.EntryFilter, prov models.Provision) error {
	page := models.Page{Limit: models.MaxPage}
	for n := 0; n < maxEntries; n += models.MaxPage {
		records, err := g.Store.Entries(ctx, f, page)
		if err != nil {
			return err
		}
		for _, rec := range records {
			if version := rec.IDs["version"]; f.Noun == "dataset" && version != "" && version != strconv.Itoa(prov.Version) {
				continue
			}
			if err := g.entry(ctx, rec); err != nil {
				return err
			}
		}
		if len(records) < page.Size() {
			return nil
		}
		page.After = strconv.FormatInt(records[len(records)-1].Index, 10)
	}
	return nil
}

// entry adds a ledger entry with its proof; one that was redacted has no
// details.
func (g *gatherer) entry(ctx context.Context, rec ledger.Record) error {
	if g.seen[rec.Index] {
		return nil
	}
	g.seen[rec.Index] = true
	proof, err := g.Store.Receipt(ctx, rec.Index)
	if err != nil {
		return err
	}
	stem := g.folder + evidence.EntryName(rec.Index)
	g.w.text(stem+".leaf", rec.Leaf)
	g.w.text(stem+".tlog-proof", proof)
	if rec.Details != nil {
		g.w.text(stem+".json", rec.Details)
		g.w.text(stem+".salt", rec.Salt)
	}
	return g.w.err
}
