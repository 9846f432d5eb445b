package models

import (
	"errors"
	"time"
)

// ErrKEKClosing: something was wrapped under a version that is about to be
// destroyed. Wrapping it again takes another version.
var ErrKEKClosing = errors.New("models: the version of the key-encryption key is being destroyed")

// KEKState is where a version of the key-encryption key stands.
type KEKState string

// The states of a version. One at most is current.
const (
	KEKPrepared  KEKState = "prepared"  // recorded; every node must have it before it is used
	KEKCurrent   KEKState = "current"   // wraps
	KEKOld       KEKState = "old"       // unwraps what was wrapped before
	KEKClosing   KEKState = "closing"   // about to be destroyed: nothing more may be wrapped under it
	KEKDestroyed KEKState = "destroyed" // gone
)

// KEKVersion is what the database knows of a version: never the key.
type KEKVersion struct {
	ID         string
	CheckValue string // derived from the key: tells keys apart without showing them
	Provider   string // that made it
	State      KEKState
	Added      time.Time
	Changed    time.Time
}

// KEKHolder is a running node and the versions that it has at hand.
type KEKHolder struct {
	Node string // random, of one run
	Name string // for people
	KEKs []string
	Seen time.Time // the last report
}

// WrapShelf is a kind of row that keeps something wrapped under the
// key-encryption key.
type WrapShelf string

// The shelves. A column of another table that holds a wrap needs a shelf of its
// own, or a rotation would leave it behind; a test compares this list with the
// schema.
const (
	ShelfSealedFiles  WrapShelf = "sealed_files"        // keys of files, of uploads under way too
	ShelfDocuments    WrapShelf = "agreement_documents" // documents of agreements
	ShelfChallenges   WrapShelf = "recipient_keys"      // open challenges of recipient keys
	ShelfWebhooks     WrapShelf = "webhook_secrets"     // secrets that sign webhooks
	ShelfDeidKeys     WrapShelf = "deid_keys"           // keys of domains, under which identifiers are replaced
	ShelfDestinations WrapShelf = "destinations"        // passwords and secret keys for uploads
)

// WrapShelves are all shelves.
func WrapShelves() []WrapShelf {
	return []WrapShelf{ShelfSealedFiles, ShelfDocuments, ShelfChallenges, ShelfWebhooks, ShelfDeidKeys, ShelfDestinations}
}

// Wrapped is something under the key-encryption key, wherever it stands.
type Wrapped struct {
	Shelf WrapShelf
	ID    string // of the row
	KEKID string
	Bytes []byte
	// State and PayloadSHA256 are those of a sealed file: its wrap is bound to
	// them.
	State         SealedState
	PayloadSHA256 string
}

// WebhookContext is what the wrap of a webhook's secret is bound to; the id is
// that of its row.
func WebhookContext(secretID string) []byte { return []byte("webhook-secret " + secretID) }
