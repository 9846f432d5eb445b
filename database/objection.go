package database

import (
	"context"

	"gorm.io/gorm/clause"

	"teikyo/models"
)

type objectionBatchRow struct {
	ID      string `gorm:"primaryKey"`
	Keys    int64
	Added   int64
	Reason  string
	AddedBy string
	AddedAt int64
}

func (objectionBatchRow) TableName() string { return "objection_batches" }

func (r objectionBatchRow) model() (models.ObjectionBatch, error) {
	return models.ObjectionBatch{
		ID: r.ID, Keys: r.Keys, New: r.Added, Reason: r.Reason, AddedBy: r.AddedBy, AddedAt: fromMicros(r.AddedAt),
	}, nil
}

type objectionRow struct {
	Hash    string `gorm:"primaryKey"`
	BatchID string
}

func (objectionRow) TableName() string { return "objections" }

// objectionsAtOnce is how many rows one statement writes: PostgreSQL and SQLite
// bound its parameters.
const objectionsAtOnce = 500

// AddObjections adds the hashes that are not there yet, notes their number in
// the batch and saves it; it returns the batch.
func (db *DB) AddObjections(ctx context.Context, b models.ObjectionBatch, hashes []string) (models.ObjectionBatch, error) {
	row := &objectionBatchRow{ID: b.ID, Keys: b.Keys, Reason: b.Reason, AddedBy: b.AddedBy, AddedAt: toMicros(b.AddedAt)}
	if err := db.mutate(ctx).Create(row).Error; err != nil {
		return b, db.fault(err, "the objections could not be saved")
	}
	b.New = 0
	for from := 0; from < len(hashes); from += objectionsAtOnce {
		var rows []objectionRow
		for _, hash := range hashes[from:min(len(hashes), from+objectionsAtOnce)] {
			rows = append(rows, objectionRow{hash, b.ID})
		}
		done := db.mutate(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&rows)
		if done.Error != nil {
			return b, db.fault(done.Error, "the objections could not be saved")
		}
		b.New += done.RowsAffected
	}
	err := db.mutate(ctx).Exec("UPDATE objection_batches SET added = ? WHERE id = ?", b.New, b.ID).Error
	return b, db.fault(err, "the objections could not be saved")
}

// ObjectionBatches lists them, the newest first; the cursor is
// models.TimeCursor.
func (db *DB) ObjectionBatches(ctx context.Context, page models.Page) ([]models.ObjectionBatch, error) {
	query, err := db.newestFirst(ctx, page, "added_at")
	if err != nil {
		return nil, err
	}
	var rows []objectionBatchRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, translate(err, "the objections cannot be read")
	}
	return each(rows, objectionBatchRow.model)
}

// ObjectionHashes lists hashes in their order, after the last one seen.
func (db *DB) ObjectionHashes(ctx context.Context, after string, limit int) ([]string, error) {
	var hashes []string
	err := db.conn(ctx).Raw("SELECT hash FROM objections WHERE hash > ? ORDER BY hash LIMIT ?", after, limit).Scan(&hashes).Error
	if err != nil {
		return nil, translate(err, "the objections cannot be read")
	}
	return hashes, nil
}

// CountObjections is how many people objected.
func (db *DB) CountObjections(ctx context.Context) (int64, error) {
	var n int64
	err := db.conn(ctx).Raw("SELECT count(*) FROM objections").Scan(&n).Error
	if err != nil {
		return 0, translate(err, "the objections cannot be counted")
	}
	return n, nil
}
