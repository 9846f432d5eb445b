package handlers

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"teikyo/access"
	"teikyo/legacy"
)

func (a *api) importRoutes() {
	r := route{method: post, path: "/import/{kind}", id: "import", tag: "imports", maxBody: legacy.MaxFile + 1,
		summary: "Take over rows of an earlier register from CSV"}
	op := r.operation()
	a.onceOnly(r, &op)
	op.Description = "The body is a CSV file of at most 8 MiB and 5,000 rows, UTF-8 or CP932, whose first line names the columns in " +
		"English or Japanese. Every row is taken over whole or not at all, and once: sending a file again changes nothing."
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"text/csv": {Schema: &huma.Schema{Type: "string", Format: "binary"}},
	}}
	serve(a, op, a.importFile)
}

type importInput struct {
	Kind    string `path:"kind" enum:"recipients,agreements,datasets,provisions"`
	DryRun  bool   `query:"dry_run" doc:"Say what would happen and store nothing."`
	File    string `query:"file" maxLength:"255" doc:"Name of the file, for messages."`
	RawBody []byte `contentType:"text/csv"`
}

type importView struct {
	Kind      string          `json:"kind"`
	DryRun    bool            `json:"dry_run"`
	Rows      int             `json:"rows"`
	Imported  int             `json:"imported" doc:"With dry_run those that would be."`
	Unchanged int             `json:"unchanged" doc:"Imported before."`
	Failed    int             `json:"failed"`
	Items     []importRowView `json:"items" nullable:"false"`
}

type importRowView struct {
	Line      int      `json:"line"`
	Reference string   `json:"reference"`
	Status    string   `json:"status" enum:"imported,ready,unchanged,failed"`
	ID        string   `json:"id,omitempty"`
	Column    string   `json:"column,omitempty" doc:"In which something is wrong."`
	Error     *Problem `json:"error,omitempty"`
}

func (a *api) importFile(ctx context.Context, actor access.Actor, in *importInput) (*body[importView], error) {
	name := in.File
	if name == "" {
		name = "the file"
	}
	results, err := a.Imports.Import(ctx, actor, legacy.File{Kind: in.Kind, Name: name, Text: in.RawBody, DryRun: in.DryRun})
	if err != nil {
		return nil, err
	}
	v := importView{Kind: in.Kind, DryRun: in.DryRun, Rows: len(results), Items: make([]importRowView, len(results))}
	for i, r := range results {
		v.Items[i] = importRowView{Line: r.Line, Reference: r.Reference, Status: r.Status, ID: r.ID, Column: r.Column}
		switch r.Status {
		case legacy.Unchanged:
			v.Unchanged++
		case legacy.Failed:
			v.Failed++
			v.Items[i].Error = problemOf(r.Err, actor.SignedIn(), requestIDOf(ctx))
			recordError(ctx, r.Err)
		default:
			v.Imported++
		}
	}
	return respond(v, nil)
}
