package deid

import (
	"fmt"
	"slices"
	"strings"

	"teikyo/deid/recognise"
)

// formRule says what a form means for a column.
type formRule struct {
	forms recognise.Forms
	rule  string
	what  string            // the form, in words
	class []recognise.Class // columns with such a name need a lower share
	only  bool              // counts only under such a name
	weak  bool              // 10 % of random numbers pass
}

var formRules = []formRule{
	{forms: recognise.FormEmail, rule: "email", what: "e-mail addresses", class: []recognise.Class{recognise.EmailAddress}},
	{forms: recognise.FormPhone | recognise.FormMobile, rule: "phone", what: "phone numbers", class: []recognise.Class{recognise.PhoneNumber}},
	{forms: recognise.FormPhoneBare, rule: "phone", what: "phone numbers", class: []recognise.Class{recognise.PhoneNumber}, only: true},
	{forms: recognise.FormPostal, rule: "postal-code", what: "full postal codes", class: []recognise.Class{recognise.PostalCode}},
	{
		forms: recognise.FormPostal | recognise.FormPostalBare, rule: "postal-code", what: "full postal codes",
		class: []recognise.Class{recognise.PostalCode}, only: true,
	},
	{forms: recognise.FormMyNumber, rule: "my-number", what: "individual numbers (マイナンバー)", class: nationalIDs, weak: true},
	{forms: recognise.FormSSN, rule: "ssn", what: "US Social Security numbers", class: nationalIDs},
	{forms: recognise.FormNPI, rule: "npi", what: "US provider identifiers", class: nationalIDs, weak: true},
	{forms: recognise.FormDEA, rule: "dea", what: "US DEA numbers", class: nationalIDs, weak: true},
	{forms: recognise.FormCPF, rule: "cpf", what: "Brazilian CPF numbers", class: nationalIDs},
	{forms: recognise.FormMBI, rule: "mbi", what: "US Medicare numbers", class: []recognise.Class{recognise.Certificate}},
	{forms: recognise.FormCNS, rule: "cns", what: "Brazilian health card numbers", class: []recognise.Class{recognise.Certificate}, weak: true},
	{
		forms: recognise.FormName, rule: "person-name", what: "names of people",
		class: []recognise.Class{recognise.PersonName, recognise.Staff},
	},
}

var nationalIDs = []recognise.Class{recognise.NationalID}

// classWords name the direct classes in messages.
var classWords = map[recognise.Class]string{
	recognise.PersonName: "a person's name", recognise.Address: "an address", recognise.PhoneNumber: "a phone number",
	recognise.EmailAddress: "an e-mail address", recognise.PatientID: "a patient or chart number",
	recognise.Certificate: "an insurance certificate", recognise.NationalID: "a national identifier", recognise.Staff: "a member of staff",
}

// decide turns the counts of the columns into findings.
func (t *tabular) decide() {
	t.strong(t.above, "header", nil)
	for i, col := range t.columns {
		where := fmt.Sprintf("column %d %q", i+1, col.name)
		out := Column{Name: col.name, Class: string(col.class), NonEmpty: col.filled, Sampled: col.sample.Len()}
		done := map[string]bool{} // rules that blocked this column already
		if col.class.Direct() && col.telling > 0 {
			done[string(col.class)] = true
			t.report.block("column-"+string(col.class), where, fmt.Sprintf(
				"%s is named like %s and %d of its cells are filled; take the column out or empty it", where, classWords[col.class], col.telling))
		}
		t.values(col, where, done, &out)
		t.births(col, where, &out)
		t.strong(col, where, done)
		t.soft(col, where)
		for _, y := range col.tallies {
			out.Hits = append(out.Hits, Hit{Rule: string(y.rule), Cells: y.cells, Examples: y.examples})
		}
		t.report.Columns = append(t.report.Columns, out)
	}
	t.unseen()
}

// values applies DOMAIN.md 4.2, "Column decision".
func (t *tabular) values(col *column, where string, done map[string]bool, out *Column) {
	for _, fr := range formRules {
		named := slices.Contains(fr.class, col.class)
		hits := col.sample.Count(fr.forms)
		if hits == 0 || fr.only && !named {
			continue
		}
		n := col.sample.Len()
		ratio := float64(hits) / float64(n)
		examples := col.examplesOf(fr.forms)
		out.Hits = append(out.Hits, Hit{Rule: fr.rule, Ratio: ratio, Examples: examples})
		if done[fr.rule] || named && col.class.Direct() && col.telling > 0 {
			continue
		}
		msg := fmt.Sprintf("%s: %d of %d different values (%.0f %%) look like %s, for example %s",
			where, hits, n, ratio*100, fr.what, strings.Join(examples, ", "))
		switch t.weigh(fr, ratio, n, named) {
		case VerdictBlock:
			done[fr.rule] = true
			t.report.block(fr.rule, where, msg+"; take the column out, or generalise it as the profile says")
		case VerdictWarn:
			t.report.warn(fr.rule, where, msg+"; make sure that they are not")
		}
	}
}

