package access

import (
	"context"
	"slices"
	"time"

	"teikyo/models"
)

// change is the frame of every change that one person makes to an account: the
// right, the account as it is now, edit, and its ledger entry. When edit returns
// no What, nothing has changed and nothing is written. There is always an
// administrator left.
func (s *Service) change(ctx context.Context, actor Actor, act Act, id string,
	edit func(ctx context.Context, u *models.User) (entryDetails, error),
) (user models.User, err error) {
	if err := Can(actor, act, Of("")); err != nil {
		return user, err
	}
	err = s.changeAccounts(ctx, func(ctx context.Context) error {
		if user, err = s.Store.User(ctx, id); models.IsKind(err, models.NotFound) {
			return Can(actor, act, Absent())
		} else if err != nil {
			return err
		}
		details, err := edit(ctx, &user)
		if err != nil || details.What == "" {
			return err
		}
		if err := s.Store.SaveUser(ctx, user); err != nil {
			return err
		}
		if err := s.someoneLeft(ctx); err != nil {
			return err
		}
		return s.record(ctx, actor.UserID, user.ID, details)
	})
	return user, err
}

func (s *Service) someoneLeft(ctx context.Context) error {
	left, err := s.Store.Administrators(ctx)
	if err == nil && len(left) == 0 {
		return models.Errorf(models.Conflict, "no confirmed administrator would be left; confirm another one first (teikyo user confirm)")
	}
	return err
}

// notOneself refuses what would let a person shut themselves out, or get rid of
// a confirmation that is in the way.
func notOneself(actor Actor, u *models.User, what string) error {
	if actor.UserID == u.ID {
		return models.Errorf(models.Denied, "nobody can %s their own account; ask another administrator", what)
	}
	return nil
}

// touch notes that the actor had a hand in the account, which therefore needs a
// confirmation again.
func touch(u *models.User, actor Actor) {
	if u.IndependentlyConfirmed() {
		u.ChangedBy = nil
	}
	if !slices.Contains(u.ChangedBy, actor.UserID) {
		u.ChangedBy = append(u.ChangedBy, actor.UserID)
	}
	u.ConfirmedBy, u.ConfirmedAt, u.SoleConfirmed = "", time.Time{}, false
}

// cutOff ends the tokens of an account, and what they hold open.
func (s *Service) cutOff(ctx context.Context, u *models.User) error {
	if err := s.Store.RevokeTokens(ctx, u.ID, s.now()); err != nil {
		return err
	}
	return s.Store.Revoke(ctx)
}

// Disable shuts an account out at once.
func (s *Service) Disable(ctx context.Context, actor Actor, id string) (models.User, error) {
	return s.change(ctx, actor, ChangeUser, id, func(ctx context.Context, u *models.User) (entryDetails, error) {
		if err := notOneself(actor, u, "disable"); err != nil {
			return entryDetails{}, err
		}
		if err := models.CheckTransition(u.State, models.UserDisabled); err != nil {
			return entryDetails{}, err
		}
		u.State = models.UserDisabled
		return entryDetails{What: "disabled"}, s.cutOff(ctx, u)
	})
}

// Enable lets a disabled account in again, with the password that it had.
func (s *Service) Enable(ctx context.Context, actor Actor, id string) (models.User, error) {
	return s.change(ctx, actor, ChangeUser, id, func(_ context.Context, u *models.User) (entryDetails, error) {
		if u.State != models.UserDisabled {
			return entryDetails{}, models.Errorf(models.Conflict, "this account is %s; only a disabled one can be enabled", u.State)
		}
		if u.PasswordHash == "" {
			return entryDetails{}, models.Errorf(models.Conflict, "this account has no password; give it a new invitation (teikyo user reset)")
		}
		u.State = models.UserActive
		return entryDetails{What: "enabled"}, nil
	})
}

// SetRole gives an account another role; it needs a confirmation again.
func (s *Service) SetRole(ctx context.Context, actor Actor, id string, role models.Role, recipientID string) (models.User, error) {
	if err := Can(actor, ChangeUser, Of("")); err != nil {
		return models.User{}, err
	}
	if err := s.checkRole(ctx, role, recipientID); err != nil {
		return models.User{}, err
	}
	return s.change(ctx, actor, ChangeUser, id, func(ctx context.Context, u *models.User) (entryDetails, error) {
		if err := notOneself(actor, u, "change the role of"); err != nil {
			return entryDetails{}, err
		}
		if u.Role == role && u.RecipientID == recipientID {
			return entryDetails{}, nil
		}
		u.Role, u.RecipientID = role, recipientID
		touch(u, actor)
		return entryDetails{What: "role changed", Role: role, Recipient: recipientID}, s.Store.Revoke(ctx)
	})
}

// Users lists the accounts, the oldest first.
func (s *Service) Users(ctx context.Context, actor Actor, page models.Page) ([]models.User, error) {
	if err := Can(actor, ReadUsers, Whole()); err != nil {
		return nil, err
	}
	return s.Store.Users(ctx, page)
}

// User shows one account.
func (s *Service) User(ctx context.Context, actor Actor, id string) (models.User, error) {
	if err := Can(actor, ReadUsers, Of("")); err != nil {
		return models.User{}, err
	}
	user, err := s.Store.User(ctx, id)
	if models.IsKind(err, models.NotFound) {
		return user, Can(actor, ReadUsers, Absent())
	}
	return user, err
}
