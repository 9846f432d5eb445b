package provision

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/provision/parcel"
	"teikyo/wording"
)

// fulfil makes the provision of an approved request: the one path for every
// method. The parcel is durable first; then row, number and entries are
// committed together. Whatever fails before leaves at most an object that the
// sweep removes, and nothing was provided.
func (s *Service) fulfil(ctx context.Context, actor access.Actor, req models.Request, g ground) (Decision, error) {
	id, err := models.NewID(s.Rand, models.ProvisionID)
	if err != nil {
		return Decision{}, err
	}
	prov := models.Provision{
		ID: id, RequestID: req.ID, DatasetID: req.DatasetID, Version: req.Version, RecipientID: req.RecipientID,
		AgreementID: req.AgreementID, KeyID: req.KeyID, KeyFingerprint: req.KeyFingerprint,
		Method: req.Method, Class: g.ds.Class, Until: req.Until, State: models.ProvisionIssued,
		FileCount: req.FileCount, PathGlob: req.PathGlob, EntryIndex: -1,
		IssuedBy: actor.UserID, IssuedAt: req.DecidedAt, Independence: req.Independence,
	}
	pack, stored, err := s.pack(ctx, prov, req, g)
	if err != nil {
		return Decision{}, err
	}
	defer stored() //nolint:errcheck // nothing goes on when the answer is given; the error is commit's
	setPack(&prov, pack)
	req.State, req.ProvisionID = models.RequestApproved, prov.ID
	entry, err := s.commit(ctx, actor, &prov, req, g, pack.NoticeSHA256, stored)
	if err != nil {
		return Decision{}, err
	}
	prov.EntryIndex = entry.Index
	return Decision{Request: req, Provision: prov}, nil
}

func setPack(prov *models.Provision, pack parcel.Pack) {
	prov.PackKey, prov.PackSHA256, prov.HeaderSize = pack.Key, pack.SHA256, pack.HeaderSize
	prov.Documents, prov.ManifestSHA256 = pack.Documents, pack.ManifestSHA256
}

// commit writes everything that makes the provision so, in one transaction. It
// asks again while the parcel is still being synced, and writes nothing before
// that is stored.
func (s *Service) commit(
	ctx context.Context, actor access.Actor, prov *models.Provision, req models.Request, g ground, noticeCopy string,
	stored func() error,
) (*ledger.Entry, error) {
	var issued *ledger.Entry
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		if err := s.stillTrue(ctx, actor, req, g); err != nil {
			return err
		}
		if err := stored(); err != nil {
			return err
		}
		var err error
		if prov.Number, err = s.number(ctx, prov.Class, prov.IssuedAt); err != nil {
			return err
		}
		rec := s.record(*prov, req, g, noticeCopy)
		if prov.Record, err = json.Marshal(rec); err != nil {
			return models.Wrap(models.Internal, err, "the provision record could not be written")
		}
		if err := s.Store.SaveRequest(ctx, req); err != nil {
			return err
		}
		if err := s.Store.SaveProvision(ctx, *prov); err != nil {
			return err
		}
		if err := s.enqueue(ctx, *prov, req); err != nil {
			return err
		}
		if err := s.Store.Append(ctx, approvedEntry(req, actor)); err != nil {
			return err
		}
		issued = s.provisionEntry(ledger.ProvisionIssued, *prov, actor, rec)
		return s.Store.Append(ctx, issued)
	})
	return issued, err
}

// stillTrue asks again, inside the transaction, what may have changed while the
// parcel was made. The chosen files cannot: a version is frozen.
func (s *Service) stillTrue(ctx context.Context, actor access.Actor, req models.Request, before ground) error {
	current, err := s.Store.Request(ctx, req.ID)
	if err != nil {
		return err
	}
	now := s.now()
	if err := s.checkOpen(current, now); err != nil {
		return err
	}
	if current.Frozen != req.Frozen || current.RequestedBy != req.RequestedBy {
		return models.Errorf(models.Conflict, "the request was changed meanwhile; look at it and approve it again")
	}
	g, err := s.ground(ctx, req, now)
	if err != nil {
		return err
	}
	g.choice = before.choice
	if err := s.check(req, g, now); err != nil {
		return err
	}
	if err := s.stillTwo(ctx, actor, req); err != nil {
		return err
	}
	return checkFrozen(req, g)
}

