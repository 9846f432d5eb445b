package events

import (
	"slices"
	"strings"
	"time"

	"teikyo/ledger"
)

// Event is a ledger entry as others see it: no details, no names.
type Event struct {
	Index int64
	Kind  ledger.Kind
	Time  time.Time
	IDs   map[string]string
}

// Cursor goes on after the event.
func (e Event) Cursor() string { return formatCursor(e.Index + 1) }

// recipientKinds are the beginnings of the kinds that concern the organisation
// whose id is in the entry; what is not listed stays inside.
var recipientKinds = []string{
	"recipient.", "key.", "agreement.", "destination.", "request.", "standing.", "provision.", "link.", "download.",
	"delivery.", "media.", "acknowledged", "certificate.", "recalled", "notice.told", "expired",
}

// recipientNouns are what an organisation knows by name; the people of the
// company are not.
var recipientNouns = []string{
	"recipient", "key", "agreement", "destination", "request", "standing", "provision", "link", "delivery", "dataset", "version",
}

// scope says whose view of the ledger it is: that of a recipient, or with an
// empty id the company's.
type scope struct{ recipientID string }

// view is the event of a record, unless the scope may not see it.
func (s scope) view(r ledger.Record) (Event, bool) {
	e := Event{Index: r.Index, Kind: r.Kind, Time: r.Time, IDs: r.IDs}
	if s.recipientID == "" {
		return e, true
	}
	known := slices.ContainsFunc(recipientKinds, func(prefix string) bool { return strings.HasPrefix(string(r.Kind), prefix) })
	if !known || r.IDs["recipient"] != s.recipientID {
		return Event{}, false
	}
	e.IDs = map[string]string{}
	for _, noun := range recipientNouns {
		if id, ok := r.IDs[noun]; ok {
			e.IDs[noun] = id
		}
	}
	return e, true
}

// wanted reports whether a reader who asked for kinds wants this one; a kind that
// ends with a dot stands for all that begin so.
func wanted(kinds []string, kind ledger.Kind) bool {
	return len(kinds) == 0 || slices.ContainsFunc(kinds, func(want string) bool {
		return want == string(kind) || strings.HasSuffix(want, ".") && strings.HasPrefix(string(kind), want)
	})
}
