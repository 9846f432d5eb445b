// Package scan is what every reader of a format feeds: fields with their
// values. It remembers counts, samples of hashes and masked examples, never a
// value, at bounded memory, and turns them into findings (DOMAIN.md 4.2).
package scan

import (
	"fmt"
	"strings"
	"unicode"

	"teikyo/deid/profile"
	"teikyo/deid/recognise"
	"teikyo/deid/table"
)

// MaxFields is how many fields one file may have; values of further ones are
// looked at together, and a finding says so.
const MaxFields = 10_000

// Finding is something that a person has to know. Location is "" or a place in
// the file, never a value.
type Finding struct {
	Rule, Location, Msg string
	Block               bool
}

// Shape is how a file is built, for reports.
type Shape struct {
	Format    string // how people call it: "CSV", "FHIR NDJSON"
	Encoding  string // "UTF-8", …; "" when it is not text
	Delimiter string // one character, "" when not tabular
	Header    bool   // the first row holds names of columns
	Rows      int64  // rows, records, lines, resources
}

// Column is what was counted in one field.
type Column struct {
	Name     string `json:"name"`            // "col1", "col2", … where there is no header
	Class    string `json:"class,omitempty"` // by name (DOMAIN.md 4.1), or as the format says
	NonEmpty int64  `json:"non_empty"`       // values of the whole file
	Sampled  int    `json:"sampled"`         // distinct values in the sample
	Hits     []Hit  `json:"hits,omitempty"`
}

// Hit counts the values of one field that have one form.
type Hit struct {
	Rule     string   `json:"rule"`
	Ratio    float64  `json:"ratio"` // share of the sampled distinct values, 0 to 1
	Cells    int64    `json:"cells"` // values of the whole file; 0 where only the sample was looked at
	Examples []string `json:"examples,omitempty"`
}

// Kind says what a format knows about a field. The zero Kind lets the name of
// the field tell its class.
type Kind struct {
	Class    recognise.Class
	Known    bool   // Class is what the format says, not the name; a filled identifier blocks at its first value
	Keep     bool   // known to be no identifier: strong forms alone are looked for
	Text     bool   // free text: strong forms and words of context alone; with Keep: titles and labels, of which nobody has to be warned
	DateForm string // how dates are written, for the reader of the code; scan reads all forms
	Title    string // what the specification of the format calls the field, for findings
	// Fallback is the rule where the profile says nothing about the field or its
	// class.
	Fallback profile.Rule
}

// Collector gathers what the fields of one file hold. It is not safe for
// concurrent use.
type Collector struct {
	Shape Shape
	// Rows takes the rows of a table; nil where nobody wants them.
	Rows Rows

	profile *profile.Profile
	format  string // name of the format in profiles
	finder  *recognise.Finder
	names   *recognise.Names
	folded  []byte

	fields   []*Field
	byName   map[string]*Field
	above    *Field // what stands above the data of a table
	overflow *Field

	findings    []Finding
	more        bool     // findings beyond what a report can show
	included    []Column // of parts that were looked at by themselves
	notLookedAt []string
	bytes       *[256]table.Class
}

// Rows takes the rows of a table: what can be said of whole records only.
type Rows interface {
	// Wanted says which columns it wants, by their names and classes; none when
	// the table has nothing for it. It is called once, before the first row.
	Wanted(names []string, classes []recognise.Class) []int
	// Row gets the values of the wanted columns of one row, in their order, valid
	// until it returns.
	Row(values [][]byte) error
}

// New makes a Collector. format is the name of the format in profiles: "csv",
// "fhir".
func New(p *profile.Profile, format string) *Collector {
	return &Collector{
		profile: p, format: format, finder: recognise.NewFinder(), names: recognise.NewNames(), byName: map[string]*Field{},
		bytes: table.Bytes(),
	}
}

// Profile is the profile that the file is checked with.
func (c *Collector) Profile() *profile.Profile { return c.profile }

// ForFormat sets the name of the format in profiles; fields that were made
// before keep theirs.
func (c *Collector) ForFormat(name string) { c.format = name }

// Field gets or makes the field of that name. Names are those of the format
// ("RE.4", "Patient.name.family"); they must not hold values.
func (c *Collector) Field(name string, k Kind) *Field {
	if f, ok := c.byName[name]; ok {
		return f
	}
	if len(c.byName) >= MaxFields {
		return c.tooMany()
	}
	f := c.newField(name, k)
	f.where = "field " + f.name
	if k.Title != "" {
		f.where += " (" + k.Title + ")"
	}
	f.noun, f.unit = "field", "values"
	c.byName[name] = f
	c.fields = append(c.fields, f)
	return f
}

func (c *Collector) tooMany() *Field {
	if c.overflow == nil {
		c.Block("too-many-fields", "", fmt.Sprintf("the file has more than %d different fields; the values of the others were looked at together",
			MaxFields))
		c.overflow = c.newField("other fields", Kind{})
		c.overflow.where, c.overflow.noun, c.overflow.unit = "other fields", "field", "values"
		c.fields = append(c.fields, c.overflow)
	}
	return c.overflow
}

