package provision

import (
	"context"
	"slices"
	"strings"
	"time"

	"teikyo/models"
)

// ground is everything that a provision stands on, as it is now.
type ground struct {
	ds        models.Dataset
	version   models.Version
	rcpt      models.Recipient
	agreement models.Agreement
	key       models.RecipientKey
	notice    models.Notice      // zero when the class has none
	place     models.Destination // of an upload
	waivers   []models.Waiver
	choice    choice
}

// examine loads the ground of a request with its files and checks every rule.
// Submitting, approving and reissuing all pass here.
func (s *Service) examine(ctx context.Context, req models.Request, now time.Time) (ground, error) {
	g, err := s.ground(ctx, req, now)
	if err != nil {
		return g, err
	}
	if err := checkVersion(g.version); err != nil {
		return g, err
	}
	if g.choice, err = s.choose(ctx, g.version, req.PathGlob); err != nil {
		return g, err
	}
	return g, s.check(req, g, now)
}

// ground loads the rows that a request refers to.
func (s *Service) ground(ctx context.Context, req models.Request, now time.Time) (ground, error) {
	var g ground
	var err error
	load := func(step func() error) {
		if err == nil {
			err = step()
		}
	}
	load(func() error {
		g.ds, err = s.Store.Dataset(ctx, req.DatasetID)
		return named(err, "dataset", req.DatasetID)
	})
	load(func() error {
		g.version, err = s.Store.Version(ctx, req.DatasetID, req.Version)
		return named(err, "version of dataset", req.DatasetID)
	})
	load(func() error {
		g.rcpt, err = s.Store.Recipient(ctx, req.RecipientID)
		return named(err, "recipient", req.RecipientID)
	})
	load(func() error {
		g.agreement, err = s.Store.Agreement(ctx, req.AgreementID)
		if models.IsKind(err, models.NotFound) { // not told apart from one of another recipient
			return noAgreement(req.RecipientID, req.AgreementID)
		}
		return err
	})
	load(func() error { g.key, err = s.Store.RecipientKey(ctx, req.KeyID); return named(err, "key", req.KeyID) })
	load(func() error { g.place, err = s.place(ctx, req); return err })
	load(func() error { g.waivers, err = s.waivers(ctx, g.version, now); return err })
	load(func() error {
		g.notice, err = s.Store.CurrentNotice(ctx, g.ds.Class)
		if models.IsKind(err, models.NotFound) {
			return nil
		}
		return err
	})
	return g, err
}

// named says what is absent.
func named(err error, what, id string) error {
	if models.IsKind(err, models.NotFound) {
		return models.Wrap(models.NotFound, err, "there is no "+what+" "+id+"; check the id")
	}
	return err
}

// waivers are those that let findings of this version pass, and still do.
func (s *Service) waivers(ctx context.Context, v models.Version, now time.Time) ([]models.Waiver, error) {
	list, err := s.Store.LiveWaivers(ctx, v.DatasetID, now)
	return slices.DeleteFunc(list, func(w models.Waiver) bool { return w.Version != v.Number }), err
}

// check asks every question of DESIGN.md 3.16 to 3.19 whose answer can change
// by itself or by somebody's act.
func (s *Service) check(req models.Request, g ground, now time.Time) error {
	for _, rule := range []func() error{
		func() error { return checkVersion(g.version) },
		func() error { return models.CheckBasis(g.ds.Class, req.Basis) },
		func() error { return models.CheckPurpose(g.ds.Class, req.Purpose) },
		func() error { return s.checkMethod(req.Method) },
		func() error { return s.checkRecipient(g.rcpt, now) },
		func() error { return s.checkAgreement(req, g, now) },
		func() error { return s.checkKey(g, now) },
		func() error { return checkPlace(req, g) },
		func() error { return checkNotice(req, g) },
		func() error { return s.checkUntil(req.Until, g, now) },
	} {
		if err := rule(); err != nil {
			return err
		}
	}
	return nil
}

func checkVersion(v models.Version) error {
	switch v.State {
	case models.VersionRegistered:
		return nil
	case models.VersionDraft: // looks as if it were not there
		return models.Errorf(models.NotFound, "there is no registered version %d of %s; see teikyo dataset show %s",
			v.Number, v.DatasetID, v.DatasetID)
	default:
		return models.Errorf(models.Conflict, "version %d of %s is %s and cannot be provided; ask for another version",
			v.Number, v.DatasetID, v.State)
	}
}

// checkMethod refuses methods that this server has no way out for.
func (s *Service) checkMethod(m models.Method) error {
	if err := models.CheckCode("method", m, models.Methods()); err != nil {
		return err
	}
	able := s.Methods
	if able == nil {
		able = []models.Method{models.Download}
	}
	if !slices.Contains(able, m) {
		return models.Errorf(models.Invalid, "the method %s is not available on this server yet; use %s", m, models.JoinCodes(able))
	}
	return nil
}

