package fhir

import (
	"fmt"
	"slices"
	"strings"

	"teikyo/deid/jsontext"
	"teikyo/deid/profile"
	"teikyo/deid/recognise"
	"teikyo/deid/scan"
)

// findings counts what a check found: one finding for each rule and element,
// however often it is there. A nil *findings does nothing: a transformation.
type findings struct {
	c      *scan.Collector
	counts map[[2]string]*count
	order  [][2]string
	fields map[string]*scan.Field
	finder *recognise.Finder
	folded []byte
}

type count struct {
	n            int64
	line, column int64 // first
	why          string
	examples     []string
}

const (
	maxExamples = 3
	maxCounts   = 5_000 // further ones are counted together
)

func newFindings(c *scan.Collector) *findings {
	return &findings{c: c, counts: map[[2]string]*count{}, fields: map[string]*scan.Field{}, finder: recognise.NewFinder()}
}

func (f *findings) row() {
	if f != nil {
		f.c.Shape.Rows++
	}
}

// add counts a value at where, for which rule stands. example is nil where it
// says nothing.
func (f *findings) add(rule, where string, n *jsontext.Node, example []byte, why string) {
	if f == nil {
		return
	}
	id := [2]string{rule, where}
	at := f.counts[id]
	if at == nil && len(f.counts) >= maxCounts {
		id = [2]string{rule, "further elements"}
		at = f.counts[id]
	}
	if at == nil {
		at = &count{line: n.Line, column: n.Column, why: why}
		f.counts[id] = at
		f.order = append(f.order, id)
	}
	at.n++
	if len(example) == 0 || len(at.examples) >= maxExamples {
		return
	}
	if m := recognise.Mask(string(example[:min(len(example), 200)])); !slices.Contains(at.examples, m) {
		at.examples = append(at.examples, m)
	}
}

// seen looks for strong forms in a value that stays.
func (f *findings) seen(e *elem, v []byte, n *jsontext.Node) {
	if f == nil {
		return
	}
	field := f.fields[e.path]
	if field == nil {
		field = f.c.Field(e.path, scan.Kind{Keep: true})
		f.fields[e.path] = field
	}
	field.Value(v, n.Line)
	if e.typ != "string" && e.typ != "uri" && e.typ != "code" && e.typ != "markdown" || len(v) < 5 {
		return
	}
	f.folded = recognise.Fold(f.folded[:0], v)
	for _, h := range f.finder.Find(f.folded) {
		if h.Rule != recognise.OldDate {
			f.add(string(h.Rule), e.path, n, f.folded[h.Start:h.End], "it holds "+scan.RuleWords(h.Rule))
		}
	}
}

// gone counts a value that a profile takes out. An identifier in such a place is
// named by what it is.
func (f *findings) gone(d *jsontext.Doc, n int, e *elem, rule profile.Rule) {
	if f == nil || d.Nodes[n].Kind == jsontext.Null {
		return
	}
	if e.typ == "Identifier" && d.Nodes[n].Kind == jsontext.ObjectStart {
		(&walk{d: d, find: f}).identified(n, e, (&walk{d: d}).identityOf(n))
		return
	}
	name, where := ruleOf(e), e.path
	if e.typ == "ContactPoint" {
		name, where = contact(d, n, where)
	}
	var example []byte
	if d.Nodes[n].Kind == jsontext.String && !d.Nodes[n].Cut {
		example = d.Chars(nil, n)
	}
	f.add(name, where, &d.Nodes[n], example, "the profile takes it out ("+string(rule.Action)+")")
}

// contact names a ContactPoint by its system.
func contact(d *jsontext.Doc, n int, where string) (rule, place string) {
	for _, system := range []string{"phone", "fax", "email", "url", "sms", "pager"} {
		if !d.Is(n, "system", system) {
			continue
		}
		switch system {
		case "email":
			return "email", where + " (email)"
		case "url":
			return "contact", where + " (url)"
		}
		return "phone", where + " (" + system + ")"
	}
	return "contact", where
}

// ruleOf is the rule of findings about an element.
func ruleOf(e *elem) string {
	switch e.typ {
	case "HumanName":
		return "person-name"
	case "ContactDetail":
		return "contact"
	case "Attachment", "base64Binary", "Signature":
		return "attachment"
	case "Narrative", "Annotation", "xhtml", "markdown":
		return "free-text"
	case "Address":
		return "address"
	case "date", "dateTime", "instant":
		if strings.Contains(e.path, "irthDate") {
			return "birth-date"
		}
		return "full-date"
	case "Age", "decimal":
		return "age-over-cap"
	case "id", "uuid", "oid":
		return "fhir-id"
	}
	switch {
	case isReference(e):
		return "fhir-id"
	case e.path == "Address.postalCode":
		return "postal-code"
	case strings.HasPrefix(e.path, "Address."):
		return "address"
	case e.path == "Reference.display":
		return "person-name"
	case e.path == "Location.position":
		return "address"
	case strings.HasPrefix(e.path, "Coverage."):
		return "insurance-id"
	case strings.HasPrefix(e.path, "Meta.") || strings.HasPrefix(e.path, "Bundle."):
		return "source-metadata"
	case e.typ == "string":
		return "free-text"
	}
	return "not-allowed"
}

// extension counts an extension that the profile does not keep.
func (f *findings) extension(url string, n *jsontext.Node) {
	if f == nil {
		return
	}
	name := tail(url)
	rule := "unknown-extension"
	switch low := strings.ToLower(name); {
	case strings.Contains(low, "maidenname"):
		rule = "person-name"
	case strings.Contains(low, "birthplace"), strings.Contains(low, "geolocation"), strings.Contains(low, "address"):
		rule = "address"
	case strings.Contains(low, "insuredperson"):
		rule = "insurance-id"
	case strings.Contains(low, "religion"):
		rule = "religion"
	}
	f.add(rule, "Extension."+f.safe(name), n, nil, "the profile takes it out; name it in the profile to keep it")
}

func (f *findings) unknownElement(typ, key string, n *jsontext.Node) {
	if f != nil {
		f.add("unknown-element", typ+"."+f.safe(key), n, nil, "FHIR R4 has no such element")
	}
}

func (f *findings) unknownResource(n *jsontext.Node) {
	if f != nil {
		f.add("unknown-resource", "", n, nil, "it is no resource with a type of FHIR R4 that is known")
	}
}

// safe is a name for reports: one that may itself be data is not shown.
func (f *findings) safe(name string) string {
	plain := len(name) <= 60 && !f.c.IsIdentifier(name)
	for _, r := range name {
		plain = plain && (r|0x20 >= 'a' && r|0x20 <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	}
	if !plain {
		return "(another name)"
	}
	return name
}

// close turns the counts into findings.
func (f *findings) close() {
	for _, id := range f.order {
		at := f.counts[id]
		what := id[1]
		if what == "" {
			what = "resources"
		}
		msg := fmt.Sprintf("%s: %d values, the first in line %d, column %d", what, at.n, at.line, at.column)
		if len(at.examples) > 0 {
			msg += " (" + strings.Join(at.examples, ", ") + ")"
		}
		f.c.Block(id[0], what, msg+": "+at.why+"; transform the file, or take them out")
	}
	f.c.NotLookedAt("what codes and figures mean together: a rare code or a laboratory value may point to one person")
}
