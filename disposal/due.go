package disposal

import (
	"context"
	"strings"
	"time"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
)

// maxDue bounds one yearly disposal; what is beyond comes with the next one.
const maxDue = 2000

// Due is what may be disposed of: its retention ends before the end of a year.
type Due struct {
	Items []models.DisposalItem
	More  bool // there is more than one disposal holds
}

// DueIn lists what is due by the end of a year: contents of ended versions, records
// of provisions, personal data of organisations that are no partners any more. Of
// a year that has not ended some are due only later in it.
func (s *Service) DueIn(ctx context.Context, actor access.Actor, year int) (Due, error) {
	if err := access.Can(actor, access.ReadDisposal, access.Whole()); err != nil {
		return Due{}, err
	}
	end, err := s.endOf(year)
	if err != nil {
		return Due{}, err
	}
	return s.due(ctx, end)
}

func (s *Service) endOf(year int) (time.Time, error) {
	if year < 2000 || year > s.Now().In(s.zone()).Year() {
		return time.Time{}, models.Errorf(models.Invalid, "name a year from 2000 to this one")
	}
	return time.Date(year+1, 1, 1, 0, 0, 0, 0, s.zone()), nil
}

// due gathers what is due before an instant.
func (s *Service) due(ctx context.Context, end time.Time) (Due, error) {
	if err := s.LoadPolicy(ctx); err != nil {
		return Due{}, err
	}
	list := &dueList{end: end}
	for _, gather := range []func(context.Context, *dueList) error{s.dueVersions, s.dueProvisions, s.dueApplications} {
		if err := gather(ctx, list); err != nil {
			return Due{}, err
		}
	}
	return Due{Items: list.items, More: list.more}, nil
}

type dueList struct {
	end   time.Time
	items []models.DisposalItem
	more  bool
}

// add takes an item that is due in time, and reports whether there is room for more.
func (l *dueList) add(kind models.DisposalItemKind, ref string, due time.Time) bool {
	if !due.Before(l.end) {
		return true
	}
	if len(l.items) == maxDue {
		l.more = true
		return false
	}
	l.items = append(l.items, models.DisposalItem{Kind: kind, Ref: ref, Due: due.UTC()})
	return true
}

// before is the latest beginning of a period that ends before the end.
func (l *dueList) before(years int) models.DueQuery {
	return models.DueQuery{Before: l.end.AddDate(-years, 0, 0), Limit: itemPage}
}

func (s *Service) dueVersions(ctx context.Context, l *dueList) error {
	years := s.Policy.Period(models.EndedVersions)
	for q := l.before(years); !l.more; {
		list, err := s.Store.EndedVersions(ctx, q)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, v := range list {
			q.After = versionRef(v.DatasetID, v.Number)
			if !l.add(models.ItemVersion, q.After, v.EndedAt.AddDate(years, 0, 0)) {
				return nil
			}
		}
	}
	return nil
}

