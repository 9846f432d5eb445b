package provision

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
)

// requestLifetime is how long a request waits for a decision.
const requestLifetime = 30 * 24 * time.Hour

// Limits of what people write into a request, in characters.
const (
	maxWords      = 4000
	maxReason     = 2000
	maxReferences = 32
	maxRefName    = 64
	maxRefValue   = 256
)

// duoForm is a GA4GH DUO term of the range that is assigned (DOMAIN 5).
var duoForm = regexp.MustCompile(`^DUO:00000[0-9]{2}$`)

// Draft is what somebody asks for.
type Draft struct {
	DatasetID   string
	Version     int // 0: the newest registered one
	PathGlob    string
	RecipientID string
	Agreement   string // id or number; empty: the only one that fits
	Key         string // id or fingerprint; empty: the only usable one
	Purpose     models.Purpose
	Words       string
	DUO         []string
	Basis       models.Basis // empty: models.DefaultBasis
	Method      models.Method
	Destination string
	Until       string // date, inclusive
	References  []models.Reference
}

// Preview is what a request would provide.
type Preview struct {
	Request models.Request
	Notice  models.Notice // that covers it
	Class   models.DataClass
	Title   string
}

// Result is the outcome for one of several things that were asked for at once.
type Result[T any] struct {
	Value T
	Err   error
}

// Preview says what a request would provide, or why it cannot; nothing is
// stored.
func (s *Service) Preview(ctx context.Context, actor access.Actor, d Draft) (Preview, error) {
	req, g, err := s.prepare(ctx, actor, access.CreateRequest, d)
	return Preview{Request: req, Notice: g.notice, Class: g.ds.Class, Title: g.ds.Title}, err
}

// Submit stores a request. It can be approved within 30 days.
func (s *Service) Submit(ctx context.Context, actor access.Actor, d Draft) (models.Request, error) {
	req, g, err := s.prepare(ctx, actor, access.CreateRequest, d)
	if err != nil {
		return models.Request{}, err
	}
	if req.ID, err = models.NewID(s.Rand, models.RequestID); err != nil {
		return models.Request{}, err
	}
	err = s.submit(ctx, actor, &req, g, "")
	return req, err
}

// submit freezes the request and stores it with its entry. before is the digest
// of what it asked for when it was returned, empty the first time.
func (s *Service) submit(ctx context.Context, actor access.Actor, req *models.Request, g ground, before string) error {
	now := s.now()
	var err error
	if req.Facts, req.Frozen, err = freeze(*req, g); err != nil {
		return err
	}
	req.State, req.RequestedBy, req.RequestedAt, req.ExpiresAt = models.RequestSubmitted, actor.UserID, now, now.Add(requestLifetime)
	return s.Store.Update(ctx, func(ctx context.Context) error {
		if before != "" {
			current, err := s.Store.Request(ctx, req.ID)
			if err != nil {
				return err
			}
			if err := models.CheckTransition(current.State, models.RequestSubmitted); err != nil {
				return err
			}
		}
		if err := s.Store.SaveRequest(ctx, *req); err != nil {
			return err
		}
		return s.Store.Append(ctx, requestEntry(ledger.RequestSubmitted, *req, actor, submittedDetails{
			Frozen: req.Frozen, Facts: req.Facts, Before: before,
		}))
	})
}

type submittedDetails struct {
	Frozen string          `json:"frozen"`
	Facts  json.RawMessage `json:"facts"`
	Before string          `json:"before,omitempty"` // frozen, of the version that was returned
}

// requestEntry is an entry about a request and what it refers to.
func requestEntry(kind ledger.Kind, req models.Request, actor access.Actor, details any) *ledger.Entry {
	return &ledger.Entry{Kind: kind, Details: details, IDs: map[string]string{
		"request": req.ID, "dataset": req.DatasetID, "version": itoa(req.Version), "recipient": req.RecipientID,
		"agreement": req.AgreementID, "key": req.KeyID, "actor": actor.UserID,
	}}
}

