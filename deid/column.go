package deid

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"teikyo/deid/recognise"
	"teikyo/deid/table"
)

// column is what is remembered of one column: counts, a sample of hashes, and a
// few masked examples. Its size is bounded.
type column struct {
	name     string
	class    recognise.Class
	filled   int64 // cells that are not empty
	telling  int64 // filled cells that are not placeholders; direct classes only
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
}

// birthDays counts the days of a column of birth dates.
type birthDays struct {
	exact, first int64 // days other than the first of the month, and first days
	line         int64
	example      string
}

// scanner looks at the values of cells. It reuses its memory.
type scanner struct {
	profile Profile
	finder  *recognise.Finder
	names   *recognise.Names
	folded  []byte
}

func newScanner(p Profile) *scanner {
	return &scanner{profile: p, finder: recognise.NewFinder(), names: recognise.NewNames()}
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

// look finds strong forms in a cell, in every row.
func (s *scanner) look(col *column, b []byte, line int64) {
	s.folded = recognise.Fold(s.folded[:0], b)
	for _, h := range s.finder.Find(s.folded) {
		t := col.tally(h.Rule)
		if t.cells++; t.cells == 1 {
			t.line = line
		}
		if isText(s.folded, h) || col.class == recognise.FreeText {
			if t.inText++; t.inText == 1 {
				t.line = line
			}
		}
		if len(t.examples) < maxExamples {
			t.examples = addExample(t.examples, s.folded[h.Start:h.End])
		}
	}
}

func (c *column) tally(rule recognise.Rule) *tally {
	for i := range c.tallies {
		if c.tallies[i].rule == rule {
			return &c.tallies[i]
		}
	}
	c.tallies = append(c.tallies, tally{rule: rule})
	return &c.tallies[len(c.tallies)-1]
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
func (s *scanner) take(col *column, b []byte, class table.Class) {
	at, isNew := col.sample.Add(recognise.HashOf(b))
	if !isNew {
		return
	}
	if len(b) < 5 || class&(table.Digit|table.At|table.High) == 0 && class&table.Mark == 0 {
		return
	}
	s.folded = recognise.Fold(s.folded[:0], b)
	forms := s.finder.Forms(s.folded)
	noted := forms
	if isProse(s.folded) {
		noted |= formProse
	}
	col.sample.Set(at, noted)
	if forms&recognise.FormDate != 0 {
		col.noteDecade(s.folded)
	}
	col.addExamples(forms, s.folded)
}

// formProse marks sampled values that are sentences.
const formProse = recognise.FormsEnd

// isProse: four words and 25 bytes, or a full stop of Japanese.
func isProse(b []byte) bool {
	return len(b) >= 25 && bytes.Count(b, []byte(" ")) >= 3 || bytes.Contains(b, []byte("。"))
}

func (c *column) noteDecade(b []byte) {
	if d, ok := recognise.ParseDate(b); ok {
		c.decades[(d.Year-1850)/10]++
		c.dates++
	}
}

func (c *column) addExamples(forms recognise.Forms, b []byte) {
	for form := recognise.Forms(1); form < recognise.FormsEnd; form <<= 1 {
		if forms&form == 0 || len(c.examples[form]) >= maxExamples {
			continue
		}
		if c.examples == nil {
			c.examples = map[recognise.Forms][]string{}
		}
		c.examples[form] = addExample(c.examples[form], b)
	}
}

// byClass does what the class of a column asks for, in every row.
func (s *scanner) byClass(col *column, b []byte, line int64) {
	switch {
	case col.class == recognise.Birth:
		s.birthDay(col, b, line)
	case col.class == recognise.Age:
		s.age(col, b, line)
	case col.class.Direct() && !isPlaceholder(b):
		col.telling++
	}
}

func (s *scanner) birthDay(col *column, b []byte, line int64) {
	s.folded = recognise.Fold(s.folded[:0], b)
	d, ok := recognise.ParseDate(s.folded)
	switch {
	case !ok:
	case d.Day == 1:
		col.birth.first++
	default:
		if col.birth.exact++; col.birth.exact == 1 {
			col.birth.line, col.birth.example = line, recognise.Mask(string(s.folded))
		}
	}
}

// age counts ages above the cap, written as a number, with or without 歳.
func (s *scanner) age(col *column, b []byte, line int64) {
	s.folded = recognise.Fold(s.folded[:0], b)
	n := 0
	for i, c := range s.folded {
		if c < '0' || c > '9' || i == 3 {
			break
		}
		n = n*10 + int(c-'0')
	}
	if n <= s.profile.AgeCap || n > 130 {
		return
	}
	if col.old.cells++; col.old.cells == 1 {
		col.old.line = line
	}
}

// isPlaceholder: words and marks that stand for a value taken out.
func isPlaceholder(b []byte) bool {
	if len(b) > 40 {
		return false
	}
	text := strings.ToLower(strings.TrimSpace(string(b)))
	switch text {
	case "na", "n/a", "null", "none", "nil", "nan", "deleted", "removed", "masked", "redacted", "anonymized", "anonymised", "unknown",
		"削除", "匿名", "匿名化", "不明", "なし", "anonimizado", "removido":
		return true
	}
	return strings.Trim(text, "*-_.?x0 ●○〇■×＊ー－") == ""
}
