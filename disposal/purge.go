package disposal

import (
	"context"
	"time"

	"teikyo/models"
)

// keepAnswers is how long answers are kept for requests that are repeated.
const keepAnswers = 24 * time.Hour

// Purge removes what nobody needs any more and no record speaks of: answers kept
// for repeated requests, ended sessions, tokens and invitations, challenges that
// were not answered, delays of signing in, and the single requests of ended
// downloads with the addresses they came from.
func (s *Service) Purge(ctx context.Context) (models.Purged, error) {
	if err := s.LoadPolicy(ctx); err != nil {
		return models.Purged{}, err
	}
	now := s.now()
	return s.Store.Purge(ctx, models.PurgeBefore{
		Now: now, Answers: now.Add(-keepAnswers),
		SignIns:   now.AddDate(0, 0, -s.Policy.Period(models.SignInRecords)),
		Transfers: now.AddDate(0, 0, -s.Policy.Period(models.TransferRecords)),
	})
}
