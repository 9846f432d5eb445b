package legacy

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/unicode/norm"

	"teikyo/models"
)

// Limits of a file.
const (
	MaxFile = 8 << 20 // bytes
	MaxRows = 5000
	maxCell = 4000 // characters
)

// column is a column that a kind of file can have.
type column struct {
	name     string // English; in errors too
	ja       string // Japanese headers, separated by a slash
	required bool
}

// row is one row of a file: its line, and its cells by the column's name.
type row struct {
	line  int
	cells map[string]string
}

// get is the cell of a column, empty when there is none.
func (r row) get(name string) string { return r.cells[name] }

// list is a cell that holds several values, separated by semicolons or by the
// Japanese comma.
func (r row) list(name string) []string {
	var values []string
	for _, v := range strings.FieldsFunc(r.cells[name], func(c rune) bool { return c == ';' || c == '；' || c == '、' || c == '\n' }) {
		if v = strings.TrimSpace(v); v != "" {
			values = append(values, v)
		}
	}
	return values
}

// parse reads a file: UTF-8 with or without a byte order mark, or CP932. It
// refuses a file that is not a table; what is wrong in a row is said of the row.
func parse(file string, text []byte, columns []column) ([]row, error) {
	if len(text) > MaxFile {
		return nil, models.Errorf(models.TooLarge, "%s has over %d bytes; split it", file, MaxFile)
	}
	plain, err := decode(file, text)
	if err != nil {
		return nil, err
	}
	reader := csv.NewReader(bytes.NewReader(plain))
	reader.FieldsPerRecord = -1
	heads, err := reader.Read()
	if err != nil {
		return nil, models.Errorf(models.Invalid, "%s needs a first line with the names of the columns", file)
	}
	names, err := headNames(file, heads, columns)
	if err != nil {
		return nil, err
	}
	var rows []row
	for {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, models.Errorf(models.Invalid, "%s is not CSV: %v; put cells with quotes, commas or line breaks between quotes", file, err)
		}
		line, _ := reader.FieldPos(0)
		if len(rows) == MaxRows {
			return nil, models.Errorf(models.TooLarge, "%s has over %d rows; split it", file, MaxRows)
		}
		r, err := makeRow(file, line, names, cells)
		if err != nil {
			return nil, err
		}
		if r.cells != nil {
			rows = append(rows, r)
		}
	}
}

// decode makes UTF-8 of the file. What is no UTF-8 is taken for CP932 (Windows
// Japanese); bytes that are neither are named by their line.
func decode(file string, text []byte) ([]byte, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !utf8.Valid(text) {
		decoded, err := japanese.ShiftJIS.NewDecoder().Bytes(text)
		if err != nil {
			return nil, models.Errorf(models.Invalid, "%s is neither UTF-8 nor CP932; save it as CSV UTF-8", file)
		}
		text = decoded
	}
	if at := bytes.IndexRune(text, utf8.RuneError); at >= 0 {
		return nil, models.Errorf(models.Invalid, "line %d of %s holds bytes that are neither UTF-8 nor CP932; save it as CSV UTF-8",
			bytes.Count(text[:at], []byte("\n"))+1, file)
	}
	return norm.NFC.Bytes(text), nil
}

// headNames finds the column of every head, by its English or Japanese name.
func headNames(file string, heads []string, columns []column) ([]string, error) {
	names := make([]string, len(heads))
	seen := map[string]bool{}
	for i, head := range heads {
		for _, c := range columns {
			if matchesHead(head, c) {
				names[i] = c.name
			}
		}
		if names[i] == "" || seen[names[i]] {
			return nil, models.Errorf(models.Invalid, "the column %q of %s is unknown or there twice; use %s", head, file, columnList(columns))
		}
		seen[names[i]] = true
	}
	for _, c := range columns {
		if c.required && !seen[c.name] {
			return nil, models.Errorf(models.Invalid, "%s has no column %s (%s)", file, c.name, c.ja)
		}
	}
	return names, nil
}

func matchesHead(head string, c column) bool {
	plain := func(s string) string {
		return strings.ReplaceAll(strings.ToLower(norm.NFKC.String(strings.TrimSpace(s))), " ", "_")
	}
	if plain(head) == c.name {
		return true
	}
	for name := range strings.SplitSeq(c.ja, "/") {
		if plain(head) == plain(name) {
			return true
		}
	}
	return false
}

func columnList(columns []column) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = c.name + " (" + c.ja + ")"
	}
	return strings.Join(parts, ", ")
}

// makeRow refuses a row of another width than the head's, because its cells
// would stand in the wrong columns. An empty row gives none.
func makeRow(file string, line int, names, cells []string) (row, error) {
	if strings.TrimSpace(strings.Join(cells, "")) == "" {
		return row{}, nil
	}
	if len(cells) != len(names) {
		return row{}, models.Errorf(models.Invalid, "line %d of %s has %d cells, the first line %d; put cells with commas between quotes",
			line, file, len(cells), len(names))
	}
	r := row{line: line, cells: make(map[string]string, len(cells))}
	for i, cell := range cells {
		r.cells[names[i]] = strings.TrimSpace(strings.TrimPrefix(cell, "'"))
	}
	return r, nil
}

// cellError is what is wrong in one cell.
type cellError struct {
	column, msg string
}

func (e *cellError) Error() string { return e.msg }

func wrong(column, msg string) error { return &cellError{column, msg} }

// check refuses missing cells, and text that is too long or steers a terminal.
func (r row) check(columns []column) error {
	for _, c := range columns {
		cell := r.cells[c.name]
		switch {
		case c.required && cell == "":
			return wrong(c.name, "is empty; fill it in")
		case utf8.RuneCountInString(cell) > maxCell:
			return wrong(c.name, "is longer than 4000 characters; shorten it")
		case strings.ContainsFunc(cell, steers):
			return wrong(c.name, "holds control characters; remove them")
		}
	}
	return nil
}

func steers(r rune) bool {
	return r != '\n' && r != '\t' && unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}
