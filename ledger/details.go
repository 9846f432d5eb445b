package ledger

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// compareColumns compares what stands beside the leaf with the leaf.
func compareColumns(rec Record, l Leaf) error {
	bad := func(column string) error {
		return found(rec.Index, "entry %d: the stored %s is not that of its leaf", rec.Index, column)
	}
	switch {
	case rec.Kind != l.Kind:
		return bad("kind")
	case !rec.Time.Equal(l.Time):
		return bad("time")
	case !maps.Equal(rec.IDs, l.IDs):
		return bad("list of ids")
	case rec.Fault != "":
		return found(rec.Index, "entry %d: %s", rec.Index, rec.Fault)
	case rec.ManifestSHA256 != l.ManifestSHA256:
		return bad("manifest digest")
	case !rec.RetentionUntil.Equal(l.RetentionUntil):
		return bad("end of retention")
	}
	return nil
}

// details checks the details of an entry, or notes that they are gone.
func (v *verification) details(rec Record, l Leaf) error {
	if rec.Details == nil {
		if rec.Salt != nil {
			return found(rec.Index, "entry %d: its details are gone but their salt is not", rec.Index)
		}
		if l.Kind == EntryRedacted {
			return found(rec.Index, "entry %d: the reason of a redaction is gone", rec.Index)
		}
		v.redaction.missing(rec.Index, l.RetentionUntil)
		return nil
	}
	if len(rec.Salt) != SaltSize || detailsDigest(rec.Salt, rec.Details) != l.DetailsSHA256 {
		return found(rec.Index, "entry %d: its details or their salt were changed", rec.Index)
	}
	if l.Kind != EntryRedacted {
		return nil
	}
	if err := v.redaction.explain(rec.Details, l); err != nil {
		return found(rec.Index, "entry %d: %v", rec.Index, err)
	}
	v.report.Redacted++
	return nil
}

// redactions remembers whose details are missing until an entry.redacted names
// them, 24 bytes each.
type redactions struct {
	gone []goneDetails // by index
	left int           // how many of gone nobody has explained
}

type goneDetails struct {
	index     int64
	until     int64 // end of retention, Unix milliseconds
	explained bool
}

// missing notes that entry index has no details. Calls come by index.
func (r *redactions) missing(index int64, until time.Time) {
	r.gone = append(r.gone, goneDetails{index: index, until: until.UnixMilli()})
	r.left++
}

func (r *redactions) open() bool { return r.left > 0 }

// explain takes an entry.redacted as the explanation for the entry it names.
func (r *redactions) explain(details []byte, l Leaf) error {
	red, err := parseRedaction(l.IDs, details)
	if err != nil {
		return err
	}
	g := r.find(l.IDs["entry"])
	switch {
	case g == nil:
		return fmt.Errorf("it redacts entry %d, whose details are still there", red.Index)
	case g.explained:
		return fmt.Errorf("it redacts entry %d a second time", red.Index)
	case l.Time.UnixMilli() < g.until:
		return fmt.Errorf("it redacts entry %d before its retention ended on %s", red.Index, formatTime(time.UnixMilli(g.until)))
	}
	g.explained = true
	r.left--
	return nil
}

// excuse is explain for what follows a problem, where any entry.redacted will do:
// it only decides which of two problems came first.
func (r *redactions) excuse(leaf []byte) {
	l, err := ParseLeaf(leaf)
	if err != nil || l.Kind != EntryRedacted {
		return
	}
	if g := r.find(l.IDs["entry"]); g != nil && !g.explained {
		g.explained = true
		r.left--
	}
}

// find is the entry without details of this index; nil when there is none.
func (r *redactions) find(index string) *goneDetails {
	want, err := strconv.ParseInt(index, 10, 64)
	if err != nil {
		return nil
	}
	at, ok := slices.BinarySearchFunc(r.gone, want, func(g goneDetails, i int64) int { return cmp.Compare(g.index, i) })
	if !ok {
		return nil
	}
	return &r.gone[at]
}

// unexplained is the first entry whose details are gone without a redaction.
func (r *redactions) unexplained() *finding {
	if !r.open() {
		return nil
	}
	i := slices.IndexFunc(r.gone, func(g goneDetails) bool { return !g.explained })
	index := r.gone[i].index
	return &finding{index, fmt.Sprintf("entry %d: its details are missing and no entry.redacted names it", index)}
}
