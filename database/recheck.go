package database

import (
	"context"

	"gorm.io/gorm/clause"

	"teikyo/models"
)

type recheckRow struct {
	ID          string `gorm:"primaryKey"`
	DatasetID   string
	Version     int
	Profile     string
	ProfileHash string
	Reason      string
	Verdicts    string
	RequestedBy string
	RequestedAt int64
	DoneAt      int64
	Failed      string
}

func (recheckRow) TableName() string { return "gate_rechecks" }

func (r recheckRow) model() (models.Recheck, error) {
	verdicts, err := fromJSON[map[string]int](r.Verdicts)
	return models.Recheck{
		ID: r.ID, DatasetID: r.DatasetID, Version: r.Version, Profile: r.Profile, ProfileHash: r.ProfileHash, Reason: r.Reason,
		Verdicts: verdicts, RequestedBy: r.RequestedBy, RequestedAt: fromMicros(r.RequestedAt), DoneAt: fromMicros(r.DoneAt), Failed: r.Failed,
	}, translate(err, "a stored recheck cannot be read")
}

// SaveRecheck adds a recheck, or writes all of it.
func (db *DB) SaveRecheck(ctx context.Context, r models.Recheck) error {
	row := &recheckRow{
		ID: r.ID, DatasetID: r.DatasetID, Version: r.Version, Profile: r.Profile, ProfileHash: r.ProfileHash, Reason: r.Reason,
		Verdicts: toJSON(r.Verdicts), RequestedBy: r.RequestedBy, RequestedAt: toMicros(r.RequestedAt), DoneAt: toMicros(r.DoneAt), Failed: r.Failed,
	}
	err := db.mutate(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, UpdateAll: true}).Create(row).Error
	return db.fault(err, "the recheck could not be saved")
}

// Recheck finds a recheck.
func (db *DB) Recheck(ctx context.Context, id string) (models.Recheck, error) {
	var row recheckRow
	if err := db.conn(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return models.Recheck{}, translate(err, "the recheck cannot be read")
	}
	return row.model()
}

// Rechecks lists those of a version, the newest first, at most a page.
func (db *DB) Rechecks(ctx context.Context, datasetID string, version int) ([]models.Recheck, error) {
	var rows []recheckRow
	err := db.conn(ctx).Where("dataset_id = ? AND version = ?", datasetID, version).
		Order("requested_at DESC, id").Limit(models.MaxPage).Find(&rows).Error
	if err != nil {
		return nil, translate(err, "the rechecks cannot be read")
	}
	return each(rows, recheckRow.model)
}

type recheckFileRow struct {
	RecheckID string `gorm:"primaryKey"`
	Path      string `gorm:"primaryKey"`
	ReportID  string
}

func (recheckFileRow) TableName() string { return "gate_recheck_files" }

// SaveRecheckFile names the report of one file of a recheck.
func (db *DB) SaveRecheckFile(ctx context.Context, recheckID, path, reportID string) error {
	err := db.mutate(ctx).Clauses(clause.OnConflict{UpdateAll: true}).
		Create(&recheckFileRow{RecheckID: recheckID, Path: path, ReportID: reportID}).Error
	return db.fault(err, "the report of a recheck could not be saved")
}

// RecheckFiles lists the reports of a recheck by path.
func (db *DB) RecheckFiles(ctx context.Context, recheckID, after string, limit int) ([]models.RecheckFile, error) {
	var rows []recheckFileRow
	err := db.conn(ctx).Where("recheck_id = ? AND path > ?", recheckID, after).Order("path").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, translate(err, "the reports of a recheck cannot be read")
	}
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ReportID
	}
	reports, err := db.Reports(ctx, ids)
	if err != nil {
		return nil, err
	}
	byID := map[string]models.GateReport{}
	for _, r := range reports {
		byID[r.ID] = r
	}
	out := make([]models.RecheckFile, len(rows))
	for i, row := range rows {
		out[i] = models.RecheckFile{Path: row.Path, Report: byID[row.ReportID]}
	}
	return out, nil
}
