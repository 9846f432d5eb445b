package handlers

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"teikyo/access"
	"teikyo/dataset"
	"teikyo/models"
)

func (a *api) datasetRoutes() {
	const (
		tag     = "datasets"
		version = "/datasets/{id}/versions/{n}"
	)
	add(a, route{method: post, path: "/datasets", id: "dataset-create", tag: tag, status: http.StatusCreated, maxBody: maxDatasetBody,
		summary: "Make a dataset with a draft of version 1"}, a.createDataset)
	add(a, route{method: get, path: "/datasets", id: "dataset-list", tag: tag, summary: "List and search datasets"}, a.listDatasets)
	add(a, route{method: post, path: "/datasets/sweep", id: "dataset-sweep", tag: tag,
		summary: "Remove what interrupted work left behind"}, a.sweepDatasets)
	add(a, route{method: get, path: "/datasets/{id}", id: "dataset-show", tag: tag, summary: "Show a dataset"}, a.showDataset)
	add(a, route{method: get, path: "/datasets/{id}/versions", id: "version-list", tag: tag,
		summary: "List the versions of a dataset"}, a.listVersions)
	add(a, route{method: post, path: "/datasets/{id}/versions", id: "version-create", tag: tag, status: http.StatusCreated,
		maxBody: maxDatasetBody, summary: "Make a draft of the next version"}, a.createVersion)
	add(a, route{method: get, path: version, id: "version-show", tag: tag,
		summary: "Show a version; 0 is the newest, drafts included"}, a.showVersion)
	add(a, route{method: remove, path: version, id: "version-discard", tag: tag, status: http.StatusNoContent,
		summary: "Drop a draft with its files"}, a.discardVersion)
	add(a, route{method: post, path: version + "/register", id: "version-register", tag: tag,
		summary: "Freeze a draft: it can be provided from now on"}, a.registerVersion)
	add(a, route{method: post, path: version + "/withdraw", id: "version-withdraw", tag: tag,
		summary: "End the provision of a version"}, a.endVersion(a.Datasets.Withdraw))
	add(a, route{method: post, path: version + "/recall", id: "version-recall", tag: tag,
		summary: "Withdraw a version and tell those who have it to stop"}, a.endVersion(a.Datasets.Recall))
	a.fileRoutes(version + "/files")
	a.recheckRoutes(version)
	a.waiverRoutes()
}

// maxDatasetBody leaves room for terms and a schema, in bytes.
const maxDatasetBody = 4 << 20

type datasetView struct {
	ID          string    `json:"id"`
	Title       string    `json:"title"`
	Description string    `json:"description,omitempty"`
	Class       string    `json:"class"`
	SourceKind  string    `json:"source_kind,omitempty"`
	Language    string    `json:"language,omitempty"`
	Latest      int       `json:"latest" doc:"Highest registered version, 0 when there is none."`
	CreatedBy   string    `json:"created_by"`
	CreatedAt   time.Time `json:"created_at"`
}

func viewDataset(ds models.Dataset) datasetView {
	return datasetView{
		ID: ds.ID, Title: ds.Title, Description: ds.Description, Class: string(ds.Class), SourceKind: ds.SourceKind,
		Language: ds.Language, Latest: ds.Latest, CreatedBy: ds.CreatedBy, CreatedAt: ds.CreatedAt,
	}
}

type datasetVersionView struct {
	ID           string             `json:"id" doc:"The dataset."`
	Version      int                `json:"version"`
	Title        string             `json:"title,omitempty"`
	Class        string             `json:"class,omitempty"`
	State        string             `json:"state"`
	Items        []string           `json:"items,omitempty" doc:"Of all files together, set when registered."`
	FileCount    int                `json:"file_count" doc:"Set when registered, as total_size and digest are."`
	TotalSize    int64              `json:"total_size" doc:"Bytes."`
	Digest       string             `json:"digest,omitempty" doc:"SHA-256 over the canonical list of files."`
	Profile      string             `json:"profile" doc:"De-identification profile of the gate."`
	ProfileHash  string             `json:"profile_sha256,omitempty" doc:"SHA-256 of the profile's canonical document, set when registered; several, joined by spaces, when it changed between files."`
	Transform    *dataset.Transform `json:"transform,omitempty" doc:"The profile with which the files were changed before they were sent, as who sent them says."`
	PQRequired   bool               `json:"pq_required" doc:"Only post-quantum recipient keys may receive it."`
	Terms        string             `json:"terms,omitempty"`
	TermsSHA256  string             `json:"terms_sha256,omitempty"`
	Schema       string             `json:"schema,omitempty"`
	PeriodFrom   string             `json:"period_from,omitempty"`
	PeriodTo     string             `json:"period_to,omitempty"`
	Subjects     int64              `json:"subjects,omitempty"`
	Records      int64              `json:"records,omitempty"`
	CreatedBy    string             `json:"created_by"`
	CreatedAt    time.Time          `json:"created_at"`
	RegisteredBy string             `json:"registered_by,omitempty"`
	RegisteredAt time.Time          `json:"registered_at,omitzero"`
	EndedBy      string             `json:"ended_by,omitempty"`
	EndedAt      time.Time          `json:"ended_at,omitzero"`
	EndReason    string             `json:"end_reason,omitempty"`
}