// stillTwo asks again whether the two people may decide together: one of the
// accounts may have been disabled, reset or changed meanwhile.
func (s *Service) stillTwo(ctx context.Context, actor access.Actor, req models.Request) error {
	independence, err := s.People.Pair(ctx, req.RequestedBy, actor.UserID)
	if err == nil && independence != req.Independence {
		err = models.Errorf(models.Conflict, "the accounts were changed meanwhile; look at the request and decide again")
	}
	return err
}

// number takes the next running number of the fiscal year in the configured
// zone. Rehearsals count in a series of their own.
func (s *Service) number(ctx context.Context, class models.DataClass, at time.Time) (string, error) {
	start := s.FiscalYearStart
	if start == 0 {
		start = time.April
	}
	at = at.In(s.Zone)
	year := at.Year()
	if at.Month() < start {
		year--
	}
	series := itoa(year)
	if class == models.Test {
		series = "TEST-" + series
	}
	n, err := s.Store.NextNumber(ctx, series)
	return fmt.Sprintf("%s-%04d", series, n), err
}

// enqueue hands the provision to what carries it; a download is fetched.
func (s *Service) enqueue(ctx context.Context, prov models.Provision, req models.Request) error {
	if prov.Method == models.Download {
		return nil
	}
	return s.Queue.Enqueue(ctx, prov, req.Destination)
}

type approvedDetails struct {
	Frozen       string              `json:"frozen"`
	Reason       string              `json:"reason,omitempty"`
	Requester    string              `json:"requester"`
	Independence models.Independence `json:"independence"`
}

func approvedEntry(req models.Request, actor access.Actor) *ledger.Entry {
	e := requestEntry(ledger.RequestApproved, req, actor, approvedDetails{req.Frozen, req.Reason, req.RequestedBy, req.Independence})
	e.IDs["provision"], e.IDs["requester"] = req.ProvisionID, req.RequestedBy
	return e
}

// provisionEntry is an entry about a provision; those that vouch for a parcel
// name its manifest in clear.
func (s *Service) provisionEntry(kind ledger.Kind, prov models.Provision, actor access.Actor, details any) *ledger.Entry {
	e := &ledger.Entry{
		Kind: kind, Details: details, Retain: retention(s.Keep, prov.Class, prov.Until),
		IDs: map[string]string{
			"provision": prov.ID, "request": prov.RequestID, "dataset": prov.DatasetID, "version": itoa(prov.Version),
			"recipient": prov.RecipientID, "agreement": prov.AgreementID, "key": prov.KeyID, "actor": actor.UserID,
		},
	}
	if kind == ledger.ProvisionIssued || kind == ledger.ProvisionReissued {
		e.ManifestSHA256 = prov.ManifestSHA256
	}
	return e
}

// pack makes the parcel's object: outside the transaction, because its time
// grows with the number of files (not with their size).
func (s *Service) pack(
	ctx context.Context, prov models.Provision, req models.Request, g ground,
) (pack parcel.Pack, stored func() error, err error) {
	fail := func(err error) (parcel.Pack, func() error, error) { return parcel.Pack{}, nil, err }
	recipient, err := crypto.LoadRecipient(g.key.Public)
	if err != nil || recipient.Fingerprint() != g.key.Fingerprint {
		return fail(models.Wrap(models.Integrity, err, "the stored recipient key does not have its fingerprint; run teikyo doctor"))
	}
	files, err := s.sealed(ctx, g)
	if err != nil {
		return fail(err)
	}
	defer forget(files)
	signer, issuer := s.Keys.ManifestKey(), s.Keys.Issuer()
	notice, err := s.Texts.Notice(s.noticeData(prov, req, g))
	if err != nil {
		return fail(models.Wrap(models.Internal, err, "NOTICE.txt could not be made"))
	}
	readme, err := s.Texts.Readme(wording.ReadmeData{
		Origin: issuer.Origin, IssuerFingerprint: issuer.Fingerprint(), AllowedSigners: signerLines(issuer),
		KeyFingerprint: g.key.Fingerprint, Number: prov.ID, Class: string(g.ds.Class),
	})
	if err != nil {
		return fail(models.Wrap(models.Internal, err, "README.txt could not be made"))
	}
	return parcel.Build(ctx, s.Objects, s.Rand, parcel.Content{
		Head: s.manifestHead(prov, req, g, issuer.Origin), Recipient: recipient, Signer: signer, Issuer: issuer,
		Files: files, Partial: prov.PathGlob != "", Schema: g.version.Schema, Notice: notice, Readme: readme,
	})
}
