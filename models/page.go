package models

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
