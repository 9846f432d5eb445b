package risk

import (
	"fmt"
	"slices"

	"teikyo/models"
)

// The presets of DOMAIN.md 3.6.
const (
	PresetPublic     = "public"     // k 11, highest risk 1/11, published as 0.09; CMS: no cell of 1 to 10
	PresetControlled = "controlled" // k 5, highest risk 0.2, no record at risk: with an agreement
	PresetInternal   = "internal"   // report only
)

// Action is what happens when a limit is exceeded.
type Action string

// The actions.
const (
	Report Action = "report" // the figures are in the report, nothing more
	Warn   Action = "warn"
	Block  Action = "block"
)

// Limits are what a profile accepts. A zero field is not looked at.
type Limits struct {
	K             int     // smallest class
	MaxBelowK     float64 // share of records that may be in smaller ones
	HighestRisk   float64 // of one record, for the prosecutor
	Journalist    float64 // of one record, for the journalist
	RecordsAtRisk float64 // share of records above HighestRisk; see NoneAtRisk
	NoneAtRisk    bool    // no record may be above HighestRisk: RecordsAtRisk is 0
	SuccessRate   float64 // marketer
	L             int     // fewest distinct values of a sensitive column in a class
	T             float64 // largest distance of a class from the whole table
	Then          Action  // empty is Report
}

// Preset returns the limits of that name. The error is a *models.Error of kind
// invalid.
func Preset(name string) (Limits, error) {
	switch name {
	case PresetPublic:
		return Limits{K: 11, HighestRisk: 1.0 / 11, Journalist: 1.0 / 11, NoneAtRisk: true, Then: Block}, nil
	case PresetControlled:
		return Limits{K: 5, HighestRisk: 1.0 / 5, Journalist: 1.0 / 5, NoneAtRisk: true, Then: Block}, nil
	case PresetInternal:
		return Limits{Then: Report}, nil
	}
	return Limits{}, models.Errorf(models.Invalid, "there is no risk preset %q; use one of %v", name, Presets())
}

// Presets are the names.
func Presets() []string { return []string{PresetPublic, PresetControlled, PresetInternal} }

// Excess is a figure beyond its limit.
type Excess struct {
	Rule string `json:"rule"` // "k-anonymity", "highest-risk", "journalist-risk", "records-at-risk", "success-rate", "l-diversity", "t-closeness"
	Msg  string `json:"message"`
}

// The rules of excesses.
const (
	RuleK             = "k-anonymity"
	RuleHighest       = "highest-risk"
	RuleJournalist    = "journalist-risk"
	RuleRecordsAtRisk = "records-at-risk"
	RuleSuccess       = "success-rate"
	RuleL             = "l-diversity"
	RuleT             = "t-closeness"
)

// Rules are all of them.
func Rules() []string {
	return []string{RuleK, RuleHighest, RuleJournalist, RuleRecordsAtRisk, RuleSuccess, RuleL, RuleT}
}

// IsRule reports whether a finding is about risk.
func IsRule(rule string) bool { return slices.Contains(Rules(), rule) }

// Exceeded lists what is beyond the limits. The figures must have been counted
// with the K and the HighestRisk of the limits for the counts in the messages.
func (l Limits) Exceeded(f Figures) []Excess {
	var out []Excess
	add := func(rule, format string, args ...any) { out = append(out, Excess{rule, fmt.Sprintf(format, args...)}) }
	if share := float64(f.BelowK.Records) / float64(f.Records); l.K > 0 && share > l.MaxBelowK {
		add(RuleK, "the smallest class has %d, the profile wants at least %d: %d of %d records share their quasi-identifiers "+
			"with fewer; generalise or leave out columns, or leave these records out", f.Smallest, l.K, f.BelowK.Records, f.Records)
	}
	if l.HighestRisk > 0 && f.Prosecutor.Highest > l.HighestRisk {
		add(RuleHighest, "the highest risk of one record is %.3g for a prosecutor, the profile allows %.3g", f.Prosecutor.Highest, l.HighestRisk)
	}
	if l.Journalist > 0 && f.Journalist.Highest > l.Journalist {
		add(RuleJournalist, "the highest risk of one record is %.3g for a journalist, the profile allows %.3g", f.Journalist.Highest, l.Journalist)
	}
	if share := f.Prosecutor.RecordsAtRisk; (l.NoneAtRisk || l.RecordsAtRisk > 0) && share > l.RecordsAtRisk {
		add(RuleRecordsAtRisk, "%.3g of the records have a risk above %.3g, the profile allows %.3g", share, f.Threshold, l.RecordsAtRisk)
	}
	if l.SuccessRate > 0 && f.Marketer > l.SuccessRate {
		add(RuleSuccess, "%.3g of the records would be found by matching all of them, the profile allows %.3g", f.Marketer, l.SuccessRate)
	}
	for _, d := range f.Diversity {
		if l.L > 0 && d.Distinct < int64(l.L) {
			add(RuleL, "the column %q has %d different values in its poorest class, the profile wants at least %d", d.Column, d.Distinct, l.L)
		}
		if l.T > 0 && !d.NoT && d.Closeness > l.T {
			add(RuleT, "the column %q is distributed in one class %.3g away from the whole table, the profile allows %.3g",
				d.Column, d.Closeness, l.T)
		}
	}
	return out
}
