package access

import "context"

// Service holds the use cases of accounts.
type Service struct{}

// Authenticate finds the actor of a token or session secret.
func (s *Service) Authenticate(ctx context.Context, secret string) (Actor, error) {
	panic("access: not built yet")
}
