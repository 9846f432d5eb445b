package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Redaction is the removal of an entry's details and salt: by whom, agreed by
// which second person, and why. Its leaf stays.
type Redaction struct {
	Index  int64 // the entry whose details go
	Actor  string
	Second string
	Reason string
}

type redactionDetails struct {
	Reason string `json:"reason"`
}

// Entry is the entry.redacted entry to append in the transaction that removes
// the details. Verify refuses it before the entry's retention has ended, and
// when it names another entry.redacted: the reasons themselves stay.
func (r Redaction) Entry() Entry {
	return Entry{
		Kind:    EntryRedacted,
		IDs:     map[string]string{"entry": strconv.FormatInt(r.Index, 10), "actor": r.Actor, "second": r.Second},
		Details: redactionDetails{Reason: r.Reason},
	}
}

// parseRedaction reads back what Redaction.Entry wrote.
func parseRedaction(ids map[string]string, details []byte) (Redaction, error) {
	var d redactionDetails
	if err := json.Unmarshal(details, &d); err != nil {
		return Redaction{}, fmt.Errorf("details of a redaction: %w", err)
	}
	r := Redaction{Actor: ids["actor"], Second: ids["second"], Reason: d.Reason}
	index, err := strconv.ParseInt(ids["entry"], 10, 64)
	if err != nil || index < 0 || ids["entry"] != strconv.FormatInt(index, 10) {
		return Redaction{}, errors.New("a redaction names the index of one entry")
	}
	r.Index = index
	if r.Actor == "" || r.Second == "" || r.Actor == r.Second {
		return Redaction{}, errors.New("a redaction names two different people")
	}
	if r.Reason == "" {
		return Redaction{}, errors.New("a redaction gives a reason")
	}
	return r, nil
}
