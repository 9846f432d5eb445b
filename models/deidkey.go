package models

import (
	"regexp"
	"time"
)

// DeidKey is the key under which the identifiers of one named domain (a
// recipient, a project, a release) are replaced. The key itself is wrapped.
type DeidKey struct {
	ID      string
	Domain  string
	State   DeidKeyState
	KEKID   string // version that wraps; empty when it is destroyed
	Wrapped []byte

	Exports   int // how often it was sealed for somebody; copies outlive it
	CreatedBy string
	CreatedAt time.Time

	DestroyedBy string
	DestroyedAt time.Time
	Reason      string // of the destruction
}

// DeidKeyState says whether the key exists.
type DeidKeyState string

// The states. A destroyed one never comes back: its domain is used up.
const (
	DeidKeyActive    DeidKeyState = "active"
	DeidKeyDestroyed DeidKeyState = "destroyed"
)

// ObjectionDomain is the reserved domain of the key under which the source keys
// of people who objected are hashed. It cannot be the name of another domain.
const ObjectionDomain = "objections:"

var domainPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// IsDomain reports whether a domain may have that name.
func IsDomain(name string) bool { return domainPattern.MatchString(name) }

// DeidKeyContext is what the wrap of a key is bound to.
func DeidKeyContext(id string) []byte { return []byte("deid-key " + id) }

// ObjectionBatch is one list of people who objected, by number only.
type ObjectionBatch struct {
	ID      string
	Keys    int64 // read, without repetitions
	New     int64 // of these, not known before
	Reason  string
	AddedBy string
	AddedAt time.Time
}
