package access

import (
	"context"
	"io"
	"time"

	"teikyo/models"
)

// Service holds the use cases of accounts. Its fields are set once, before use.
type Service struct {
	// Store is the database.
	Store Store
	// Recipients finds the organisation of a recipient's account; nil skips the
	// check that it exists.
	Recipients Recipients
	// Hasher hashes passwords; *crypto.PasswordHasher.
	Hasher Hasher
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Rand is the source of ids and secrets; nil means crypto/rand.Reader.
	Rand io.Reader
	// OnSetupUsed is called once the setup code has been used, so that its file
	// can go; may be nil.
	OnSetupUsed func()
}

// Hasher hashes passwords slowly, a few at a time.
type Hasher interface {
	Hash(ctx context.Context, password string) (string, error)
	// Check does the same work for an empty hash, and says no.
	Check(ctx context.Context, password, hash string) (bool, error)
}

// Recipients finds organisations.
type Recipients interface {
	Recipient(ctx context.Context, id string) (models.Recipient, error)
}

// Store is what the use cases need of the database.
type Store interface{}

// Authenticate finds the actor of a token or session secret.
func (s *Service) Authenticate(ctx context.Context, secret string) (Actor, error) {
	return Actor{}, models.Errorf(models.Denied, "this token is not valid; sign in again (teikyo login)")
}

// Pair says whether the requester and the approver are two independent people
// (DESIGN decision 18).
func (s *Service) Pair(ctx context.Context, requesterID, approverID string) (models.Independence, error) {
	return "", models.Errorf(models.Denied, "two people are needed")
}

// NewSetupCode makes a fresh one-time setup code while there are no users.
func (s *Service) NewSetupCode(ctx context.Context) (code string, needed bool, err error) {
	return "", false, models.Errorf(models.Unavailable, "setup is not possible now")
}
