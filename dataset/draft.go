package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"teikyo/access"
	"teikyo/deid"
	"teikyo/models"
)

// New is what a person says about a dataset.
type New struct {
	Title       string
	Description string
	Class       models.DataClass
	SourceKind  string // where it was acquired, in words
	Language    string // BCP 47, may be empty
}

// NewVersion is what a person says about a version. Files bring their own
// items.
type NewVersion struct {
	Terms      string
	Schema     string // datapackage.json, may be empty
	Profile    string // empty: the server's
	Transform  *Transform
	PQRequired bool
	PeriodFrom string
	PeriodTo   string
	Subjects   int64
	Records    int64
	// Key finds an interrupted registration of the same person again; may be empty.
	Key string
}

// Transform is the profile with which files were changed before they were sent.
type Transform struct {
	Profile string `json:"profile"`
	Version string `json:"version"`
	SHA256  string `json:"profile_sha256"` // hex, of its canonical document
}

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// text is the form that is stored; the error is a *models.Error.
func (t *Transform) text() (string, error) {
	if t == nil {
		return "", nil
	}
	if t.Profile == "" || !hexDigest.MatchString(t.SHA256) {
		return "", models.Errorf(models.Invalid, "a transform needs the name of its profile and the SHA-256 of its document")
	}
	if err := errors.Join(checkLine("profile", t.Profile, maxShort), checkLine("profile version", t.Version, maxShort)); err != nil {
		return "", firstOf(err)
	}
	text, err := json.Marshal(t)
	return string(text), err
}

// TransformOf is what the version says about it; nil when nothing.
func TransformOf(v models.Version) *Transform {
	var t Transform
	if v.Transform == "" || json.Unmarshal([]byte(v.Transform), &t) != nil {
		return nil
	}
	return &t
}

// Limits of texts, in bytes.
const (
	maxTitle       = 300
	maxDescription = 20_000
	maxTerms       = 200_000
	maxSchema      = 1 << 20
	maxShort       = 200
)

// Create makes a dataset with a draft of version 1. With a key under which the
// same person made a draft already, it returns that one.
func (s *Service) Create(ctx context.Context, actor access.Actor, n New, nv NewVersion) (models.Version, error) {
	if err := access.Can(actor, access.RegisterDataset, access.Whole()); err != nil {
		return models.Version{}, err
	}
	n.Title, n.Description = strings.TrimSpace(n.Title), strings.TrimSpace(n.Description)
	if err := errors.Join(s.checkNew(n, nv.Profile), s.checkVersion(nv)); err != nil {
		return models.Version{}, firstOf(err)
	}
	id, err := models.NewID(s.Rand, models.DatasetID)
	if err != nil {
		return models.Version{}, err
	}
	ds := models.Dataset{
		ID: id, Title: n.Title, Description: n.Description, Class: n.Class, SourceKind: n.SourceKind,
		Language: n.Language, CreatedBy: actor.UserID, CreatedAt: s.now(),
	}
	v := s.draft(actor, ds.ID, 1, nv)
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		if found, err := s.again(ctx, actor, nv.Key); err != nil || found.DatasetID != "" {
			v = found
			return s.sameDataset(ctx, found, ds, err)
		}
		if err := s.Store.CreateDataset(ctx, ds); err != nil {
			return err
		}
		return s.Store.CreateVersion(ctx, v)
	})
	return v, err
}

// AddVersion makes a draft of the next version of a dataset.
func (s *Service) AddVersion(ctx context.Context, actor access.Actor, id string, nv NewVersion) (models.Version, error) {
	if err := access.Can(actor, access.RegisterDataset, access.Of("")); err != nil {
		return models.Version{}, err
	}
	if err := s.checkVersion(nv); err != nil {
		return models.Version{}, err
	}
	var v models.Version
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		ds, err := s.Store.Dataset(ctx, id)
		if err != nil {
			return err
		}
		if v, err = s.again(ctx, actor, nv.Key); err != nil || v.DatasetID != "" {
			return s.sameDataset(ctx, v, ds, err)
		}
		last, err := s.Store.Versions(ctx, id, models.Page{Limit: 1})
		if err != nil {
			return err
		}
		number := 1
		if len(last) > 0 {
			number = last[0].Number + 1
		}
		v = s.draft(actor, id, number, nv)
		return s.Store.CreateVersion(ctx, v)
	})
	return v, err
}

func (s *Service) draft(actor access.Actor, id string, number int, nv NewVersion) models.Version {
	now := s.now()
	v := models.Version{
		DatasetID: id, Number: number, State: models.VersionDraft, Terms: nv.Terms, Schema: nv.Schema,
		Profile: nv.Profile, PQRequired: nv.PQRequired, PeriodFrom: nv.PeriodFrom, PeriodTo: nv.PeriodTo,
		Subjects: nv.Subjects, Records: nv.Records, IdempotentBy: nv.Key,
		CreatedBy: actor.UserID, CreatedAt: now, UpdatedAt: now,
	}
	if v.Profile == "" {
		v.Profile = s.gate().Name
	}
	v.Transform, _ = nv.Transform.text() // checkVersion has looked at it
	if nv.Terms != "" {
		sum := sha256.Sum256([]byte(nv.Terms))
		v.TermsSHA256 = hex.EncodeToString(sum[:])
	}
	return v
}

