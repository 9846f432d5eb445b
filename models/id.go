package models

import (
	"encoding/base32"
	"io"
	"regexp"
	"strings"
)

// Prefixes of identifiers: one per kind of thing, so that an id pasted in the
// wrong place is noticed.
const (
	UserID        = "u"
	TokenID       = "t"
	DatasetID     = "ds"
	FileID        = "f"
	SealedID      = "sf"
	ReportID      = "gr"
	RecheckID     = "rc"
	WaiverID      = "w"
	RecipientID   = "r"
	KeyID         = "k"
	AgreementID   = "a"
	NoticeID      = "n"
	RequestID     = "q"
	ProvisionID   = "p"
	LinkID        = "l"
	SessionID     = "s"
	TransferID    = "x"
	JobID         = "j"
	WebhookID     = "wh"
	DisposalID    = "dp"
	DeidKeyID     = "dk"
	ObjectionID   = "ob"
	DestinationID = "dn"
	DeliveryID    = "dv"
)

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

var idPattern = regexp.MustCompile(`^[a-z]{1,2}-[a-z2-7]{16}$`)

// NewID makes a random identifier such as "ds-k3v2…": the prefix, a hyphen and
// 80 random bits in lower-case base32. An id is a name, never a secret.
func NewID(rand io.Reader, prefix string) (string, error) {
	var b [10]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", Wrap(Internal, err, "no randomness for a new identifier")
	}
	return prefix + "-" + idEncoding.EncodeToString(b[:]), nil
}

// IsID reports whether s has the form of an identifier with that prefix.
func IsID(s, prefix string) bool {
	return idPattern.MatchString(s) && strings.HasPrefix(s, prefix+"-")
}
