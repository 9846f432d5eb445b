// Package profile holds the rules of de-identification as versioned YAML
// documents: what happens to each field of each format, what the gate looks
// for, its thresholds, and what counts as a risk. Four are shipped; operators
// add their own, alone or on top of a shipped one (`extends`).
package profile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"teikyo/deid/recognise"
)

// Action is what is done with the values of a field.
type Action string

// The actions. What is not transformed is still looked at by the gate.
const (
	Keep          Action = "keep"           // unchanged, known to be no identifier: strong forms alone are looked for
	Drop          Action = "drop"           // the field goes, its name too
	Empty         Action = "empty"          // the value goes, the field stays
	Month         Action = "month"          // a date becomes its year and month
	Year          Action = "year"           // a date becomes its year
	Prefix3       Action = "prefix3"        // the first three digits of a postal code
	InsurerNumber Action = "insurer-number" // what is an insurer number stays, anything else goes
	Rekey         Action = "rekey"          // a pseudonym under the key of a domain
	Shift         Action = "shift"          // a date moves by the days of its person
	Generalise    Action = "generalise"     // a band of numbers, or a group of a list
	TopCode       Action = "top-code"       // numbers above a cap become the cap
	Scan          Action = "scan"           // unchanged, and looked at for every form
	DeleteText    Action = "delete-text"    // free text goes
)

// Actions are all of them, in the order of the documentation.
func Actions() []Action {
	return []Action{
		Keep, Drop, Empty, Month, Year, Prefix3, InsurerNumber, Rekey, Shift, Generalise, TopCode, Scan, DeleteText,
	}
}

// Rule is an action with its parameters. Those that an action does not use are
// zero.
type Rule struct {
	Action Action            `json:"action"`
	Cap    int               `json:"cap,omitempty"`    // top-code: the highest number that stays; default the profile's AgeCap
	Domain string            `json:"domain,omitempty"` // rekey, shift: the key's domain; empty is the one of the run
	Digits bool              `json:"digits,omitempty"` // rekey: digits only, as many as the value has
	Width  int               `json:"width,omitempty"`  // generalise: width of a band of numbers; rekey: letters and digits at most
	Days   int               `json:"days,omitempty"`   // shift: at most so many days either way
	Groups map[string]string `json:"groups,omitempty"` // generalise: a value and what stands for it
	Other  string            `json:"other,omitempty"`  // generalise: what stands for a value without a group
}

// Format is what a profile says about one format.
type Format struct {
	Default string          `json:"default,omitempty"` // action of fields without a rule; empty: the format's own cautious default
	Fields  map[string]Rule `json:"fields,omitempty"`  // by name; a name that ends in * stands for all that begin so
}

// Thresholds decide when a column is an identifier (DOMAIN.md 4.2, "Column
// decision"). Ratios are shares, 0 to 1, of its distinct filled values.
type Thresholds struct {
	BlockRatio    float64 `json:"block_ratio"`     // values have an identifier's form at this share: block
	NamedRatio    float64 `json:"named_ratio"`     // the same, where the column's name says the same class
	WarnRatio     float64 `json:"warn_ratio"`      // from this share on: warn
	WeakWarnRatio float64 `json:"weak_warn_ratio"` // WarnRatio for check digits that 10 % of random numbers pass
	MinValues     int     `json:"min_values"`      // distinct values below which no ratio alone blocks
	SampleValues  int     `json:"sample_values"`   // distinct values kept per column, a uniform sample of all of them
	FullRows      int64   `json:"full_rows"`       // rows up to here are all sampled, then one in SampleEvery
	SampleEvery   int64   `json:"sample_every"`    // strong forms are looked for in every row, sampled or not
}

// Zip3 says which three-digit ZIP prefixes may stay (45 CFR 164.514(b)(2)(i)(B)).
type Zip3 struct {
	AsOf       string   `json:"as_of,omitempty"`      // day of the list, YYYY-MM-DD
	Restricted []string `json:"restricted,omitempty"` // prefixes of 20,000 people or fewer: they become 000
	Known      []string `json:"known,omitempty"`      // when given, a prefix that is not here becomes 000 too
}