func (s *Service) checkRecipient(r models.Recipient, now time.Time) error {
	switch {
	case r.Active(now):
		return nil
	case r.State == models.RecipientApproved:
		return models.Errorf(models.Conflict, "the approval of the recipient %s ended on %s; approve it again first "+
			"(teikyo recipient approve %s --until DATE)", r.ID, s.lastDay(r.ApprovedUntil), r.ID)
	default:
		return models.Errorf(models.Conflict, "the recipient %s is %s; only an approved recipient can receive data", r.ID, r.State)
	}
}

func (s *Service) checkAgreement(req models.Request, g ground, now time.Time) error {
	a := g.agreement
	if a.RecipientID != req.RecipientID {
		return noAgreement(req.RecipientID, req.AgreementID)
	}
	const add = "add an agreement that does (teikyo agreement add)"
	switch {
	case !a.EndedAt.IsZero() || !now.Before(a.ValidUntil):
		return models.Errorf(models.Conflict, "the agreement %s has ended; use another one or add one (teikyo agreement add)", a.Number)
	case now.Before(a.ValidFrom):
		return models.Errorf(models.Conflict, "the agreement %s is valid from %s on", a.Number, s.day(a.ValidFrom))
	case !slices.Contains(a.Classes, g.ds.Class):
		return models.Errorf(models.Conflict, "the agreement %s does not cover %s data; %s", a.Number, g.ds.Class, add)
	case !slices.Contains(a.Purposes, req.Purpose):
		return models.Errorf(models.Conflict, "the agreement %s does not cover the purpose %s; %s", a.Number, req.Purpose, add)
	case !slices.Contains(a.Methods, req.Method):
		return models.Errorf(models.Conflict, "the agreement %s does not cover the method %s; %s", a.Number, req.Method, add)
	}
	return nil
}

func noAgreement(recipientID, name string) error {
	return models.Errorf(models.NotFound, "the recipient %s has no agreement %q; see teikyo agreement list --recipient %s",
		recipientID, name, recipientID)
}

func (s *Service) checkKey(g ground, now time.Time) error {
	k := g.key
	switch {
	case k.RecipientID != g.rcpt.ID:
		return models.Errorf(models.NotFound, "the recipient %s has no key %s; see teikyo recipient key list %s", g.rcpt.ID, k.ID, g.rcpt.ID)
	case k.State == models.KeyAdded || k.State == models.KeyProved:
		return models.Errorf(models.Conflict, "the key %s is only %s; its holder must prove it and a second person approve it "+
			"(teikyo recipient key prove, approve)", k.Fingerprint, k.State)
	case k.State == models.KeyRevoked:
		return models.Errorf(models.Conflict, "the key %s is revoked; use another key", k.Fingerprint)
	case !k.Usable(now):
		return models.Errorf(models.Conflict, "the key %s expired on %s; use another key", k.Fingerprint, s.lastDay(k.ExpiresAt))
	case g.version.PQRequired && !k.PostQuantum:
		return models.Errorf(models.Conflict, "this version goes to post-quantum keys only (age1pq1…); "+
			"the recipient makes one with teikyo keygen --pq")
	}
	return nil
}

// checkNotice is APPI Art. 43(4): publish the items and the method before.
func checkNotice(req models.Request, g ground) error {
	const publish = "publish one first (teikyo notice publish --class %s)"
	if g.notice.ID == "" {
		return models.Errorf(models.Conflict, "no public notice for %s data exists; "+publish, g.ds.Class, g.ds.Class)
	}
	if g.notice.Covers(g.choice.items, req.Method) {
		return nil
	}
	var missing []string
	for _, item := range g.choice.items {
		if !slices.Contains(g.notice.Items, item) {
			missing = append(missing, "item "+string(item))
		}
	}
	if !slices.Contains(g.notice.Methods, req.Method) {
		missing = append(missing, "method "+string(req.Method))
	}
	return models.Errorf(models.Conflict, "the public notice for %s data does not cover %s; "+publish,
		g.ds.Class, strings.Join(missing, ", "), g.ds.Class)
}

// checkUntil keeps the end within everything it depends on.
func (s *Service) checkUntil(until time.Time, g ground, now time.Time) error {
	if !until.After(now) {
		return models.Errorf(models.Invalid, "the end %s lies in the past; choose a later day", s.lastDay(until))
	}
	for _, limit := range []struct {
		what string
		end  time.Time
	}{
		{"the agreement " + g.agreement.Number, g.agreement.ValidUntil},
		{"the approval of the recipient", g.rcpt.ApprovedUntil},
		{"the key " + g.key.Fingerprint, g.key.ExpiresAt},
	} {
		if !limit.end.IsZero() && until.After(limit.end) {
			return models.Errorf(models.Invalid, "the end %s lies after that of %s; the last possible day is %s",
				s.lastDay(until), limit.what, s.lastDay(limit.end))
		}
	}
	return nil
}
