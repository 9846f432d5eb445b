package models

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// DestinationType is the protocol by which a destination is reached.
type DestinationType string

// The types of destinations.
const (
	DestinationSFTP DestinationType = "sftp"
)

// DestinationState is the state of a destination.
type DestinationState string

// The states of a destination.
const (
	DestinationAdded    DestinationState = "added"
	DestinationApproved DestinationState = "approved"
	DestinationRevoked  DestinationState = "revoked"
)

// The ways to log in at a destination.
const (
	LoginPassword = "password"
	LoginKey      = "key"
)

// Destination is a place at a recipient to which parcels are uploaded. Where it
// leads never changes: another place is another destination.
type Destination struct {
	ID          string
	RecipientID string
	Type        DestinationType
	URL         string   // with user, host, port and folder, never with a password
	HostKeys    []string // of the server, each "type base64"; one of them must be shown
	Login       string   // LoginPassword or LoginKey
	PublicKey   string   // of LoginKey: what the recipient lets in
	Config      string   // hex SHA-256 of everything that says where it leads
	State       DestinationState

	AddedBy      string
	AddedAt      time.Time
	ApprovedBy   string
	ApprovedAt   time.Time
	RevokedBy    string
	RevokedAt    time.Time
	Reason       string
	Independence Independence

	// Secret is the password or secret key under the KEK, and which version of
	// that; empty once revoked.
	KEKID  string
	Secret []byte
}

// DestinationContext is what the wrap of a destination's secret is bound to.
func DestinationContext(id string) []byte { return []byte("destination-secret " + id) }

// ConfigDigest is the digest of where the destination leads, the credential
// apart: what an approver says yes to.
func (d Destination) ConfigDigest() string {
	text, err := json.Marshal(struct {
		Recipient string          `json:"recipient"`
		Type      DestinationType `json:"type"`
		URL       string          `json:"url"`
		HostKeys  []string        `json:"host_keys"`
		Login     string          `json:"login"`
	}{d.RecipientID, d.Type, d.URL, d.HostKeys, d.Login})
	if err != nil { // strings alone
		panic(err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Usable reports whether parcels may go there.
func (d Destination) Usable() bool { return d.State == DestinationApproved }
