package access

import (
	"context"
	"slices"
	"time"

	"teikyo/crypto"
	"teikyo/models"
)

// InviteLife is how long an invitation can be accepted.
const InviteLife = 7 * 24 * time.Hour

// Invitation says for whom an account is.
type Invitation struct {
	Email       string
	Name        string
	Role        models.Role
	RecipientID string // for role recipient, and only then
}

// Invite makes an account and the one-time code with which its owner sets the
// password. The code is shown once.
func (s *Service) Invite(ctx context.Context, actor Actor, in Invitation) (user models.User, code string, err error) {
	if err := Can(actor, InviteUser, Whole()); err != nil {
		return user, "", err
	}
	if user, err = s.newUser(in.Email, in.Name, in.Role); err != nil {
		return user, "", err
	}
	if err := s.checkRole(ctx, in.Role, in.RecipientID); err != nil {
		return user, "", err
	}
	user.RecipientID, user.InvitedBy = in.RecipientID, actor.UserID
	if code, err = s.openInvitation(&user); err != nil {
		return user, "", err
	}
	err = s.changeAccounts(ctx, func(ctx context.Context) error {
		if err := s.Store.AddUser(ctx, user); err != nil {
			return sameAddress(err)
		}
		return s.record(ctx, actor.UserID, user.ID, entryDetails{
			What: "invited", Email: user.Email, Name: user.Name, Role: user.Role, Recipient: user.RecipientID,
		})
	})
	return user, code, err
}

func sameAddress(err error) error {
	if models.IsKind(err, models.Conflict) {
		return models.Wrap(models.Conflict, err, "there is an account with this e-mail address; teikyo user list shows it")
	}
	return err
}

// checkRole checks that the role exists and stands with a recipient when, and
// only when, it needs one.
func (s *Service) checkRole(ctx context.Context, role models.Role, recipientID string) error {
	switch {
	case !slices.Contains(models.Roles(), role):
		return models.Errorf(models.Invalid, "the role must be administrator, manager, auditor or recipient")
	case role != models.RecipientUser && recipientID != "":
		return models.Errorf(models.Invalid, "only the role recipient belongs to a recipient; leave it out")
	case role != models.RecipientUser:
		return nil
	case !models.IsID(recipientID, models.RecipientID):
		return models.Errorf(models.Invalid, "the role recipient needs the id of its recipient (r-…); teikyo recipient list shows it")
	case s.Recipients == nil:
		return nil
	}
	_, err := s.Recipients.Recipient(ctx, recipientID)
	if models.IsKind(err, models.NotFound) {
		return models.Wrap(models.NotFound, err, "there is no recipient with this id; teikyo recipient list shows them")
	}
	return err
}

// openInvitation puts a fresh code on the account and returns it.
func (s *Service) openInvitation(user *models.User) (string, error) {
	code, err := crypto.NewSecret(s.Rand)
	if err != nil {
		return "", models.Wrap(models.Internal, err, "no invitation could be made")
	}
	user.InviteHash, user.InviteExpires = crypto.HashSecret(code), s.now().Add(InviteLife)
	return code, nil
}

// Accept sets the password of an invited account. Whoever has the code may do
// it once: NotFound for an unknown code, Expired for one that was used or is
// too old.
func (s *Service) Accept(ctx context.Context, code, password string) (models.User, error) {
	hash := crypto.HashSecret(code)
	user, err := s.invited(ctx, hash) // before the slow password hash
	if err != nil {
		return user, err
	}
	passwordHash, err := s.hashNew(ctx, password, user.Email)
	if err != nil {
		return user, err
	}
	err = s.changeAccounts(ctx, func(ctx context.Context) error {
		if user, err = s.invited(ctx, hash); err != nil {
			return err
		}
		if err := models.CheckTransition(user.State, models.UserActive); err != nil {
			return err
		}
		user.State, user.PasswordHash, user.InviteExpires = models.UserActive, passwordHash, time.Time{}
		if err := s.Store.SaveUser(ctx, user); err != nil {
			return err
		}
		return s.record(ctx, user.ID, user.ID, entryDetails{What: "accepted"})
	})
	return user, err
}

// invited finds the account that waits for this code.
func (s *Service) invited(ctx context.Context, hash string) (models.User, error) {
	user, err := s.Store.UserByInvite(ctx, hash)
	if models.IsKind(err, models.NotFound) {
		return user, models.Wrap(models.NotFound, err, "this invitation is unknown; a newer one may have replaced it: ask an administrator")
	}
	if err != nil {
		return user, err
	}
	if user.State != models.UserInvited || !s.now().Before(user.InviteExpires) {
		return user, models.Errorf(models.Expired,
			"this invitation was used or has expired; sign in (teikyo login), or ask an administrator for a new one (teikyo user reset)")
	}
	return user, nil
}

// Reset gives an account a new invitation in place of its password: its tokens
// end, and it needs a confirmation again.
func (s *Service) Reset(ctx context.Context, actor Actor, id string) (user models.User, code string, err error) {
	user, err = s.change(ctx, actor, ChangeUser, id, func(ctx context.Context, u *models.User) (entryDetails, error) {
		if err := notOneself(actor, u, "reset"); err != nil {
			return entryDetails{}, err
		}
		if u.State != models.UserInvited {
			if err := models.CheckTransition(u.State, models.UserInvited); err != nil {
				return entryDetails{}, err
			}
		}
		if code, err = s.openInvitation(u); err != nil {
			return entryDetails{}, err
		}
		u.State, u.PasswordHash = models.UserInvited, ""
		touch(u, actor)
		return entryDetails{What: "reset"}, s.cutOff(ctx, u)
	})
	return user, code, err
}