// Column makes the next column of a table of about so many columns; name may be
// empty.
func (c *Collector) Column(name string, columns int) *Field {
	f := c.newField(name, Kind{})
	number := len(c.fields) + 1
	if f.name == "" {
		f.name = fmt.Sprintf("col%d", number)
	}
	f.where = fmt.Sprintf("column %d %q", number, f.name)
	f.noun, f.unit = "column", "cells"
	if n := max(columns, number); n > 500 {
		f.sample.Limit = max(64, c.profile.Thresholds.SampleValues*500/n)
	}
	c.fields = append(c.fields, f)
	return f
}

// Above is the field of what stands above the data of a table: titles and the
// names of the columns.
func (c *Collector) Above() *Field {
	if c.above == nil {
		c.above = c.newField("header", Kind{Known: true})
		c.above.where, c.above.noun, c.above.unit = "header", "header", "cells"
	}
	return c.above
}

func (c *Collector) newField(name string, k Kind) *Field {
	f := &Field{c: c, name: DisplayName(name), kind: k, class: k.Class}
	if !k.Known && !k.Keep && k.Class == recognise.NoClass {
		f.class = c.names.ClassOf(name)
	}
	if k.Text {
		f.class = recognise.FreeText
	}
	if c.IsIdentifier(name) {
		f.name = recognise.Mask(f.name)
	}
	f.rule = c.ruleOf(name, f.class)
	if f.rule.Action == "" {
		f.rule = k.Fallback
	}
	f.sample.Limit = c.profile.Thresholds.SampleValues
	f.kept = k.Keep || f.rule.Action == profile.Keep
	f.direct = !f.kept && (f.class.Direct() || takesOut(f.rule.Action))
	return f
}

// takesOut: after these actions a field holds no value of the source.
func takesOut(a profile.Action) bool {
	return a == profile.Drop || a == profile.Empty || a == profile.Rekey
}

// ruleOf is the rule of the field by its name, else by its class.
func (c *Collector) ruleOf(name string, class recognise.Class) profile.Rule {
	if r, ok := c.profile.Rule(c.format, name); ok {
		return r
	}
	r, _ := c.profile.ClassRule(class)
	return r
}

// IsIdentifier reports whether a name of a field is no name but data that a
// report must not show.
func (c *Collector) IsIdentifier(name string) bool {
	folded := recognise.Fold(nil, []byte(name))
	return c.finder.IsFileName(strings.Fields(string(folded))) || len(c.finder.Find(folded)) > 0
}

// ClassOf tells what a column holds by its name.
func (c *Collector) ClassOf(name string) recognise.Class { return c.names.ClassOf(name) }

// DisplayName is the name of a field for reports: one line, at most 60
// characters.
func DisplayName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) && r != ' ' {
			return ' '
		}
		return r
	}, strings.TrimSpace(name))
	if runes := []rune(name); len(runes) > 60 {
		name = string(runes[:60]) + "…"
	}
	return strings.TrimSpace(name)
}

// Block notes a finding that stops the registration. location is "" or a place
// ("line 12, column 3"); msg says what to do and holds no identifier.
func (c *Collector) Block(rule, location, msg string) {
	c.findings = append(c.findings, Finding{Rule: rule, Location: location, Msg: msg, Block: true})
}

// Warn notes a finding that a person should read and that stops nothing.
func (c *Collector) Warn(rule, location, msg string) {
	c.findings = append(c.findings, Finding{Rule: rule, Location: location, Msg: msg})
}

// RuleUnknownFormat is the rule of contents that nobody looked into.
const RuleUnknownFormat = "unknown-format"

// Unknown notes that the contents were not looked into; what they look like is
// for people. Nothing else that was found can lift it.
func (c *Collector) Unknown(looksLike, reads string) {
	c.Shape.Format = looksLike
	c.NotLookedAt("the contents: " + looksLike + " is not read by the gate")
	c.Block(RuleUnknownFormat, "", "the gate reads "+reads+"; this looks like "+looksLike+
		" and was not looked into; convert it, or ask for a waiver of this finding for these contents")
}

// NotLookedAt says what the check did not see.
func (c *Collector) NotLookedAt(what string) {
	for _, known := range c.notLookedAt {
		if known == what {
			return
		}
	}
	c.notLookedAt = append(c.notLookedAt, what)
}

// Result is what a Collector found.
type Result struct {
	Shape       Shape
	Columns     []Column
	Findings    []Finding
	NotLookedAt []string
}

// Finish decides on the fields and returns everything that was found.
func (c *Collector) Finish() Result {
	out := Result{Shape: c.Shape}
	if len(c.fields) > 0 || c.above != nil {
		out.Columns = c.decide()
	}
	out.Columns = append(out.Columns, c.included...)
	out.Findings, out.NotLookedAt = c.findings, c.notLookedAt
	return out
}

// Result is Finish without the decisions on the fields: for a file that was not
// looked into.
func (c *Collector) Result() Result {
	return Result{Shape: c.Shape, Findings: c.findings, NotLookedAt: c.notLookedAt}
}
