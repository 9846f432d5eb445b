package records

import (
	"bytes"
	"context"
	"errors"
	"io"

	"teikyo/deid/change"
	"teikyo/deid/profile"
	"teikyo/deid/recognise"
	"teikyo/deid/source"
	"teikyo/models"
)

// changer walks one file and writes what the profile leaves of it.
type changer struct {
	format  Format
	t       *change.Changer
	profile *profile.Profile
	text    *Text
	seen    map[*Record][]*changedField
	fields  [][]byte // of the line at hand
	spare   []byte   // their memory
	out     []byte
	decoded []byte
	asOf    month
	leaving bool // the lines at hand belong to a person who objected
}

// changedField is one field of one record.
type changedField struct {
	Field
	change *change.Field
	named  bool                   // the profile says something about this very field
	shapes map[Kind]*change.Field // of an Open field
}

// Transform writes the file as the profile of t says: what is not changed is
// written as the bytes that were read, line ends and the order of lines with it.
// Fields are emptied where the profile drops them, because their place counts.
// The lines of people who objected are left out. Broken input is a
// *models.Error of kind invalid with line and column.
func (f Format) Transform(ctx context.Context, in source.Source, out io.Writer, t *change.Changer) error {
	grammar, refused := f.Grammar(in.Head)
	if refused != nil {
		return models.Errorf(models.Invalid, "%s", refused.Msg)
	}
	k := &changer{format: f, t: t, profile: t.Profile(), text: NewText(in.Head), seen: map[*Record][]*changedField{}}
	r := NewReader(in.R, f.Comma, f.Quotes)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		l, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, ErrLineTooLong), errors.Is(err, ErrTooManyFields):
			return models.Errorf(models.Invalid, "%v; the file is damaged, fetch it again from its source", err)
		case err != nil:
			return err
		}
		keep, err := k.line(grammar, l)
		if err != nil {
			return err
		}
		if !keep {
			continue
		}
		k.out = appendLine(k.out[:0], l, k.fields, f.Comma)
		if _, err := out.Write(k.out); err != nil {
			return err
		}
	}
}

// line fills k.fields with what is left of the line.
func (k *changer) line(grammar Grammar, l *Line) (keep bool, err error) {
	k.fields, k.spare = append(k.fields[:0], l.Fields...), k.spare[:0]
	if l.Mark || len(l.Fields) == 0 {
		return true, nil
	}
	m := grammar.Match(l)
	switch {
	case m.Record == nil:
		return false, models.Errorf(models.Invalid, "line %d, column 1: the line is no record that is known%s; "+
			"what it holds cannot be told, so take it out first", l.Number, parens(m.Name))
	case m.Record.Verbatim:
		return true, nil
	case m.Record.Doubt != "" && !k.keeps(m.Record):
		return false, k.doubtful(l, m.Record)
	}
	if k.objected(l, m) {
		return false, nil
	}
	for i := m.Shift; i < len(l.Fields); i++ {
		if err := k.field(l, m, i); err != nil {
			return false, err
		}
	}
	return true, nil
}

func parens(name string) string {
	if name == "" {
		return ""
	}
	return " (" + name + ")"
}

func (k *changer) keeps(r *Record) bool {
	rule, ok := k.profile.Rule(k.format.Key, r.ID)
	return ok && keeps(rule)
}

// doubtful leaves a record out where its layout or the profile says so, and
// stops otherwise.
func (k *changer) doubtful(l *Line, r *Record) error {
	rule, ok := k.profile.Rule(k.format.Key, r.ID)
	if !r.Drop && (!ok || rule.Action != profile.Drop) {
		return models.Errorf(models.Invalid, "line %d, column 1: the record %s %s; take it out first", l.Number, r.ID, r.Doubt)
	}
	k.t.Field(k.format.Key, r.ID, recognise.NoClass, profile.Rule{Action: profile.Drop}).Value([]byte(r.ID))
	return nil
}

// objected counts the record of a person and reports whether the line belongs
// to one who objected.
func (k *changer) objected(l *Line, m Match) bool {
	if m.Record.Begins || m.Record.Ends {
		k.leaving = false
	}
	at := -1
	for i, f := range m.Record.Fields {
		if f.Person {
			at = i + m.Shift
		}
	}
	if at < 0 || at >= len(l.Fields) {
		return k.leaving
	}
	value, _ := unquote(l.Fields[at])
	k.decoded, _ = k.text.Decode(k.decoded[:0], value)
	key := bytes.TrimSpace(recognise.Fold(nil, k.decoded))
	k.t.Person(key)
	left := k.t.Objected(key)
	if m.Record.Begins {
		k.leaving = left
	}
	return left || k.leaving
}

