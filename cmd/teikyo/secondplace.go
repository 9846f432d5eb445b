package main

import (
	"context"
	"path/filepath"

	"teikyo/config"
	"teikyo/internal/datadir"
	"teikyo/ledger"
	"teikyo/ledger/checkpoints"
	"teikyo/models"
	"teikyo/storage/s3"
)

// secondPlace is where checkpoints go, and can be made.
type secondPlace interface {
	checkpoints.SecondPlace
	Create() error
}

// secondPlaceOf is the place that the settings name. dir is empty when it is no
// folder.
func secondPlaceOf(cfg config.Config) (place secondPlace, dir string, err error) {
	if cfg.CheckpointsURL != "" {
		opts, err := s3.ParseURL(cfg.CheckpointsURL)
		if err != nil {
			return nil, "", models.Wrap(models.Invalid, nil, "checkpoints_url: "+err.Error())
		}
		bucket, err := s3.NewPlace(opts)
		if err != nil {
			return nil, "", models.Wrap(models.Invalid, nil, "checkpoints_url: "+err.Error())
		}
		return bucket, "", nil
	}
	dir = cfg.CheckpointsDir
	if dir == "" {
		dir = filepath.Join(cfg.Data, datadir.CheckpointsDir)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, "", models.Wrap(models.Invalid, err, "checkpoints_dir is no path")
	}
	return checkpoints.FolderPlace(dir), dir, nil
}

func (a *app) openSecondPlace(head ledger.Head) error {
	cfg := a.cfg
	cfg.Data = a.folder.Root()
	var err error
	if a.second, a.secondDir, err = secondPlaceOf(cfg); err != nil {
		return err
	}
	if head.Size > 0 { // now a place without its mark is a disk that is not mounted
		return nil
	}
	if err := a.second.Create(); err != nil {
		return models.Wrap(models.Unavailable, nil, err.Error()+"; check checkpoints_dir and checkpoints_url")
	}
	return nil
}

// secondPlaceCheckpoint is the newest checkpoint of the data folder's second
// place, nil when it cannot be reached from here.
func secondPlaceCheckpoint(ctx context.Context, cfg config.Config) []byte {
	place, _, err := secondPlaceOf(cfg)
	if err != nil {
		return nil
	}
	text, err := place.Newest(ctx)
	if err != nil {
		return nil
	}
	return text
}
