// Package rowrisk measures the risk of the tables that the gate reads: which
// columns are quasi-identifiers, what the profile accepts, and what is found
// beyond that. The counting is in package risk.
package rowrisk

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"teikyo/deid/profile"
	"teikyo/deid/recognise"
	"teikyo/deid/risk"
	"teikyo/models"
)

// Table takes the rows of one table. Make one with ForProfile or Of; Close it.
type Table struct {
	quasi, sensitive []string // names or classes of columns
	strict           bool     // every one of them must be there
	cfg              risk.Config
	limits           risk.Limits

	asked   bool
	columns int // quasi-identifiers among the wanted
	counter *risk.Counter
	err     error
}

// ForProfile makes a Table that measures what the profile names; nil when it
// names no quasi-identifiers, or looks at nothing.
func ForProfile(p *profile.Profile, sealer risk.Sealer, rand io.Reader) *Table {
	if p.Nothing || len(p.QuasiIdentifiers) == 0 {
		return nil
	}
	k := p.Risk
	limits := risk.Limits{
		K: k.K, MaxBelowK: k.MaxBelowK, HighestRisk: k.Prosecutor, Journalist: k.Journalist, SuccessRate: k.Marketer, L: k.L,
		Then: risk.Action(k.OnExcess),
	}
	if limits.Then == "" {
		limits.Then = risk.Report
	}
	cfg := risk.Config{K: k.K, Threshold: k.Prosecutor, Sealer: sealer, Rand: rand}
	if k.MaxMemory > 0 {
		cfg.Memory = min(k.MaxMemory, risk.DefaultMemory)
	}
	return &Table{quasi: p.QuasiIdentifiers, sensitive: p.Sensitive, cfg: cfg, limits: limits}
}

// Of makes a Table for the columns that somebody named: all of them must be
// there.
func Of(cfg risk.Config) *Table {
	return &Table{quasi: cfg.QuasiIdentifiers, sensitive: cfg.Sensitive, strict: true, cfg: cfg}
}

// Wanted implements scan.Rows.
func (t *Table) Wanted(names []string, classes []recognise.Class) []int {
	t.asked = true
	var quasi, sensitive []int
	if quasi = t.resolve(t.quasi, names, classes, nil); len(quasi) == 0 || t.err != nil {
		return nil
	}
	if sensitive = t.resolve(t.sensitive, names, classes, quasi); t.err != nil {
		return nil
	}
	t.columns = len(quasi)
	if !t.strict {
		t.cfg.QuasiIdentifiers, t.cfg.Sensitive = columnNames(names, quasi), columnNames(names, sensitive)
	}
	if t.open(); t.err != nil {
		return nil
	}
	return append(quasi, sensitive...)
}

// open makes the counter, unless the population did.
func (t *Table) open() {
	if t.counter == nil && t.err == nil {
		t.counter, t.err = risk.New(t.cfg)
	}
}

// resolve finds columns by name or class.
func (t *Table) resolve(wanted, names []string, classes []recognise.Class, taken []int) []int {
	var columns []int
	for _, one := range wanted {
		at := find(one, names, classes, append(slices.Clone(taken), columns...))
		if t.strict && len(at) == 0 {
			t.err = models.Errorf(models.Invalid, "there is no column %q; the columns are: %s", one, strings.Join(columnNames(names, everyColumn(names)), ", "))
			return nil
		}
		if t.strict {
			at = at[:1]
		}
		columns = append(columns, at...)
	}
	return columns
}

// columnNames are the names of columns for reports; one that is itself an
// identifier is not shown.
func columnNames(names []string, columns []int) []string {
	finder, out := recognise.NewFinder(), []string{}
	for _, i := range columns {
		name := names[i]
		if name == "" || len(finder.Find(recognise.Fold(nil, []byte(name)))) > 0 {
			name = fmt.Sprintf("col%d", i+1)
		}
		out = append(out, name)
	}
	return out
}