// field changes the field at offset i of the line.
func (k *changer) field(l *Line, m Match, i int) error {
	value, quoted := unquote(l.Fields[i])
	if len(value) == 0 {
		return nil
	}
	f := k.state(m.Record, i-m.Shift)
	if at := control(l.Fields[i]); at >= 0 {
		return models.Errorf(models.Invalid, "line %d, column %d: there is a control character in %s; "+
			"the file is damaged, fetch it again from its source", l.Number, offset(l, i)+at+1, f.where())
	}
	var flaws Flaws
	k.decoded, flaws = k.text.Decode(k.decoded[:0], value)
	if flaws.Bad >= 0 {
		return models.Errorf(models.Invalid, "line %d, column %d: the bytes there are not %s, so that %s cannot be read; "+
			"correct the file or fetch it again from its source", l.Number, offset(l, i)+flaws.Bad+1, k.text.Encoding(), f.where())
	}
	after := k.change(f, k.decoded)
	if bytes.Equal(after, k.decoded) {
		return nil
	}
	k.put(i, after, quoted)
	return nil
}

// put writes text as field i in the encoding of the file; what the encoding has
// no character for goes.
func (k *changer) put(i int, text []byte, quoted bool) {
	start := len(k.spare)
	if quoted {
		k.spare = append(k.spare, '"')
	}
	if coded, err := k.text.Encode(k.spare, text); err == nil {
		k.spare = coded
	}
	if quoted {
		k.spare = append(k.spare, '"')
	}
	k.fields[i] = k.spare[start:len(k.spare):len(k.spare)]
}

func (k *changer) state(r *Record, i int) *changedField {
	list := k.seen[r]
	for len(list) <= i {
		list = append(list, nil)
	}
	if list[i] == nil {
		f := &changedField{Field: r.field(i)}
		_, f.named = k.profile.Rule(k.format.Key, f.Name)
		f.change = k.t.Field(k.format.Key, f.Name, f.class(), f.Kind.fallback(k.profile))
		list[i] = f
	}
	k.seen[r] = list
	return list[i]
}

// change is what stands for the value after the profile; valid until the next
// call.
func (k *changer) change(f *changedField, text []byte) []byte {
	if f.AsOf {
		k.asOf, _ = parseMonth(text)
	}
	to := f.change
	switch {
	case f.OneDigit && len(text) <= 1:
		return text
	case zeros(f.Kind) && len(bytes.Trim(text, "0")) == 0:
		return text // none, or not known
	case f.Kind == Open && !f.named:
		to = k.shaped(f, shape(text))
	case keeps(f.change.Rule) && !f.Kind.fits(text) && (f.Kind != Code || !f.named):
		to = k.shaped(f, Prose)
	case f.Kind == Postal && keepsPostal(text):
		return text
	case f.Kind == Birth:
		text = k.capBirth(f, text)
	}
	return to.Value(text)
}

// zeros: kinds whose zeros stand for none or not known (DOMAIN.md 3.2, 3.3).
func zeros(k Kind) bool { return k == Facility || k == Birth || k == Day || k == Month }

// keepsPostal: what stands for unknown and for abroad (DOMAIN.md 3.2).
func keepsPostal(text []byte) bool { return string(text) == "0000000" || string(text) == "9999999" }

// shaped is the rule for a field whose value tells its kind. It is counted under
// a name of its own.
func (k *changer) shaped(f *changedField, kind Kind) *change.Field {
	if c := f.shapes[kind]; c != nil {
		return c
	}
	if f.shapes == nil {
		f.shapes = map[Kind]*change.Field{}
	}
	name := f.Name
	switch kind {
	case Prose:
		name += " (words)"
	case Day:
		name += " (dates)"
	}
	f.shapes[kind] = k.t.Field(k.format.Key, name, Field{Kind: kind}.class(), kind.fallback(k.profile))
	return f.shapes[kind]
}

// capBirth makes people who are older than the cap as old as the cap.
func (k *changer) capBirth(f *changedField, text []byte) []byte {
	if f.change.Rule.Action != profile.Month && f.change.Rule.Action != profile.Year {
		return text
	}
	plain := recognise.Fold(nil, text)
	if born, ok := parseMonth(plain); ok && tooOld(born, k.asOf, k.profile.AgeCap) {
		return capped(plain, k.asOf, k.profile.AgeCap)
	}
	return text
}
