package handlers

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"teikyo/access"
	"teikyo/models"
)

func (a *api) recheckRoutes(version string) {
	const tag = "datasets"
	add(a, route{method: post, path: version + "/rechecks", id: "recheck-start", tag: tag, status: http.StatusAccepted,
		summary: "Let the gate look at a registered version again, in the background"}, a.startRecheck)
	add(a, route{method: get, path: version + "/rechecks", id: "recheck-list", tag: tag,
		summary: "List the rechecks of a version, the newest first"}, a.listRechecks)
	add(a, route{method: get, path: "/rechecks/{recheck}/reports", id: "recheck-reports", tag: tag,
		summary: "List the reports of a recheck"}, a.recheckReports)
}

type recheckView struct {
	ID          string         `json:"id"`
	Dataset     string         `json:"dataset"`
	Version     int            `json:"version"`
	Profile     string         `json:"profile"`
	ProfileHash string         `json:"profile_sha256"`
	Reason      string         `json:"reason"`
	State       string         `json:"state" doc:"queued, done or failed."`
	Verdicts    map[string]int `json:"verdicts,omitempty" doc:"How many files have each verdict."`
	Failed      string         `json:"failed,omitempty" doc:"Why it gave up."`
	RequestedBy string         `json:"requested_by"`
	RequestedAt time.Time      `json:"requested_at"`
	DoneAt      time.Time      `json:"done_at,omitzero"`
}

func viewRecheck(r models.Recheck) recheckView {
	return recheckView{
		ID: r.ID, Dataset: r.DatasetID, Version: r.Version, Profile: r.Profile, ProfileHash: r.ProfileHash, Reason: r.Reason, State: r.State(),
		Verdicts: r.Verdicts, Failed: r.Failed, RequestedBy: r.RequestedBy, RequestedAt: r.RequestedAt, DoneAt: r.DoneAt,
	}
}

type startRecheckInput struct {
	VersionPath
	Body struct {
		Profile string `json:"profile,omitempty" doc:"De-identification profile; the version's own, as it stands now, when absent."`
		Reason  string `json:"reason" doc:"Why, in words; it stays in the ledger."`
	}
}

func (a *api) startRecheck(ctx context.Context, actor access.Actor, in *startRecheckInput) (*body[recheckView], error) {
	r, err := a.Datasets.StartRecheck(ctx, actor, in.ID, in.Number, in.Body.Profile, in.Body.Reason)
	return respond(viewRecheck(r), err)
}

func (a *api) listRechecks(ctx context.Context, actor access.Actor, in *VersionPath) (*body[listOf[recheckView]], error) {
	rows, err := a.Datasets.Rechecks(ctx, actor, in.ID, in.Number)
	out := listOf[recheckView]{Items: []recheckView{}}
	for _, r := range rows {
		out.Items = append(out.Items, viewRecheck(r))
	}
	return respond(out, err)
}

type recheckReportsInput struct {
	Recheck string `path:"recheck"`
	PageInput
}

type recheckReportView struct {
	Path    string          `json:"path"`
	Verdict string          `json:"verdict"`
	Report  json.RawMessage `json:"report" doc:"The gate's whole report."`
}

func (a *api) recheckReports(ctx context.Context, actor access.Actor, in *recheckReportsInput) (*body[listOf[recheckReportView]], error) {
	rows, err := a.Datasets.RecheckReports(ctx, actor, in.Recheck, in.page())
	return respond(page(rows, in.page(), func(f models.RecheckFile) recheckReportView {
		return recheckReportView{Path: f.Path, Verdict: f.Report.Verdict, Report: f.Report.Report}
	}, func(f models.RecheckFile) string { return f.Path }), err)
}