// prepare turns a draft into a request that passes every rule.
func (s *Service) prepare(ctx context.Context, actor access.Actor, act access.Act, d Draft) (models.Request, ground, error) {
	if err := s.canFor(ctx, actor, act, d.RecipientID); err != nil {
		return models.Request{}, ground{}, err
	}
	if err := d.check(); err != nil {
		return models.Request{}, ground{}, err
	}
	req, err := s.resolve(ctx, d)
	if err != nil {
		return models.Request{}, ground{}, err
	}
	g, err := s.examine(ctx, req, s.now())
	if err != nil {
		return models.Request{}, ground{}, err
	}
	req.NoticeID, req.Items, req.FileCount, req.TotalSize = g.notice.ID, g.choice.items, g.choice.count, g.choice.size
	return req, g, nil
}

// canFor asks access.Can about an act for a recipient that may not exist.
func (s *Service) canFor(ctx context.Context, actor access.Actor, act access.Act, recipientID string) error {
	_, err := s.Store.Recipient(ctx, recipientID)
	object := access.Of(recipientID)
	if models.IsKind(err, models.NotFound) {
		object, err = access.Absent(), nil
	}
	if can := access.Can(actor, act, object); can != nil {
		return can
	}
	return err
}

// check refuses what is wrong in itself, whatever the rows say.
func (d Draft) check() error {
	if err := models.CheckCode("purpose", d.Purpose, models.Purposes()); err != nil {
		return err
	}
	if err := models.CheckCode("method", d.Method, models.Methods()); err != nil {
		return err
	}
	if d.Basis != "" {
		if err := models.CheckCode("basis", d.Basis, models.Bases()); err != nil {
			return err
		}
	}
	if strings.TrimSpace(d.Words) == "" {
		return models.Errorf(models.Invalid, "say in the recipient's own words what the data is for (--words)")
	}
	if err := checkText("purpose in words", d.Words, maxWords, true); err != nil {
		return err
	}
	if err := checkText("destination", d.Destination, maxRefValue, false); err != nil {
		return err
	}
	if err := checkGlob(d.PathGlob); err != nil {
		return err
	}
	if err := checkDUO(d.DUO); err != nil {
		return err
	}
	return checkReferences(d.References)
}

func checkDUO(codes []string) error {
	for i, code := range codes {
		if !duoForm.MatchString(code) {
			return models.Errorf(models.Invalid, "%.40q is not a DUO code; write it like DUO:0000042", code)
		}
		if slices.Contains(codes[:i], code) {
			return models.Errorf(models.Invalid, "the DUO code %s is given twice", code)
		}
	}
	return nil
}

func checkReferences(refs []models.Reference) error {
	if len(refs) > maxReferences {
		return models.Errorf(models.Invalid, "more than %d references; leave some out", maxReferences)
	}
	seen := map[string]bool{}
	for _, r := range refs {
		if r.Name == "" || r.Value == "" {
			return models.Errorf(models.Invalid, "a reference needs a name and a value: --ref NAME=VALUE")
		}
		if err := checkText("name of a reference", r.Name, maxRefName, false); err != nil {
			return err
		}
		if err := checkText("reference "+r.Name, r.Value, maxRefValue, false); err != nil {
			return err
		}
		if seen[r.Name] {
			return models.Errorf(models.Invalid, "the reference %s is given twice", r.Name)
		}
		seen[r.Name] = true
	}
	return nil
}

