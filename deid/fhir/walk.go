package fhir

import (
	"bytes"

	"teikyo/deid/jsontext"
	"teikyo/deid/profile"
)

// walk goes over the elements of resources. It writes what stays of them to out;
// a check throws that away and keeps the findings.
type walk struct {
	d      *jsontext.Doc
	rules  *rules
	find   *findings // nil in a transformation
	change *values   // nil in a check
	out    []byte
	chars  []byte
	depth  int  // resources around the one at hand
	nested int  // extensions around, of which the outermost is kept
	gone   bool // the resource of the entry at hand went
	chosen int  // the identifier of the patient at hand that stays, or None
}

// resource writes the resource n and reports whether it stays.
func (w *walk) resource(n int) bool {
	t := w.typeOf(n)
	if t == nil {
		w.find.unknownResource(w.node(n))
		w.change.count("unknown resources")
		return false
	}
	if rule := w.rules.named(t.name, ""); rule.Action == profile.Drop {
		w.find.add("resource", t.name, w.node(n), nil, "the profile leaves such resources out")
		w.change.count(t.name)
		return false
	}
	if w.depth == 0 {
		w.find.row()
		if w.change.objected(w.d, n, t.name) {
			return false
		}
	}
	w.depth++
	defer func() { w.depth-- }()
	w.members(n, t)
	return true
}

// typeOf is the type of the resource n, nil when it is none that is known.
func (w *walk) typeOf(n int) *typ {
	m := w.d.Member(n, "resourceType")
	if m == jsontext.None || w.node(m).Kind != jsontext.String {
		return nil
	}
	w.chars = w.d.Chars(w.chars[:0], m)
	t := structure()[string(w.chars)]
	if t == nil || !t.resource {
		return nil
	}
	return t
}

func (w *walk) node(n int) *jsontext.Node { return &w.d.Nodes[n] }

// members writes the object n of type t, and reports whether anything of it is
// left.
func (w *walk) members(n int, t *typ) bool {
	w.out = append(w.out, '{')
	left, end := w.inside(n, t, false)
	w.out = append(w.out, w.d.Text[end:w.node(n).End]...)
	return left || w.node(n).First == jsontext.None
}

// inside writes the members of the object n without its braces. before says that
// something stands before them. end is where the last one ends.
func (w *walk) inside(n int, t *typ, before bool) (left bool, end int) {
	left, end = before, w.node(n).At+1
	for c := w.node(n).First; c != jsontext.None; c = w.node(c).Next {
		m := w.node(c)
		mark := len(w.out)
		w.separate(w.d.Text[end:m.KeyAt], left)
		end = m.End
		w.out = append(w.out, w.d.Text[m.KeyAt:m.At]...)
		if !w.member(c, t) {
			w.out = w.out[:mark]
			continue
		}
		left = true
	}
	return left, end
}

// separate writes what stood between two values, without its comma when nothing
// is left before.
func (w *walk) separate(sep []byte, left bool) {
	if comma := bytes.IndexByte(sep, ','); comma >= 0 && !left {
		w.out = append(append(w.out, sep[:comma]...), sep[comma+1:]...)
		return
	}
	w.out = append(w.out, sep...)
}

// member writes the value c of a member of an object of type t.
func (w *walk) member(c int, t *typ) bool {
	w.chars = w.d.Key(w.chars[:0], c)
	if e := t.elems[string(w.chars)]; e != nil {
		return w.value(c, e)
	}
	key := string(w.chars)
	if t.resource && key == "resourceType" {
		w.out = append(w.out, w.d.Raw(c)...)
		return true
	}
	if len(key) > 1 && key[0] == '_' {
		if e := t.elems[key[1:]]; e != nil && e.side != nil {
			return w.value(c, e.side)
		}
	}
	w.find.unknownElement(t.name, key, w.node(c))
	w.change.count("unknown elements")
	return false
}

