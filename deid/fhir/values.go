package fhir

import (
	"bytes"

	"teikyo/deid/change"
	"teikyo/deid/jsontext"
	"teikyo/deid/profile"
	"teikyo/deid/recognise"
)

// classID is the class of ids: one id has one pseudonym wherever it stands, as
// the id of a resource, in a reference or in a fullUrl.
const classID recognise.Class = "fhir-id"

// values changes values in a transformation. A nil *values does nothing: a check.
type values struct {
	t      *change.Changer
	fields map[string]*change.Field
	finder *recognise.Finder
	folded []byte
}

func newValues(t *change.Changer) *values {
	return &values{t: t, fields: map[string]*change.Field{}, finder: recognise.NewFinder()}
}

func (v *values) field(name string, class recognise.Class, rule profile.Rule) *change.Field {
	f := v.fields[name]
	if f == nil {
		f = v.t.Field(format, name, class, rule)
		f.Rule = rule
		v.fields[name] = f
	}
	return f
}

// count notes a value that goes.
func (v *values) count(name string) {
	if v != nil {
		v.field(name, recognise.NoClass, profile.Rule{Action: profile.Drop}).Value([]byte("x"))
	}
}

// value is what stands for a value of the element e; not ok when it goes.
func (v *values) value(e *elem, rule profile.Rule, chars []byte) (out []byte, ok bool) {
	switch rule.Action {
	case profile.Rekey:
		f := v.field(e.path, classID, rule)
		if !isReference(e) {
			return f.Value(chars), true
		}
		r := parseReference(chars)
		if len(r.id) == 0 {
			return r.with(nil), true
		}
		if r.search {
			f = v.field(e.path+" (identifier)", recognise.PatientID, rule)
		}
		return r.with(f.Value(r.id)), true
	case profile.Month, profile.Year:
		if !isDate(chars) || e.typ == "instant" {
			v.count(e.path)
			return nil, false
		}
		chars = chars[:min(len(chars), len("2006-01-02"))]
		if limit := cappedYear(rule, chars); !bytes.Equal(limit, chars) {
			v.field(e.path, recognise.NoClass, rule).Value(chars)
			return limit, true
		}
	case profile.Shift:
		if !isDate(chars) || len(chars) < len("2006-01-02") {
			v.count(e.path)
			return nil, false
		}
	}
	return v.field(e.path, recognise.NoClass, rule).Value(chars), true
}

// identifier is the pseudonym of an identifier; the same number has the same in
// all elements.
func (v *values) identifier(e *elem, rule profile.Rule, value []byte) []byte {
	return v.field(e.path+".value", recognise.PatientID, rule).Value(value)
}

// tells reports whether a text holds a strong form of an identifier.
func (v *values) tells(text []byte) bool {
	v.folded = recognise.Fold(v.folded[:0], text)
	for _, h := range v.finder.Find(v.folded) {
		if h.Rule != recognise.OldDate {
			return true
		}
	}
	return false
}

// objected reports whether the resource n is about a person whose records are
// left out, and says to the Changer whose resource it is.
func (v *values) objected(d *jsontext.Doc, n int, typ string) bool {
	if v == nil {
		return false
	}
	person := personOf(d, n, typ)
	v.t.Person(person)
	return v.t.Objected(person)
}

// subjects are the elements that say whose a resource is.
var subjects = []string{"subject", "patient", "beneficiary", "individual", "for"}

// personOf is the id of the patient that the resource n is about, empty when it
// does not say.
func personOf(d *jsontext.Doc, n int, typ string) []byte {
	if typ == "Patient" {
		if m := d.Member(n, "id"); m != jsontext.None && d.Nodes[m].Kind == jsontext.String {
			return d.Chars(nil, m)
		}
		return nil
	}
	for _, name := range subjects {
		m := d.Member(n, name)
		if m == jsontext.None || d.Nodes[m].Kind != jsontext.ObjectStart {
			continue
		}
		if ref := d.Member(m, "reference"); ref != jsontext.None && d.Nodes[ref].Kind == jsontext.String {
			return parseReference(d.Chars(nil, ref)).id
		}
	}
	return nil
}
