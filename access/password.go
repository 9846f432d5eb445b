package access

import (
	"context"

	"teikyo/models"
)

// ChangePassword replaces one's own password: Denied unless the present one is
// right, which is tried as slowly as when signing in. Every token and session of
// the account ends.
func (s *Service) ChangePassword(ctx context.Context, actor Actor, present, next string) error {
	if err := Can(actor, ManageOwnAuth, Whole()); err != nil {
		return err
	}
	own, err := s.Store.User(ctx, actor.UserID)
	if err != nil {
		return err
	}
	try := attemptOf(own.Email, actor.Address)
	if err := s.begin(ctx, &try); err != nil {
		return err
	}
	checked, err := s.checkPassword(ctx, own.Email, present)
	if err != nil {
		return err
	}
	if checked.ID == "" {
		return models.Errorf(models.Denied, "the present password is wrong; an administrator can make a new invitation (teikyo user reset)")
	}
	hash, err := s.hashNew(ctx, next, own.Email)
	if err != nil {
		return err
	}
	return s.changeAccounts(ctx, func(ctx context.Context) error {
		user, err := s.Store.User(ctx, checked.ID)
		if err != nil {
			return err
		}
		if user.State != models.UserActive || user.PasswordHash != checked.PasswordHash {
			return models.Errorf(models.Conflict, "the account was changed meanwhile; sign in again")
		}
		user.PasswordHash = hash
		if err := s.Store.SaveUser(ctx, user); err != nil {
			return err
		}
		if err := s.succeed(ctx, try); err != nil {
			return err
		}
		if err := s.cutOff(ctx, &user); err != nil {
			return err
		}
		return s.record(ctx, user.ID, user.ID, entryDetails{What: "password changed"})
	})
}
