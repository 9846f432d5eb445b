package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"

	"github.com/gowebpki/jcs"

	"teikyo/access"
	"teikyo/deid"
	"teikyo/ledger"
	"teikyo/models"
)

// maxFindings is how many findings an answer lists.
const maxFindings = 100

// Register freezes a draft: every file is complete and has a pass of the gate;
// unchanged files of earlier versions keep their sealed form; row and ledger
// entry are one. Registering again what is registered changes nothing.
func (s *Service) Register(ctx context.Context, actor access.Actor, id string, number int) (models.Version, error) {
	if err := access.Can(actor, access.RegisterDataset, access.Of("")); err != nil {
		return models.Version{}, err
	}
	ds, err := s.Store.Dataset(ctx, id)
	if err != nil {
		return models.Version{}, err
	}
	v, err := s.Store.Version(ctx, id, number)
	if err != nil || v.State == models.VersionRegistered {
		return v, err
	}
	if err := models.CheckTransition(v.State, models.VersionRegistered); err != nil {
		return models.Version{}, err
	}
	if err := s.lookAtWords(ds.Title, ds.Description); err != nil {
		return models.Version{}, err
	}
	r, err := s.review(ctx, v)
	if err != nil {
		return models.Version{}, err
	}
	return s.freeze(ctx, actor, ds, v, r)
}

// review is what was seen on the way through all files of a draft.
type review struct {
	v        models.Version
	items    map[models.Item]bool
	files    int
	size     int64
	digest   hash.Hash
	waivers  []string
	verdicts map[deid.Verdict]int
	hashes   []string         // of the profiles in the reports, one when nothing changed between them
	missing  []models.Finding // files that are not complete
	refused  []models.Finding // findings of the gate without a waiver
	unlisted int              // further ones
}

// review passes every file through the gate's reports, in the order of paths,
// one page after the other.
func (s *Service) review(ctx context.Context, v models.Version) (*review, error) {
	live, err := s.Store.LiveWaivers(ctx, v.DatasetID, s.Now())
	if err != nil {
		return nil, err
	}
	r := &review{v: v, items: map[models.Item]bool{}, digest: sha256.New(), verdicts: map[deid.Verdict]int{}}
	r.digest.Write([]byte("["))
	for after := ""; ; {
		files, err := s.Store.Files(ctx, v.DatasetID, v.Number, after, models.MaxPage)
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			break
		}
		if err := s.reviewPage(ctx, r, files, live); err != nil {
			return nil, err
		}
		after = files[len(files)-1].Path
	}
	r.digest.Write([]byte("]"))
	return r, r.verdict()
}

func (s *Service) reviewPage(ctx context.Context, r *review, files []models.File, live []models.Waiver) error {
	reports, err := s.reportsOf(ctx, files)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.SHA256 == "" {
			r.add(&r.missing, models.Finding{Location: f.Path, Rule: "incomplete", Msg: "its upload is not complete; send the rest"})
			continue
		}
		if err := r.pass(f, reports[f.ReportID], live, s); err != nil {
			return err
		}
		if err := r.count(f); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) reportsOf(ctx context.Context, files []models.File) (map[string]models.GateReport, error) {
	ids := make([]string, 0, len(files))
	for _, f := range files {
		if f.ReportID != "" {
			ids = append(ids, f.ReportID)
		}
	}
	list, err := s.Store.Reports(ctx, ids)
	if err != nil {
		return nil, err
	}
	reports := make(map[string]models.GateReport, len(list))
	for _, r := range list {
		reports[r.ID] = r
	}
	return reports, nil
}

