package provision

import (
	"context"
	"slices"

	"teikyo/models"
)

// resolvePlace finds where an upload goes: by its id, or the recipient's only
// approved destination. Other methods have none of ours.
func (s *Service) resolvePlace(ctx context.Context, d Draft) (string, error) {
	if d.Method != models.Upload || d.Destination != "" {
		return d.Destination, nil // examine says whether it fits
	}
	if err := s.checkMethod(d.Method); err != nil {
		return "", err
	}
	list, err := s.Store.Destinations(ctx, d.RecipientID)
	if err != nil {
		return "", err
	}
	list = slices.DeleteFunc(list, func(p models.Destination) bool { return !p.Usable() })
	switch len(list) {
	case 1:
		return list[0].ID, nil
	case 0:
		return "", models.Errorf(models.Conflict, "the recipient %s has no approved destination; see teikyo recipient destination list %s",
			d.RecipientID, d.RecipientID)
	default:
		return "", models.Errorf(models.Conflict, "the recipient %s has several destinations; name one by its id (--destination)", d.RecipientID)
	}
}

// place is where an upload goes.
func (s *Service) place(ctx context.Context, req models.Request) (models.Destination, error) {
	if req.Method != models.Upload {
		return models.Destination{}, nil
	}
	d, err := s.Store.Destination(ctx, req.Destination)
	if models.IsKind(err, models.NotFound) { // not told apart from one of another recipient
		return d, noPlace(req)
	}
	return d, err
}

func checkPlace(req models.Request, g ground) error {
	if req.Method != models.Upload {
		return nil
	}
	d := g.place
	switch {
	case d.RecipientID != req.RecipientID:
		return noPlace(req)
	case d.Config != d.ConfigDigest():
		return models.Errorf(models.Integrity, "the stored destination %s was changed; revoke it and run teikyo ledger verify", d.ID)
	case d.State == models.DestinationAdded:
		return models.Errorf(models.Conflict, "the destination %s is not approved yet; a second person does it "+
			"(teikyo recipient destination approve %s %s)", d.ID, d.RecipientID, d.ID)
	case !d.Usable():
		return models.Errorf(models.Conflict, "the destination %s is %s; use another one", d.ID, d.State)
	}
	return nil
}

func noPlace(req models.Request) error {
	return models.Errorf(models.NotFound, "the recipient %s has no destination %q; see teikyo recipient destination list %s",
		req.RecipientID, req.Destination, req.RecipientID)
}

// placeFact is where a provision goes, as the approver approves it: for an upload
// with its whole configuration.
func placeFact(req models.Request, g ground) string {
	if req.Method != models.Upload {
		return req.Destination
	}
	return g.place.ID + " " + g.place.URL + " sha256:" + g.place.Config
}