// value writes the value n of the element e: one, or an array of them.
func (w *walk) value(n int, e *elem) bool {
	array := w.node(n).Kind == jsontext.ArrayStart
	if array != e.many {
		return w.wrongKind(n, e)
	}
	rule := w.rules.of(e)
	if !array {
		return w.one(n, e, rule)
	}
	if e.path == "Patient.identifier" {
		w.chosen = w.choose(n)
	}
	w.out = append(w.out, '[')
	left, end, filled := false, w.node(n).At+1, false
	for c := w.node(n).First; c != jsontext.None; c = w.node(c).Next {
		m := w.node(c)
		mark := len(w.out)
		w.separate(w.d.Text[end:m.At], left)
		end = m.End
		if !w.one(c, e, rule) {
			w.out = w.out[:mark]
			continue
		}
		left = true
		filled = filled || m.Kind != jsontext.Null
	}
	w.out = append(w.out, w.d.Text[end:w.node(n).End]...)
	return filled || w.node(n).First == jsontext.None
}

func (w *walk) wrongKind(n int, e *elem) bool {
	w.find.add("wrong-kind", e.path, w.node(n), nil, "FHIR R4 has another kind of value there")
	w.change.count(e.path)
	return false
}

// one writes one value of the element e.
func (w *walk) one(n int, e *elem, rule profile.Rule) bool {
	if w.repeatsDisplay(n, e, rule) {
		rule.Action = profile.Scan
	}
	switch {
	case takesOut(rule.Action):
		w.find.gone(w.d, n, e, rule)
		w.change.count(e.path)
		return false
	case e.typ == typeExtension:
		return w.extension(n)
	case e.typ == "Identifier":
		return w.identifier(n, e, rule)
	case e.typ == typeResource:
		return w.inner(n)
	case e.t == nil:
		return w.primitive(n, e, rule)
	case w.node(n).Kind == jsontext.Null && e.typ == typeElement:
		w.out = append(w.out, "null"...)
		return true
	case w.node(n).Kind != jsontext.ObjectStart:
		return w.wrongKind(n, e)
	case e.typ == "Bundle.entry":
		return w.entry(n, e)
	}
	return w.members(n, e.t)
}

func takesOut(a profile.Action) bool {
	return a == profile.Drop || a == profile.Empty || a == profile.DeleteText
}

// inner writes a resource inside another.
func (w *walk) inner(n int) bool {
	if w.node(n).Kind != jsontext.ObjectStart || !w.resource(n) {
		w.gone = true
		return false
	}
	return true
}

// entry writes an entry of a bundle: it goes with its resource. Its resource is
// none inside another.
func (w *walk) entry(n int, e *elem) bool {
	depth := w.depth
	w.depth, w.gone = 0, false
	left := w.members(n, e.t)
	w.depth = depth
	return left && !w.gone
}

// repeatsDisplay reports whether the text of a CodeableConcept is that of one of
// its codings, and so no free text.
func (w *walk) repeatsDisplay(n int, e *elem, rule profile.Rule) bool {
	return rule.Action == profile.DeleteText && e.path == "CodeableConcept.text" && w.node(n).Kind == jsontext.String && w.sameAsDisplay(n)
}

// extension writes an extension that the profile names, with those inside it.
func (w *walk) extension(n int) bool {
	if w.node(n).Kind != jsontext.ObjectStart {
		return w.wrongKind(n, &elem{path: typeExtension})
	}
	url := ""
	if m := w.d.Member(n, "url"); m != jsontext.None {
		w.chars = w.d.Chars(w.chars[:0], m)
		url = string(w.chars)
	}
	if w.nested == 0 || bytes.Contains([]byte(url), []byte("/")) {
		if rule := w.rules.extension(url); rule.Action != profile.Keep && rule.Action != profile.Scan {
			w.find.extension(url, w.node(n))
			w.change.count("Extension")
			return false
		}
	}
	w.nested++
	defer func() { w.nested-- }()
	return w.members(n, structure()[typeExtension])
}
