package access

import (
	"context"
	"io"
	"time"

	"teikyo/ledger"
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
	// Now is the clock.
	Now func() time.Time
	// Rand is the source of ids and secrets: crypto/rand.Reader.
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
type Store interface {
	changes
	accounts
	setup
	tokens
	delays
}

// changes are transactions with their ledger entries.
type changes interface {
	Update(ctx context.Context, fn func(ctx context.Context) error) error
	Append(ctx context.Context, e *ledger.Entry) error
	AfterCommit(ctx context.Context, f func())
	Revoke(ctx context.Context) error
	// HoldAccounts keeps other changes of accounts waiting until the end of the
	// transaction.
	HoldAccounts(ctx context.Context) error
}

type accounts interface {
	User(ctx context.Context, id string) (models.User, error)
	UserByEmail(ctx context.Context, email string) (models.User, error)
	UserByInvite(ctx context.Context, hash string) (models.User, error)
	Users(ctx context.Context, page models.Page) ([]models.User, error)
	Administrators(ctx context.Context) ([]models.User, error)
	// Latched tells whether there were three independent administrators once; Latch
	// keeps it, inside Update.
	Latched(ctx context.Context) (bool, error)
	Latch(ctx context.Context, at time.Time) error
	// AdministratorsEver are the confirmed administrators, disabled ones too.
	AdministratorsEver(ctx context.Context) ([]models.User, error)
	AddUser(ctx context.Context, u models.User) error
	SaveUser(ctx context.Context, u models.User) error
}

type setup interface {
	AnyUser(ctx context.Context) (bool, error)
	SetupHash(ctx context.Context) (string, error)
	SetSetupHash(ctx context.Context, hash string) error
}

type tokens interface {
	Token(ctx context.Context, id string) (models.Token, error)
	TokenByHash(ctx context.Context, hash string) (models.Token, error)
	Tokens(ctx context.Context, userID string, now time.Time, page models.Page) ([]models.Token, error)
	AddToken(ctx context.Context, t models.Token) error
	TouchToken(ctx context.Context, id string, at time.Time) error
	RevokeToken(ctx context.Context, id string, at time.Time) error
	RevokeTokens(ctx context.Context, userID string, at time.Time) error
}

type delays interface {
	SignInDelay(ctx context.Context, key string) (models.SignInDelay, error)
	SaveSignInDelay(ctx context.Context, d models.SignInDelay) error
	ForgetSignInDelays(ctx context.Context, before, now time.Time) error
}

// entryDetails are the details of a user.changed entry.
type entryDetails struct {
	What      string      `json:"what"`
	Email     string      `json:"email,omitempty"`
	Name      string      `json:"name,omitempty"`
	Role      models.Role `json:"role,omitempty"`
	Recipient string      `json:"recipient,omitempty"`
	Token     string      `json:"token,omitempty"` // its id
	Alone     bool        `json:"alone,omitempty"` // confirmed by nobody independent
}

// now is the time of a change, in UTC to the microsecond as it is stored.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// changeAccounts runs fn in a transaction that no other change of accounts
// overlaps.
func (s *Service) changeAccounts(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.Store.Update(ctx, func(ctx context.Context) error {
		if err := s.Store.HoldAccounts(ctx); err != nil {
			return err
		}
		if err := s.latch(ctx); err != nil {
			return err
		}
		return fn(ctx)
	})
}

// record appends the entry about a change of that account to the transaction.
func (s *Service) record(ctx context.Context, actorID, userID string, d entryDetails) error {
	return s.Store.Append(ctx, &ledger.Entry{
		Kind: ledger.UserChanged, IDs: map[string]string{"actor": actorID, "user": userID}, Details: d,
	})
}
