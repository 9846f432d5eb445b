package models

import "time"

// Notice is the public statement of items and methods, published before the
// first provision (APPI Art. 43(4)).
type Notice struct {
	ID          string
	Class       DataClass
	Version     int // counts per class
	Items       []Item
	Methods     []Method
	Text        string
	PublishedBy string
	PublishedAt time.Time
}

// Covers reports whether the notice names the items and the method.
func (n Notice) Covers(items []Item, method Method) bool {
	return containsAll(n.Items, items) && containsAll(n.Methods, []Method{method})
}

func containsAll[T comparable](have, want []T) bool {
	set := make(map[T]bool, len(have))
	for _, v := range have {
		set[v] = true
	}
	for _, v := range want {
		if !set[v] {
			return false
		}
	}
	return true
}

// RequestState is the state of a request.
type RequestState string

// The states of a request.
const (
	RequestSubmitted RequestState = "submitted"
	RequestReturned  RequestState = "returned"
	RequestWithdrawn RequestState = "withdrawn"
	RequestApproved  RequestState = "approved"
	RequestRejected  RequestState = "rejected"
)

// Request asks that one version, or a part of it, be provided to a recipient.
type Request struct {
	ID             string
	State          RequestState
	DatasetID      string
	Version        int
	PathGlob       string // empty: the whole version
	RecipientID    string
	AgreementID    string
	KeyID          string
	KeyFingerprint string
	Purpose        Purpose
	Words          string // the recipient's own words
	DUO            []string
	Basis          Basis
	Method         Method
	Destination    string
	NoticeID       string
	Items          []Item // of the chosen files
	FileCount      int
	TotalSize      int64
	Until          time.Time // exclusive end of the provision
	References     []Reference
	Frozen         string // hex SHA-256 of Facts
	Facts          []byte // canonical JSON of everything the approver approves
	RequestedBy    string
	RequestedAt    time.Time
	ExpiresAt      time.Time // a request not decided by then cannot be approved
	DecidedBy      string
	DecidedAt      time.Time
	Reason         string
	ProvisionID    string
	Independence   Independence
}

// Reference is an outside number: contract, ethics approval, invoice.
type Reference struct {
	Name  string
	Value string
}

// Comment is a remark on a request.
type Comment struct {
	RequestID string
	UserID    string
	Text      string
	At        time.Time
}

// ProvisionState is the state of a provision.
type ProvisionState string

// The states of a provision. Ends by time are not states: they are computed
// (DESIGN decision 19).
const (
	ProvisionIssued  ProvisionState = "issued"
	ProvisionRevoked ProvisionState = "revoked"
	// ProvisionSuspended: a forced restore brought it back, and a person must say
	// again that it holds (DESIGN decision 25).
	ProvisionSuspended ProvisionState = "suspended"
)

// Provision is the recorded act of giving one parcel to one recipient.
type Provision struct {
	ID             string
	Number         string // gapless per fiscal year, for example "2026-0042"
	RequestID      string
	DatasetID      string
	Version        int
	RecipientID    string
	AgreementID    string
	KeyID          string
	KeyFingerprint string
	Method         Method
	Class          DataClass
	Until          time.Time // exclusive
	State          ProvisionState
	FileCount      int
	PathGlob       string // empty: the whole version
	PackKey        string // storage key of the parcel pack: header pack, then documents
	PackSHA256     string // hex
	HeaderSize     int    // bytes of one header record
	Documents      []Document
	ManifestSHA256 string // hex
	Receipt        string // C2SP tlog-proof text; empty until made after the commit
	EntryIndex     int64  // ledger index of provision.issued, -1 until known
	Reissue        int    // counts reissues to other keys
	IssuedBy       string
	IssuedAt       time.Time
	RevokedBy      string
	RevokedAt      time.Time
	RevokeReason   string
	AcknowledgedAt time.Time
	AcknowledgedBy string
	Independence   Independence
	Record         []byte // JSON, the provision record (DESIGN 4)
}

// Document is a part of the parcel other than data: manifest.json, NOTICE.txt
// and so on. It stands in the pack at Offset.
type Document struct {
	Path   string
	Offset int64
	Size   int64
	SHA256 string // hex
}

// LinkBind says who can redeem a link (DESIGN decision 10).
type LinkBind string

// The bindings of a link.
const (
	BindKey   LinkBind = "key"
	BindLogin LinkBind = "login"
	BindNone  LinkBind = "none"
)

// Link is a signed download link of a provision.
type Link struct {
	ID          string
	ProvisionID string
	RecipientID string
	Bind        LinkBind
	MaxUses     int
	Uses        int
	NotBefore   time.Time
	ExpiresAt   time.Time
	CreatedBy   string
	CreatedAt   time.Time
	RevokedBy   string
	RevokedAt   time.Time
}

// DownloadSession is what a redeemed link gives: it lasts until the link ends.
type DownloadSession struct {
	ID          string
	LinkID      string
	ProvisionID string
	RecipientID string
	Hash        string // SHA-256 of the 256-bit session secret, hex
	Holder      string // who redeemed it: key fingerprint, user id or "link holder"
	OpenedAt    time.Time
	ClosedAt    time.Time
	Address     string
	Agent       string
}

// Transfer is one answered byte request of a session.
type Transfer struct {
	ID        string
	SessionID string
	Path      string
	From      int64
	Bytes     int64 // bytes that went out
	At        time.Time
}

// RequestFilter chooses requests; empty fields choose all.
type RequestFilter struct {
	State       RequestState
	RecipientID string
	DatasetID   string
}

// ProvisionFilter chooses provisions; zero fields choose all.
type ProvisionFilter struct {
	RecipientID string
	DatasetID   string
	Version     int       // only together with DatasetID
	From, To    time.Time // issued at or after From, before To
}