// resolve finds the rows that a draft names in words, or leaves to us.
func (s *Service) resolve(ctx context.Context, d Draft) (models.Request, error) {
	ds, err := s.Store.Dataset(ctx, d.DatasetID)
	if err != nil {
		return models.Request{}, named(err, "dataset", d.DatasetID)
	}
	req := models.Request{
		DatasetID: ds.ID, Version: d.Version, PathGlob: d.PathGlob, RecipientID: d.RecipientID,
		Purpose: d.Purpose, Words: d.Words, DUO: d.DUO, Basis: d.Basis, Method: d.Method,
		Destination: d.Destination, References: d.References,
	}
	if req.Version == 0 {
		req.Version = ds.Latest
	}
	if req.Basis == "" {
		if req.Basis = models.DefaultBasis(ds.Class); req.Basis == "" {
			return req, models.Errorf(models.Invalid, "say on which basis %s data is provided (--basis)", ds.Class)
		}
	}
	if req.Until, err = models.EndOfDay(d.Until, s.Zone); err != nil {
		return req, err
	}
	if req.AgreementID, err = s.resolveAgreement(ctx, d, ds.Class); err != nil {
		return req, err
	}
	key, err := s.resolveKey(ctx, d.RecipientID, d.Key)
	if err != nil {
		return req, err
	}
	req.KeyID, req.KeyFingerprint = key.ID, key.Fingerprint
	req.Destination, err = s.resolvePlace(ctx, d)
	return req, err
}

// resolveAgreement finds the agreement by id or number, or the only one that
// covers what is asked for.
func (s *Service) resolveAgreement(ctx context.Context, d Draft, class models.DataClass) (string, error) {
	if models.IsID(d.Agreement, models.AgreementID) {
		return d.Agreement, nil // examine says whether it fits
	}
	list, err := s.Store.Agreements(ctx, d.RecipientID, models.Page{Limit: models.MaxPage})
	if err != nil {
		return "", err
	}
	now := s.now()
	fits := func(a models.Agreement) bool { return a.Number == d.Agreement }
	if d.Agreement == "" {
		fits = func(a models.Agreement) bool {
			return a.Active(now) && slices.Contains(a.Classes, class) && slices.Contains(a.Purposes, d.Purpose) &&
				slices.Contains(a.Methods, d.Method)
		}
	}
	list = slices.DeleteFunc(list, func(a models.Agreement) bool { return !fits(a) })
	if len(list) == 1 {
		return list[0].ID, nil
	}
	switch {
	case len(list) > 1:
		return "", models.Errorf(models.Conflict, "the recipient %s has several agreements that fit; name one by its id (--agreement)", d.RecipientID)
	case d.Agreement != "":
		return "", noAgreement(d.RecipientID, d.Agreement)
	default:
		return "", models.Errorf(models.Conflict, "the recipient %s has no agreement that is active and covers %s data, the purpose %s "+
			"and the method %s; add one (teikyo agreement add)", d.RecipientID, class, d.Purpose, d.Method)
	}
}

// resolveKey finds a key of the recipient by id or fingerprint, or its only
// usable one.
func (s *Service) resolveKey(ctx context.Context, recipientID, name string) (models.RecipientKey, error) {
	keys, err := s.Store.RecipientKeys(ctx, recipientID)
	if err != nil {
		return models.RecipientKey{}, err
	}
	now := s.now()
	keys = slices.DeleteFunc(keys, func(k models.RecipientKey) bool {
		if name == "" {
			return !k.Usable(now)
		}
		return k.ID != name && k.Fingerprint != name
	})
	switch {
	case len(keys) == 1:
		return keys[0], nil
	case name != "":
		return models.RecipientKey{}, models.Errorf(models.NotFound, "the recipient %s has no key %q; see teikyo recipient key list %s",
			recipientID, name, recipientID)
	case len(keys) == 0:
		return models.RecipientKey{}, models.Errorf(models.Conflict, "the recipient %s has no key that is approved and not expired; "+
			"see teikyo recipient key list %s", recipientID, recipientID)
	default:
		return models.RecipientKey{}, models.Errorf(models.Conflict, "the recipient %s has several usable keys; name one by its fingerprint (--key)", recipientID)
	}
}