// Risk says when figures of re-identification risk are too high. Zero figures
// are not looked at.
type Risk struct {
	K           int     `json:"k,omitempty"`            // records in a class of fewer than K are too few
	L           int     `json:"l,omitempty"`            // distinct values of each sensitive column in a class
	MaxBelowK   float64 `json:"max_below_k,omitempty"`  // share of records in classes below K that is accepted
	Prosecutor  float64 `json:"prosecutor,omitempty"`   // highest accepted risk of a record
	Journalist  float64 `json:"journalist,omitempty"`   // the same against a wider population
	Marketer    float64 `json:"marketer,omitempty"`     // highest accepted average risk
	SmallCells  int     `json:"small_cells,omitempty"`  // counts below this are small cells (10 is the custom)
	OnExcess    string  `json:"on_excess,omitempty"`    // "warn" or "block"; "report" or nothing: the figures stand in the report
	Suppression bool    `json:"suppression,omitempty"`  // apply leaves out records below K
	Population  int64   `json:"population,omitempty"`   // people that the data are a sample of, for the journalist risk
	MaxMemory   int64   `json:"max_memory,omitempty"`   // bytes before classes are spilled to disk
	MaxDistinct int64   `json:"max_distinct,omitempty"` // classes beyond which figures stop
}

// Date precisions of the values that no rule names.
const (
	DatesAny  = ""
	DatesYear = "year"
)

// Profile is a set of rules. It does not change after Parse.
type Profile struct {
	Name             string                   `json:"name"`
	Version          string                   `json:"version"`
	Title            string                   `json:"title,omitempty"`
	Nothing          bool                     `json:"nothing,omitempty"` // nothing is looked at; every file needs a waiver
	Thresholds       Thresholds               `json:"thresholds"`
	AgeCap           int                      `json:"age_cap"`              // ages above it warn; the cap itself is what a capped file holds
	AgeBlocks        bool                     `json:"age_blocks,omitempty"` // ages above the cap block
	Dates            string                   `json:"dates,omitempty"`      // finest date that may stay anywhere: DatesAny or DatesYear
	Columns          map[recognise.Class]Rule `json:"columns,omitempty"`
	Formats          map[string]Format        `json:"formats,omitempty"`
	QuasiIdentifiers []string                 `json:"quasi_identifiers,omitempty"` // names or classes of columns
	Sensitive        []string                 `json:"sensitive,omitempty"`
	Zip3             Zip3                     `json:"zip3,omitzero"`
	Risk             Risk                     `json:"risk,omitzero"`
	// Hash is the SHA-256, hex, of the canonical document: all of the above, as
	// it stands after `extends`.
	Hash string `json:"-"`
}

// Rule is what the profile says about a field of a format: an exact name first,
// then the longest name that ends in * and fits, then the format's default. It
// is false when nothing is said; then the format's own cautious default holds.
func (p *Profile) Rule(format, field string) (Rule, bool) {
	f, ok := p.Formats[format]
	if !ok {
		return Rule{}, false
	}
	if r, ok := f.Fields[field]; ok {
		return r, true
	}
	best, found := Rule{}, -1
	for name, r := range f.Fields {
		prefix, glob := strings.CutSuffix(name, "*")
		if glob && len(prefix) > found && strings.HasPrefix(field, prefix) {
			best, found = r, len(prefix)
		}
	}
	if found >= 0 {
		return best, true
	}
	return Rule{Action: Action(f.Default)}, f.Default != ""
}

// ClassRule is what the profile says about columns whose name is of a class.
func (p *Profile) ClassRule(class recognise.Class) (Rule, bool) {
	r, ok := p.Columns[class]
	return r, ok
}

// hash is the SHA-256 of the canonical document: its JSON, whose names are in
// order.
func (p *Profile) hash() (string, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}
