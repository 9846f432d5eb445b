package excel

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"

	"teikyo/deid/recognise"
	"teikyo/deid/scan"
)

// The kinds of cells.
const (
	cellText = iota
	cellNumber
	cellDate
)

// cell is one filled cell. value is valid until the next one unless it is kept.
type cell struct {
	column int // from 0
	kind   int
	value  []byte
	number float64
}

type row struct {
	line  int64
	cells []cell
}

const (
	maxColumns = 16_384    // ECMA-376 18.3.1.73: XFD
	headRows   = 25        // rows among which the names of the columns are looked for
	headBytes  = 4 << 20   // of these rows
	maxRow     = 1_048_576 // 18.3.1.73
)

// sheet reads one worksheet.
type sheet struct {
	*book
	where   string // "sheet 2 (hidden)"
	part    string
	p       *parser
	head    []row // until the names are decided
	size    int
	decided bool
	columns map[int]*scan.Field
	labels  bool // no names were found: labels stand beside values
	label   *scan.Field
	row     row
	rows    int64
	value   []byte
	scratch []byte
	formula []byte
}

// read reads the sheet to its end. Errors are those of the part.
func (s *sheet) read(ctx context.Context) error {
	s.columns = map[int]*scan.Field{}
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		tok, err := s.p.next()
		if errors.Is(err, io.EOF) {
			s.decide()
			return nil
		}
		if err != nil {
			s.decide()
			return err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			err = s.open(t)
		case xml.EndElement:
			if t.Name.Local == "row" {
				s.endRow()
			}
		case xml.CharData:
			s.loose(s.part, t) // headers, footers, lists of allowed values
		}
		if err != nil {
			return err
		}
	}
}

func (s *sheet) open(t xml.StartElement) error {
	switch t.Name.Local {
	case "row":
		line, err := strconv.ParseInt(attr(t, "r"), 10, 64)
		if err != nil || line < 1 || line > maxRow {
			line = s.row.line + 1
		}
		s.row = row{line: line, cells: s.row.cells[:0]}
		s.value = s.value[:0]
		s.label = nil
		return nil
	case "c":
		return s.cell(t)
	}
	s.attributes(s.part, t)
	return nil
}

// cell reads one cell to its end (ECMA-376 18.3.1.4).
func (s *sheet) cell(t xml.StartElement) error {
	column := columnOf(attr(t, "r"))
	if column < 0 {
		column = 0
		if n := len(s.row.cells); n > 0 {
			column = s.row.cells[n-1].column + 1
		}
	}
	start := len(s.value)
	if start > 2*maxToken {
		return errToken
	}
	s.formula = s.formula[:0]
	var err error
	for {
		tok, tokErr := s.p.next()
		if tokErr != nil {
			return tokErr
		}
		if _, ok := tok.(xml.EndElement); ok {
			break
		}
		inner, ok := tok.(xml.StartElement)
		switch {
		case !ok:
		case inner.Name.Local == "f":
			s.formula, err = s.p.text(s.formula, s.phonetic)
		default: // v, is
			s.value, err = s.p.text(s.value, s.phonetic)
		}
		if err != nil {
			return err
		}
	}
	s.formulas(s.formula, s.row.line)
	s.addCell(column, attr(t, "t"), attr(t, "s"), start)
	return nil
}

// addCell keeps what the cell holds as text. Cells beyond the last column of
// Excel count as the last one.
func (s *sheet) addCell(column int, kind, style string, start int) {
	raw := s.value[start:]
	c := cell{column: min(column, maxColumns-1), kind: cellText}
	switch kind {
	case "s":
		i, err := strconv.Atoi(string(bytes.TrimSpace(raw)))
		s.value = s.value[:start]
		var ok bool
		if s.value, ok = s.texts.at(s.value, i); err != nil || !ok {
			if len(raw) > 0 {
				s.damaged.add(s.where, s.row.line)
			}
			return
		}
	case "b", "e":
		s.value = s.value[:start]
		return
	case "str", "inlineStr":
	case "d":
		c.kind = cellDate
	default:
		s.scratch, c.number, _ = plainNumber(s.scratch[:0], raw)
		c.kind = cellNumber
		if s.styles.isDate(style) {
			if d, ok := s.styles.date(s.scratch[:0], c.number); ok {
				s.scratch, c.kind = d, cellDate
			}
		}
		s.value = append(s.value[:start], s.scratch...)
	}
	c.value = s.value[start:len(s.value):len(s.value)]
	if len(bytes.TrimSpace(c.value)) > 0 {
		s.row.cells = append(s.row.cells, c)
	}
}