// everyColumn is at most the first 100, for messages.
func everyColumn(names []string) []int {
	var out []int
	for i := range names[:min(len(names), 100)] {
		out = append(out, i)
	}
	return out
}

// find is the columns of that name; without one, those of that class.
func find(wanted string, names []string, classes []recognise.Class, taken []int) []int {
	key := fold(wanted)
	var named, classed []int
	for i, name := range names {
		switch f := fold(name); {
		case slices.Contains(taken, i) || name == "":
		case f == key:
			named = append(named, i)
		case string(classes[i]) == wanted, key == "sex" && slices.Contains(sexWords(), f):
			classed = append(classed, i)
		}
	}
	if len(named) > 0 {
		return named
	}
	return classed
}

// sexWords: the recognisers have no class for it, as it identifies nobody alone.
func sexWords() []string {
	return []string{"sex", "gender", "性別", "男女区分", "sexo", "gênero", "genero"}
}

func fold(s string) string {
	return string(bytes.ToLower(bytes.TrimSpace(recognise.Fold(nil, []byte(s)))))
}

// Row implements scan.Rows. What goes wrong is said by Finish: the other findings
// of the check do not hang on it.
func (t *Table) Row(values [][]byte) error {
	if t.err == nil {
		t.err = t.counter.Add(values[:t.columns], values[t.columns:])
	}
	return nil
}

// Finding is a figure beyond its limit, or that there are none.
type Finding struct {
	Rule, Msg string
	Block     bool
}

// RuleNotMeasured is the rule of figures that could not be counted.
const RuleNotMeasured = "risk-not-measured"

// Finish counts, and compares with the limits. Without figures there was no
// table, or none of its columns is a quasi-identifier.
func (t *Table) Finish() (*risk.Figures, []Finding) {
	if t.counter == nil && t.err == nil {
		return nil, nil
	}
	figures, err := t.figures()
	switch {
	case models.IsKind(err, models.Invalid) && !t.strict: // no rows
		return nil, nil
	case err != nil:
		return nil, []Finding{{
			Rule: RuleNotMeasured, Block: t.limits.Then == risk.Block,
			Msg: "the risk of re-identification could not be measured: " + err.Error(),
		}}
	}
	if t.limits.Then == risk.Report {
		return &figures, nil
	}
	var out []Finding
	for _, e := range t.limits.Exceeded(figures) {
		out = append(out, Finding{e.Rule, e.Msg, t.limits.Then == risk.Block})
	}
	return &figures, out
}

func (t *Table) figures() (risk.Figures, error) {
	if t.err != nil {
		return risk.Figures{}, t.err
	}
	return t.counter.Figures()
}

// Population takes the rows of a larger table of which this one is a sample, for
// the journalist's risk; it must be read first.
func (t *Table) Population() *Population { return &Population{t: t} }

// Population implements scan.Rows.
type Population struct{ t *Table }

// Wanted implements scan.Rows.
func (p *Population) Wanted(names []string, classes []recognise.Class) []int {
	columns := p.t.resolve(p.t.quasi, names, classes, nil)
	if p.t.open(); p.t.err != nil {
		return nil
	}
	return columns
}

// Row implements scan.Rows.
func (p *Population) Row(values [][]byte) error {
	if p.t.err == nil {
		p.t.err = p.t.counter.AddPopulation(values)
	}
	return nil
}

// Figures is Finish for the columns that somebody named. The error is a
// *models.Error: Invalid for what is no table, or has no such column.
func (t *Table) Figures() (risk.Figures, error) {
	if !t.asked {
		return risk.Figures{}, models.Errorf(models.Invalid, "this is no table; figures of risk are about tables: CSV and TSV")
	}
	return t.figures()
}

// Close removes what was spilled; it may be repeated.
func (t *Table) Close() error {
	if t == nil || t.counter == nil {
		return nil
	}
	return t.counter.Close()
}
