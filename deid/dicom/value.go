package dicom

import (
	"bytes"
	"math/big"
	"slices"
	"strings"

	"teikyo/deid/change"
	"teikyo/deid/profile"
	"teikyo/deid/recognise"
)

// value looks at a value that is held, and writes what stands for it.
func (j *job) value(e element, rule profile.Rule, v []byte, depth int) error {
	if depth == 0 {
		j.image.note(e.tag, v, j.in.order)
		if e.tag == tagCharset {
			j.chars = charset{strings.ToUpper(string(trim(v)))}
		}
	}
	switch known := vrOf(e.tag); {
	case len(trim(v)) == 0:
		return j.out.element(e.tag, e.vr, v)
	case isText(known) && !isText(e.vr):
		j.find.add("wrong-kind", e, nil, "DICOM has another kind of value there")
		j.change.count(e.tag)
		return j.out.element(e.tag, e.vr, nil)
	case looksLikeItems(v) && e.vr != "OB" && e.vr != "OW":
		j.find.add("unknown-sequence", e, nil, "it holds items, and is no sequence")
		j.change.count(e.tag)
		return j.out.element(e.tag, e.vr, nil)
	}
	if rule.Action == profile.Keep || rule.Action == profile.Scan {
		return j.kept(e, rule, v)
	}
	if j.settled(e, rule, v) {
		j.find.seen(e)
	} else {
		j.find.add(ruleName(e.tag, e.vr), e, j.chars.text(v), "the profile changes it ("+string(rule.Action)+")")
	}
	if j.change == nil {
		return nil
	}
	return j.out.element(e.tag, e.vr, j.change.value(e, rule, v, j.chars))
}

// looksLikeItems: the tag of an item, in either order of bytes.
func looksLikeItems(v []byte) bool {
	return bytes.HasPrefix(v, []byte{0xFE, 0xFF, 0x00, 0xE0}) || bytes.HasPrefix(v, []byte{0xFF, 0xFE, 0xE0, 0x00})
}

// kept writes a value as it is; text is looked at for strong forms first.
func (j *job) kept(e element, rule profile.Rule, v []byte) error {
	if isText(e.vr) && e.vr != "UI" && e.tag != tagCharset {
		text := j.chars.text(v)
		j.find.scan(e, text)
		if j.change != nil && rule.Action == profile.Scan && j.change.tells(text) {
			j.change.count(e.tag)
			v = nil
		}
	} else {
		j.find.seen(e)
	}
	return j.out.element(e.tag, e.vr, v)
}

// settled reports whether a value is as the rule leaves it.
func (j *job) settled(e element, rule profile.Rule, v []byte) bool {
	text := trim(v)
	switch rule.Action {
	case actionUID:
		return settledUIDs(text)
	case actionDummy, profile.Empty, profile.DeleteText:
		return bytes.Equal(text, dummy(e.vr)) || recognise.IsPlaceholder(text)
	}
	if recognise.IsPlaceholder(text) {
		return true
	}
	switch rule.Action {
	case profile.Rekey:
		return recognise.IsPseudonym(text)
	case profile.Month:
		return len(text) == 6 || len(text) == 8 && bytes.HasSuffix(text, []byte("01"))
	case profile.Year:
		return len(text) == 4 || len(text) == 8 && bytes.HasSuffix(text, []byte("0101"))
	case profile.TopCode:
		return bytes.Equal(topCoded(text, ageCap(rule, j.rules.profile)), text)
	case profile.Shift, profile.Generalise, profile.Prefix3:
		return true // nobody can see what was there before
	}
	return false
}

func ageCap(rule profile.Rule, p *profile.Profile) int {
	if rule.Cap > 0 {
		return rule.Cap
	}
	return p.AgeCap
}

// topCoded caps an age string (nnnY); ages in months, weeks and days are low.
func topCoded(v []byte, limit int) []byte {
	n := 0
	for i, c := range v {
		switch {
		case c-'0' < 10 && n < 10_000:
			n = n*10 + int(c-'0')
		case c == 'Y' && i == len(v)-1:
		case i == len(v)-1 && (c == 'M' || c == 'W' || c == 'D'):
			return v
		default:
			return nil
		}
	}
	if n <= limit {
		return v
	}
	return []byte{byte('0' + limit/100%10), byte('0' + limit/10%10), byte('0' + limit%10), 'Y'}
}

// wellKnown is the root of the UIDs that the standard itself gives out.
const wellKnown = "1.2.840.10008."

