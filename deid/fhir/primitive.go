package fhir

import (
	"bytes"
	"slices"
	"strconv"

	"teikyo/deid/jsontext"
	"teikyo/deid/profile"
	"teikyo/deid/recognise"
)

// primitive writes a value of a primitive type by its rule.
func (w *walk) primitive(n int, e *elem, rule profile.Rule) bool {
	m := w.node(n)
	switch {
	case m.Kind == jsontext.Null && e.many:
		w.out = append(w.out, "null"...)
		return true
	case m.Kind != kindOf(e.typ) && !(m.Kind == jsontext.False && kindOf(e.typ) == jsontext.True):
		return w.wrongKind(n, e)
	case m.Cut:
		w.find.add("too-long", e.path, m, nil, "it is longer than what one value may be")
		w.change.count(e.path)
		return false
	}
	if m.Kind == jsontext.String {
		w.chars = w.d.Chars(w.chars[:0], n)
	} else {
		w.chars = append(w.chars[:0], w.d.Raw(n)...)
	}
	if rule.Action == "" || rule.Action == profile.Keep || rule.Action == profile.Scan {
		return w.kept(n, e, rule)
	}
	if len(w.chars) == 0 {
		w.out = append(w.out, w.d.Raw(n)...)
		return true
	}
	if w.settled(e, rule, w.chars) {
		w.find.seen(e, w.chars, m)
		if w.change == nil {
			w.out = append(w.out, w.d.Raw(n)...)
			return true
		}
	} else {
		w.find.add(ruleOf(e), e.path, m, w.chars, "the profile changes it ("+string(rule.Action)+")")
	}
	if w.change == nil {
		return true
	}
	return w.changed(n, e, rule)
}

// kindOf is how JSON writes a primitive type.
func kindOf(typ string) jsontext.Kind {
	switch typ {
	case "boolean":
		return jsontext.True
	case "integer", "decimal", "unsignedInt", "positiveInt":
		return jsontext.Number
	}
	return jsontext.String
}

// kept writes a value as it is. A text in which something is found that has the
// form of an identifier goes in a transformation that scans it.
func (w *walk) kept(n int, e *elem, rule profile.Rule) bool {
	w.find.seen(e, w.chars, w.node(n))
	if w.change != nil && rule.Action == profile.Scan && w.change.tells(w.chars) {
		w.change.count(e.path)
		return false
	}
	w.out = append(w.out, w.d.Raw(n)...)
	return true
}

// settled reports whether a value is as the rule leaves it.
func (w *walk) settled(e *elem, rule profile.Rule, v []byte) bool {
	if recognise.IsPlaceholder(v) {
		return true
	}
	switch rule.Action {
	case profile.Month:
		return isDate(v) && len(v) <= len("2006-01") && e.typ != "instant" && bytes.Equal(cappedYear(rule, v), v)
	case profile.Year:
		return isDate(v) && len(v) == len("2006") && e.typ != "instant" && bytes.Equal(cappedYear(rule, v), v)
	case profile.Shift:
		return isDate(v) // nobody can see by how much
	case profile.Prefix3:
		return len(v) <= 3 && allDigits(v) && w.mayStay(string(v))
	case profile.InsurerNumber:
		return recognise.IsInsurer(v)
	case profile.TopCode:
		age, err := strconv.ParseFloat(string(v), 64)
		return err == nil && age <= float64(w.capOf(rule))
	case profile.Rekey:
		if isReference(e) {
			return isSettledReference(v)
		}
		return isPseudonym(v)
	case profile.Generalise:
		return true
	}
	return false
}

// isPseudonym reports whether v was made by a transformation: what stands for
// nothing is left as it is.
func isPseudonym(v []byte) bool { return recognise.IsPseudonym(v) || recognise.IsPlaceholder(v) }

// cappedYear is the cap of a rule for dates instead of a date in its year or
// before: who was born so early is of an age that stands out. It is v itself
// where the rule has no cap.
func cappedYear(rule profile.Rule, v []byte) []byte {
	if rule.Cap < 1000 || rule.Cap > 9999 || len(v) < 4 {
		return v
	}
	if limit := strconv.Itoa(rule.Cap); string(v[:4]) <= limit {
		return []byte(limit)
	}
	return v
}

// mayStay reports whether a prefix of a postal code stands for enough people.
func (w *walk) mayStay(prefix string) bool {
	z := &w.rules.profile.Zip3
	return prefix == "000" || !slices.Contains(z.Restricted, prefix) && (len(z.Known) == 0 || slices.Contains(z.Known, prefix))
}

func (w *walk) capOf(rule profile.Rule) int {
	if rule.Cap > 0 {
		return rule.Cap
	}
	return w.rules.profile.AgeCap
}

// changed writes what stands for a value after its rule.
func (w *walk) changed(n int, e *elem, rule profile.Rule) bool {
	v, ok := w.change.value(e, rule, w.chars)
	switch {
	case !ok || len(v) == 0:
		return false
	case bytes.Equal(v, w.chars):
		w.out = append(w.out, w.d.Raw(n)...)
	case w.node(n).Kind == jsontext.String:
		w.out = jsontext.Quote(w.out, v)
	default:
		w.out = append(w.out, v...)
	}
	return true
}

// sameAsDisplay looks for the text n in the codings next to it.
func (w *walk) sameAsDisplay(n int) bool {
	text := w.d.Chars(nil, n)
	concept := w.parentOf(n)
	if concept == jsontext.None {
		return false
	}
	codings := w.d.Member(concept, "coding")
	if codings == jsontext.None || w.node(codings).Kind != jsontext.ArrayStart {
		return false
	}
	for c := w.node(codings).First; c != jsontext.None; c = w.node(c).Next {
		if w.d.Is(c, "display", string(text)) {
			return true
		}
	}
	return false
}

// parentOf finds the object around the member n: the last one before it that
// ends after it. It does not look far: a concept has few codings.
func (w *walk) parentOf(n int) int {
	for p := n - 1; p >= max(0, n-1000); p-- {
		if w.node(p).Kind == jsontext.ObjectStart && w.node(p).End >= w.node(n).End {
			return p
		}
	}
	return jsontext.None
}

// isDate reports whether v begins as a date of FHIR: YYYY, YYYY-MM, YYYY-MM-DD,
// with or without a time after it.
func isDate(v []byte) bool {
	const form = "dddd-dd-dd"
	for i, c := range v {
		switch {
		case i == len(form):
			return c == 'T' && len(v) <= 40
		case form[i] == 'd' && c-'0' >= 10, form[i] == '-' && c != '-':
			return false
		}
	}
	return len(v) == 4 || len(v) == 7 || len(v) == 10
}

func allDigits(v []byte) bool {
	for _, c := range v {
		if c-'0' >= 10 {
			return false
		}
	}
	return len(v) > 0
}
