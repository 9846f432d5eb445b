package access

import (
	"context"

	"teikyo/crypto"
	"teikyo/models"
)

// NewSetupCode makes a fresh one-time setup code while there are no accounts,
// in place of the one before. Only its hash is stored.
func (s *Service) NewSetupCode(ctx context.Context) (code string, needed bool, err error) {
	err = s.changeAccounts(ctx, func(ctx context.Context) error {
		any, err := s.Store.AnyUser(ctx)
		if err != nil || any {
			return err
		}
		if code, err = crypto.NewSecret(s.Rand); err != nil {
			return models.Wrap(models.Internal, err, "no setup code could be made")
		}
		needed = true
		return s.Store.SetSetupHash(ctx, crypto.HashSecret(code))
	})
	if err != nil {
		return "", false, err
	}
	return code, needed, nil
}

// Person is who gets an account, as somebody typed it.
type Person struct {
	Email    string
	Name     string
	Password string
}

// Setup makes the first administrator, who counts as confirmed alone, and signs
// them in. Whoever has the setup code may do it once: Denied for a wrong code,
// Conflict when it has been done.
func (s *Service) Setup(ctx context.Context, code string, p Person) (SignedIn, error) {
	if err := s.checkSetupCode(ctx, code); err != nil { // before the slow hash
		return SignedIn{}, err
	}
	user, err := s.firstUser(ctx, p)
	if err != nil {
		return SignedIn{}, err
	}
	var signed SignedIn
	err = s.changeAccounts(ctx, func(ctx context.Context) error {
		if err := s.checkSetupCode(ctx, code); err != nil {
			return err
		}
		if signed, err = s.saveFirstUser(ctx, user); err != nil {
			return err
		}
		if s.OnSetupUsed != nil {
			s.Store.AfterCommit(ctx, s.OnSetupUsed)
		}
		return s.record(ctx, user.ID, user.ID, entryDetails{
			What: "set up", Email: user.Email, Name: user.Name, Role: user.Role, Alone: true,
		})
	})
	return signed, err
}

func (s *Service) checkSetupCode(ctx context.Context, code string) error {
	hash, err := s.Store.SetupHash(ctx)
	if err != nil {
		return err
	}
	if hash == "" {
		return models.Errorf(models.Conflict, "this server has been set up; sign in (teikyo login), or ask an administrator for an account")
	}
	if !crypto.EqualSecret(code, hash) {
		return models.Errorf(models.Denied, "the setup code is wrong; it stands in the file setup-code of the server's data folder, and each start makes a new one")
	}
	return nil
}

func (s *Service) firstUser(ctx context.Context, p Person) (models.User, error) {
	user, err := s.newUser(p.Email, p.Name, models.Administrator)
	if err != nil {
		return user, err
	}
	if user.PasswordHash, err = s.hashNew(ctx, p.Password, user.Email); err != nil {
		return user, err
	}
	user.State = models.UserActive
	user.ConfirmedBy, user.ConfirmedAt, user.SoleConfirmed = user.ID, user.CreatedAt, true
	return user, nil
}

func (s *Service) saveFirstUser(ctx context.Context, user models.User) (SignedIn, error) {
	if err := s.Store.SetSetupHash(ctx, ""); err != nil {
		return SignedIn{}, err
	}
	if err := s.Store.AddUser(ctx, user); err != nil {
		return SignedIn{}, err
	}
	return s.issue(ctx, user, newToken{Kind: models.APIToken, Name: "setup", Life: loginLife})
}

// newUser is an account with nothing but who it is for.
func (s *Service) newUser(email, name string, role models.Role) (models.User, error) {
	email, err := cleanEmail(email)
	if err != nil {
		return models.User{}, err
	}
	if name, err = cleanName(name, "name"); err != nil {
		return models.User{}, err
	}
	id, err := models.NewID(s.Rand, models.UserID)
	return models.User{
		ID: id, Email: email, Name: name, Role: role, State: models.UserInvited, CreatedAt: s.now(),
	}, err
}

// hashNew checks and hashes a new password.
func (s *Service) hashNew(ctx context.Context, password, email string) (string, error) {
	clean, err := cleanPassword(password, email)
	if err != nil {
		return "", err
	}
	hash, err := s.Hasher.Hash(ctx, clean)
	if err != nil {
		return "", models.Wrap(models.Unavailable, err, "the password could not be set now; try again")
	}
	return hash, nil
}
