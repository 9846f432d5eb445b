package models

import "time"

// DisposalState is the state of a disposal.
type DisposalState string

// The states of a disposal. What is confirmed is carried out whatever happens:
// after a crash the next start goes on with it.
const (
	DisposalProposed  DisposalState = "proposed"
	DisposalConfirmed DisposalState = "confirmed"
	DisposalDone      DisposalState = "done"
	DisposalRejected  DisposalState = "rejected"
)

// DisposalKind says what a disposal was made for.
type DisposalKind string

// The kinds of disposals.
const (
	DestroyVersion DisposalKind = "destroy" // one version of a dataset
	RedactEntry    DisposalKind = "redact"  // one ledger entry
	YearlyDisposal DisposalKind = "yearly"  // what is due at the end of a year
)

// Disposal is the wish of one person to destroy things, decided by another.
type Disposal struct {
	ID           string
	Kind         DisposalKind
	Year         int // of a yearly one, else 0
	Reason       string
	State        DisposalState
	ProposedBy   string
	ProposedAt   time.Time
	DecidedBy    string
	DecidedAt    time.Time
	Decision     string // the decider's words, may be empty
	Independence Independence
	FinishedAt   time.Time
	Certificate  []byte // canonical JSON, made when everything is done
	Signature    string // OpenSSH signature of Certificate
}

// DisposalItemKind says what kind of thing is disposed of.
type DisposalItemKind string

// The kinds of things. A reference is ID@VERSION, the index of an entry, or an id.
const (
	ItemVersion     DisposalItemKind = "version"     // contents and keys of a dataset version
	ItemEntry       DisposalItemKind = "entry"       // details of a ledger entry
	ItemProvision   DisposalItemKind = "provision"   // the record of a provision
	ItemApplication DisposalItemKind = "application" // the personal data of a recipient that is no partner any more
)

// DisposalItem is one thing of a disposal.
type DisposalItem struct {
	DisposalID string
	Number     int // from 1
	Kind       DisposalItemKind
	Ref        string
	Due        time.Time // since when it may go
	HeldBy     string    // who keeps it back
	HeldAt     time.Time
	HeldReason string // for example a legal hold
	Done       bool
	Result     []byte // JSON, what was destroyed; nil until done
}

// Name names the thing, for example "version:ds-…@1".
func (i DisposalItem) Name() string { return string(i.Kind) + ":" + i.Ref }

// Held reports whether somebody keeps it back.
func (i DisposalItem) Held() bool { return i.HeldBy != "" }

// DueQuery asks for things that are due before an instant, in the order of their
// ids, after the cursor.
type DueQuery struct {
	Before time.Time
	After  string
	Limit  int
}
