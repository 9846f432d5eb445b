package access

import (
	"context"
	"time"

	"golang.org/x/text/unicode/norm"

	"teikyo/crypto"
	"teikyo/models"
)

// How long what a sign-in gives lasts.
const (
	loginLife = 90 * 24 * time.Hour // API token of the command line

	SessionLife = 12 * time.Hour // browser session, whatever happens
	SessionIdle = time.Hour      // browser session without a request
)

// Credentials are what somebody signs in with.
type Credentials struct {
	Email    string
	Password string
	Name     string // of the new token; empty means "login"
	Browser  bool   // a browser session instead of an API token
}

// SignedIn is what a sign-in gives: Secret is shown this once.
type SignedIn struct {
	User   models.User
	Token  models.Token
	Secret string
}

func errWrongLogin() error {
	return models.Errorf(models.Denied, "the e-mail address or the password is wrong, or the account is not active; check both, or ask an administrator")
}

// SignIn makes a token for whoever knows the password. The answer, its time and
// the delays are the same for accounts that do not exist: Denied, or RateLimited
// with the time to wait.
func (s *Service) SignIn(ctx context.Context, from Actor, in Credentials) (SignedIn, error) {
	name := in.Name
	if name == "" {
		name = "login"
	}
	name, err := cleanName(name, "token's name")
	if err != nil {
		return SignedIn{}, err
	}
	email, emailErr := cleanEmail(in.Email)
	try := attemptOf(email, from.Address)
	if err := s.begin(ctx, &try); err != nil {
		return SignedIn{}, err
	}
	user, err := s.checkPassword(ctx, email, in.Password)
	if err != nil {
		return SignedIn{}, err
	}
	if emailErr != nil || user.ID == "" {
		return SignedIn{}, errWrongLogin()
	}
	return s.enter(ctx, user, try, name, in.Browser)
}

// checkPassword finds the account whose password it is; the zero User when there
// is none, after the same work.
func (s *Service) checkPassword(ctx context.Context, email, password string) (models.User, error) {
	user, err := s.Store.UserByEmail(ctx, email)
	if err != nil && !models.IsKind(err, models.NotFound) {
		return user, err
	}
	password = norm.NFC.String(password)
	tooLong := len(password) > MaxPassword
	if tooLong {
		password = ""
	}
	ok, err := s.Hasher.Check(ctx, password, user.PasswordHash)
	if err != nil {
		return models.User{}, models.Wrap(models.Unavailable, err, "signing in is not possible now; try again")
	}
	if !ok || tooLong || user.State != models.UserActive {
		return models.User{}, nil
	}
	return user, nil
}

// enter issues the token, unless the account changed while its password was
// being checked.
func (s *Service) enter(ctx context.Context, checked models.User, try attempt, name string, browser bool) (SignedIn, error) {
	t := newToken{Kind: models.APIToken, Name: name, Life: loginLife}
	if browser {
		t.Kind, t.Life = models.BrowserSession, SessionLife
	}
	var signed SignedIn
	err := s.changeAccounts(ctx, func(ctx context.Context) error {
		user, err := s.Store.User(ctx, checked.ID)
		if err != nil {
			return err
		}
		if user.State != models.UserActive || user.PasswordHash != checked.PasswordHash {
			return errWrongLogin()
		}
		user.LastSignIn = s.now()
		if err := s.Store.SaveUser(ctx, user); err != nil {
			return err
		}
		if err := s.succeed(ctx, try); err != nil {
			return err
		}
		signed, err = s.issue(ctx, user, t)
		return err
	})
	return signed, err
}

// newToken says what token to issue; Life 0 means that it has no end of its own.
type newToken struct {
	Kind models.TokenKind
	Name string
	Life time.Duration
}

// Prefixes of secrets, so that scanners of repositories and logs know them.
const (
	tokenPrefix   = "tk_"
	sessionPrefix = "ts_"
)

// issue makes a token inside a transaction.
func (s *Service) issue(ctx context.Context, user models.User, t newToken) (SignedIn, error) {
	id, err := models.NewID(s.Rand, models.TokenID)
	if err != nil {
		return SignedIn{}, err
	}
	secret, err := crypto.NewSecret(s.Rand)
	if err != nil {
		return SignedIn{}, models.Wrap(models.Internal, err, "no token could be made")
	}
	prefix := tokenPrefix
	if t.Kind == models.BrowserSession {
		prefix = sessionPrefix
	}
	secret = prefix + secret
	token := models.Token{
		ID: id, UserID: user.ID, Kind: t.Kind, Name: t.Name, Hash: crypto.HashSecret(secret),
		CreatedAt: s.now(), LastUsed: s.now(),
	}
	if t.Life > 0 {
		token.ExpiresAt = token.CreatedAt.Add(t.Life)
	}
	return SignedIn{User: user, Token: token, Secret: secret}, s.Store.AddToken(ctx, token)
}
