// Package uke knows the Japanese electronic claims called UKE or レセ電: medical,
// by diagnosis group (DPC) and accident insurance (労災). Their layout is that
// of DOMAIN.md 3.1; deid/records reads and writes them.
//
// Dental, pharmacy and visiting-nursing claims are recognised and refused: no
// source confirms their layout.
package uke

import (
	"sync"

	"teikyo/deid/records"
)

// Name is the name of the format in profiles.
const Name = "uke"

// Format reads UKE files.
func Format() records.Format {
	return records.Format{Key: Name, Title: "UKE", Comma: ',', IsOne: Detect, Grammar: newGrammar}
}

// historyColumns stand before the record in files that a payer returned.
const historyColumns = 3

// Detect reports whether the first lines are records of a claim: the first is
// UK or IR, or, in returned files, any known record, if need be after the three
// columns of the history.
func Detect(head []byte) bool {
	lines := records.Head(head, ',', false, 3)
	if len(lines) == 0 {
		return false
	}
	first := locate(lines[0])
	if first.Record == nil {
		return false
	}
	switch id := first.Record.ID; id {
	case "UK", "IR", "HI", "HR", "MN":
		return len(lines[0])-first.Shift >= 3
	case "RE", "RR", "JY", "HG":
	default:
		return false
	}
	return len(lines) > 1 && locate(lines[1]).Record != nil
}

// locate finds the record of a line: its id is the first field, or the fourth
// after three of digits.
func locate(fields [][]byte) records.Match {
	if len(fields) == 0 {
		return records.Match{}
	}
	if r := layouts()[string(fields[0])]; r != nil {
		return records.Match{Record: r}
	}
	if len(fields) > historyColumns && isHistory(fields[:historyColumns]) {
		if r := layouts()[string(fields[historyColumns])]; r != nil {
			return records.Match{Record: r, Shift: historyColumns}
		}
	}
	return records.Match{}
}

// isHistory: up to 6 digits each, at least one of them filled.
func isHistory(fields [][]byte) bool {
	filled := false
	for _, f := range fields {
		for _, c := range f {
			if c < '0' || c > '9' {
				return false
			}
		}
		if len(f) > 6 {
			return false
		}
		filled = filled || len(f) > 0
	}
	return filled
}

// pointTables are the values of IR 3 whose layout is verified: medical, which
// DPC and accident insurance are too.
const pointTables = "1"

// foreign begins the claims of another table of points in a file of several.
var foreign = sync.OnceValue(func() *records.Record {
	return &records.Record{ID: "IR", Doubt: "begins dental, pharmacy or nursing claims (点数表 is not 1)", Rest: records.Open}
})

type grammar struct{}

func newGrammar(head []byte) (records.Grammar, *records.Refusal) {
	for _, fields := range records.Head(head, ',', false, 20) {
		m := locate(fields)
		if m.Record == nil || m.Record.ID != "IR" && m.Record.ID != "UK" || len(fields) <= m.Shift+3 {
			continue
		}
		if table := string(fields[m.Shift+3]); table != pointTables {
			return grammar{}, &records.Refusal{Rule: "unverified-layout", Msg: "these are dental, pharmacy or nursing claims (点数表 is not 1): " +
				"no source confirms their layout, so that identifiers in them cannot be told; leave the file out"}
		}
		break
	}
	return grammar{}, nil
}

// Match is locate; the name of an unknown record is shown when it looks like
// one.
func (grammar) Match(l *records.Line) records.Match {
	m := locate(l.Fields)
	if id := m.ID(); (id == "IR" || id == "UK") && (len(l.Fields) <= m.Shift+3 || string(l.Fields[m.Shift+3]) != pointTables) {
		m.Record = foreign()
	}
	if m.Record == nil {
		id := l.Fields[0]
		if len(l.Fields) > historyColumns && isHistory(l.Fields[:historyColumns]) {
			id = l.Fields[historyColumns]
		}
		if len(id) == 2 && id[0] >= 'A' && id[0] <= 'Z' && (id[1] >= 'A' && id[1] <= 'Z' || id[1] >= '0' && id[1] <= '9') {
			m.Name = string(id)
		}
	}
	return m
}