func viewVersion(v models.Version) datasetVersionView {
	return datasetVersionView{
		ID: v.DatasetID, Version: v.Number, State: string(v.State), Items: codes(v.Items), FileCount: v.FileCount,
		TotalSize: v.TotalSize, Digest: v.Digest, Profile: v.Profile, ProfileHash: v.ProfileHash, Transform: dataset.TransformOf(v), PQRequired: v.PQRequired, Terms: v.Terms,
		TermsSHA256: v.TermsSHA256, Schema: v.Schema, PeriodFrom: v.PeriodFrom, PeriodTo: v.PeriodTo,
		Subjects: v.Subjects, Records: v.Records, CreatedBy: v.CreatedBy, CreatedAt: v.CreatedAt,
		RegisteredBy: v.RegisteredBy, RegisteredAt: v.RegisteredAt,
		EndedBy: v.EndedBy, EndedAt: v.EndedAt, EndReason: v.EndReason,
	}
}

func codes(items []models.Item) []string {
	list := make([]string, len(items))
	for i, item := range items {
		list[i] = string(item)
	}
	return list
}

// titled adds what the dataset says to the view of its version.
func (a *api) titled(ctx context.Context, actor access.Actor, v models.Version, err error) (*body[datasetVersionView], error) {
	if err != nil {
		return nil, err
	}
	ds, err := a.Datasets.Get(ctx, actor, v.DatasetID)
	if err != nil {
		return nil, err
	}
	view := viewVersion(v)
	view.Title, view.Class = ds.Title, string(ds.Class)
	return &body[datasetVersionView]{Body: view}, nil
}

// VersionFields are what a person says about a new version.
type VersionFields struct {
	Terms      string             `json:"terms,omitempty" doc:"Terms of use, as recipients get them."`
	Schema     string             `json:"schema,omitempty" doc:"datapackage.json (Frictionless Data Package), as text."`
	Profile    string             `json:"profile,omitempty" doc:"De-identification profile; the server's when absent; none needs waivers."`
	Transform  *dataset.Transform `json:"transform,omitempty" doc:"The profile with which the files were changed before they were sent."`
	PQRequired bool               `json:"pq_required,omitempty"`
	PeriodFrom string             `json:"period_from,omitempty" doc:"First day or month that the data cover."`
	PeriodTo   string             `json:"period_to,omitempty"`
	Subjects   int64              `json:"subjects,omitempty" doc:"Number of people."`
	Records    int64              `json:"records,omitempty" doc:"Number of records."`
	Key        string             `json:"idempotency_key,omitempty" doc:"As the header Idempotency-Key."`
}

func (n VersionFields) of(header string) dataset.NewVersion {
	key := n.Key
	if header != "" {
		key = header
	}
	return dataset.NewVersion{
		Terms: n.Terms, Schema: n.Schema, Profile: n.Profile, Transform: n.Transform, PQRequired: n.PQRequired, PeriodFrom: n.PeriodFrom,
		PeriodTo: n.PeriodTo, Subjects: n.Subjects, Records: n.Records, Key: key,
	}
}

type createDatasetInput struct {
	Key  string `header:"Idempotency-Key" doc:"Finds the draft of an interrupted registration again."`
	Body struct {
		Title       string `json:"title"`
		Description string `json:"description,omitempty"`
		Class       string `json:"class" doc:"One of the data classes, for example anonymized."`
		SourceKind  string `json:"source_kind,omitempty" doc:"Where the data come from, in words."`
		Language    string `json:"language,omitempty" doc:"BCP 47."`
		VersionFields
	}
}