// again finds what the actor made under the same key; the zero Version when
// there is nothing.
func (s *Service) again(ctx context.Context, actor access.Actor, key string) (models.Version, error) {
	if key == "" {
		return models.Version{}, nil
	}
	v, err := s.Store.VersionByKey(ctx, actor.UserID, key)
	if models.IsKind(err, models.NotFound) {
		return models.Version{}, nil
	}
	return v, err
}

// sameDataset refuses a key that was used for something else.
func (s *Service) sameDataset(ctx context.Context, found models.Version, want models.Dataset, err error) error {
	if err != nil {
		return err
	}
	ds, err := s.Store.Dataset(ctx, found.DatasetID)
	if err != nil {
		return err
	}
	if ds.Title != want.Title || ds.Class != want.Class {
		return models.Errorf(models.Conflict, "the idempotency key was used for another dataset (%s); use a new key", ds.ID)
	}
	return nil
}

func (s *Service) gate() *deid.Profile {
	if s.Gate == nil {
		return deid.DefaultProfile()
	}
	return s.Gate
}

// profileOf is the gate's profile for a version.
func (s *Service) profileOf(v models.Version) (*deid.Profile, error) {
	if v.Profile == s.gate().Name {
		return s.gate(), nil
	}
	return s.profile(v.Profile)
}

// profile finds a profile by its name.
func (s *Service) profile(name string) (*deid.Profile, error) {
	if s.Profiles == nil {
		return deid.ParseProfileName(name)
	}
	return s.Profiles(name)
}

func (s *Service) checkNew(n New, profile string) error {
	if n.Title == "" {
		return models.Errorf(models.Invalid, "a dataset needs a title")
	}
	if err := models.CheckCode("data class", n.Class, models.DataClasses()); err != nil {
		return err
	}
	return errors.Join(
		checkLine("title", n.Title, maxTitle), checkText("description", n.Description, maxDescription),
		checkLine("source kind", n.SourceKind, maxShort), checkLine("language", n.Language, maxShort),
		s.lookAtWords(n.Title, n.Description),
	)
}

// lookAtWords lets the gate look at what people typed: there is no waiver for
// that, the words can be changed.
func (s *Service) lookAtWords(title, description string) error {
	findings := append(deid.CheckText("title", title), deid.CheckText("description", description)...)
	if len(findings) == 0 {
		return nil
	}
	return &models.Error{
		Kind:     models.Invalid,
		Msg:      "the title or description holds what looks like an identifier; change the words",
		Findings: findings,
	}
}

func (s *Service) checkVersion(nv NewVersion) error {
	if _, err := s.profile(nv.Profile); err != nil {
		return err
	}
	if _, err := nv.Transform.text(); err != nil {
		return err
	}
	if nv.Schema != "" && !json.Valid([]byte(nv.Schema)) {
		return models.Errorf(models.Invalid, "the schema is not JSON; give a datapackage.json (Frictionless Data Package)")
	}
	if nv.Subjects < 0 || nv.Records < 0 {
		return models.Errorf(models.Invalid, "a number of people or records cannot be negative")
	}
	return firstOf(errors.Join(
		checkText("terms", nv.Terms, maxTerms), checkText("schema", nv.Schema, maxSchema),
		checkLine("period", nv.PeriodFrom+nv.PeriodTo, maxShort), checkLine("idempotency key", nv.Key, maxShort),
	))
}

func checkText(field, text string, limit int) error {
	switch {
	case len(text) > limit:
		return models.Errorf(models.TooLarge, "the %s has %d bytes; at most %d are allowed", field, len(text), limit)
	case !utf8.ValidString(text):
		return models.Errorf(models.Invalid, "the %s is not valid UTF-8 text", field)
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\n\r\t", r) }):
		return models.Errorf(models.Invalid, "the %s holds control characters; remove them", field)
	}
	return nil
}

// checkLine is checkText for what people read on one line: it shows as what it
// is.
func checkLine(field, text string, limit int) error {
	odd := func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
	}
	if strings.ContainsFunc(text, odd) {
		return models.Errorf(models.Invalid, "the %s holds characters that break lines or change the direction of writing; remove them", field)
	}
	return checkText(field, text, limit)
}

// firstOf is the first *models.Error of joined errors: one clear sentence.
func firstOf(err error) error {
	var first *models.Error
	if errors.As(err, &first) {
		return first
	}
	return err
}
