package ledger

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// timeLayout is RFC 3339 in UTC with exactly three decimals.
const timeLayout = "2006-01-02T15:04:05.000Z"

func formatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// ErrMalformedLeaf is wrapped by every refusal of ParseLeaf.
var ErrMalformedLeaf = errors.New("malformed ledger leaf")

// Leaf is the part of an entry that is hashed into the tree.
type Leaf struct {
	Kind           Kind
	Time           time.Time // UTC, milliseconds
	IDs            map[string]string
	DetailsSHA256  string // hex SHA-256(salt ‖ details)
	ManifestSHA256 string // hex, of provision.issued and provision.reissued, else empty
	RetentionUntil time.Time
}

// ParseLeaf reads a leaf. It accepts exactly the bytes that Build could have
// written (canonical JSON, RFC 8785), so a leaf has one spelling, and kinds that
// a later version may have added. Errors wrap ErrMalformedLeaf.
func ParseLeaf(b []byte) (Leaf, error) {
	if len(b) > MaxLeafSize {
		return Leaf{}, fmt.Errorf("%w: %d bytes, the limit is %d", ErrMalformedLeaf, len(b), MaxLeafSize)
	}
	p := leafParser{rest: string(b)}
	var l Leaf
	p.literal(`{"details_sha256":"`)
	l.DetailsSHA256 = p.text("details_sha256", isDigest)
	p.literal(`,"ids":{`)
	l.IDs = p.ids()
	p.literal(`,"kind":"`)
	l.Kind = Kind(p.text("kind", isKind))
	if l.Kind.hasManifest() {
		p.literal(`,"manifest_sha256":"`)
		l.ManifestSHA256 = p.text("manifest_sha256", isDigest)
	}
	p.literal(`,"retention_until":"`)
	l.RetentionUntil = p.time("retention_until")
	p.literal(`,"time":"`)
	l.Time = p.time("time")
	p.literal(`,"v":1}`)
	if p.err == nil && p.rest != "" {
		p.fail("more after its end")
	}
	if p.err != nil {
		return Leaf{}, p.err
	}
	if l.Kind.hasManifest() && l.IDs["provision"] == "" {
		return Leaf{}, fmt.Errorf("%w: %s names no provision", ErrMalformedLeaf, l.Kind)
	}
	return l, nil
}

// leafParser reads the one spelling a leaf can have; after the first error it
// reads nothing more.
type leafParser struct {
	rest string
	err  error
}

func (p *leafParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: %s", ErrMalformedLeaf, fmt.Sprintf(format, args...))
	}
}

func (p *leafParser) literal(want string) {
	if p.err != nil {
		return
	}
	rest, ok := strings.CutPrefix(p.rest, want)
	if !ok {
		p.fail("no %s where it belongs", want)
		return
	}
	p.rest = rest
}

// text reads a string up to and with its closing quote.
func (p *leafParser) text(what string, valid func(string) bool) string {
	if p.err != nil {
		return ""
	}
	s, rest, ok := strings.Cut(p.rest, `"`)
	if !ok || !valid(s) {
		p.fail("%s is not well formed", what)
		return ""
	}
	p.rest = rest
	return s
}

func (p *leafParser) time(what string) time.Time {
	s := p.text(what, func(s string) bool { return len(s) == len(timeLayout) })
	if p.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(timeLayout, s)
	// Parse also takes a comma before the milliseconds.
	if err != nil || s[19] != '.' || t.Year() < 1970 {
		p.fail("%s is no time", what)
	}
	return t
}

// ids reads the members of the ids object and its closing brace.
func (p *leafParser) ids() map[string]string {
	ids := map[string]string{}
	for last := ""; p.err == nil && !strings.HasPrefix(p.rest, "}"); {
		if len(ids) > 0 {
			p.literal(",")
		}
		p.literal(`"`)
		name := p.text("the name of an id", isIDName)
		p.literal(`:"`)
		value := p.text("an id", isID)
		if name <= last {
			p.fail("ids out of order")
		}
		if len(ids) == MaxIDs {
			p.fail("more than %d ids", MaxIDs)
		}
		ids[name], last = value, name
	}
	p.literal("}")
	return ids
}

func isDigest(s string) bool {
	return len(s) == 64 && all(s, func(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' })
}

func isKind(s string) bool {
	return 0 < len(s) && len(s) <= 64 && all(s, func(c byte) bool { return isLower(c) || c == '.' || c == '_' })
}

func isIDName(s string) bool {
	return 0 < len(s) && len(s) <= 32 && all(s, func(c byte) bool { return isLower(c) || isDigit(c) || c == '_' })
}

// isID accepts visible ASCII that JSON does not escape.
func isID(s string) bool {
	return 0 < len(s) && len(s) <= 128 && all(s, func(c byte) bool { return '!' <= c && c <= '~' && c != '"' && c != '\\' })
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }

func all(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}
