package access

import (
	"context"

	"teikyo/models"
)

// Vouch finds the confirmed administrator whose password it is, for an act on
// the server's machine that two of them must agree to while no server runs. No
// session or token comes of it.
func (s *Service) Vouch(ctx context.Context, email, password string) (models.User, error) {
	email, err := cleanEmail(email)
	if err != nil {
		return models.User{}, err
	}
	user, err := s.checkPassword(ctx, email, password)
	if err != nil {
		return user, err
	}
	if user.ID == "" {
		return user, errWrongLogin()
	}
	if user.Role != models.Administrator || !user.Confirmed() {
		return user, models.Errorf(models.Denied, "%s is no confirmed administrator; another one must agree", email)
	}
	return user, nil
}
