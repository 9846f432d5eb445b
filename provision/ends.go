package provision

import (
	"context"
	"time"

	"teikyo/models"
)

// Live says until when bytes of the provision may go out: the earliest end of
// provision, agreement, recipient and key, which all end by themselves
// (DESIGN.md 3.19). When one of them has come, or somebody ended one early, it
// returns an Expired error that says which.
func (s *Service) Live(ctx context.Context, prov models.Provision, now time.Time) (time.Time, error) {
	g, err := s.holders(ctx, prov)
	if err != nil {
		return time.Time{}, err
	}
	if why := endedEarly(prov, g); why != "" {
		return time.Time{}, models.Errorf(models.Expired, "%s; ask the issuer", why)
	}
	end, what := earliestEnd(prov, g)
	if !now.Before(end) {
		return time.Time{}, models.Errorf(models.Expired, "the %s ended on %s; ask the issuer", what, s.lastDay(end))
	}
	if now.Before(g.agreement.ValidFrom) {
		return time.Time{}, models.Errorf(models.Expired, "the agreement is not valid before %s", s.day(g.agreement.ValidFrom))
	}
	return end, nil
}

// holders loads what a provision depends on for as long as it lasts.
func (s *Service) holders(ctx context.Context, prov models.Provision) (ground, error) {
	var g ground
	var err error
	if g.rcpt, err = s.Store.Recipient(ctx, prov.RecipientID); err != nil {
		return g, err
	}
	if g.agreement, err = s.Store.Agreement(ctx, prov.AgreementID); err != nil {
		return g, err
	}
	if g.key, err = s.Store.RecipientKey(ctx, prov.KeyID); err != nil {
		return g, err
	}
	g.version, err = s.Store.Version(ctx, prov.DatasetID, prov.Version)
	return g, err
}

// endedEarly says what a person ended, empty when nothing was. A withdrawn
// version stays with those who have it; a recalled one does not.
func endedEarly(prov models.Provision, g ground) string {
	switch {
	case g.version.Gone():
		return "the data was destroyed"
	case prov.State != models.ProvisionIssued:
		return "the provision is " + string(prov.State)
	case g.version.State == models.VersionRecalled:
		return "the data was recalled"
	case g.rcpt.State != models.RecipientApproved:
		return "the recipient is " + string(g.rcpt.State)
	case g.key.State != models.KeyApproved:
		return "the key is " + string(g.key.State)
	default:
		return ""
	}
}

// earliestEnd is the first of the ends by time, and whose it is. An agreement
// that was ended early counts from that instant.
func earliestEnd(prov models.Provision, g ground) (time.Time, string) {
	end, what := prov.Until, "provision"
	for _, other := range []struct {
		end  time.Time
		what string
	}{
		{g.agreement.ValidUntil, "agreement"}, {g.agreement.EndedAt, "agreement"},
		{g.rcpt.ApprovedUntil, "approval of the recipient"}, {g.key.ExpiresAt, "key"},
	} {
		if !other.end.IsZero() && other.end.Before(end) {
			end, what = other.end, other.what
		}
	}
	return end, what
}
