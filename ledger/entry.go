package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gowebpki/jcs"
	"golang.org/x/mod/sumdb/tlog"
)

// Limits of one entry, and how long its details stay when nobody says so.
const (
	MaxLeafSize    = 8 << 10   // bytes of canonical JSON
	MaxDetailsSize = 256 << 10 // bytes of canonical JSON
	MaxIDs         = 32        // ids in one entry
	SaltSize       = 16        // random bytes before the details in their digest

	// DefaultRetentionYears follows the longest of the record-keeping duties the
	// records serve (45 CFR 164.528: six years; APPI Article 30: three).
	DefaultRetentionYears = 6
)

// ErrInvalidEntry is wrapped by every refusal of Build: the caller asked for an
// entry that the ledger cannot hold.
var ErrInvalidEntry = errors.New("invalid ledger entry")

// Entry is what a use case appends.
type Entry struct {
	Kind Kind
	// IDs name what the entry speaks of, such as dataset, version, recipient,
	// provision and actor. They stay in the leaf for ever: never a person's name.
	IDs map[string]string
	// Details is anything that marshals to a JSON object; nil is the empty one.
	Details any
	// ManifestSHA256 is the hex digest of the parcel's manifest; required for
	// provision.issued and provision.reissued, refused for the other kinds.
	ManifestSHA256 string
	// Retain is the instant before which the details may not be redacted; zero
	// means DefaultRetentionYears after the entry.
	Retain time.Time

	// Index and Time are set when the entry is committed.
	Index int64
	Time  time.Time
}

// Build makes the leaf and the details of e as of instant at, with a salt from
// rand. The leaf is canonical JSON (RFC 8785) with times in UTC milliseconds;
// its details_sha256 is SHA-256(salt ‖ details). Errors wrap ErrInvalidEntry.
func Build(e Entry, at time.Time, rand io.Reader) (leaf, salt, details []byte, err error) {
	if !e.Kind.Known() {
		return nil, nil, nil, fmt.Errorf("%w: unknown kind %q", ErrInvalidEntry, e.Kind)
	}
	if details, err = canonicalDetails(e.Details); err != nil {
		return nil, nil, nil, err
	}
	if e.Kind == EntryRedacted {
		if _, err := parseRedaction(e.IDs, details); err != nil {
			return nil, nil, nil, fmt.Errorf("%w: %w", ErrInvalidEntry, err)
		}
	}
	salt = make([]byte, SaltSize)
	if _, err := io.ReadFull(rand, salt); err != nil {
		return nil, nil, nil, fmt.Errorf("salt of a ledger entry: %w", err)
	}
	retain := e.Retain
	if retain.IsZero() {
		retain = at.UTC().AddDate(DefaultRetentionYears, 0, 0)
	}
	l := Leaf{
		Kind: e.Kind, Time: at.UTC().Truncate(time.Millisecond), IDs: e.IDs,
		DetailsSHA256: detailsDigest(salt, details), ManifestSHA256: e.ManifestSHA256,
		RetentionUntil: retain.UTC().Truncate(time.Millisecond),
	}
	if l.RetentionUntil.Before(l.Time) {
		return nil, nil, nil, fmt.Errorf("%w: details would be kept until %s, before the entry itself", ErrInvalidEntry, formatTime(retain))
	}
	leaf = l.encode()
	// The reader's rules are the writer's: nothing is appended that would not
	// verify, or that an id with a quote in it would make say something else.
	read, err := ParseLeaf(leaf)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%w: %w", ErrInvalidEntry, err)
	}
	if read.ManifestSHA256 != e.ManifestSHA256 || !maps.Equal(read.IDs, e.IDs) {
		return nil, nil, nil, fmt.Errorf("%w: an id or digest holds characters that are not allowed", ErrInvalidEntry)
	}
	return leaf, salt, details, nil
}

