package scan

import (
	"bytes"
	"slices"
	"unicode"
	"unicode/utf8"

	"teikyo/deid/profile"
	"teikyo/deid/recognise"
	"teikyo/deid/table"
)

// Field is what is remembered of one field: counts, a sample of hashes, and a
// few masked examples. Its size is bounded.
type Field struct {
	c        *Collector
	name     string
	where    string // in findings
	noun     string // "column" or "field"
	unit     string // "cells" or "values"
	kind     Kind
	rule     profile.Rule
	kept     bool // the profile keeps the field as it is
	direct   bool // every value stands for a person, or the profile takes every value out
	rows     int64
	class    recognise.Class
	filled   int64 // values that are not empty
	telling  int64 // filled values that stand for a person; direct fields only
	first    int64 // line of the first of them
	sample   recognise.Sample
	prose    int // sampled values that are free text
	tallies  []tally
	examples map[recognise.Forms][]string
	birth    birthDays
	old      tally // ages above the cap
	decades  [26]int32
	dates    int
}

// tally counts the cells that hold one strong form.
type tally struct {
	rule     recognise.Rule
	cells    int64
	inText   int64 // of these, in cells that hold other words as well
	line     int64 // first
	examples []string
	near     []string // words of context that made them hits
}

// birthDays counts the days of a column of birth dates.
type birthDays struct {
	exact, first int64 // days other than the first of the month, and first days
	line         int64
	example      string
}

// maxExamples is how many masked examples a report shows of one form.
const maxExamples = 3

// needsLook reports whether a cell can hold a strong form: an @, or digits
// together with something else. Bare digits, plain words, ISO dates and decimal
// numbers cannot, and are most of what files hold.
func needsLook(b []byte, class table.Class) bool {
	switch {
	case class&table.At != 0:
		return true
	case class&(table.Digit|table.Wide) == 0 || len(b) < 7:
		return false
	case class&(table.Dash|table.Dot|table.Mark|table.Other|table.High) == 0:
		return false
	case class&^(table.Digit|table.Dot) == 0:
		return len(b) >= 11
	case len(b) == 10 && class&^(table.Digit|table.Dash|table.Mark) == 0:
		return b[4] != b[7] || b[4] != '-' && b[4] != '/'
	}
	return digitsIn(b) >= minDigits
}

// minDigits is how many digits the shortest form without an @ has: S5.3.1.
const minDigits = 3

// digitsIn counts ASCII and full-width digits (EF BC 90 to EF BC 99).
func digitsIn(b []byte) int {
	n := 0
	for i, c := range b {
		if c-'0' < 10 || c-0x90 < 10 && i >= 2 && b[i-1] == 0xBC && b[i-2] == 0xEF {
			n++
		}
	}
	return n
}

// Name is the name of the field for reports.
func (f *Field) Name() string { return f.name }

// Value looks at one value of a field. line is where it stands, from 1.
func (f *Field) Value(v []byte, line int64) {
	if len(v) == 0 {
		return
	}
	t := &f.c.profile.Thresholds
	f.Cell(v, f.c.classOf(v), line, f.rows < t.FullRows || f.rows%t.SampleEvery == 0)
	f.rows++
}

// Text looks at free text: strong forms and words of context alone.
func (f *Field) Text(v []byte, line int64) {
	f.class = recognise.FreeText
	f.Value(v, line)
}

// Cell is Value for readers that know the kinds of bytes of v already and
// sample by row. v is not empty.
func (f *Field) Cell(v []byte, kinds table.Class, line int64, sampled bool) {
	f.filled++
	if needsLook(v, kinds) {
		f.look(v, line)
	}
	if f.class == recognise.FreeText && kinds&table.High != 0 {
		f.names(v, line)
	}
	if sampled {
		f.take(v, kinds)
	}
	if f.class != recognise.NoClass || f.direct {
		f.byClass(v, line)
	}
}

func (c *Collector) classOf(v []byte) (class table.Class) {
	for _, b := range v {
		class |= c.bytes[b]
	}
	return class
}

// look finds strong forms in a value, in every row.
func (f *Field) look(b []byte, line int64) {
	c := f.c
	c.folded = recognise.Fold(c.folded[:0], b)
	f.note(c.finder.Find(c.folded), line)
}

// names finds names next to words that go with names, in free text.
func (f *Field) names(b []byte, line int64) {
	c := f.c
	c.folded = recognise.Fold(c.folded[:0], b)
	f.note(c.finder.FindNames(c.folded), line)
}

// note counts hits inside the folded value.
func (f *Field) note(hits []recognise.Hit, line int64) {
	c := f.c
	for _, h := range hits {
		t := f.tally(h.Rule)
		if t.cells++; t.cells == 1 {
			t.line = line
		}
		if h.Near != "" && len(t.near) < maxExamples && !slices.Contains(t.near, h.Near) {
			t.near = append(t.near, h.Near)
		}
		if isText(c.folded, h) || f.class == recognise.FreeText {
			if t.inText++; t.inText == 1 {
				t.line = line
			}
		}
		if len(t.examples) < maxExamples {
			t.examples = addExample(t.examples, c.folded[h.Start:h.End])
		}
	}
}

