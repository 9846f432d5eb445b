package disposal

import (
	"context"
	"strings"
	"sync"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
)

// Policy is how long each kind of records stays. It is safe for concurrent use; the
// zero value holds the program's own periods.
type Policy struct {
	mu  sync.RWMutex
	set map[models.RecordKind]models.Retention
}

// Period is the period of a kind of records, in years or days as its rule says: what
// was set, else the default, and never less than the floor.
func (p *Policy) Period(kind models.RecordKind) int {
	rule, _ := ruleOf(kind)
	p.mu.RLock()
	defer p.mu.RUnlock()
	if set, ok := p.set[kind]; ok {
		return max(set.Period, rule.Floor)
	}
	return rule.Default
}

func ruleOf(kind models.RecordKind) (models.RetentionRule, bool) {
	for _, rule := range models.RetentionRules() {
		if rule.Kind == kind {
			return rule, true
		}
	}
	return models.RetentionRule{}, false
}

// ClassYears is how many years after its end the records of a provision stay.
func (p *Policy) ClassYears(class models.DataClass) int {
	if isUS(class) {
		return p.Period(models.USProvisionRecords)
	}
	return p.Period(models.ProvisionRecords)
}

func isUS(class models.DataClass) bool {
	return class == models.USDeidentified || class == models.USLimitedDataSet
}

// EntryYears is how many years the details of a ledger entry stay that speaks of no
// class of data: for those of provisions the longer one of the two periods.
func (p *Policy) EntryYears(kind ledger.Kind) int {
	noun, _, _ := strings.Cut(string(kind), ".")
	switch noun {
	case "recipient", "key", "agreement", "destination":
		return p.Period(models.RecipientRecords)
	case "user", "config", "entry", "kek", "issuer", "restored":
		return p.Period(models.AccountRecords)
	case "dataset", "waiver", "notice", "disposal":
		return p.Period(models.DatasetRecords)
	default:
		return max(p.Period(models.ProvisionRecords), p.Period(models.USProvisionRecords))
	}
}

// RetentionRow is the rule of a kind of records and what is in force.
type RetentionRow struct {
	models.RetentionRule
	Period int
	Set    models.Retention // zero when nobody set it
}

// LoadPolicy reads what was set, here or at another node.
func (s *Service) LoadPolicy(ctx context.Context) error {
	list, err := s.Store.Retentions(ctx)
	if err != nil {
		return err
	}
	set := make(map[models.RecordKind]models.Retention, len(list))
	for _, r := range list {
		set[r.Kind] = r
	}
	s.Policy.mu.Lock()
	defer s.Policy.mu.Unlock()
	s.Policy.set = set
	return nil
}

// Retention lists the periods of all kinds of records.
func (s *Service) Retention(ctx context.Context, actor access.Actor) ([]RetentionRow, error) {
	if err := access.Can(actor, access.ReadDisposal, access.Whole()); err != nil {
		return nil, err
	}
	if err := s.LoadPolicy(ctx); err != nil {
		return nil, err
	}
	var rows []RetentionRow
	for _, rule := range models.RetentionRules() {
		row := RetentionRow{RetentionRule: rule, Period: s.Policy.Period(rule.Kind)}
		s.Policy.mu.RLock()
		row.Set = s.Policy.set[rule.Kind]
		s.Policy.mu.RUnlock()
		rows = append(rows, row)
	}
	return rows, nil
}

// retentionChanged are the details of config.changed.
type retentionChanged struct {
	What   string `json:"what"`
	Kind   string `json:"kind"`
	Before int    `json:"before"`
	Now    int    `json:"now"`
	Unit   string `json:"unit"`
	Reason string `json:"reason"`
}

// SetRetention changes the period of a kind of records. Nobody goes below the floor
// of the law. What the ledger promised before stays promised: the date in a leaf
// does not change.
func (s *Service) SetRetention(ctx context.Context, actor access.Actor, kind models.RecordKind, period int, reason string) (RetentionRow, error) {
	if err := access.Can(actor, access.SetRetention, access.Whole()); err != nil {
		return RetentionRow{}, err
	}
	rule, known := ruleOf(kind)
	if !known {
		return RetentionRow{}, models.Errorf(models.Invalid, "there is no kind of records %q; see teikyo retention show", kind)
	}
	reason, err := reasonOf(reason, true)
	if err != nil {
		return RetentionRow{}, err
	}
	if err := checkPeriod(rule, period); err != nil {
		return RetentionRow{}, err
	}
	set := models.Retention{Kind: kind, Period: period, SetBy: actor.UserID, SetAt: s.now(), Reason: reason}
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		if err := s.Store.SaveRetention(ctx, set); err != nil {
			return err
		}
		return s.Store.Append(ctx, &ledger.Entry{
			Kind: ledger.ConfigChanged, IDs: map[string]string{"actor": actor.UserID},
			Details: retentionChanged{"retention", string(kind), s.Policy.Period(kind), period, unit(rule), reason},
		})
	})
	if err != nil {
		return RetentionRow{}, err
	}
	return RetentionRow{RetentionRule: rule, Period: period, Set: set}, s.LoadPolicy(ctx)
}

func unit(rule models.RetentionRule) string {
	if rule.Days {
		return "days"
	}
	return "years"
}

func checkPeriod(rule models.RetentionRule, period int) error {
	longest := models.LongestRetention
	if rule.Days {
		longest *= 366
	}
	switch {
	case period < rule.Floor:
		return models.Errorf(models.Invalid, "%s are kept for at least %d %s: %s", rule.Kind, rule.Floor, unit(rule), rule.Law)
	case period > longest:
		return models.Errorf(models.Invalid, "at most %d %s can be set", longest, unit(rule))
	}
	return nil
}
