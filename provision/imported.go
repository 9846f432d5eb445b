package provision

import (
	"cmp"
	"context"
	"slices"

	"teikyo/access"
	"teikyo/models"
)

// both is one page of our provisions and those of an earlier register together,
// the newest first. Both lists have the same order and cursor.
func (s *Service) both(ctx context.Context, f models.ProvisionFilter, page models.Page) ([]models.Provision, error) {
	ours, err := s.Store.ProvisionList(ctx, f, page)
	if err != nil {
		return nil, err
	}
	imported, err := s.Store.ImportedProvisions(ctx, f, page)
	if err != nil || len(imported) == 0 {
		return ours, err
	}
	all := append(ours, imported...)
	slices.SortFunc(all, func(a, b models.Provision) int {
		return cmp.Or(b.IssuedAt.Compare(a.IssuedAt), cmp.Compare(b.ID, a.ID))
	})
	return all[:min(len(all), page.Size())], nil
}

// refuseImported says why an act is not possible with a provision of an earlier
// register, to those who may know of it.
func refuseImported(actor access.Actor, act access.Act, prov models.Provision) error {
	if err := access.Can(actor, act, access.Of(prov.RecipientID)); err != nil {
		return err
	}
	return models.Errorf(models.Conflict, "%s was imported from an earlier register (its number there is %s): there is no parcel, manifest or receipt "+
		"of ours, and it cannot be changed here; teikyo provision show %s shows what is known", prov.ID, prov.Number, prov.ID)
}