func (f *Field) tally(rule recognise.Rule) *tally {
	for i := range f.tallies {
		if f.tallies[i].rule == rule {
			return &f.tallies[i]
		}
	}
	f.tallies = append(f.tallies, tally{rule: rule})
	return &f.tallies[len(f.tallies)-1]
}

func addExample(examples []string, value []byte) []string {
	m := recognise.Mask(string(value))
	for _, e := range examples {
		if e == m {
			return examples
		}
	}
	return append(examples, m)
}

// isText reports whether the cell holds more than the hit: two other words, or
// four characters of Japanese.
func isText(cell []byte, h recognise.Hit) bool {
	words, wide, inWord := 0, 0, false
	for i := 0; i < len(cell); {
		if i == h.Start {
			i, inWord = h.End, false
			continue
		}
		r, n := utf8.DecodeRune(cell[i:])
		i += n
		letter := unicode.IsLetter(r)
		if letter && r >= 0x2E80 {
			wide++
		}
		if letter && !inWord {
			words++
		}
		inWord = letter
	}
	return words >= 2 || wide >= 4
}

// take samples a value: the shares of forms are those of the sample.
func (f *Field) take(b []byte, kinds table.Class) {
	at, isNew := f.sample.Add(recognise.HashOf(b))
	if !isNew {
		return
	}
	if len(b) < 5 || kinds&(table.Digit|table.At|table.High) == 0 && kinds&table.Mark == 0 {
		return
	}
	c := f.c
	c.folded = recognise.Fold(c.folded[:0], b)
	forms := c.finder.Forms(c.folded)
	noted := forms
	if isProse(c.folded) {
		noted |= formProse
	}
	f.sample.Set(at, noted)
	if forms&recognise.FormDate != 0 {
		f.noteDecade(c.folded)
	}
	f.addExamples(forms, c.folded)
}

// formProse marks sampled values that are sentences.
const formProse = recognise.FormsEnd

// isProse: four words and 25 bytes, or a full stop of Japanese.
func isProse(b []byte) bool {
	return len(b) >= 25 && bytes.Count(b, []byte(" ")) >= 3 || bytes.Contains(b, []byte("。"))
}

func (f *Field) noteDecade(b []byte) {
	if d, ok := recognise.ParseDate(b); ok {
		f.decades[(d.Year-1850)/10]++
		f.dates++
	}
}

func (f *Field) addExamples(forms recognise.Forms, b []byte) {
	for form := recognise.Forms(1); form < recognise.FormsEnd; form <<= 1 {
		if forms&form == 0 || len(f.examples[form]) >= maxExamples {
			continue
		}
		if f.examples == nil {
			f.examples = map[recognise.Forms][]string{}
		}
		f.examples[form] = addExample(f.examples[form], b)
	}
}

// byClass does what the class of a field and the rule of the profile ask for,
// in every row.
func (f *Field) byClass(b []byte, line int64) {
	switch {
	case f.kept:
	case f.direct:
		if !recognise.IsPlaceholder(b) && !f.isPseudonym(b) {
			if f.telling++; f.telling == 1 {
				f.first = line
			}
		}
	case f.class == recognise.Birth:
		f.birthDay(b, line)
	case f.class == recognise.Age:
		f.age(b, line)
	}
}

// isPseudonym: one that `rekey` made. Those of digits alone carry too little to
// be told from other numbers where the profile does not ask for them.
func (f *Field) isPseudonym(b []byte) bool {
	return recognise.IsPseudonym(b) || f.rule.Digits && f.rule.Action == profile.Rekey && recognise.IsPseudonymDigits(b)
}

// birthDay counts birth dates that are finer than the profile allows.
func (f *Field) birthDay(b []byte, line int64) {
	c := f.c
	c.folded = recognise.Fold(c.folded[:0], b)
	if f.rule.Action == profile.Year && digitsIn(c.folded) > 4 {
		f.noteBirth(line)
		return
	}
	d, ok := recognise.ParseDate(c.folded)
	switch {
	case !ok:
	case d.Day == 1:
		f.birth.first++
	default:
		f.noteBirth(line)
	}
}

func (f *Field) noteBirth(line int64) {
	if f.birth.exact++; f.birth.exact == 1 {
		f.birth.line, f.birth.example = line, recognise.Mask(string(f.c.folded))
	}
}

// age counts ages above the cap, written as a number, with or without 歳.
func (f *Field) age(b []byte, line int64) {
	c := f.c
	c.folded = recognise.Fold(c.folded[:0], b)
	n := 0
	for i, digit := range c.folded {
		if digit < '0' || digit > '9' || i == 3 {
			break
		}
		n = n*10 + int(digit-'0')
	}
	if n <= c.profile.AgeCap || n > 130 {
		return
	}
	if f.old.cells++; f.old.cells == 1 {
		f.old.line = line
	}
}
