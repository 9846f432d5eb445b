package change

import (
	"bytes"
	"strconv"

	"teikyo/deid/profile"
	"teikyo/deid/recognise"
)

// Value is what stands for v, UTF-8, after the rule of the field; valid until
// the next call. What an action cannot read it takes out: a value that nobody
// understood does not leave the house.
func (f *Field) Value(v []byte) []byte {
	if len(v) == 0 {
		return v
	}
	f.seen++
	if !f.Touched() {
		return v
	}
	if recognise.IsPlaceholder(v) && f.Rule.Action != profile.Drop && f.Rule.Action != profile.Empty && f.Rule.Action != profile.DeleteText {
		return v
	}
	f.out = f.change(f.out[:0], v)
	if !bytes.Equal(f.out, v) {
		f.changed++
	}
	return f.out
}

// Count counts a filled value that a rule cannot change.
func (f *Field) Count() { f.seen++ }

func (f *Field) change(out, v []byte) []byte {
	switch r := f.Rule; r.Action {
	case profile.Drop, profile.Empty, profile.DeleteText:
		return out
	case profile.Month, profile.Year:
		return f.date(out, v)
	case profile.Prefix3:
		return f.prefix3(out, v)
	case profile.InsurerNumber:
		f.folded = recognise.Fold(f.folded[:0], v)
		if recognise.IsInsurer(bytes.TrimSpace(f.folded)) {
			return append(out, v...)
		}
		return f.unreadable(out)
	case profile.Rekey:
		return f.rekey(out, v)
	case profile.Shift:
		return f.shift(out, v)
	case profile.Generalise:
		return f.generalise(out, v)
	case profile.TopCode:
		return f.topCode(out, v)
	}
	return f.unreadable(out)
}

func (f *Field) unreadable(out []byte) []byte {
	f.unread++
	return out
}

// rekey: HMAC-SHA-256 under the key of the domain over the class of the field
// and the value; the same number in full-width digits is the same person.
func (f *Field) rekey(out, v []byte) []byte {
	f.folded = recognise.Fold(f.folded[:0], v)
	plain := bytes.TrimSpace(f.folded)
	label := string(f.Class)
	if label == "" {
		label = f.Name
	}
	mac := f.t.mac(f.Rule, "rekey "+label, plain)
	if f.Rule.Digits {
		return append(out, recognise.PseudonymDigits(mac, len(plain))...)
	}
	return append(out, recognise.Pseudonym(mac, f.Rule.Width)...)
}

// topCode: numbers above the cap become the cap; words after the number stay.
func (f *Field) topCode(out, v []byte) []byte {
	limit := f.Rule.Cap
	if limit == 0 {
		limit = f.t.profile.AgeCap
	}
	f.folded = recognise.Fold(f.folded[:0], v)
	plain := bytes.TrimSpace(f.folded)
	digits := 0
	for digits < len(plain) && plain[digits] >= '0' && plain[digits] <= '9' {
		digits++
	}
	n, err := strconv.Atoi(string(plain[:digits]))
	switch {
	case digits == 0 || err != nil:
		return f.unreadable(out)
	case n <= limit:
		return append(out, v...)
	}
	text := strconv.Itoa(limit)
	for len(text) < digits { // columns of fixed width
		text = "0" + text
	}
	if rest := plain[digits:]; len(rest) > 0 && rest[0] != '.' {
		return append(append(out, text...), rest...)
	}
	return append(out, text...)
}

// generalise: the group of a list, else the band of a number.
func (f *Field) generalise(out, v []byte) []byte {
	if group, ok := f.Rule.Groups[string(v)]; ok {
		return append(out, group...)
	}
	if f.Rule.Other != "" {
		return append(out, f.Rule.Other...)
	}
	f.folded = recognise.Fold(f.folded[:0], v)
	n, err := strconv.ParseFloat(string(bytes.TrimSpace(f.folded)), 64)
	if err != nil || f.Rule.Width == 0 || n != n || n > 1e15 || n < -1e15 {
		return f.unreadable(out)
	}
	width := int64(f.Rule.Width)
	low := int64(n)
	if n < 0 && float64(low) != n {
		low--
	}
	low -= ((low % width) + width) % width
	return append(strconv.AppendInt(append(strconv.AppendInt(out, low, 10), '-'), low+width-1, 10), nil...)
}
