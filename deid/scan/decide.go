package scan

import (
	"fmt"
	"slices"
	"strings"

	"teikyo/deid/profile"
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
	soft  bool              // other things have the form too: it warns at most
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
	{forms: recognise.FormKana, rule: "person-name", what: "names in katakana", weak: true},
	{
		forms: recognise.FormPadded, rule: "padded-number", weak: true, soft: true,
		what: "numbers filled up with zeros to ten digits, as chart numbers and insured numbers of nursing care are",
	},
}

var nationalIDs = []recognise.Class{recognise.NationalID}

// classWords name the direct classes in messages.
var classWords = map[recognise.Class]string{
	recognise.PersonName: "a person's name", recognise.Address: "an address", recognise.PhoneNumber: "a phone number",
	recognise.EmailAddress: "an e-mail address", recognise.PatientID: "a patient or chart number",
	recognise.Certificate: "an insurance certificate", recognise.NationalID: "a national identifier", recognise.Staff: "a member of staff",
	recognise.Account: "an account, a certificate or a licence", recognise.Device: "a vehicle or a device",
	recognise.Network: "an address of a page or a computer", recognise.Biometric: "a body or a face",
}

// decide turns the counts of the fields into findings.
func (c *Collector) decide() []Column {
	if c.above != nil {
		c.strong(c.above, nil)
	}
	columns := make([]Column, 0, len(c.fields))
	for _, f := range c.fields {
		out := Column{Name: f.name, Class: string(f.class), NonEmpty: f.filled, Sampled: f.sample.Len()}
		done := map[string]bool{} // rules that blocked this field already
		c.filled(f, done)
		if !f.kept {
			c.values(f, done, &out)
			c.births(f, &out)
		}
		c.strong(f, done)
		c.soft(f)
		for _, y := range f.tallies {
			out.Hits = append(out.Hits, Hit{Rule: string(y.rule), Cells: y.cells, Examples: y.examples})
		}
		columns = append(columns, out)
	}
	c.unseen()
	return columns
}

// filled reports a field whose every value stands for a person.
func (c *Collector) filled(f *Field, done map[string]bool) {
	if !f.direct || f.telling == 0 {
		return
	}
	done[string(f.class)] = true
	take := "take the " + f.noun + " out or empty it"
	switch what := classWords[f.class]; {
	case what == "":
		c.Block("profile-"+string(f.rule.Action), f.where, fmt.Sprintf(
			"%s holds %d %s that the profile takes out (%s), the first on line %d; apply the profile", f.where, f.telling, f.unit, f.rule.Action, f.first))
	case f.kind.Known:
		c.Block("column-"+string(f.class), f.where, fmt.Sprintf(
			"%s holds %s in %d %s, the first on line %d; %s", f.where, what, f.telling, f.unit, f.first, take))
	default:
		c.Block("column-"+string(f.class), f.where, fmt.Sprintf(
			"%s is named like %s and %d of its %s are filled; %s", f.where, what, f.telling, f.unit, take))
	}
}

// values applies DOMAIN.md 4.2, "Column decision".
func (c *Collector) values(f *Field, done map[string]bool, out *Column) {
	for _, fr := range formRules {
		named := slices.Contains(fr.class, f.class)
		hits := f.sample.Count(fr.forms)
		if hits == 0 || fr.only && !named {
			continue
		}
		n := f.sample.Len()
		ratio := float64(hits) / float64(n)
		examples := f.examplesOf(fr.forms)
		out.Hits = append(out.Hits, Hit{Rule: fr.rule, Ratio: ratio, Examples: examples})
		if done[fr.rule] || named && f.direct && f.telling > 0 {
			continue
		}
		msg := fmt.Sprintf("%s: %d of %d different values (%.0f %%) look like %s, for example %s",
			f.where, hits, n, ratio*100, fr.what, strings.Join(examples, ", "))
		block, warn := c.weigh(fr, ratio, n, named)
		switch {
		case block:
			done[fr.rule] = true
			c.Block(fr.rule, f.where, msg+"; take the "+f.noun+" out, or generalise it as the profile says")
		case warn:
			c.Warn(fr.rule, f.where, msg+"; make sure that they are not")
		}
	}
}

