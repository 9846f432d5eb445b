package records

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"teikyo/deid/profile"
	"teikyo/deid/recognise"
	"teikyo/deid/scan"
	"teikyo/deid/source"
)

// applyAdvice is what most findings advise.
const applyAdvice = "run `teikyo deid apply`, which does what the profile says, or take them out"

// checker walks one file for the gate.
type checker struct {
	format  Format
	c       *scan.Collector
	profile *profile.Profile
	text    *Text
	tallies tallies
	seen    map[*Record][]*seenField
	fields  []*seenField // the same, in the order of the file
	buf     []byte
	folded  []byte
	asOf    month
	lines   int64
	record  int64 // lines of data
}

// seenField is what check remembers of one field of one record.
type seenField struct {
	Field
	rule     profile.Rule
	named    bool // the profile says something about this very field
	scan     *scan.Field
	insurers int64 // filled values of an InsurerNo
	others   int64 // of these, those that are none
	line     int64 // of the first of them
}

// Check gives the collector what the layout says about every field. Broken
// input is a finding; an error is one of reading or of ctx.
func (f Format) Check(ctx context.Context, in source.Source, c *scan.Collector) error {
	k := &checker{format: f, c: c, profile: c.Profile(), text: NewText(in.Head), seen: map[*Record][]*seenField{}}
	c.Shape.Format = f.Title
	grammar, refused := f.Grammar(in.Head)
	if refused != nil {
		c.Block(refused.Rule, "", refused.Msg)
	}
	r := NewReader(in.R, f.Comma, f.Quotes)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		l, err := r.Next()
		if err != nil {
			return k.finish(err)
		}
		k.lines = l.Number
		k.line(grammar, l)
	}
}

func (k *checker) line(grammar Grammar, l *Line) {
	if l.Mark || len(l.Fields) == 0 {
		return
	}
	m := grammar.Match(l)
	switch {
	case m.Record == nil:
		k.unknown(l, m)
		return
	case m.Record.Verbatim:
		k.header(l)
		return
	case m.Record.Doubt != "" && !k.keeps(m.Record):
		k.doubtful(l, m.Record)
	}
	k.record++
	column := 1 + len(l.BOM)
	for i, raw := range l.Fields {
		if n := len(raw); n > 0 {
			if i >= m.Shift {
				k.value(m.Record, i-m.Shift, raw, l.Number, column)
			}
			column += n
		}
		column++
	}
}

// keeps: the profile says that records of this id are to be kept.
func (k *checker) keeps(r *Record) bool {
	rule, ok := k.profile.Rule(k.format.Key, r.ID)
	return ok && keeps(rule)
}

func (k *checker) unknown(l *Line, m Match) {
	t := k.tallies.add("unknown-record", "", l.Number, func() tally {
		return tally{
			block: true, what: "%d lines are no record that is known",
			advice: "what they hold cannot be told; take them out, or ask for a waiver of this finding",
		}
	})
	if m.Name != "" && len(t.names) < 20 && !slices.Contains(t.names, m.Name) {
		t.names = append(t.names, m.Name)
	}
	k.damage(l)
}

func (k *checker) doubtful(l *Line, r *Record) {
	advice := "take them out, or ask for a waiver of this finding"
	if r.Drop {
		advice = "run `teikyo deid apply`, which leaves them out"
	}
	k.tallies.add("doubtful-record", "record "+r.ID, l.Number, func() tally {
		return tally{block: true, what: "%d lines; the record " + r.Doubt, advice: advice}
	})
}

// damage looks for what no text has.
func (k *checker) damage(l *Line) {
	for i, f := range l.Fields {
		if at := control(f); at >= 0 {
			k.control(l.Number, offset(l, i)+at+1)
			return
		}
	}
}

func offset(l *Line, field int) int {
	n := len(l.BOM)
	for _, f := range l.Fields[:field] {
		n += len(f) + 1
	}
	return n
}

// control finds a character that no text has: NUL, a line end in the middle.
func control(b []byte) int {
	for i, c := range b {
		if c < ' ' && c != '\t' {
			return i
		}
	}
	return -1
}

func (k *checker) control(line int64, column int) {
	k.tallies.add("damaged", "", line, func() tally {
		return tally{block: true, column: column, what: "%d fields hold a NUL byte or another control character", advice: "the file is damaged; fetch it again from its source"}
	})
}

func (k *checker) header(l *Line) {
	above := k.c.Above()
	for _, raw := range l.Fields {
		value, _ := unquote(raw)
		k.buf, _ = k.text.Decode(k.buf[:0], value)
		above.Value(k.buf, l.Number)
	}
	k.c.Shape.Header = true
}