// columnOf is the column of a reference such as AB12, from 0; -1 when it is none.
func columnOf(ref string) int {
	n := 0
	for i := 0; i < len(ref) && i < 4 && ref[i] >= 'A' && ref[i] <= 'Z'; i++ {
		n = n*26 + int(ref[i]-'A') + 1
	}
	return n - 1
}

func (s *sheet) endRow() {
	if len(s.row.cells) == 0 {
		return
	}
	s.rows++
	if s.decided {
		s.values(s.row)
		return
	}
	kept := row{line: s.row.line}
	for _, c := range s.row.cells {
		c.value = bytes.Clone(c.value)
		s.size += len(c.value)
		kept.cells = append(kept.cells, c)
	}
	if s.head = append(s.head, kept); len(s.head) == headRows || s.size > headBytes {
		s.decide()
	}
}

// decide finds the row of names and looks at the rows that were waiting.
func (s *sheet) decide() {
	if s.decided {
		return
	}
	s.decided = true
	at := s.header()
	for i := 0; i <= at; i++ {
		for _, c := range s.head[i].cells {
			s.c.Above().Value(c.value, s.head[i].line)
		}
	}
	if at >= 0 {
		s.c.Shape.Header = true
		for _, c := range s.head[at].cells {
			s.column(c.column, string(c.value))
		}
	}
	s.labels = at < 0
	for _, r := range s.head[at+1:] {
		s.values(r)
	}
	s.head = nil
}

// header is the index of the row that holds the names of the columns: the first
// row of text that is at least half as wide as the widest, or any row with names
// of identifiers; -1 when there is none, as on a form.
func (s *sheet) header() int {
	widest := 0
	for _, r := range s.head {
		widest = max(widest, len(r.cells))
	}
	if widest < 2 && len(s.head) < 3 {
		return -1
	}
	for i, r := range s.head[:max(0, len(s.head)-1)] {
		names, text := 0, true
		for _, c := range r.cells {
			text = text && c.kind == cellText && len(c.value) <= 200
			if c.kind == cellText && s.classOf(c.value) != recognise.NoClass {
				names++
			}
		}
		if text && 2*len(r.cells) >= widest || names >= 2 && 4*names >= 3*len(r.cells) {
			return i
		}
	}
	return -1
}

func (s *sheet) classOf(v []byte) recognise.Class {
	if len(v) > 200 {
		return recognise.NoClass
	}
	return s.c.ClassOf(string(v))
}

// maxFields bounds the columns of all sheets together.
const maxFields = 10_000

// column gets or makes the field of a column. Two columns of one name stay apart.
func (s *sheet) column(index int, name string) *scan.Field {
	if f, ok := s.columns[index]; ok {
		return f
	}
	var f *scan.Field
	if s.fields >= maxFields {
		f = s.c.Field("columns beyond the 10,000th", scan.Kind{})
		s.wide = true
	} else {
		s.fields++
		f = s.c.Column(name, s.fields)
		f.At(fmt.Sprintf("%s, column %s%s", s.where, letters(index), s.shown(name)))
	}
	s.columns[index] = f
	return f
}

// shown is a name of a column as reports may show it.
func (s *sheet) shown(name string) string {
	if name == "" || s.c.IsIdentifier(name) {
		return ""
	}
	return fmt.Sprintf(" %q", scan.DisplayName(name))
}

// letters is the column's name in Excel.
func letters(index int) string {
	var out []byte
	for n := index + 1; n > 0; n = (n - 1) / 26 {
		out = append([]byte{byte('A' + (n-1)%26)}, out...)
	}
	return string(out)
}

// values looks at one row of data.
func (s *sheet) values(r row) {
	s.c.Shape.Rows++
	var label *scan.Field
	for _, c := range r.cells {
		f := s.column(c.column, "")
		v := c.value
		if c.kind == cellNumber && f.Class() == recognise.Birth {
			v = s.serial(c)
		}
		f.Value(v, r.line)
		if !s.labels {
			continue
		}
		if label != nil {
			label.Value(v, r.line)
			label = nil
		} else if c.kind == cellText && s.classOf(v) != recognise.NoClass {
			label = s.c.Field("beside "+scan.DisplayName(string(v)), scan.Kind{Class: s.classOf(v)})
		}
	}
}

// serial reads a number without the format of a date in a column of birth dates:
// 29281 is 1 March 1980.
func (s *sheet) serial(c cell) []byte {
	if c.number < 3_654 || c.number > 60_000 { // from 1910 on
		return c.value
	}
	d, ok := s.styles.date(s.scratch[:0], c.number)
	if !ok {
		return c.value
	}
	s.scratch = d
	return d
}
