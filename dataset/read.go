package dataset

import (
	"context"

	"teikyo/access"
	"teikyo/models"
)

// List gives datasets, the newest first.
func (s *Service) List(
	ctx context.Context, actor access.Actor, q models.DatasetQuery, p models.Page,
) ([]models.Dataset, error) {
	if err := access.Can(actor, access.ReadDataset, access.Whole()); err != nil {
		return nil, err
	}
	if q.Class != "" {
		if err := models.CheckCode("data class", q.Class, models.DataClasses()); err != nil {
			return nil, err
		}
	}
	return s.Store.Datasets(ctx, q, p)
}

// Get gives one dataset.
func (s *Service) Get(ctx context.Context, actor access.Actor, id string) (models.Dataset, error) {
	if err := access.Can(actor, access.ReadDataset, access.Of("")); err != nil {
		return models.Dataset{}, err
	}
	return s.Store.Dataset(ctx, id)
}

// Versions lists the versions of a dataset, the newest first.
func (s *Service) Versions(ctx context.Context, actor access.Actor, id string, p models.Page) ([]models.Version, error) {
	if err := access.Can(actor, access.ReadDataset, access.Of("")); err != nil {
		return nil, err
	}
	if _, err := s.Store.Dataset(ctx, id); err != nil {
		return nil, err
	}
	return s.Store.Versions(ctx, id, p)
}

// Version gives one version; number 0 is the newest, drafts included.
func (s *Service) Version(ctx context.Context, actor access.Actor, id string, number int) (models.Version, error) {
	if err := access.Can(actor, access.ReadDataset, access.Of("")); err != nil {
		return models.Version{}, err
	}
	if number > 0 {
		return s.Store.Version(ctx, id, number)
	}
	list, err := s.Store.Versions(ctx, id, models.Page{Limit: 1})
	if err == nil && len(list) == 0 {
		err = models.Errorf(models.NotFound, "not found; check the id")
	}
	if err != nil {
		return models.Version{}, err
	}
	return list[0], nil
}

// Files lists the files of a version by path; the cursor is the path.
func (s *Service) Files(
	ctx context.Context, actor access.Actor, id string, number int, p models.Page,
) ([]models.File, error) {
	if err := access.Can(actor, access.ReadDataset, access.Of("")); err != nil {
		return nil, err
	}
	if _, err := s.Store.Version(ctx, id, number); err != nil {
		return nil, err
	}
	return s.Store.Files(ctx, id, number, p.After, p.Size())
}

// Report gives the gate's report of a file; NotFound while it is uploading.
func (s *Service) Report(ctx context.Context, actor access.Actor, f models.File) (models.GateReport, error) {
	if err := access.Can(actor, access.ReadDataset, access.Of("")); err != nil {
		return models.GateReport{}, err
	}
	if f.ReportID == "" {
		return models.GateReport{}, models.Errorf(models.NotFound, "%s is not complete, so there is no report yet", f.Path)
	}
	return s.Store.Report(ctx, f.ReportID)
}

// File gives a file of a version and how far its upload is.
func (s *Service) File(ctx context.Context, actor access.Actor, id string, number int, path string) (Progress, error) {
	if err := access.Can(actor, access.ReadDataset, access.Of("")); err != nil {
		return Progress{}, err
	}
	s.desk().Settle(ctx, id, number, path)
	f, err := s.Store.File(ctx, id, number, path)
	if err != nil {
		return Progress{}, err
	}
	if f.SHA256 != "" {
		return Progress{File: f, Offset: f.Size, Complete: true}, nil
	}
	sealed, err := s.Store.SealedFile(ctx, f.SealedID)
	return Progress{File: f, Offset: sealed.Size}, err
}