// value looks at one filled field.
func (k *checker) value(r *Record, i int, raw []byte, line int64, column int) {
	f := k.field(r, i)
	value, _ := unquote(raw)
	if len(value) == 0 {
		return
	}
	var flaws Flaws
	k.buf, flaws = k.text.Decode(k.buf[:0], value)
	if flaws.Bad >= 0 {
		k.badText(f, line, column+len(raw)-len(value)+flaws.Bad)
	}
	if flaws.Private > 0 {
		k.private(f, line)
	}
	if at := control(raw); at >= 0 {
		k.control(line, column+at)
	}
	k.look(f, k.buf, line)
}

func (k *checker) badText(f *seenField, line int64, column int) {
	k.tallies.add("invalid-text", "", line, func() tally {
		return tally{
			block: true, column: column, what: "%d fields hold bytes that are not " + k.text.Encoding() + " (first in " + f.where() + ")",
			advice: "what stands there could not be read; correct the file or fetch it again from its source",
		}
	})
}

func (k *checker) private(f *seenField, line int64) {
	k.tallies.add("private-characters", "", line, func() tally {
		return tally{
			what:   "%d fields hold characters of the private area (外字, first in " + f.where() + ")",
			advice: "only their sender knows which they are; in names they are common, so make sure that none is left",
		}
	})
}

// field is the state of field i of a record.
func (k *checker) field(r *Record, i int) *seenField {
	list := k.seen[r]
	if i >= len(list) {
		list = append(list, make([]*seenField, i+1-len(list))...)
		k.seen[r] = list
	}
	if list[i] == nil {
		f := &seenField{Field: r.field(i)}
		_, f.named = k.profile.Rule(k.format.Key, f.Name)
		f.rule = ruleOf(k.profile, k.format.Key, f.Field)
		f.scan = k.c.Field(f.Name, f.kindOf(f.rule))
		list[i], k.fields = f, append(k.fields, f)
	}
	return list[i]
}

// look does what the kind of the field asks for.
func (k *checker) look(f *seenField, text []byte, line int64) {
	if f.AsOf {
		k.asOf, _ = parseMonth(text)
	}
	kind := f.Kind
	if kind == Open {
		kind = shape(text)
	}
	rule := f.rule
	if f.Kind == Open && rule.Action == profile.Keep && !f.named {
		rule = kind.fallback(k.profile)
	}
	if keeps(rule) && !kind.fits(text) && (kind != Code || !f.named) {
		f.scan.Text(text, line)
		k.left(f, profile.Rule{Action: profile.Empty}, "unexpected-text", "%d values are words where a code, number or date is to stand", line)
		return
	}
	switch kind {
	case Known, Facility:
		if f.OneDigit && len(text) <= 1 {
			return
		}
		f.scan.Value(text, line)
	case Prose:
		k.prose(f, rule, text, line)
	case Birth, Day, Month, DayFlags:
		k.date(f, kind, rule, text, line)
	case Postal:
		k.postal(f, rule, text, line)
	case InsurerNo:
		k.insurer(f, rule, text, line)
	case Reserved:
		k.left(f, rule, "reserved-field", "%d values stand where nothing is to stand", line)
	default:
		k.code(f, rule, text, line)
	}
}

// staysEmpty: under these rules the transformation leaves what stands for no
// value (***, 0, 不明) as it is.
func staysEmpty(r profile.Rule) bool {
	return r.Action != profile.Empty && r.Action != profile.Drop && r.Action != profile.DeleteText
}

// left notes a value that the profile takes out and that is still there.
func (k *checker) left(f *seenField, rule profile.Rule, name, what string, line int64) {
	if keeps(rule) || staysEmpty(rule) && recognise.IsPlaceholder(k.buf) {
		return
	}
	k.tallies.add(name, f.where(), line, func() tally { return tally{block: true, what: what, advice: applyAdvice} })
}

func (k *checker) prose(f *seenField, rule profile.Rule, text []byte, line int64) {
	switch rule.Action {
	case profile.Rekey:
		if recognise.IsPseudonym(text) {
			return
		}
		k.left(f, rule, "text-left", "%d values are not the pseudonyms that the profile asks for", line)
	case profile.Keep, profile.Scan:
	default:
		k.left(f, rule, "text-left", "%d values are free text, which the profile takes out", line)
	}
	f.scan.Text(text, line)
}