// canonicalDetails is v as canonical JSON.
func canonicalDetails(v any) ([]byte, error) {
	if v == nil {
		return []byte("{}"), nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: details: %w", ErrInvalidEntry, err)
	}
	if err := checkNumbers(raw); err != nil {
		return nil, err
	}
	out, err := jcs.Transform(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: details: %w", ErrInvalidEntry, err)
	}
	if out[0] != '{' {
		return nil, fmt.Errorf("%w: details are no JSON object", ErrInvalidEntry)
	}
	if len(out) > MaxDetailsSize {
		return nil, fmt.Errorf("%w: details have %d bytes, the limit is %d", ErrInvalidEntry, len(out), MaxDetailsSize)
	}
	return out, nil
}

// checkNumbers refuses integers that canonical JSON would silently round: its
// numbers are IEEE 754 doubles (RFC 8785, 3.2.2.3).
func checkNumbers(raw []byte) error {
	const exact = 1 << 53
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: details: %w", ErrInvalidEntry, err)
		}
		num, ok := tok.(json.Number)
		if !ok || strings.ContainsAny(string(num), ".eE") {
			continue
		}
		if n, err := num.Int64(); err != nil || n > exact || n < -exact {
			return fmt.Errorf("%w: the number %s in the details is not exact in JSON; write it as text", ErrInvalidEntry, num)
		}
	}
}

func detailsDigest(salt, details []byte) string {
	h := sha256.New()
	h.Write(salt)
	h.Write(details)
	var sum [sha256.Size]byte
	return hex.EncodeToString(h.Sum(sum[:0]))
}

// encode writes the leaf. Every value is made of characters that JSON does not
// escape, and the names stand in the order RFC 8785 gives them.
func (l Leaf) encode() []byte {
	b := make([]byte, 0, 512)
	b = append(b, `{"details_sha256":"`...)
	b = append(b, l.DetailsSHA256...)
	b = append(b, `","ids":{`...)
	for i, name := range slices.Sorted(maps.Keys(l.IDs)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), `":"`...)
		b = append(append(b, l.IDs[name]...), '"')
	}
	b = append(b, `},"kind":"`...)
	b = append(b, l.Kind...)
	if l.ManifestSHA256 != "" {
		b = append(b, `","manifest_sha256":"`...)
		b = append(b, l.ManifestSHA256...)
	}
	b = append(b, `","retention_until":"`...)
	b = l.RetentionUntil.AppendFormat(b, timeLayout)
	b = append(b, `","time":"`...)
	b = l.Time.AppendFormat(b, timeLayout)
	return append(b, `","v":1}`...)
}

// Record is one stored entry. The fields from Kind on are columns that the store
// keeps beside the leaf for searching; NewRecord derives them, and Verify
// compares each with the leaf.
type Record struct {
	Index   int64
	Leaf    []byte
	Salt    []byte // nil when redacted
	Details []byte // canonical JSON; nil when redacted

	Kind           Kind
	Time           time.Time
	IDs            map[string]string
	ManifestSHA256 string
	RetentionUntil time.Time
	// Fault says what the store found wrong in columns that only it knows; empty
	// when nothing is.
	Fault string
}

// NewRecord is the record of entry index with its columns filled in from the
// leaf. Errors wrap ErrMalformedLeaf.
func NewRecord(index int64, leaf, salt, details []byte) (Record, error) {
	l, err := ParseLeaf(leaf)
	if err != nil {
		return Record{}, fmt.Errorf("entry %d: %w", index, err)
	}
	return Record{
		Index: index, Leaf: leaf, Salt: salt, Details: details,
		Kind: l.Kind, Time: l.Time, IDs: l.IDs, ManifestSHA256: l.ManifestSHA256, RetentionUntil: l.RetentionUntil,
	}, nil
}

// Hashes are the tree hashes that appending leaf as entry index adds to those
// stored, to be kept at tlog.StoredHashIndex(0, index) and onwards.
func Hashes(index int64, leaf []byte, r tlog.HashReader) ([]tlog.Hash, error) {
	return tlog.StoredHashes(index, leaf, r)
}
