package access

import (
	"context"

	"teikyo/models"
)

// latch notes, before accounts change, that three administrators are shown to be
// independent. From then on a confirmation counts as independent only when it comes
// from somebody independent who had no hand in the account, not even through
// others: else one of the three could reset the other two, be alone again, and
// make a pair of accounts that vouch for each other.
func (s *Service) latch(ctx context.Context) error {
	latched, err := s.Store.Latched(ctx)
	if err != nil || latched {
		return err
	}
	admins, err := s.Store.Administrators(ctx)
	if err != nil {
		return err
	}
	shown := 0
	for _, u := range admins {
		if u.IndependentlyConfirmed() {
			shown++
		}
	}
	// The first administrator stays confirmed by themselves until somebody confirms
	// them; two others who are independent could do so.
	if shown < enoughAdministrators {
		return nil
	}
	return s.Store.Latch(ctx, s.now())
}

// mayConfirmLatched is mayConfirm once there were three independent administrators.
// When nobody is left who could confirm independently, the account is confirmed
// alone, which every record of its pairs says.
func (s *Service) mayConfirmLatched(ctx context.Context, actorID string, u models.User, admins []models.User) (alone bool, err error) {
	free, err := s.couldConfirm(ctx, actorID, u)
	if err != nil || free {
		return false, err
	}
	other, err := s.anybodyCouldConfirm(ctx, u, admins)
	if err != nil {
		return false, err
	}
	if other && u.TouchedBy(actorID) {
		return false, models.Errorf(models.Denied, "you invited, reset or changed this account; an administrator who did not must confirm it")
	}
	return true, nil
}

// couldConfirm reports whether a confirmation by that administrator would be
// independent.
func (s *Service) couldConfirm(ctx context.Context, id string, u models.User) (bool, error) {
	admin, err := s.Store.User(ctx, id)
	if err != nil || id == u.ID || !admin.IndependentlyConfirmed() {
		return false, err
	}
	hand, err := s.handIn(ctx, u, id, map[string]bool{})
	return !hand, err
}

func (s *Service) anybodyCouldConfirm(ctx context.Context, u models.User, admins []models.User) (bool, error) {
	for _, admin := range admins {
		if could, err := s.couldConfirm(ctx, admin.ID, u); err != nil || could {
			return could, err
		}
	}
	return false, nil
}

// handIn reports whether a person touched an account, or an account that touched it
// and that nobody independent has confirmed since. seen are the accounts looked at.
func (s *Service) handIn(ctx context.Context, u models.User, id string, seen map[string]bool) (bool, error) {
	if u.TouchedBy(id) {
		return true, nil
	}
	seen[u.ID] = true
	for _, by := range append([]string{u.InvitedBy}, u.ChangedBy...) {
		if by == "" || seen[by] {
			continue
		}
		other, err := s.Store.User(ctx, by)
		if models.IsKind(err, models.NotFound) {
			continue
		}
		if err != nil {
			return false, err
		}
		if other.IndependentlyConfirmed() {
			continue
		}
		if hand, err := s.handIn(ctx, other, id, seen); err != nil || hand {
			return hand, err
		}
	}
	return false, nil
}

// unlessNobodyCould lets a pair pass, as not shown, when there is no administrator
// left who could show its independence. refused says what is missing.
func (s *Service) unlessNobodyCould(ctx context.Context, requester, approver models.User, admins []models.User, refused error) (models.Independence, error) {
	latched, err := s.Store.Latched(ctx)
	if err != nil {
		return "", err
	}
	if !latched {
		return "", refused
	}
	for _, u := range []models.User{requester, approver} {
		if u.IndependentlyConfirmed() {
			continue
		}
		if could, err := s.anybodyCouldConfirm(ctx, u, admins); err != nil || could {
			if err == nil {
				err = refused
			}
			return "", err
		}
	}
	return models.IndependenceNotShown, nil
}