func (a *api) createDataset(ctx context.Context, actor access.Actor, in *createDatasetInput) (*body[datasetVersionView], error) {
	v, err := a.Datasets.Create(ctx, actor, dataset.New{
		Title: in.Body.Title, Description: in.Body.Description, Class: models.DataClass(in.Body.Class),
		SourceKind: in.Body.SourceKind, Language: in.Body.Language,
	}, in.Body.of(in.Key))
	return a.titled(ctx, actor, v, err)
}

type listDatasetsInput struct {
	PageInput
	Query string `query:"q" maxLength:"200" doc:"Words in title or description."`
	Class string `query:"class" doc:"Only this data class."`
}

func (a *api) listDatasets(ctx context.Context, actor access.Actor, in *listDatasetsInput) (*body[listOf[datasetView]], error) {
	rows, err := a.Datasets.List(ctx, actor, models.DatasetQuery{Text: in.Query, Class: models.DataClass(in.Class)}, in.page())
	return respond(page(rows, in.page(), viewDataset, func(ds models.Dataset) string {
		return models.TimeCursor(ds.CreatedAt, ds.ID)
	}), err)
}

// DatasetPath names a dataset in an address.
type DatasetPath struct {
	ID string `path:"id"`
}

func (a *api) showDataset(ctx context.Context, actor access.Actor, in *DatasetPath) (*body[datasetView], error) {
	ds, err := a.Datasets.Get(ctx, actor, in.ID)
	return respond(viewDataset(ds), err)
}

type listVersionsInput struct {
	DatasetPath
	PageInput
}

func (a *api) listVersions(ctx context.Context, actor access.Actor, in *listVersionsInput) (*body[listOf[datasetVersionView]], error) {
	rows, err := a.Datasets.Versions(ctx, actor, in.ID, in.page())
	return respond(page(rows, in.page(), viewVersion, func(v models.Version) string { return strconv.Itoa(v.Number) }), err)
}

type createVersionInput struct {
	DatasetPath
	Key  string `header:"Idempotency-Key" doc:"Finds the draft of an interrupted registration again."`
	Body VersionFields
}

func (a *api) createVersion(ctx context.Context, actor access.Actor, in *createVersionInput) (*body[datasetVersionView], error) {
	v, err := a.Datasets.AddVersion(ctx, actor, in.ID, in.Body.of(in.Key))
	return a.titled(ctx, actor, v, err)
}

// VersionPath names a version of a dataset in an address.
type VersionPath struct {
	DatasetPath
	Number int `path:"n" minimum:"0"`
}

func (a *api) showVersion(ctx context.Context, actor access.Actor, in *VersionPath) (*body[datasetVersionView], error) {
	v, err := a.Datasets.Version(ctx, actor, in.ID, in.Number)
	return a.titled(ctx, actor, v, err)
}

func (a *api) discardVersion(ctx context.Context, actor access.Actor, in *VersionPath) (*none, error) {
	return &none{}, a.Datasets.Discard(ctx, actor, in.ID, in.Number)
}

func (a *api) registerVersion(ctx context.Context, actor access.Actor, in *VersionPath) (*body[datasetVersionView], error) {
	v, err := a.Datasets.Register(ctx, actor, in.ID, in.Number)
	return a.titled(ctx, actor, v, err)
}

type endVersionInput struct {
	VersionPath
	Body struct {
		Reason string `json:"reason" doc:"Why, in words; it stays in the ledger."`
	}
}

type endVersion func(ctx context.Context, actor access.Actor, id string, number int, reason string) (models.Version, error)

func (a *api) endVersion(do endVersion) useCase[endVersionInput, body[datasetVersionView]] {
	return func(ctx context.Context, actor access.Actor, in *endVersionInput) (*body[datasetVersionView], error) {
		v, err := do(ctx, actor, in.ID, in.Number, in.Body.Reason)
		return a.titled(ctx, actor, v, err)
	}
}

type sweptView struct {
	Objects int `json:"objects" doc:"Stored segments that no file names."`
	Partial int `json:"partial" doc:"Unfinished writes."`
	Drafts  int `json:"drafts" doc:"Abandoned drafts."`
}

func (a *api) sweepDatasets(ctx context.Context, actor access.Actor, _ *none) (*body[sweptView], error) {
	swept, err := a.Datasets.SweepNow(ctx, actor)
	return respond(sweptView(swept), err)
}
