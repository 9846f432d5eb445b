package recipient

import (
	"context"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
)

// Store is where the use cases keep what they speak of; *database.DB.
type Store interface {
	Changes
	Recipients
	Agreements
	Keys
	Destinations
}

// Changes are transactions: rows and their ledger entries commit together.
type Changes interface {
	Update(ctx context.Context, fn func(ctx context.Context) error) error
	Append(ctx context.Context, e *ledger.Entry) error
	// Revoke tells every node that something ended early.
	Revoke(ctx context.Context) error
}

// Recipients keeps organisations.
type Recipients interface {
	SaveRecipient(ctx context.Context, r models.Recipient) error
	Recipient(ctx context.Context, id string) (models.Recipient, error)
	RecipientList(ctx context.Context, filter models.RecipientFilter, page models.Page) ([]models.Recipient, error)
}

// Agreements keeps the contracts under recipients.
type Agreements interface {
	SaveAgreement(ctx context.Context, a models.Agreement) error
	Agreement(ctx context.Context, id string) (models.Agreement, error)
	Agreements(ctx context.Context, recipientID string, page models.Page) ([]models.Agreement, error)
	SaveAgreementDocument(ctx context.Context, agreementID, kekID string, sealed []byte) error
	AgreementDocument(ctx context.Context, agreementID string) (kekID string, sealed []byte, err error)
}

// Keys keeps the public keys of recipients.
type Keys interface {
	SaveRecipientKey(ctx context.Context, k models.RecipientKey) error
	RecipientKey(ctx context.Context, id string) (models.RecipientKey, error)
	RecipientKeys(ctx context.Context, recipientID string) ([]models.RecipientKey, error)
	RecipientKeyByPublic(ctx context.Context, public string) (models.RecipientKey, error)
}

// People says whether two people may decide together (access.Service).
type People interface {
	Pair(ctx context.Context, requester, approver string) (models.Independence, error)
}

// Service holds the use cases. Every field must be set.
type Service struct {
	Store  Store
	People People
	KEK    crypto.KEK
	// Ways are the types of destinations that can be entered; nil: none.
	Ways map[models.DestinationType]Way
	// Issuer gives the issuer's origin, which challenges name, and the
	// fingerprint of the issuer file, which approvals record.
	Issuer func() (origin, fingerprint string)
	Now    func() time.Time
	Rand   io.Reader
	// Zone is where dates that people give begin and end.
	Zone *time.Location
}

// load finds a recipient for an act; what is foreign or absent is NotFound.
func (s *Service) load(ctx context.Context, actor access.Actor, act access.Act, id string) (models.Recipient, error) {
	rcpt, err := s.Store.Recipient(ctx, id)
	if models.IsKind(err, models.NotFound) {
		return rcpt, access.Can(actor, act, access.Absent())
	}
	if err != nil {
		return rcpt, err
	}
	return rcpt, access.Can(actor, act, access.Of(rcpt.ID))
}

// now is the time to microseconds, as the database keeps it.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

func entry(kind ledger.Kind, actor access.Actor, ids map[string]string, details any) *ledger.Entry {
	ids["actor"] = actor.UserID
	return &ledger.Entry{Kind: kind, IDs: ids, Details: details}
}

// checkReason lets lines and tabs pass, and nothing else that steers a terminal.
func checkReason(reason string) error {
	if strings.ContainsFunc(reason, func(r rune) bool { return r != '\n' && r != '\r' && r != '\t' && isControl(r) }) || !utf8.ValidString(reason) {
		return models.Errorf(models.Invalid, "the reason holds control characters; remove them")
	}
	return nil
}

// needReason refuses decisions without a reason of their own.
func needReason(reason string) error {
	if len(reason) < 3 || len(reason) > 2000 {
		return models.Errorf(models.Invalid, "give the reason in words (--reason), at most 2,000 bytes")
	}
	return checkReason(reason)
}
