package recipient

import (
	"context"
	"net/mail"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
)

// Profile is what is known about an organisation (APPI Rule 20, 45 CFR
// 164.528(b)(2): name, address and representative are part of every record).
type Profile struct {
	Name           string           `json:"name"`
	Country        string           `json:"country"` // ISO 3166-1 alpha-2
	Address        string           `json:"address"`
	Representative string           `json:"representative"`
	Email          string           `json:"email"`
	Contacts       []models.Contact `json:"contacts,omitempty"`
}

func profileOf(r models.Recipient) Profile {
	return Profile{r.Name, r.Country, r.Address, r.Representative, r.Email, r.Contacts}
}

func (p Profile) check() error {
	p.Country = strings.TrimSpace(p.Country)
	for _, field := range []struct{ name, value string }{
		{"name", p.Name}, {"address", p.Address}, {"representative", p.Representative}, {"e-mail address", p.Email},
	} {
		if strings.TrimSpace(field.value) == "" {
			return models.Errorf(models.Invalid, "the %s of the recipient is missing", field.name)
		}
		if len(field.value) > 500 || !utf8.ValidString(field.value) || strings.ContainsFunc(field.value, isControl) {
			return models.Errorf(models.Invalid, "the %s of the recipient is too long (500 bytes) or holds control characters", field.name)
		}
	}
	if len(p.Country) != 2 || strings.Trim(p.Country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return models.Errorf(models.Invalid, "the country %q is not a code of two capital letters, for example JP", p.Country)
	}
	emails := []string{p.Email}
	for _, c := range p.Contacts {
		if strings.ContainsFunc(c.Role+c.Name, isControl) {
			return models.Errorf(models.Invalid, "the role or name of a contact holds control characters")
		}
		emails = append(emails, c.Email)
	}
	if len(emails) > 51 {
		return models.Errorf(models.Invalid, "a recipient has at most 50 contacts")
	}
	for _, e := range emails {
		if parsed, err := mail.ParseAddress(e); err != nil || parsed.Address != e {
			return models.Errorf(models.Invalid, "an e-mail address is not valid; write it as name@example.jp")
		}
	}
	return nil
}

// isControl knows characters that steer a terminal or change the direction of
// writing: what shows must be what is approved.
func isControl(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// Apply enters an organisation. It may not receive anything until another
// person approves it.
func (s *Service) Apply(ctx context.Context, actor access.Actor, p Profile) (models.Recipient, error) {
	if err := access.Can(actor, access.ApplyRecipient, access.Whole()); err != nil {
		return models.Recipient{}, err
	}
	if err := p.check(); err != nil {
		return models.Recipient{}, err
	}
	id, err := models.NewID(s.Rand, models.RecipientID)
	if err != nil {
		return models.Recipient{}, err
	}
	rcpt := models.Recipient{
		ID: id, State: models.RecipientApplied, AppliedBy: actor.UserID, AppliedAt: s.now(), UpdatedAt: s.now(),
	}
	p.into(&rcpt)
	return rcpt, s.Store.Update(ctx, func(ctx context.Context) error {
		if err := s.Store.SaveRecipient(ctx, rcpt); err != nil {
			return err
		}
		return s.Store.Append(ctx, entry(ledger.RecipientApplied, actor, map[string]string{"recipient": id}, p))
	})
}

func (p Profile) equal(q Profile) bool {
	return p.Name == q.Name && p.Country == q.Country && p.Address == q.Address && p.Representative == q.Representative &&
		p.Email == q.Email && slices.Equal(p.Contacts, q.Contacts)
}

func (p Profile) into(r *models.Recipient) {
	r.Name, r.Country, r.Address = p.Name, p.Country, p.Address
	r.Representative, r.Email, r.Contacts = p.Representative, p.Email, p.Contacts
}

// changedProfile is the details of recipient.updated: the history of an
// organisation stands in the ledger.
type changedProfile struct {
	Before Profile `json:"before"`
	After  Profile `json:"after"`
}

// Update changes what is known about a recipient. change gets the present
// profile; its name and country may only change while the recipient is not
// approved, because approval spoke of that organisation. Whoever changes
// something has entered it: the next approval takes another person.
func (s *Service) Update(ctx context.Context, actor access.Actor, id string, change func(*Profile)) (models.Recipient, error) {
	var rcpt models.Recipient
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		var err error
		if rcpt, err = s.load(ctx, actor, access.UpdateRecipient, id); err != nil {
			return err
		}
		before := profileOf(rcpt)
		after := before
		change(&after)
		if err := after.check(); err != nil {
			return err
		}
		approved := rcpt.State == models.RecipientApproved || rcpt.State == models.RecipientSuspended
		if approved && (after.Name != before.Name || after.Country != before.Country) {
			return models.Errorf(models.Conflict, "name and country belong to the approval; enter the organisation again under its new name")
		}
		after.into(&rcpt)
		rcpt.UpdatedAt = s.now()
		if !after.equal(before) {
			rcpt.AppliedBy = actor.UserID
		}
		if err := s.Store.SaveRecipient(ctx, rcpt); err != nil {
			return err
		}
		return s.Store.Append(ctx, entry(ledger.RecipientUpdated, actor, map[string]string{"recipient": id},
			changedProfile{before, after}))
	})
	return rcpt, err
}

// Get shows one recipient.
func (s *Service) Get(ctx context.Context, actor access.Actor, id string) (models.Recipient, error) {
	return s.load(ctx, actor, access.ReadRecipient, id)
}

// List shows recipients by the time they were entered; people of a recipient
// see their own.
func (s *Service) List(ctx context.Context, actor access.Actor, filter models.RecipientFilter, page models.Page) ([]models.Recipient, error) {
	if err := access.Can(actor, access.ReadRecipient, access.Whole()); err != nil {
		return nil, err
	}
	if actor.Role == models.RecipientUser {
		filter.ID = actor.RecipientID
	}
	return s.Store.RecipientList(ctx, filter, page)
}
