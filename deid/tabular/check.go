// Package tabular checks and transforms tables of text: CSV, TSV and their
// relatives with ; and |.
package tabular

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"teikyo/deid/profile"
	"teikyo/deid/recognise"
	"teikyo/deid/scan"
	"teikyo/deid/table"
)

// checker is the check of one table.
type checker struct {
	*scan.Collector
	limits  *profile.Thresholds
	columns []*scan.Field
	above   *scan.Field // what stands above the data
	header  int64       // rows above the data, the row of names included
	fields  int         // of a regular row
	rows    int64       // whole rows so far, header and all
	line    int64       // of the cell at hand
	at      int         // field of the row at hand

	ragged, broken, unclosed, badText, nul place
	badHeader                              bool

	wanted []int    // 1 + place in values, by column; empty when nobody wants rows
	values [][]byte // of the row at hand
	rowErr error
}

// place is where something happened first, and how often.
type place struct{ line, count int64 }

func (p *place) add(line int64) {
	if p.count++; p.count == 1 {
		p.line = line
	}
}

// checkTable scans the table of the dialect d and adds columns and findings to c.
func checkTable(ctx context.Context, c *scan.Collector, d table.Dialect, sc *table.Scanner) (*checker, error) {
	t := &checker{Collector: c, limits: &c.Profile().Thresholds, fields: d.Fields, line: 1, above: c.Above()}
	t.start(d)
	for {
		if err := ctx.Err(); err != nil {
			return t, err
		}
		cells, err := sc.Next()
		if err != nil {
			return t, t.finish(err)
		}
		t.batch(cells)
		if t.rowErr != nil {
			return t, t.rowErr
		}
	}
}

// want asks who takes rows which columns it wants.
func (t *checker) want(names []string) {
	if t.Rows == nil {
		return
	}
	classes := make([]recognise.Class, len(t.columns))
	for i := range t.columns {
		if i >= len(names) {
			names = append(names, "")
		}
		classes[i] = t.ClassOf(names[i])
	}
	columns := t.Rows.Wanted(names, classes)
	if len(columns) == 0 {
		return
	}
	t.wanted, t.values = make([]int, len(t.columns)), make([][]byte, len(columns))
	for place, column := range columns {
		t.wanted[column] = place + 1
	}
}

// keep copies a value that is wanted: a row may come in several pieces.
func (t *checker) keep(at int, data []byte) {
	if at < len(t.wanted) && t.wanted[at] > 0 {
		place := t.wanted[at] - 1
		t.values[place] = append(t.values[place][:0], data...)
	}
}

// endValues hands the row over.
func (t *checker) endValues() {
	if t.rowErr == nil {
		t.rowErr = t.Rows.Row(t.values)
	}
	for i := range t.values {
		t.values[i] = t.values[i][:0]
	}
}

// start decides which row holds the names of the columns.
func (t *checker) start(d table.Dialect) {
	first := 0
	var names []string
	for first < len(d.Rows) && len(d.Rows[first]) != d.Fields {
		first++ // a title above the table
	}
	if first < len(d.Rows) && isHeader(t.Collector, d.Rows[first:]) {
		t.header = int64(first + 1)
		t.Shape.Header = true
		for _, name := range d.Rows[first] {
			t.addColumn(name)
		}
		names = slices.Clone(d.Rows[first])
	}
	for len(t.columns) < d.Fields {
		t.addColumn("")
	}
	t.want(names)
}

func (t *checker) addColumn(name string) *scan.Field {
	f := t.Column(name, t.fields)
	t.columns = append(t.columns, f)
	return f
}

// isHeader decides by votes of the columns whether the first row holds names:
// a column whose other values are data and whose first is not votes for it, one
// whose first value is data or comes again votes against.
func isHeader(c *scan.Collector, rows [][]string) bool {
	first, body := rows[0], rows[1:min(len(rows), 100)]
	votes, data := 0, 0
	for i, name := range first {
		firstIsData := isData(name) || c.IsIdentifier(name)
		if firstIsData {
			data++
		}
		if c.ClassOf(name) != recognise.NoClass && !firstIsData {
			votes += 3
		}
		votes += vote(name, firstIsData, i, body)
	}
	if votes != 0 {
		return votes > 0
	}
	return data == 0
}

func vote(name string, firstIsData bool, i int, body [][]string) int {
	filled, data, same := 0, 0, 0
	for _, row := range body {
		if i >= len(row) || row[i] == "" {
			continue
		}
		filled++
		if isData(row[i]) {
			data++
		}
		if row[i] == name {
			same++
		}
	}
	switch {
	case filled == 0:
		return 0
	case data*5 >= filled*4 && firstIsData, same > 0 && name != "":
		return -1
	case data*5 >= filled*4 && name != "":
		return 1
	}
	return 0
}

