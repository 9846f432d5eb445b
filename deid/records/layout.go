package records

import (
	"bytes"
	"strconv"

	"teikyo/deid/recognise"
)

// Kind is what a field holds, as far as check and transformation care.
type Kind uint8

// The kinds. The words after the dash are what happens to a field when the
// profile says nothing about it.
const (
	Code      Kind = iota // codes, numbers, amounts – kept; words of Japanese do not belong here and go
	Known                 // identifies a person: Class says how – emptied
	Facility              // the code of a provider – a pseudonym of digits
	Birth                 // a date of birth – year and month
	Day                   // a date of care – kept, or its year where the profile keeps years only
	Month                 // a month of care – the same
	DayFlags              // marks of the days of a month – kept, or emptied where the profile keeps years only
	Postal                // a postal code – its first three digits
	InsurerNo             // the number of an insurer or public payer – kept when it is one
	Prose                 // free text – deleted
	Reserved              // must be empty – emptied
	Open                  // told by its value: a date, words, or a code
)

// Field is what is known of one field.
type Field struct {
	Name  string          // in profiles; "" is the record's id and the number of the field
	Title string          // in Japanese, as the specification calls it
	Kind  Kind            //
	Class recognise.Class // of a Known field
	// Person: the value stands for the person whom the line, and those that
	// belong to it, is about. It is the source key of objections and of shifts.
	Person bool
	// AsOf: the month that ages are counted at, for the cap of births that
	// stand after it.
	AsOf bool
	// OneDigit: a field whose place the sources disagree on; one digit is a
	// code, more are an identifier (UKE HO, 9).
	OneDigit bool
}

// Record is the layout of one kind of line. A Record never changes.
type Record struct {
	ID     string
	Len    int           // fields of the newest form that is known; further ones are unknown. 0: any number
	Base   int           // number of the first field in names: 0 in UKE, 1 elsewhere
	Fields map[int]Field // by offset from 0; those that are more than a Code
	Rest   Kind          // of the fields that Fields does not name
	// Begins: the lines that follow belong to this one, up to the next that
	// begins or that Ends.
	Begins, Ends bool
	// Verbatim: the line has no fields of data, as a header of names has.
	Verbatim bool
	// Doubt, when not empty, says why the record is not provided: the gate
	// blocks with it. Drop, when set, has the transformation leave the line out
	// unless the profile keeps it; without it the transformation stops there.
	Doubt string
	Drop  bool
}

// field is what the layout says about the field at offset i.
func (r *Record) field(i int) Field {
	f, ok := r.Fields[i]
	if !ok {
		f.Kind = r.Rest
	}
	if r.Len > 0 && i >= r.Len {
		f = Field{Title: "beyond the known layout", Kind: Reserved}
	}
	if f.Name == "" {
		f.Name = r.ID + "." + strconv.Itoa(i+r.Base)
	}
	return f
}

// Match is what a Grammar says about one line.
type Match struct {
	Record *Record // nil when the line is none that is known
	Shift  int     // columns before the record, as in returned claims
	Name   string  // of an unknown record, when it can be shown
}

// ID is the id of the record, "" of none.
func (m Match) ID() string {
	if m.Record == nil {
		return ""
	}
	return m.Record.ID
}

// Grammar finds the record of each line of one file, from the first on.
type Grammar interface {
	Match(l *Line) Match
}

// Format is one family of files.
type Format struct {
	Key    string // in profiles: Title in lower case
	Title  string // for people
	Comma  byte
	Quotes bool
	IsOne  func(head []byte) bool
	// Grammar makes the Grammar of one file. refused, when not empty, says why
	// files of this kind are never provided.
	Grammar func(head []byte) (g Grammar, refused *Refusal)
}

// Name is the name of the format.
func (f Format) Name() string { return f.Title }

// Detect reports whether head begins a file of the format.
func (f Format) Detect(head []byte) bool { return f.IsOne(head) }

// Refusal is a finding about a whole file.
type Refusal struct{ Rule, Msg string }

// Head returns the whole lines of head without the byte order mark and the last
// line if it may be cut. It is for Detect: it gives at most limit lines.
func Head(head []byte, comma byte, quotes bool, limit int) [][][]byte {
	r := NewReader(bytes.NewReader(head), comma, quotes)
	var out [][][]byte
	for len(out) < limit {
		l, err := r.Next()
		if err != nil || len(l.End) == 0 && len(out) > 0 {
			return out
		}
		if len(l.Fields) == 0 {
			continue
		}
		fields := make([][]byte, 0, len(l.Fields))
		for _, f := range l.Fields {
			v, _ := unquote(f)
			fields = append(fields, append([]byte(nil), v...))
		}
		out = append(out, fields)
	}
	return out
}
