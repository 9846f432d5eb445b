package provision

import (
	"context"
	"io"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/provision/parcel"
)

// provision finds a provision that the actor may do the act to.
func (s *Service) provision(ctx context.Context, actor access.Actor, act access.Act, id string) (models.Provision, error) {
	prov, err := s.Store.Provision(ctx, id)
	object := access.Of(prov.RecipientID)
	if models.IsKind(err, models.NotFound) {
		if imported, found := s.Store.ImportedProvision(ctx, id); found == nil {
			return models.Provision{}, refuseImported(actor, act, imported)
		}
		object, err = access.Absent(), nil
	}
	if can := access.Can(actor, act, object); can != nil {
		return models.Provision{}, can
	}
	return prov, err
}

// Provision shows a provision.
func (s *Service) Provision(ctx context.Context, actor access.Actor, id string) (models.Provision, error) {
	imported, err := s.Store.ImportedProvision(ctx, id)
	if err == nil {
		return imported, access.Can(actor, access.ReadProvision, access.Of(imported.RecipientID))
	}
	return s.provision(ctx, actor, access.ReadProvision, id)
}

// Provisions lists provisions, the newest first; people of a recipient see their
// own.
func (s *Service) Provisions(ctx context.Context, actor access.Actor, f models.ProvisionFilter, page models.Page) ([]models.Provision, error) {
	if err := access.Can(actor, access.ReadProvision, access.Whole()); err != nil {
		return nil, err
	}
	if actor.Role == models.RecipientUser {
		f.RecipientID = actor.RecipientID
		if f.RecipientID == "" {
			return nil, nil
		}
	}
	return s.both(ctx, f, page)
}

// Receipt is the ledger's proof of a provision (C2SP tlog-proof), made now when
// the second place was slow.
func (s *Service) Receipt(ctx context.Context, actor access.Actor, id string) ([]byte, error) {
	prov, err := s.provision(ctx, actor, access.ReadProvision, id)
	if err != nil {
		return nil, err
	}
	_, receipt, err := s.receipt(ctx, prov)
	if err != nil {
		return nil, err
	}
	return receipt.Text(), nil
}

// Manifest streams manifest.json of a provision's parcel; size is in bytes.
func (s *Service) Manifest(ctx context.Context, actor access.Actor, id string) (body io.ReadCloser, size int64, err error) {
	prov, err := s.provision(ctx, actor, access.ReadProvision, id)
	if err != nil {
		return nil, 0, err
	}
	reader, err := s.Parcel(ctx, prov)
	if err != nil {
		return nil, 0, err
	}
	entry, err := reader.Stat(ctx, parcel.ManifestPath)
	if err != nil {
		return nil, 0, err
	}
	body, err = reader.Open(ctx, entry, 0, -1)
	return body, entry.Size, err
}

type revokedDetails struct {
	Number string `json:"number"`
	Reason string `json:"reason"`
}

// Revoke ends a provision: every node stops its links and transfers within a
// second. What was received stays with the recipient.
func (s *Service) Revoke(ctx context.Context, actor access.Actor, id, reason string) (models.Provision, error) {
	if _, err := s.provision(ctx, actor, access.RevokeProvision, id); err != nil {
		return models.Provision{}, err
	}
	if err := checkReason(reason, true); err != nil {
		return models.Provision{}, err
	}
	return s.change(ctx, id, func(ctx context.Context, prov *models.Provision) error {
		if err := models.CheckTransition(prov.State, models.ProvisionRevoked); err != nil {
			return err
		}
		prov.State, prov.RevokedBy, prov.RevokedAt, prov.RevokeReason = models.ProvisionRevoked, actor.UserID, s.now(), reason
		if err := s.Store.Revoke(ctx); err != nil {
			return err
		}
		return s.Store.Append(ctx, s.provisionEntry(ledger.ProvisionRevoked, *prov, actor, revokedDetails{prov.Number, reason}))
	})
}

type acknowledgedDetails struct {
	Number   string `json:"number"`
	Manifest string `json:"manifest_sha256"`
	For      string `json:"on_behalf_of,omitempty"` // the recipient, when staff enters its word
}

// Acknowledge records the recipient's word that the parcel arrived. Doing it
// again changes nothing.
func (s *Service) Acknowledge(ctx context.Context, actor access.Actor, id string) (models.Provision, error) {
	if _, err := s.provision(ctx, actor, access.AcknowledgeProvision, id); err != nil {
		return models.Provision{}, err
	}
	return s.change(ctx, id, func(ctx context.Context, prov *models.Provision) error {
		if !prov.AcknowledgedAt.IsZero() {
			return nil
		}
		prov.AcknowledgedBy, prov.AcknowledgedAt = actor.UserID, s.now()
		details := acknowledgedDetails{Number: prov.Number, Manifest: prov.ManifestSHA256}
		if actor.RecipientID != prov.RecipientID {
			details.For = prov.RecipientID
		}
		return s.Store.Append(ctx, s.provisionEntry(ledger.Acknowledged, *prov, actor, details))
	})
}

// change reads a provision again inside a transaction, changes and saves it.
func (s *Service) change(ctx context.Context, id string, edit func(ctx context.Context, prov *models.Provision) error) (models.Provision, error) {
	var prov models.Provision
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		var err error
		if prov, err = s.Store.Provision(ctx, id); err != nil {
			return err
		}
		if err := edit(ctx, &prov); err != nil {
			return err
		}
		return s.Store.SaveProvision(ctx, prov)
	})
	return prov, err
}
