package provision

import (
	"context"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
)

type reinstatedDetails struct {
	Number       string              `json:"number"`
	Reason       string              `json:"reason"`
	Manifest     string              `json:"manifest_sha256"`
	Independence models.Independence `json:"independence"`
}

// Reinstate says again that a provision holds which a forced restore brought
// back: it may have been revoked in what was lost (DESIGN decision 25). Whoever
// says so is not who asked for it. It needs new links.
func (s *Service) Reinstate(ctx context.Context, actor access.Actor, id, reason string) (models.Provision, error) {
	if _, err := s.provision(ctx, actor, access.ReinstateProvision, id); err != nil {
		return models.Provision{}, err
	}
	if err := checkReason(reason, true); err != nil {
		return models.Provision{}, err
	}
	return s.change(ctx, id, func(ctx context.Context, prov *models.Provision) error {
		if prov.State != models.ProvisionSuspended {
			return models.Errorf(models.Conflict, "the provision is %s, not suspended", prov.State)
		}
		if err := models.CheckTransition(prov.State, models.ProvisionIssued); err != nil {
			return err
		}
		req, err := s.Store.Request(ctx, prov.RequestID)
		if err != nil {
			return err
		}
		independence, err := s.People.Pair(ctx, req.RequestedBy, actor.UserID)
		if err != nil {
			return err
		}
		prov.State = models.ProvisionIssued
		return s.Store.Append(ctx, s.provisionEntry(ledger.ProvisionReinstated, *prov, actor,
			reinstatedDetails{prov.Number, reason, prov.ManifestSHA256, independence}))
	})
}