func (t *tabular) weigh(fr formRule, ratio float64, n int, named bool) Verdict {
	p := t.profile
	warnFrom := p.WarnRatio
	if fr.weak {
		warnFrom = p.WeakWarnRatio
	}
	enough := n >= p.MinValues
	switch {
	case named && ratio >= p.NamedRatio, ratio >= p.BlockRatio && enough,
		fr.forms == recognise.FormName && ratio >= p.NamedRatio && enough:
		return VerdictBlock
	case ratio >= warnFrom && (enough || !fr.weak):
		return VerdictWarn
	}
	return VerdictPass
}

func (c *column) examplesOf(forms recognise.Forms) []string {
	var out []string
	for form := recognise.Forms(1); form < recognise.FormsEnd; form <<= 1 {
		if forms&form != 0 {
			out = append(out, c.examples[form]...)
		}
	}
	return out[:min(len(out), maxExamples)]
}

// births decides on dates of birth: under such a name any day but the first of
// the month blocks; elsewhere a column of full dates that is spread over decades
// as only births are.
func (t *tabular) births(col *column, where string, out *Column) {
	if b := col.birth; b.exact > 0 {
		out.Hits = append(out.Hits, Hit{Rule: "birth-date", Cells: b.exact, Examples: []string{b.example}})
		t.report.block("birth-date", where, fmt.Sprintf(
			"%s holds %d dates of birth with a day, the first on line %d (%s); keep the year and month only", where, b.exact, b.line, b.example))
		return
	}
	n, hits := col.sample.Len(), col.sample.Count(recognise.FormDate)
	if col.class == recognise.Birth || n < t.profile.MinValues || float64(hits) < t.profile.BlockRatio*float64(n) || !col.spread() {
		return
	}
	msg := fmt.Sprintf("%s holds full dates spread over decades (%s), as dates of birth are; keep the year and month, "+
		"or name the column after what the dates are", where, strings.Join(col.examplesOf(recognise.FormDate), ", "))
	if !t.report.Header || col.class == recognise.FreeText {
		t.report.block("birth-date", where, msg)
		return
	}
	t.report.warn("birth-date", where, msg)
}

// spread: at least four decades, one of them before 1980, with 5 % of the dates
// each. Dates of service are not, with or without dummy dates like 1900-01-01.
func (c *column) spread() bool {
	decades, early := 0, false
	for i, n := range c.decades {
		if int(n)*20 >= c.dates && n > 0 {
			decades++
			early = early || i < 13
		}
	}
	return decades >= 4 && early
}

// strong reports strong forms inside cells: in text they block, single ones
// elsewhere warn.
func (t *tabular) strong(col *column, where string, done map[string]bool) {
	for _, y := range col.tallies {
		rule := string(y.rule)
		if done[rule] || done[string(col.class)] && rule == string(col.class) {
			continue
		}
		msg := fmt.Sprintf("%s: %d cells hold %s, the first on line %d (%s)",
			where, y.cells, ruleWords[y.rule], y.line, strings.Join(y.examples, ", "))
		switch {
		case y.rule != recognise.OldDate && (y.inText > 0 || col == t.above || y.rule == recognise.BirthDate):
			t.report.block(rule, where, msg+"; take them out of the text")
		case y.rule == recognise.OldDate && col.class != recognise.FreeText && y.inText == 0:
		default:
			t.report.warn(rule, where, msg+"; make sure that no person can be found by them")
		}
	}
}

// ruleWords name the rules of hits inside text.
var ruleWords = map[recognise.Rule]string{
	recognise.Email: "an e-mail address", recognise.Phone: "a phone number", recognise.Postal: "a full postal code",
	recognise.SSN: "a US Social Security number", recognise.CPF: "a Brazilian CPF number", recognise.MBI: "a US Medicare number",
	recognise.BirthDate: "a full date of birth", recognise.Labelled: "a number after the name of an identifier",
	recognise.OldDate: "a full date before 1990, which may be one of birth",
}

// soft adds the warnings that concern no identifier.
func (t *tabular) soft(col *column, where string) {
	if y := col.old; y.cells > 0 {
		t.report.warn("age-over-cap", where, fmt.Sprintf("%s: %d ages are above %d, the first on line %d; cap them at %d",
			where, y.cells, t.profile.AgeCap, y.line, t.profile.AgeCap))
	}
	text := col.class == recognise.FreeText && col.filled > 0
	if n := col.sample.Len(); n >= t.profile.MinValues && col.sample.Count(formProse)*10 >= n*3 {
		text = true
	}
	if text {
		t.report.warn("free-text", where, where+" is free text: it was scanned for forms, not understood; names and stories in it were not "+
			"looked for; take it out unless it is needed")
	}
}

// unseen says what was not looked at.
func (t *tabular) unseen() {
	r, p := t.report, t.profile
	r.NotLookedAt = append(r.NotLookedAt,
		"names of people and stories inside free text",
		"dates of birth written as serial numbers or in kanji numerals",
		"combinations of values that point to one person (k-anonymity)")
	if r.Rows > p.FullRows {
		r.NotLookedAt = append(r.NotLookedAt, fmt.Sprintf("check digits and shares of columns in rows after %d: one row in %d was sampled; "+
			"e-mail addresses, written phone numbers and the like were looked for in every row", p.FullRows, p.SampleEvery))
	}
}
