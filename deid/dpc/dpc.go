// Package dpc knows the files that Japanese hospitals hand in to the DPC survey:
// form 1, form 4, the D, E, F, EF and H files (DOMAIN.md 3.2). They are tables
// of tab-separated values in CP932 whose kind shows in the first row of data:
// the width of the table and the forms of its first columns.
//
// The K file is never provided: its identifier is computed from the date of
// birth, the kana name and the sex of the patient, and can be found by trying.
package dpc

import (
	"bytes"
	"sync"

	"teikyo/deid/recognise"
	"teikyo/deid/records"
)

// Name is the name of the format in profiles.
const Name = "dpc"

// Format reads DPC survey files.
func Format() records.Format {
	return records.Format{Key: Name, Title: "DPC", Comma: '\t', Quotes: true, IsOne: Detect, Grammar: newGrammar}
}

// Detect reports whether the first rows are those of a survey file, the refused
// K file among them.
func Detect(head []byte) bool { return kindOf(head) != "" }

// The kinds of files.
const (
	form1 = "ff1"
	form4 = "ff4"
	fileD = "d"
	fileE = "e"
	fileF = "f"
	eAndF = "ef"
	fileH = "h"
	fileK = "k"
)

// kindOf tells the kind by the first row of data, after at most one row of
// names.
func kindOf(head []byte) string {
	rows := records.Head(head, '\t', true, 4)
	for i, row := range rows {
		if i == 0 && isHeader(row) && len(rows) > 1 {
			continue
		}
		return rowKind(row)
	}
	return ""
}

// isHeader: the names of columns begin with that of the facility.
func isHeader(row [][]byte) bool {
	first := records.NewText(row[0])
	name, _ := first.Decode(nil, bytes.TrimSpace(row[0]))
	for _, begin := range []string{"施設コード", "医療機関コード", "施設"} {
		if bytes.HasPrefix(name, []byte(begin)) {
			return true
		}
	}
	return false
}

func rowKind(row [][]byte) string {
	if len(row) < 5 || !isFacility(row[0]) {
		return ""
	}
	if len(row) >= 8 && isID(row[2]) && isDay(row[3]) && isDay(row[4]) && isDay(row[5]) && isItem(row[6]) {
		return fileH
	}
	if !isID(row[1]) {
		return ""
	}
	if isK(row) {
		return fileK
	}
	if len(row) == 17 && isDay(row[2]) && isCode(row[5]) {
		return form1
	}
	if !isDay(row[2]) || !isDay(row[3]) {
		return ""
	}
	return stayKind(row)
}

// stayKind tells the files that begin with facility, patient, discharge and
// admission.
func stayKind(row [][]byte) string {
	detail := len(row) > 6 && digits(row[5], 4) && digits(row[6], 3)
	switch n := len(row); {
	case detail && (n == 31 || n == 32):
		return eAndF
	case detail && (n == 17 || n == 18):
		return fileF
	case n >= 29 && n <= 31 && digits(row[5], 4):
		return fileD
	case (n == 25 || n == 26) && digits(row[5], 4):
		return fileE
	case n <= 14 && shortCodes(row[4:]):
		return form4
	}
	return ""
}

// isK: a column of 32 or more letters and digits, which only the identifier of
// the K file is.
func isK(row [][]byte) bool {
	for _, f := range row[2:] {
		if len(f) >= 32 && alnum(f) {
			return true
		}
	}
	return false
}

func digits(f []byte, n int) bool {
	if len(f) != n {
		return false
	}
	for _, c := range f {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// isFacility: nine digits, or what a transformation left there.
func isFacility(f []byte) bool { return digits(f, 9) || recognise.IsPseudonym(f) }

// isID: a number of a patient: 10 digits, or what a transformation left there.
func isID(f []byte) bool { return len(f) > 0 && len(f) <= 26 && alnum(f) }

func alnum(f []byte) bool {
	for _, c := range f {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && c != '-' && c != '+' && c != '/' && c != '=' {
			return false
		}
	}
	return true
}

// isDay: eight digits, also 00000000 for unknown, a month or year that a
// transformation left, or nothing.
func isDay(f []byte) bool { return len(f) == 0 || digits(f, 8) || digits(f, 6) || digits(f, 4) }

// isCode is the code of a block of form 1: A000010.
func isCode(f []byte) bool {
	return len(f) == 7 && f[0] >= 'A' && f[0] <= 'Z' && digits(f[1:], 6)
}

// isItem is the set of items of an H file: ASS0013, TAR0010.
func isItem(f []byte) bool {
	return len(f) == 7 && digits(f[3:], 4) && (string(f[:3]) == "ASS" || string(f[:3]) == "TAR")
}

func shortCodes(row [][]byte) bool {
	for _, f := range row {
		if len(f) > 8 || !alnum(f) {
			return false
		}
	}
	return true
}

// grammar finds the records of one file.
type grammar struct {
	kind string
	line int64
}

func newGrammar(head []byte) (records.Grammar, *records.Refusal) {
	kind := kindOf(head)
	if kind == fileK {
		return &grammar{kind: kind}, &records.Refusal{Rule: "k-file", Msg: "this is a K file: its common identifier is computed from date of " +
			"birth, kana name and sex, and can be found by trying; it is never provided, leave it out"}
	}
	return &grammar{kind: kind}, nil
}

// Match gives each row the layout of the kind of the file; a row of another
// shape is not known.
func (g *grammar) Match(l *records.Line) records.Match {
	g.line++
	if g.line == 1 && isHeader(l.Fields) {
		return records.Match{Record: headerRecord()}
	}
	row := make([][]byte, len(l.Fields))
	for i, f := range l.Fields {
		row[i] = bytes.Trim(f, `"`)
	}
	kind := rowKind(row)
	if kind != g.kind {
		return records.Match{}
	}
	switch kind {
	case form1:
		return records.Match{Record: form1Record(string(row[5]))}
	case fileD:
		return records.Match{Record: layouts()[kind+age(len(row))]}
	}
	return records.Match{Record: layouts()[kind]}
}

// age tells the D file of 29 columns, which has no column 14, from that of 30 or
// 31.
func age(width int) string {
	if width < 30 {
		return "-old"
	}
	return ""
}

var headerRecord = sync.OnceValue(func() *records.Record { return &records.Record{ID: "header", Verbatim: true} })