func (c *Collector) weigh(fr formRule, ratio float64, n int, named bool) (block, warn bool) {
	t := &c.profile.Thresholds
	warnFrom := t.WarnRatio
	if fr.weak {
		warnFrom = t.WeakWarnRatio
	}
	enough := n >= t.MinValues
	block = named && ratio >= t.NamedRatio || ratio >= t.BlockRatio && enough ||
		fr.forms == recognise.FormName && ratio >= t.NamedRatio && enough
	return block && !fr.soft, ratio >= warnFrom && (enough || !fr.weak)
}

// Suggest is the class that the values of a field speak for at the share that
// blocks, or that its name says; NoClass when neither does. date reports full
// dates at that share, of whatever.
func (c *Collector) Suggest(f *Field) (class recognise.Class, date bool) {
	n := f.sample.Len()
	if n == 0 {
		return f.class, false
	}
	date = float64(f.sample.Count(recognise.FormDate)) >= c.profile.Thresholds.NamedRatio*float64(n)
	if f.class != recognise.NoClass {
		return f.class, date
	}
	for _, fr := range formRules {
		if fr.only {
			continue
		}
		if block, _ := c.weigh(fr, float64(f.sample.Count(fr.forms))/float64(n), n, false); block {
			return fr.class[0], date
		}
	}
	return recognise.NoClass, date
}

func (f *Field) examplesOf(forms recognise.Forms) []string {
	var out []string
	for form := recognise.Forms(1); form < recognise.FormsEnd; form <<= 1 {
		if forms&form != 0 {
			out = append(out, f.examples[form]...)
		}
	}
	return out[:min(len(out), maxExamples)]
}

// births decides on dates of birth: under such a name any day but the first of
// the month blocks; elsewhere a column of full dates that is spread over decades
// as only births are.
func (c *Collector) births(f *Field, out *Column) {
	if b := f.birth; b.exact > 0 {
		keep := "the year and month"
		if f.rule.Action == profile.Year {
			keep = "the year"
		}
		out.Hits = append(out.Hits, Hit{Rule: "birth-date", Cells: b.exact, Examples: []string{b.example}})
		c.Block("birth-date", f.where, fmt.Sprintf(
			"%s holds %d dates of birth with a day, the first on line %d (%s); keep %s only", f.where, b.exact, b.line, b.example, keep))
		return
	}
	n, hits := f.sample.Len(), f.sample.Count(recognise.FormDate)
	ratio := float64(hits) / float64(max(n, 1))
	if c.profile.Dates == profile.DatesYear && f.class != recognise.Birth && ratio >= c.profile.Thresholds.WarnRatio {
		c.fullDates(f, ratio, hits, n)
		return
	}
	if f.class == recognise.Birth || n < c.profile.Thresholds.MinValues || ratio < c.profile.Thresholds.BlockRatio || !f.spread() {
		return
	}
	msg := fmt.Sprintf("%s holds full dates spread over decades (%s), as dates of birth are; keep the year and month, "+
		"or name the %s after what the dates are", f.where, strings.Join(f.examplesOf(recognise.FormDate), ", "), f.noun)
	if f.noun == "column" && !c.Shape.Header || f.class == recognise.FreeText {
		c.Block("birth-date", f.where, msg)
		return
	}
	c.Warn("birth-date", f.where, msg)
}

// fullDates: a profile that allows years only.
func (c *Collector) fullDates(f *Field, ratio float64, hits, n int) {
	msg := fmt.Sprintf("%s: %d of %d different values (%.0f %%) are full dates (%s); the profile allows years only",
		f.where, hits, n, ratio*100, strings.Join(f.examplesOf(recognise.FormDate), ", "))
	if ratio >= c.profile.Thresholds.NamedRatio {
		c.Block("full-date", f.where, msg)
		return
	}
	c.Warn("full-date", f.where, msg)
}

