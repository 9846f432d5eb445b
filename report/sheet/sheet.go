package sheet

import (
	"errors"
	"io"
	"iter"
	"strconv"
	"time"
)

// Lang is the language of the words in a report.
type Lang string

// The languages.
const (
	English  Lang = "en"
	Japanese Lang = "ja"
)

// Words is a text in both languages.
type Words struct{ EN, JA string }

// In gives the text in one language; English when there is no other.
func (w Words) In(lang Lang) string {
	if lang == Japanese && w.JA != "" {
		return w.JA
	}
	return w.EN
}

// Same is a text that has no language, such as a name or a number.
func Same(text string) Words { return Words{EN: text, JA: text} }

// Fact is one line at the head or the foot of a report.
type Fact struct {
	Name  string // in JSON
	Label Words
	Value Words
}

// Column is a column of the CSV table.
type Column[T any] struct {
	Name  string
	Value func(T) string
}

// Print is a column of the printed table: some lines, the first of which stands
// out.
type Print[T any] struct {
	Label Words
	Width int // percent of the page
	Lines func(row T, lang Lang) []string
}

// Format is the form in which a report is written.
type Format string

// The formats.
const (
	CSV  Format = "csv"
	JSON Format = "json"
	HTML Format = "html"
)

// Media is the media type of the format.
func (f Format) Media() string {
	switch f {
	case CSV:
		return "text/csv; charset=utf-8"
	case HTML:
		return "text/html; charset=utf-8"
	default:
		return "application/json"
	}
}

// Sheet is a report: head, rows, foot. Rows are read once, as they are written;
// an error is the last thing they yield.
type Sheet[T any] struct {
	Name    string // in JSON, and of the file
	Title   Words
	Issuer  string // the organisation, on every printed page
	Facts   []Fact
	Notes   []Words // what the reader must know: the law, what was left out
	Columns []Column[T]
	Prints  []Print[T]
	Rows    iter.Seq2[T, error]
	// Next is asked for when all rows were written: the cursor with which the
	// report goes on; empty when it ends here. May be nil.
	Next func() string
	// Totals are asked for when all rows were written; may be nil.
	Totals func() []Fact
	// Signatures are who signs the printed report.
	Signatures []Words
}

// Document is a report of any kind of row.
type Document interface {
	// Write writes the report; a failure in the middle gives its error, and what
	// was written then is no report.
	Write(w io.Writer, f Format, lang Lang) error
	// FileName is what a saved copy is called.
	FileName(f Format) string
}

// FileName is what a saved copy is called.
func (s Sheet[T]) FileName(f Format) string { return s.Name + "." + string(f) }

// Write writes the report in that format.
func (s Sheet[T]) Write(w io.Writer, f Format, lang Lang) error {
	switch f {
	case CSV:
		return s.writeCSV(w)
	case JSON:
		return s.writeJSON(w)
	case HTML:
		return s.writeHTML(w, lang)
	default:
		return errors.New("sheet: unknown format " + string(f))
	}
}

func (s Sheet[T]) totals() []Fact {
	if s.Totals == nil {
		return nil
	}
	return s.Totals()
}

// Time writes an instant for programs: RFC 3339 in UTC, empty for none.
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Count writes a number of which 0 means unknown.
func Count(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func (s Sheet[T]) next() string {
	if s.Next == nil {
		return ""
	}
	return s.Next()
}
