package database

import (
	"context"
	"time"

	"teikyo/models"
)

type waiverRow struct {
	ID           string `gorm:"primaryKey"`
	DatasetID    string
	Version      int
	FindingID    string
	FileSha256   string `gorm:"column:file_sha256"`
	Path         string
	Rule         string
	Reason       string
	RequestedBy  string
	RequestedAt  int64
	ApprovedBy   string
	ApprovedAt   int64
	RejectedBy   string
	RejectedAt   int64
	Decision     string
	ExpiresAt    int64
	Independence string
}

func (waiverRow) TableName() string { return "waivers" }

func (r waiverRow) model() (models.Waiver, error) {
	return models.Waiver{
		ID: r.ID, DatasetID: r.DatasetID, Version: r.Version, FindingID: r.FindingID, FileSHA256: r.FileSha256,
		Path: r.Path, Rule: r.Rule, Reason: r.Reason, RequestedBy: r.RequestedBy, RequestedAt: fromMicros(r.RequestedAt),
		ApprovedBy: r.ApprovedBy, ApprovedAt: fromMicros(r.ApprovedAt),
		RejectedBy: r.RejectedBy, RejectedAt: fromMicros(r.RejectedAt), Decision: r.Decision,
		ExpiresAt: fromMicros(r.ExpiresAt), Independence: models.Independence(r.Independence),
	}, nil
}

// SaveWaiver adds or rewrites a waiver.
func (db *DB) SaveWaiver(ctx context.Context, w models.Waiver) error {
	row := &waiverRow{
		ID: w.ID, DatasetID: w.DatasetID, Version: w.Version, FindingID: w.FindingID, FileSha256: w.FileSHA256,
		Path: w.Path, Rule: w.Rule, Reason: w.Reason, RequestedBy: w.RequestedBy, RequestedAt: toMicros(w.RequestedAt),
		ApprovedBy: w.ApprovedBy, ApprovedAt: toMicros(w.ApprovedAt),
		RejectedBy: w.RejectedBy, RejectedAt: toMicros(w.RejectedAt), Decision: w.Decision,
		ExpiresAt: toMicros(w.ExpiresAt), Independence: string(w.Independence),
	}
	return db.fault(upsert(db.mutate(ctx), "id").Create(row).Error, "the waiver could not be saved")
}

// Waiver finds a waiver; inside Update it is held.
func (db *DB) Waiver(ctx context.Context, id string) (models.Waiver, error) {
	var row waiverRow
	if err := db.held(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return models.Waiver{}, translate(err, "the waiver cannot be read")
	}
	return row.model()
}

// Waivers lists by time of request, the oldest first; the cursor is
// models.TimeCursor.
func (db *DB) Waivers(ctx context.Context, q models.WaiverQuery, page models.Page) ([]models.Waiver, error) {
	at, id, err := models.ParseTimeCursor(page.After)
	if err != nil {
		return nil, err
	}
	query := db.conn(ctx).Where("(requested_at, id) > (?, ?)", toMicros(at), id)
	if q.DatasetID != "" {
		query = query.Where("dataset_id = ?", q.DatasetID)
	}
	if q.Open {
		query = query.Where("approved_by = '' AND rejected_by = ''")
	}
	var rows []waiverRow
	if err := query.Order("requested_at, id").Limit(page.Size()).Find(&rows).Error; err != nil {
		return nil, translate(err, "the waivers cannot be read")
	}
	return each(rows, waiverRow.model)
}

// LiveWaivers lists the waivers of a dataset that are approved and not past
// their end.
func (db *DB) LiveWaivers(ctx context.Context, datasetID string, now time.Time) ([]models.Waiver, error) {
	var rows []waiverRow
	err := db.conn(ctx).Where("dataset_id = ? AND approved_by <> '' AND rejected_by = '' AND expires_at > ?",
		datasetID, toMicros(now)).Order("id").Find(&rows).Error
	if err != nil {
		return nil, translate(err, "the waivers cannot be read")
	}
	return each(rows, waiverRow.model)
}
