package disposal

import (
	"context"

	"teikyo/access"
	"teikyo/models"
)

// List gives disposals, the newest first; an empty state means all.
func (s *Service) List(ctx context.Context, actor access.Actor, state models.DisposalState, page models.Page) ([]models.Disposal, error) {
	if err := access.Can(actor, access.ReadDisposal, access.Whole()); err != nil {
		return nil, err
	}
	return s.Store.Disposals(ctx, state, page)
}

// Get gives one disposal.
func (s *Service) Get(ctx context.Context, actor access.Actor, id string) (models.Disposal, error) {
	if err := access.Can(actor, access.ReadDisposal, access.Of("")); err != nil {
		return models.Disposal{}, err
	}
	return s.Store.Disposal(ctx, id)
}

// Items lists the things of a disposal by number, after that one.
func (s *Service) Items(ctx context.Context, actor access.Actor, id string, after, limit int) ([]models.DisposalItem, error) {
	if _, err := s.Get(ctx, actor, id); err != nil {
		return nil, err
	}
	return s.Store.DisposalItems(ctx, id, after, limit)
}

// Impact says what else ends or stays when a version is destroyed.
type Impact struct {
	Provisions int // provisions that are live now, and end
	Shared     int // files whose sealed contents stay, because another version has them, too
}

// ImpactOf looks at a version.
func (s *Service) ImpactOf(ctx context.Context, actor access.Actor, id string, number int) (Impact, error) {
	var sum Impact
	if err := access.Can(actor, access.ReadDisposal, access.Of("")); err != nil {
		return sum, err
	}
	now := s.Now()
	err := s.eachProvision(ctx, id, number, func(p models.Provision) error {
		if p.State == models.ProvisionIssued && now.Before(p.Until) {
			sum.Provisions++
		}
		return nil
	})
	if err != nil {
		return sum, err
	}
	err = s.eachPage(ctx, id, number, func(files []models.File, sealed []models.SealedFile) error {
		used, err := s.Store.SealedUsedElsewhere(ctx, id, number, idsOf(sealed))
		if err != nil {
			return err
		}
		kept := setOf(used)
		for _, f := range files {
			if kept[f.SealedID] {
				sum.Shared++
			}
		}
		return nil
	})
	return sum, err
}

// eachProvision calls f for every provision of a version.
func (s *Service) eachProvision(ctx context.Context, id string, number int, f func(models.Provision) error) error {
	page := models.Page{Limit: itemPage}
	for {
		list, err := s.Store.ProvisionList(ctx, models.ProvisionFilter{DatasetID: id, Version: number}, page)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, p := range list {
			if err := f(p); err != nil {
				return err
			}
		}
		last := list[len(list)-1]
		page.After = models.TimeCursor(last.IssuedAt, last.ID)
	}
}

// eachPage calls f for the files of a version, page by page.
func (s *Service) eachPage(ctx context.Context, id string, number int, f func([]models.File, []models.SealedFile) error) error {
	for after := ""; ; {
		files, err := s.Store.Files(ctx, id, number, after, itemPage)
		if err != nil || len(files) == 0 {
			return err
		}
		sealed, err := s.Store.SealedFilesOf(ctx, id, number, after, itemPage)
		if err != nil {
			return err
		}
		if err := f(files, sealed); err != nil {
			return err
		}
		after = files[len(files)-1].Path
	}
}

func idsOf(sealed []models.SealedFile) []string {
	ids := make([]string, 0, len(sealed))
	for _, f := range sealed {
		ids = append(ids, f.ID)
	}
	return ids
}

func setOf(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// ImpactOfDisposal is ImpactOf for the one version of a disposal, with its name.
func (s *Service) ImpactOfDisposal(ctx context.Context, actor access.Actor, disposal string) (string, Impact, error) {
	items, err := s.Items(ctx, actor, disposal, 0, 1)
	if err != nil || len(items) == 0 {
		return "", Impact{}, err
	}
	id, number, err := parseVersionRef(items[0].Ref)
	if err != nil {
		return "", Impact{}, err
	}
	impact, err := s.ImpactOf(ctx, actor, id, number)
	return items[0].Name(), impact, err
}