// pass wants a deid.Pass for the file's contents under the version's profile.
func (r *review) pass(f models.File, stored models.GateReport, live []models.Waiver, s *Service) error {
	report, err := deid.ParseReport(stored.Report)
	if err != nil || report.Profile != r.v.Profile {
		r.add(&r.missing, models.Finding{Location: f.Path, Rule: "report", Msg: "its gate report cannot be used; send the file again"})
		return nil //nolint:nilerr // the finding says it
	}
	pass, err := deid.NewPass(report, live, f.SHA256, s.Now())
	if err != nil {
		r.refuse(f, err)
		return nil
	}
	if !pass.Covers(f.SHA256) {
		return models.Errorf(models.Internal, "the gate's pass is not for %s", f.Path)
	}
	r.verdicts[pass.Verdict()]++
	if hash := pass.ProfileHash(); hash != "" && !slices.Contains(r.hashes, hash) {
		r.hashes = append(r.hashes, hash)
	}
	r.waivers = append(r.waivers, pass.Waivers()...)
	return nil
}

// refuse lists the findings of a file, each with the command that asks for its
// waiver.
func (r *review) refuse(f models.File, err error) {
	var known *models.Error
	if !errors.As(err, &known) || len(known.Findings) == 0 {
		r.add(&r.refused, models.Finding{Location: f.Path, Rule: "gate", Msg: err.Error()})
		return
	}
	for _, finding := range known.Findings {
		finding.Location = located(f.Path, finding.Location)
		finding.Msg += fmt.Sprintf("; to waive it: teikyo waiver request %s@%d --finding %s --reason \"…\"",
			r.v.DatasetID, r.v.Number, finding.ID)
		r.add(&r.refused, finding)
	}
}

func located(path, location string) string {
	if location == "" || location == path {
		return path
	}
	return path + ": " + location
}

func (r *review) add(list *[]models.Finding, f models.Finding) {
	if len(*list) >= maxFindings {
		r.unlisted++
		return
	}
	*list = append(*list, f)
}

// listed is one file in the version's digest. Its fields stand in the order of
// canonical JSON; jcs makes sure of the rest.
type listed struct {
	Items  []models.Item `json:"items"`
	Path   string        `json:"path"`
	SHA256 string        `json:"sha256"`
	Size   int64         `json:"size"`
}

func (r *review) count(f models.File) error {
	text, err := json.Marshal(listed{Items: f.Items, Path: f.Path, SHA256: f.SHA256, Size: f.Size})
	if err == nil {
		text, err = jcs.Transform(text)
	}
	if err != nil {
		return models.Wrap(models.Internal, err, "the list of files cannot be encoded")
	}
	if r.files > 0 {
		text = append([]byte(","), text...)
	}
	r.digest.Write(bytes.TrimSpace(text))
	r.files++
	r.size += f.Size
	for _, item := range f.Items {
		r.items[item] = true
	}
	return nil
}

// verdict is nil when the version may be registered.
func (r *review) verdict() error {
	name := fmt.Sprintf("%s@%d", r.v.DatasetID, r.v.Number)
	more := ""
	if r.unlisted > 0 {
		more = fmt.Sprintf(" (%d more are not listed)", r.unlisted)
	}
	switch {
	case len(r.missing) > 0:
		return &models.Error{
			Kind: models.Conflict, Findings: r.missing,
			Msg: fmt.Sprintf("%s cannot be registered: some files are not complete%s", name, more),
		}
	case len(r.refused) > 0:
		return &models.Error{
			Kind: models.Conflict, Findings: r.refused,
			Msg: fmt.Sprintf("%s cannot be registered: the de-identification gate has findings%s; change the files and send them "+
				"again, or ask for a waiver of each, which a second person approves", name, more),
		}
	case r.files == 0:
		return models.Errorf(models.Conflict, "%s has no files; send some before it is registered", name)
	}
	return nil
}

// registered are the details of the ledger entry.
type registered struct {
	Title        string               `json:"title"`
	Class        models.DataClass     `json:"class"`
	Items        []models.Item        `json:"items"`
	Files        int                  `json:"files"`
	TotalSize    int64                `json:"total_size"`
	Digest       string               `json:"digest"`
	Terms        string               `json:"terms_sha256,omitempty"`
	SchemaSHA256 string               `json:"schema_sha256,omitempty"`
	Profile      string               `json:"profile"`
	ProfileHash  string               `json:"profile_sha256,omitempty"`
	Transform    json.RawMessage      `json:"transform,omitempty"`
	Verdicts     map[deid.Verdict]int `json:"verdicts"`
	Waivers      []string             `json:"waivers,omitempty"`
	PQRequired   bool                 `json:"pq_required"`
	Reused       int                  `json:"reused_files"`
	SourceKind   string               `json:"source_kind,omitempty"`
	PeriodFrom   string               `json:"period_from,omitempty"`
	PeriodTo     string               `json:"period_to,omitempty"`
	Subjects     int64                `json:"subjects,omitempty"`
	Records      int64                `json:"records,omitempty"`
}