// spread: at least four decades, one of them before 1980, with 5 % of the dates
// each. Dates of service are not, with or without dummy dates like 1900-01-01.
func (f *Field) spread() bool {
	decades, early := 0, false
	for i, n := range f.decades {
		if int(n)*20 >= f.dates && n > 0 {
			decades++
			early = early || i < 13
		}
	}
	return decades >= 4 && early
}

// strong reports strong forms inside values: in text they block, single ones
// elsewhere warn.
func (c *Collector) strong(f *Field, done map[string]bool) {
	for _, y := range f.tallies {
		rule := string(y.rule)
		if done[rule] || done[string(f.class)] && rule == string(f.class) {
			continue
		}
		msg := fmt.Sprintf("%s: %d %s hold %s, the first on line %d (%s)%s",
			f.where, y.cells, f.unit, ruleWords[y.rule], y.line, strings.Join(y.examples, ", "), nextTo(y.near))
		switch {
		case y.rule != recognise.OldDate && (y.inText > 0 || f == c.above || y.rule == recognise.BirthDate):
			c.Block(rule, f.where, msg+"; take them out of the text")
		case y.rule == recognise.OldDate && f.class != recognise.FreeText && y.inText == 0:
		case f.kept && y.rule == recognise.OldDate, f.kept && f.class == recognise.PostalCode && y.rule == recognise.Postal:
		default:
			c.Warn(rule, f.where, msg+"; make sure that no person can be found by them")
		}
	}
}

// nextTo says why: the words of context.
func nextTo(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return ", next to the word " + strings.Join(words, ", ")
}

// ruleWords name the rules of hits inside text.
var ruleWords = map[recognise.Rule]string{
	recognise.Email: "an e-mail address", recognise.Phone: "a phone number", recognise.Postal: "a full postal code",
	recognise.SSN: "a US Social Security number", recognise.CPF: "a Brazilian CPF number", recognise.MBI: "a US Medicare number",
	recognise.BirthDate: "a full date of birth", recognise.Labelled: "a number after the name of an identifier",
	recognise.OldDate: "a full date before 1990, which may be one of birth", recognise.Person: "a person's name",
}

// RuleWords are the words for a rule of a hit inside text, in messages.
func RuleWords(rule recognise.Rule) string { return ruleWords[rule] }

// soft adds the warnings that concern no identifier.
func (c *Collector) soft(f *Field) {
	if y := f.old; y.cells > 0 {
		tell := c.Warn
		if c.profile.AgeBlocks {
			tell = c.Block
		}
		tell("age-over-cap", f.where, fmt.Sprintf("%s: %d ages are above %d, the first on line %d; cap them at %d",
			f.where, y.cells, c.profile.AgeCap, y.line, c.profile.AgeCap))
	}
	text := f.class == recognise.FreeText && f.filled > 0 && !f.kind.Keep
	if n := f.sample.Len(); n >= c.profile.Thresholds.MinValues && f.sample.Count(formProse)*10 >= n*3 {
		text = true
	}
	if text {
		c.Warn("free-text", f.where, f.where+" is free text: it was scanned for forms, not understood; names and stories in it were not "+
			"looked for; take it out unless it is needed")
	}
}

// unseen says what was not looked at.
func (c *Collector) unseen() {
	t := &c.profile.Thresholds
	c.NotLookedAt("names of people and stories inside free text")
	c.NotLookedAt("dates of birth written as serial numbers")
	c.NotLookedAt("combinations of values that point to one person (k-anonymity)")
	if c.Shape.Rows > t.FullRows {
		c.NotLookedAt(fmt.Sprintf("check digits and shares of columns in rows after %d: one row in %d was sampled; "+
			"e-mail addresses, written phone numbers and the like were looked for in every row", t.FullRows, t.SampleEvery))
	}
}
