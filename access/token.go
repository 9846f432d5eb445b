package access

import (
	"context"
	"strings"
	"time"

	"teikyo/crypto"
	"teikyo/models"
)

// touchEvery is how exactly the last use of a token is known: a write a request
// would be too much.
const touchEvery = time.Minute

func errBadToken() error {
	return models.Errorf(models.Denied, "this token or session is not valid or has ended; sign in again (teikyo login)")
}

// Authenticate finds the actor of a token or session secret. Unknown, expired,
// revoked and idle ones, and those of accounts that are not active, are Denied
// with one answer.
func (s *Service) Authenticate(ctx context.Context, secret string) (Actor, error) {
	if !strings.HasPrefix(secret, tokenPrefix) && !strings.HasPrefix(secret, sessionPrefix) {
		return Actor{}, errBadToken()
	}
	token, err := s.Store.TokenByHash(ctx, crypto.HashSecret(secret))
	if models.IsKind(err, models.NotFound) {
		return Actor{}, errBadToken()
	}
	if err != nil {
		return Actor{}, err
	}
	now := s.now()
	if !live(token, now) {
		return Actor{}, errBadToken()
	}
	user, err := s.Store.User(ctx, token.UserID)
	if err != nil {
		return Actor{}, err
	}
	if user.State != models.UserActive {
		return Actor{}, errBadToken()
	}
	if now.Sub(token.LastUsed) >= touchEvery {
		// A full or read-only disk must not keep people from looking, so a lost
		// note is no failure.
		_ = s.Store.Update(ctx, func(ctx context.Context) error { return s.Store.TouchToken(ctx, token.ID, now) })
	}
	return Actor{UserID: user.ID, Name: user.Name, Role: user.Role, RecipientID: user.RecipientID, TokenID: token.ID}, nil
}

// live reports whether the token still counts.
func live(t models.Token, now time.Time) bool {
	switch {
	case !t.RevokedAt.IsZero(), !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt):
		return false
	case t.Kind == models.BrowserSession:
		return now.Sub(t.LastUsed) < SessionIdle
	}
	return true
}

// Me is the actor's own account and the token it came with.
func (s *Service) Me(ctx context.Context, actor Actor) (models.User, models.Token, error) {
	if err := Can(actor, ManageOwnAuth, Whole()); err != nil {
		return models.User{}, models.Token{}, err
	}
	user, err := s.Store.User(ctx, actor.UserID)
	if err != nil {
		return models.User{}, models.Token{}, err
	}
	token, err := s.Store.Token(ctx, actor.TokenID)
	return user, token, err
}

// SignOut ends the token that the actor came with.
func (s *Service) SignOut(ctx context.Context, actor Actor) error {
	if err := Can(actor, ManageOwnAuth, Whole()); err != nil {
		return err
	}
	return s.Store.Update(ctx, func(ctx context.Context) error {
		if err := s.Store.RevokeToken(ctx, actor.TokenID, s.now()); err != nil {
			return err
		}
		return s.Store.Revoke(ctx)
	})
}

// CreateToken makes a further API token of the actor's own; life 0 means that it
// has no end of its own.
func (s *Service) CreateToken(ctx context.Context, actor Actor, name string, life time.Duration) (signed SignedIn, err error) {
	if err := Can(actor, ManageOwnAuth, Whole()); err != nil {
		return signed, err
	}
	if name, err = cleanName(name, "token's name"); err != nil {
		return signed, err
	}
	if life < 0 {
		return signed, models.Errorf(models.Invalid, "the token would have expired already; give a later end, for example 90d")
	}
	err = s.changeAccounts(ctx, func(ctx context.Context) error {
		user, err := s.Store.User(ctx, actor.UserID)
		if err != nil {
			return err
		}
		if user.State != models.UserActive {
			return errBadToken()
		}
		if signed, err = s.issue(ctx, user, newToken{Kind: models.APIToken, Name: name, Life: life}); err != nil {
			return err
		}
		return s.record(ctx, actor.UserID, user.ID, entryDetails{What: "token created", Token: signed.Token.ID})
	})
	return signed, err
}

// Tokens lists the actor's own live tokens and sessions, the oldest first.
func (s *Service) Tokens(ctx context.Context, actor Actor, page models.Page) ([]models.Token, error) {
	if err := Can(actor, ManageOwnAuth, Whole()); err != nil {
		return nil, err
	}
	return s.Store.Tokens(ctx, actor.UserID, s.now(), page)
}

// RevokeToken ends one of the actor's own tokens; another person's looks absent.
func (s *Service) RevokeToken(ctx context.Context, actor Actor, id string) error {
	if err := Can(actor, ManageOwnAuth, Whole()); err != nil {
		return err
	}
	return s.Store.Update(ctx, func(ctx context.Context) error {
		token, err := s.Store.Token(ctx, id)
		if models.IsKind(err, models.NotFound) || err == nil && token.UserID != actor.UserID {
			return Can(actor, ManageOwnAuth, Absent())
		}
		if err != nil {
			return err
		}
		if !token.RevokedAt.IsZero() {
			return models.Errorf(models.Conflict, "this token was revoked already")
		}
		if err := s.Store.RevokeToken(ctx, id, s.now()); err != nil {
			return err
		}
		if err := s.Store.Revoke(ctx); err != nil {
			return err
		}
		return s.record(ctx, actor.UserID, actor.UserID, entryDetails{What: "token revoked", Token: id})
	})
}
