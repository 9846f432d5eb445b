package access

import (
	"context"

	"teikyo/models"
)

// enoughAdministrators is the number from which on two people can be shown to
// be independent: one has a hand in an account, another confirms it, and a
// third confirms those two.
const enoughAdministrators = 3

// Confirm says that the account belongs to the person whose name it has. It
// takes a confirmed administrator who had no hand in it; while fewer than three
// administrators exist, one who had does, and the account is marked so. Doing
// it again changes nothing, except that an independent confirmation replaces
// one that was not.
func (s *Service) Confirm(ctx context.Context, actor Actor, id string) (models.User, error) {
	return s.change(ctx, actor, ConfirmUser, id, func(ctx context.Context, u *models.User) (entryDetails, error) {
		alone, err := s.mayConfirm(ctx, actor, *u)
		if err != nil || u.IndependentlyConfirmed() || u.Confirmed() && alone {
			return entryDetails{}, err
		}
		u.ConfirmedBy, u.ConfirmedAt, u.SoleConfirmed = actor.UserID, s.now(), alone
		return entryDetails{What: "confirmed", Role: u.Role, Alone: alone}, nil
	})
}

// mayConfirm reports whether a confirmation by the actor is one of somebody who
// is alone, or why there can be none.
func (s *Service) mayConfirm(ctx context.Context, actor Actor, u models.User) (alone bool, err error) {
	if err := notOneself(actor, &u, "confirm"); err != nil {
		return false, err
	}
	if u.State != models.UserActive {
		return false, models.Errorf(models.Conflict, "this account is %s; it can be confirmed once its owner has accepted the invitation", u.State)
	}
	admins, err := s.Store.Administrators(ctx)
	if err != nil {
		return false, err
	}
	if !isOneOf(admins, actor.UserID) {
		return false, models.Errorf(models.Denied, "your own account is not confirmed; ask another administrator to confirm it first (teikyo user confirm %s)", actor.UserID)
	}
	latched, err := s.Store.Latched(ctx)
	if err != nil {
		return false, err
	}
	if latched {
		return s.mayConfirmLatched(ctx, actor.UserID, u, admins)
	}
	if !u.TouchedBy(actor.UserID) {
		return s.standsForAnother(ctx, actor.UserID, u)
	}
	if len(admins) >= enoughAdministrators {
		return false, models.Errorf(models.Denied, "you invited, reset or changed this account; an administrator who did not must confirm it")
	}
	return true, nil
}

// standsForAnother reports whether a confirmation by an account that was itself
// confirmed alone must not count as independent: there is an administrator who
// is independently confirmed and had no hand in the account, and could confirm
// it. Else one person who disables or resets a colleague for a moment could
// make two accounts that vouch for each other. Disabled ones count, because they
// can be enabled again.
func (s *Service) standsForAnother(ctx context.Context, actorID string, u models.User) (bool, error) {
	actor, err := s.Store.User(ctx, actorID)
	if err != nil || actor.IndependentlyConfirmed() {
		return false, err
	}
	admins, err := s.Store.AdministratorsEver(ctx)
	if err != nil {
		return false, err
	}
	for _, other := range admins {
		if other.ID != actorID && other.ID != u.ID && other.IndependentlyConfirmed() && !u.TouchedBy(other.ID) {
			return true, nil
		}
	}
	return false, nil
}

func isOneOf(users []models.User, id string) bool {
	for _, u := range users {
		if u.ID == id {
			return true
		}
	}
	return false
}

// Pair says whether the requester and the approver are two independent people
// (DESIGN decision 18). It is Denied when they are the same, when the approver
// may not approve or is not confirmed, and, from three administrators on, when
// their independence is not shown although somebody could show it.
func (s *Service) Pair(ctx context.Context, requesterID, approverID string) (models.Independence, error) {
	if requesterID == approverID {
		return "", models.Errorf(models.Denied, "nobody decides about what they asked for themselves; ask another person to decide")
	}
	approver, err := s.known(ctx, approverID)
	if err != nil {
		return "", err
	}
	if err := mayApprove(approver); err != nil {
		return "", err
	}
	requester, err := s.known(ctx, requesterID)
	if err != nil {
		return "", err
	}
	admins, err := s.Store.Administrators(ctx)
	if err != nil {
		return "", err
	}
	if len(admins) < enoughAdministrators {
		return models.IndependenceNotShown, nil
	}
	if err := independent(requester, approver); err != nil {
		return s.unlessNobodyCould(ctx, requester, approver, admins, err)
	}
	return models.IndependenceShown, nil
}

func (s *Service) known(ctx context.Context, id string) (models.User, error) {
	user, err := s.Store.User(ctx, id)
	if models.IsKind(err, models.NotFound) {
		return user, models.Wrap(models.Denied, err, "one of the two people has no account here, so they are not known to be independent")
	}
	return user, err
}

func mayApprove(u models.User) error {
	switch {
	case u.State != models.UserActive || !u.Role.MayApprove():
		return models.Errorf(models.Denied, "the account %s may not approve; ask an administrator or a manager", u.ID)
	case !u.Confirmed():
		return models.Errorf(models.Denied, "the account %s is not confirmed yet; an administrator other than its inviter must do so (teikyo user confirm %s)", u.ID, u.ID)
	}
	return nil
}

// independent checks a pair once there are enough administrators.
func independent(requester, approver models.User) error {
	if !approver.IndependentlyConfirmed() {
		return needsConfirmation(approver)
	}
	// The approver is confirmed by a third person here, so what the requester did
	// to that account does not count any more; the other way round it may.
	if requester.TouchedBy(approver.ID) && !requester.IndependentlyConfirmed() {
		return needsConfirmation(requester)
	}
	return nil
}

func needsConfirmation(u models.User) error {
	return models.Errorf(models.Denied, "the two people are not shown to be independent: "+
		"an administrator who neither invited, reset nor changed the account %s must confirm it (teikyo user confirm %s)", u.ID, u.ID)
}