func (s *Service) dueProvisions(ctx context.Context, l *dueList) error {
	var us, others []models.DataClass
	for _, class := range models.DataClasses() {
		if isUS(class) {
			us = append(us, class)
		} else {
			others = append(others, class)
		}
	}
	for _, classes := range [][]models.DataClass{us, others} {
		if err := s.dueProvisionsOf(ctx, l, classes); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) dueProvisionsOf(ctx context.Context, l *dueList, classes []models.DataClass) error {
	years := s.Policy.ClassYears(classes[0])
	for q := l.before(years); !l.more; {
		list, err := s.Store.EndedProvisions(ctx, classes, q)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, p := range list {
			q.After = p.ID
			due, err := s.promised(ctx, "provision", p.ID, "", p.Until.AddDate(years, 0, 0))
			if err != nil {
				return err
			}
			if !l.add(models.ItemProvision, p.ID, due) {
				return nil
			}
		}
	}
	return nil
}

func (s *Service) dueApplications(ctx context.Context, l *dueList) error {
	years := s.Policy.Period(models.RecipientRecords)
	for q := l.before(years); !l.more; {
		list, err := s.Store.EndedRecipients(ctx, q)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, r := range list {
			q.After = r.ID
			due := r.UpdatedAt.AddDate(years, 0, 0)
			for _, kind := range recipientKinds() {
				if due, err = s.promised(ctx, "recipient", r.ID, kind, due); err != nil {
					return err
				}
			}
			if !l.add(models.ItemApplication, r.ID, due) {
				return nil
			}
		}
	}
	return nil
}

// recipientKinds are the entries that hold the personal data of an organisation.
func recipientKinds() []ledger.Kind {
	return []ledger.Kind{
		ledger.RecipientApplied, ledger.RecipientUpdated, ledger.RecipientApproved, ledger.RecipientRejected, ledger.RecipientSuspended,
		ledger.RecipientReinstated, ledger.RecipientRevoked, ledger.KeyAdded, ledger.KeyProved, ledger.KeyApproved, ledger.KeyRevoked,
		ledger.AgreementAdded, ledger.AgreementEnded,
	}
}

// promised is the latest of due and the dates until which the details of the
// entries about a thing must stay.
func (s *Service) promised(ctx context.Context, noun, id string, kind ledger.Kind, due time.Time) (time.Time, error) {
	err := s.eachEntry(ctx, noun, id, kind, func(rec ledger.Record) error {
		if rec.Details != nil && rec.Kind != ledger.EntryRedacted && rec.RetentionUntil.After(due) {
			due = rec.RetentionUntil
		}
		return nil
	})
	return due, err
}

// eachEntry calls f for every entry about a thing; an empty kind means all.
func (s *Service) eachEntry(ctx context.Context, noun, id string, kind ledger.Kind, f func(ledger.Record) error) error {
	page := models.Page{Limit: itemPage}
	for {
		list, err := s.Store.Entries(ctx, models.EntryFilter{Noun: noun, ID: id, Kind: string(kind)}, page)
		if err != nil {
			return err
		}
		for _, rec := range list {
			if err := f(rec); err != nil {
				return err
			}
			page.After = indexText(rec.Index)
		}
		if len(list) < itemPage {
			return nil
		}
	}
}

// Held names a thing that a proposal keeps back from the beginning, and why.
type Held struct {
	Item   string // as DisposalItem.Name says it
	Reason string
}

// ProposeYear proposes what is due now, of what is due by the end of a year.
func (s *Service) ProposeYear(ctx context.Context, actor access.Actor, year int, reason string, held []Held) (models.Disposal, error) {
	if err := access.Can(actor, access.ProposeDisposal, access.Whole()); err != nil {
		return models.Disposal{}, err
	}
	end, err := s.endOf(year)
	if err != nil {
		return models.Disposal{}, err
	}
	if now := s.now(); now.Before(end) {
		end = now
	}
	due, err := s.due(ctx, end)
	if err != nil {
		return models.Disposal{}, err
	}
	if len(due.Items) == 0 {
		return models.Disposal{}, models.Errorf(models.Conflict, "nothing is due now; see teikyo disposal list --year %d and teikyo retention show", year)
	}
	if err := s.keepBack(actor, due.Items, held); err != nil {
		return models.Disposal{}, err
	}
	if reason, err = reasonOf(reason, true); err != nil {
		return models.Disposal{}, err
	}
	id, err := models.NewID(s.Rand, models.DisposalID)
	if err != nil {
		return models.Disposal{}, err
	}
	d := models.Disposal{
		ID: id, Kind: models.YearlyDisposal, Year: year, Reason: reason, State: models.DisposalProposed,
		ProposedBy: actor.UserID, ProposedAt: s.now(),
	}
	return d, s.save(ctx, d, due.Items)
}

// keepBack marks the items that are held.
func (s *Service) keepBack(actor access.Actor, items []models.DisposalItem, held []Held) error {
	reasons := map[string]string{}
	for _, h := range held {
		reason, err := reasonOf(h.Reason, true)
		if err != nil {
			return err
		}
		reasons[strings.TrimSpace(h.Item)] = reason
	}
	for i := range items {
		if reason, ok := reasons[items[i].Name()]; ok {
			items[i].HeldBy, items[i].HeldAt, items[i].HeldReason = actor.UserID, s.now(), reason
			delete(reasons, items[i].Name())
		}
	}
	for name := range reasons {
		return models.Errorf(models.Invalid, "%s is not due, so it cannot be held back; see teikyo disposal list --year", name)
	}
	return nil
}