func (r *review) details(ds models.Dataset, v models.Version, reused int) registered {
	d := registered{
		Title: ds.Title, Class: ds.Class, Items: v.Items, Files: v.FileCount, TotalSize: v.TotalSize, Digest: v.Digest,
		Terms: v.TermsSHA256, Profile: v.Profile, Verdicts: r.verdicts, Waivers: r.waivers, PQRequired: v.PQRequired,
		Reused: reused, SourceKind: ds.SourceKind, PeriodFrom: v.PeriodFrom, PeriodTo: v.PeriodTo,
		Subjects: v.Subjects, Records: v.Records,
	}
	d.ProfileHash = v.ProfileHash
	if v.Transform != "" {
		d.Transform = json.RawMessage(v.Transform)
	}
	if v.Schema != "" {
		sum := sha256.Sum256([]byte(v.Schema))
		d.SchemaSHA256 = hex.EncodeToString(sum[:])
	}
	return d
}

// freeze registers what was reviewed, unless the draft has changed meanwhile.
func (s *Service) freeze(
	ctx context.Context, actor access.Actor, ds models.Dataset, seen models.Version, r *review,
) (models.Version, error) {
	var v models.Version
	var dropped []models.SealedFile
	slices.Sort(r.waivers)
	r.waivers = slices.Compact(r.waivers)
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		// Holds the dataset: nobody destroys meanwhile what is reused here.
		_, err := s.Store.Dataset(ctx, seen.DatasetID)
		if err != nil {
			return err
		}
		if v, err = s.Store.Version(ctx, seen.DatasetID, seen.Number); err != nil {
			return err
		}
		if v.State == models.VersionRegistered {
			return nil // another call of the same person or program was first
		}
		if v.State != seen.State || v.Revision != seen.Revision {
			return models.Errorf(models.Conflict, "the draft changed while it was looked at; register it again")
		}
		if dropped, err = s.Store.ReuseSealed(ctx, v); err != nil {
			return err
		}
		if err := s.Store.NumberFiles(ctx, v.DatasetID, v.Number); err != nil {
			return err
		}
		v = s.frozen(v, r, actor)
		if err := s.Store.SaveVersion(ctx, v); err != nil {
			return err
		}
		if err := s.Store.SetLatest(ctx, v.DatasetID, v.Number); err != nil {
			return err
		}
		return s.Store.Append(ctx, &ledger.Entry{
			Kind: ledger.DatasetRegistered, IDs: versionIDs(v, actor), Details: r.details(ds, v, len(dropped)),
		})
	})
	if err != nil {
		return models.Version{}, err
	}
	s.desk().RemoveObjects(ctx, dropped...)
	return v, nil
}

func (s *Service) frozen(v models.Version, r *review, actor access.Actor) models.Version {
	v.State = models.VersionRegistered
	v.Items = v.Items[:0]
	for _, item := range models.Items() { // in the order in which people read them
		if r.items[item] {
			v.Items = append(v.Items, item)
		}
	}
	v.FileCount, v.TotalSize = r.files, r.size
	slices.Sort(r.hashes)
	v.ProfileHash = strings.Join(r.hashes, " ")
	v.Digest = hex.EncodeToString(r.digest.Sum(nil))
	v.RegisteredBy, v.RegisteredAt = actor.UserID, s.now()
	v.UpdatedAt = v.RegisteredAt
	return v
}

func versionIDs(v models.Version, actor access.Actor) map[string]string {
	return map[string]string{"dataset": v.DatasetID, "version": versionText(v.Number), "actor": actor.UserID}
}

func versionText(number int) string { return strconv.Itoa(number) }