// isData: numbers, dates, addresses of mail; names of columns are none of these.
func isData(v string) bool {
	v = string(recognise.Fold(nil, []byte(strings.TrimSpace(v))))
	digits := 0
	for _, r := range v {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	return digits > 0 && digits*2 >= utf8.RuneCountInString(v) || strings.Contains(v, "@")
}

// batch looks at the next cells. It is the inner loop: what most cells need is
// here, and nothing else.
func (t *checker) batch(cells []table.Cell) {
	at, sampled, inBody := t.at, t.sampled(), t.rows >= t.header
	for i := range cells {
		c := &cells[i]
		if len(c.Data) > 0 || c.Unclosed {
			var col *scan.Field
			if columns := t.columns; inBody && at < len(columns) {
				col = columns[at]
				if t.wanted != nil {
					t.keep(at, c.Data)
				}
			} else {
				col = t.column(at)
			}
			col.Cell(c.Data, c.Class, t.line, sampled)
			if c.Class&(table.High|table.Nul) != 0 || c.Broken || c.Unclosed {
				t.inspect(c)
			}
		}
		if at++; c.Last {
			t.endRow(at, c)
			at, sampled, inBody = 0, t.sampled(), t.rows >= t.header
		}
		t.line += int64(c.Newlines)
	}
	t.at = at
}

// column is where cell at of the row at hand belongs: rows above the data have
// a column of their own, which is reported as "header".
func (t *checker) column(at int) *scan.Field {
	if t.rows < t.header {
		return t.above
	}
	for at >= len(t.columns) {
		t.addColumn("")
	}
	return t.columns[at]
}

func (t *checker) endRow(fields int, last *table.Cell) {
	if fields == 1 && len(last.Data) == 0 {
		return // a blank line
	}
	if fields != t.fields {
		t.ragged.add(t.line)
	}
	if t.wanted != nil && t.rows >= t.header {
		t.endValues()
	}
	t.rows++
}

// inspect finds what is wrong with the writing of a cell.
func (t *checker) inspect(c *table.Cell) {
	if c.Class&table.High != 0 && (!utf8.Valid(c.Data) || c.Class&table.Wide != 0 && bytes.Contains(c.Data, []byte("\uFFFD"))) {
		t.badText.add(t.line)
		t.badHeader = t.badHeader || t.rows < t.header
	}
	if c.Class&table.Nul != 0 {
		t.nul.add(t.line)
	}
	if c.Broken {
		t.broken.add(t.line)
	}
	if c.Unclosed {
		t.unclosed.add(t.line)
	}
}

// sampled reports whether the row at hand goes into the samples: rows of names
// do not.
func (t *checker) sampled() bool {
	row := t.rows - t.header
	return row >= 0 && (row < t.limits.FullRows || row%t.limits.SampleEvery == 0)
}

// finish adds what was found; err is why the scan ended.
func (t *checker) finish(err error) error {
	switch {
	case errors.Is(err, io.EOF):
	case errors.Is(err, table.ErrFieldTooLong):
		t.tooBig("field-too-long", "has a field of more than 1 MiB; is a quotation mark missing? correct the file")
	case errors.Is(err, table.ErrTooManyColumns):
		t.tooBig("too-many-columns", "has a row of more than 10,000 fields; make the table long instead of wide")
	default:
		return err
	}
	t.Shape.Rows = max(0, t.rows-t.header)
	return nil
}

func (t *checker) tooBig(rule, what string) {
	t.Block(rule, lineOf(t.line), fmt.Sprintf("line %d %s", t.line, what))
	t.NotLookedAt(fmt.Sprintf("everything after line %d", t.line))
}

func lineOf(line int64) string { return fmt.Sprintf("line %d", line) }

// writing reports what is wrong with the file as a table.
func (t *checker) writing() {
	if p := t.unclosed; p.count > 0 {
		t.Block("unclosed-quote", lineOf(p.line), fmt.Sprintf(
			"a quotation mark that opens on line %d is never closed, so the rest of the file is one field; correct the file", p.line))
	}
	if p := t.nul; p.count > 0 {
		t.Block("nul-byte", lineOf(p.line), fmt.Sprintf("%d fields hold a NUL byte, the first on line %d; is this a text file?", p.count, p.line))
	}
	if p := t.badText; p.count > 0 {
		add := t.Warn
		if t.badHeader || p.count*100 > t.rows {
			add = t.Block
		}
		add("invalid-text", lineOf(p.line), fmt.Sprintf(
			"%d fields hold bytes that are not valid %s, the first on line %d; they could not be read; convert the file to UTF-8",
			p.count, t.Shape.Encoding, p.line))
	}
	if p := t.ragged; p.count > 0 {
		t.Warn("ragged-rows", lineOf(p.line), fmt.Sprintf("%d rows have another number of fields than %d, the first on line %d; "+
			"values may stand under the wrong name", p.count, t.fields, p.line))
	}
	if p := t.broken; p.count > 0 {
		t.Warn("broken-quotes", lineOf(p.line), fmt.Sprintf("%d fields go on after their closing quotation mark, the first on line %d",
			p.count, p.line))
	}
	if !t.Shape.Header {
		t.Warn("no-header", "line 1", "the first row does not look like names of columns, so identifiers could be told by their values only; "+
			"add a row of names")
	}
	if t.Shape.Rows == 0 {
		t.Warn("no-rows", "", "the file has names of columns and no rows")
	}
}
