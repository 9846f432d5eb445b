package models

import (
	"strconv"
	"strings"
	"time"
)

// Page asks for one page of a list by keyset: the rows after the cursor.
type Page struct {
	After string // opaque to callers: the sort key of the last row seen
	Limit int    // 1 to MaxPage; 0 means DefaultPage
}

// Limits of a page, in rows.
const (
	DefaultPage = 50
	MaxPage     = 500
)

// Size is the number of rows to read.
func (p Page) Size() int {
	switch {
	case p.Limit <= 0:
		return DefaultPage
	case p.Limit > MaxPage:
		return MaxPage
	default:
		return p.Limit
	}
}

// Part is a part of a report. A report that is asked for without one is read to
// its end.
type Part struct {
	After string // Next of the part before; empty: from the beginning
	Limit int    // rows, as in Page
	// Next is set once the rows were read; empty: there are no more. Rows that
	// were looked at and left out count, so a part can have fewer rows than Limit,
	// even none, and still not be the last.
	Next string
}

// TimeCursor is the cursor of lists that are sorted by a time and then the id.
func TimeCursor(at time.Time, id string) string {
	return strconv.FormatInt(at.UnixMicro(), 10) + "." + id
}

// ParseTimeCursor is the inverse of TimeCursor; at is in UTC. The empty cursor
// gives zero values, anything else that is none an Invalid error.
func ParseTimeCursor(cursor string) (at time.Time, id string, err error) {
	if cursor == "" {
		return time.Time{}, "", nil
	}
	micros, id, found := strings.Cut(cursor, ".")
	n, err := strconv.ParseInt(micros, 10, 64)
	if err != nil || !found {
		return time.Time{}, "", Errorf(Invalid, "the cursor is not one of this list; start without it")
	}
	return time.UnixMicro(n).UTC(), id, nil
}

// RecipientFilter narrows a list of recipients; zero fields do not count.
type RecipientFilter struct {
	ID    string
	State RecipientState
	Query string // part of the name, the address or the e-mail address
}

// LinkFilter narrows a list of links; empty fields do not count.
type LinkFilter struct {
	ProvisionID string
	RecipientID string
}