// uuidRoot is the root of UIDs made of 128-bit numbers (PS3.5 B.2).
const uuidRoot = "2.25."

func settledUIDs(v []byte) bool {
	for _, uid := range bytes.Split(v, []byte(`\`)) {
		if len(uid) > 0 && !bytes.HasPrefix(uid, []byte(wellKnown)) && !isRekeyedUID(uid) {
			return false
		}
	}
	return true
}

// markUID are the two lowest bytes of the number of each UID that a
// transformation makes, so that they are told from those of a device.
const markUID = 0x7E1C

func isRekeyedUID(uid []byte) bool {
	rest, ok := bytes.CutPrefix(uid, []byte(uuidRoot))
	n, valid := new(big.Int).SetString(string(rest), 10)
	if !ok || !valid || len(rest) > 39 || n.Sign() <= 0 || n.BitLen() > 128 || n.String() != string(rest) {
		return false
	}
	return new(big.Int).And(n, big.NewInt(0xFFFF)).Int64() == markUID
}

// trim takes padding off a value.
func trim(v []byte) []byte { return bytes.Trim(v, " \x00") }

// values changes values in a transformation; a nil *values does nothing.
type values struct {
	t      *change.Changer
	finder *recognise.Finder
	folded []byte
	fields map[Tag]*change.Field
	path   string // of the file, for errors
}

func newValues(t *change.Changer) *values {
	return &values{t: t, finder: recognise.NewFinder(), fields: map[Tag]*change.Field{}}
}

// classUID is the class of UIDs: one UID has one other wherever it stands.
const classUID recognise.Class = "dicom-uid"

func (v *values) field(t Tag, class recognise.Class, rule profile.Rule) *change.Field {
	f := v.fields[t]
	if f == nil {
		f = v.t.Field(format, t.String(), class, rule)
		f.Rule = rule
		v.fields[t] = f
	}
	return f
}

// count notes an attribute that goes.
func (v *values) count(t Tag) {
	if v != nil {
		v.field(t, recognise.NoClass, profile.Rule{Action: profile.Drop}).Value([]byte("x"))
	}
}

func (v *values) value(e element, rule profile.Rule, raw []byte, chars charset) []byte {
	text := chars.text(trim(raw))
	switch rule.Action {
	case actionUID:
		return v.uids(e.tag, text)
	case actionDummy:
		v.count(e.tag)
		return dummy(e.vr)
	case profile.TopCode:
		v.field(e.tag, recognise.Age, rule).Value(text)
		return topCoded(text, ageCap(rule, v.t.Profile()))
	case profile.Month, profile.Year:
		out := v.field(e.tag, recognise.Birth, rule).Value(text[:min(len(text), 8)])
		if e.vr != "DA" || len(out) != 4 && len(out) != 6 {
			return out
		}
		return append(slices.Clone(out), "0101"[len(out)-4:]...) // DA has eight digits
	case profile.Shift:
		return v.field(e.tag, recognise.NoClass, rule).Value(text[:min(len(text), 8)])
	case profile.Rekey:
		if e.vr == "SH" || e.vr == "AE" || e.vr == "CS" {
			rule.Width = 16 // their length
		}
		return v.field(e.tag, recognise.PatientID, rule).Value(text)
	}
	return v.field(e.tag, recognise.NoClass, rule).Value(text)
}

func (v *values) uids(t Tag, text []byte) []byte {
	var out [][]byte
	for _, uid := range bytes.Split(text, []byte(`\`)) {
		if len(uid) > 0 && !bytes.HasPrefix(uid, []byte(wellKnown)) {
			uid = v.uid(t, uid)
		}
		out = append(out, uid)
	}
	return bytes.Join(out, []byte(`\`))
}

// uid is 2.25. and 112 bits of the pseudonym of a UID, with our mark below.
func (v *values) uid(t Tag, uid []byte) []byte {
	pseudonym := v.field(t, classUID, profile.Rule{Action: profile.Rekey}).Value(uid)
	n := new(big.Int)
	for _, c := range pseudonym[:min(len(pseudonym), 22)] {
		digit := int64(c - 'a')
		if c < 'a' {
			digit = int64(c-'2') + 26
		}
		n.Or(n.Lsh(n, 5), big.NewInt(digit&31))
	}
	n.Or(n.Lsh(n, 16), big.NewInt(markUID))
	return append([]byte(uuidRoot), n.String()...)
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
