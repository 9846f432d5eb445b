package models

import "time"

// RecipientState is the state of a recipient.
type RecipientState string

// The states of a recipient.
const (
	RecipientApplied   RecipientState = "applied"
	RecipientApproved  RecipientState = "approved"
	RecipientRejected  RecipientState = "rejected"
	RecipientSuspended RecipientState = "suspended"
	RecipientRevoked   RecipientState = "revoked"
)

// Recipient is an organisation that may receive data.
type Recipient struct {
	ID             string
	Name           string
	Country        string // ISO 3166-1 alpha-2
	Address        string
	Representative string
	Email          string
	Contacts       []Contact
	State          RecipientState
	ApprovedUntil  time.Time // exclusive instant at which the approval ends
	AppliedBy      string    // who entered it, or changed it last
	AppliedAt      time.Time
	DecidedBy      string
	DecidedAt      time.Time
	Reason         string
	UpdatedAt      time.Time
	Independence   Independence
}

// Contact is a person or desk of the recipient, by role.
type Contact struct {
	Role  string // for example "data protection", "technical"
	Name  string
	Email string
}

// Active reports whether the recipient may receive data at now.
func (r Recipient) Active(now time.Time) bool {
	return r.State == RecipientApproved && now.Before(r.ApprovedUntil)
}

// Agreement is a contract under a recipient.
type Agreement struct {
	ID             string
	RecipientID    string
	Number         string
	DocumentName   string
	DocumentSHA256 string // hex; the document itself is kept as a sealed object
	DocumentKey    string // storage key of the sealed document
	Purposes       []Purpose
	Methods        []Method
	Classes        []DataClass
	Handlers       []string
	Places         []string
	ValidFrom      time.Time
	ValidUntil     time.Time // exclusive
	ReviewAt       time.Time
	AddedBy        string
	AddedAt        time.Time
	EndedBy        string
	EndedAt        time.Time
	EndReason      string
}

// Active reports whether the agreement holds at now.
func (a Agreement) Active(now time.Time) bool {
	return a.EndedAt.IsZero() && !now.Before(a.ValidFrom) && now.Before(a.ValidUntil)
}

// KeyState is the state of a recipient key.
type KeyState string

// The states of a recipient key.
const (
	KeyAdded    KeyState = "added"
	KeyProved   KeyState = "proved"
	KeyApproved KeyState = "approved"
	KeyRevoked  KeyState = "revoked"
)

// RecipientKey is an age public key of a recipient.
type RecipientKey struct {
	ID           string
	RecipientID  string
	Public       string // age1… or age1pq1…
	Fingerprint  string
	PostQuantum  bool
	Holder       string
	State        KeyState
	ExpiresAt    time.Time // zero: no end of its own
	AddedBy      string
	AddedAt      time.Time
	ProvedAt     time.Time
	ApprovedBy   string
	ApprovedAt   time.Time
	RevokedBy    string
	RevokedAt    time.Time
	Independence Independence

	// The open proof challenge, single use (DESIGN decision 23): its text under
	// the KEK, and which version of it.
	Challenge        []byte
	ChallengeKEK     string
	ChallengeExpires time.Time
}

// Usable reports whether the key may receive headers at now.
func (k RecipientKey) Usable(now time.Time) bool {
	return k.State == KeyApproved && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}