// date compares how fine a date is with what the profile allows.
func (k *checker) date(f *seenField, kind Kind, rule profile.Rule, text []byte, line int64) {
	f.scan.Value(text, line)
	n := fine(text)
	limit := aDay
	switch rule.Action {
	case profile.Month:
		limit = aMonth
	case profile.Year:
		limit = aYear
	case profile.Empty, profile.Drop:
		k.left(f, rule, "date-left", "%d values, which the profile takes out", line)
		return
	}
	what := "full-date"
	if kind == Birth {
		what = "birth-date"
		k.age(f, text, line)
	}
	switch {
	case kind == DayFlags:
	case n > limit:
		k.left(f, rule, what, "%d dates are finer than the "+string(rule.Action)+" that the profile allows", line)
	case n == notDate && (kind == Birth || limit < aDay):
		k.left(f, rule, what, "%d values are no dates that can be read", line)
	}
}

func (k *checker) age(f *seenField, text []byte, line int64) {
	born, ok := parseMonth(folded(text))
	if !ok || !tooOld(born, k.asOf, k.profile.AgeCap) {
		return
	}
	k.tallies.add("age-over-cap", f.where(), line, func() tally {
		return tally{what: "%d births make the person older than " + strconv.Itoa(k.profile.AgeCap), advice: applyAdvice}
	})
}

func (k *checker) postal(f *seenField, rule profile.Rule, text []byte, line int64) {
	f.scan.Value(text, line)
	k.folded = recognise.Fold(k.folded[:0], text)
	s := bytes.TrimSpace(k.folded)
	unknown := string(s) == "0000000" || string(s) == "9999999" // DOMAIN.md 3.2: unknown, abroad
	if rule.Action == profile.Prefix3 && len(s) <= 3 || unknown {
		return
	}
	k.left(f, rule, "postal-code", "%d postal codes have more than three digits", line)
}

func (k *checker) insurer(f *seenField, rule profile.Rule, text []byte, line int64) {
	f.scan.Value(text, line)
	if rule.Action != profile.InsurerNumber {
		k.left(f, rule, "insurer-left", "%d numbers of insurers, which the profile takes out", line)
		return
	}
	k.folded = recognise.Fold(k.folded[:0], text)
	f.insurers++
	if !recognise.IsInsurer(bytes.TrimSpace(k.folded)) {
		if f.others++; f.others == 1 {
			f.line = line
		}
	}
}

// code: codes, numbers and amounts hold no words.
func (k *checker) code(f *seenField, rule profile.Rule, text []byte, line int64) {
	f.scan.Value(text, line)
	switch rule.Action {
	case profile.TopCode:
		k.folded = recognise.Fold(k.folded[:0], text)
		limit := pick(rule.Cap > 0, rule.Cap, k.profile.AgeCap)
		if n, err := strconv.ParseFloat(string(bytes.TrimSpace(k.folded)), 64); err != nil || n > float64(limit) {
			k.left(f, rule, "over-cap", "%d values are above the cap of the profile", line)
		}
	case profile.Empty, profile.Drop, profile.DeleteText:
		k.left(f, rule, "profile-"+string(rule.Action), "%d values, which the profile takes out", line)
	}
}

// finish adds what was found; err is why the file ended.
func (k *checker) finish(err error) error {
	switch {
	case errors.Is(err, io.EOF):
	case errors.Is(err, ErrLineTooLong), errors.Is(err, ErrTooManyFields):
		k.c.Block("damaged", fmt.Sprintf("line %d, column 1", k.lines+1), err.Error()+"; the file is damaged, fetch it again from its source")
		k.c.NotLookedAt(fmt.Sprintf("everything after line %d", k.lines))
	default:
		return err
	}
	k.c.Shape.Rows, k.c.Shape.Encoding, k.c.Shape.Delimiter = k.record, k.text.Encoding(), string(k.format.Comma)
	k.insurers()
	k.tallies.report(k.c)
	if k.record == 0 {
		k.c.Block("no-records", "", "no line of the file is a record that is known; leave the file out")
	}
	return nil
}

// insurers decides about numbers of insurers by the share of a field: one in
// ten of other numbers has a right check digit too, and real files have typing
// errors.
func (k *checker) insurers() {
	t := k.profile.Thresholds
	for _, f := range k.fields {
		if f.others == 0 {
			continue
		}
		k.tallies.add("no-insurer", f.where(), f.line, func() tally {
			return tally{
				block:  f.insurers >= int64(t.MinValues) && float64(f.others) >= t.NamedRatio*float64(f.insurers),
				what:   fmt.Sprintf("%d of %d values are no numbers of insurers (their check digit is wrong)", f.others, f.insurers),
				advice: "an identifier may stand in the place of the number; " + applyAdvice,
			}
		})
	}
}
