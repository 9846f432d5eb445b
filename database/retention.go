package database

import (
	"context"
	"sync/atomic"
	"time"

	"teikyo/ledger"
	"teikyo/models"
)

type retentionRow struct {
	Kind   string `gorm:"primaryKey"`
	Period int
	SetBy  string
	SetAt  int64
	Reason string
}

func (retentionRow) TableName() string { return "retention_periods" }

func (r retentionRow) model() (models.Retention, error) {
	return models.Retention{
		Kind: models.RecordKind(r.Kind), Period: r.Period, SetBy: r.SetBy, SetAt: fromMicros(r.SetAt), Reason: r.Reason,
	}, nil
}

// Retentions are the retention periods that somebody set.
func (db *DB) Retentions(ctx context.Context) ([]models.Retention, error) {
	var rows []retentionRow
	if err := db.conn(ctx).Order("kind").Find(&rows).Error; err != nil {
		return nil, translate(err, "the retention periods cannot be read")
	}
	return each(rows, retentionRow.model)
}

// SaveRetention sets a retention period.
func (db *DB) SaveRetention(ctx context.Context, r models.Retention) error {
	row := &retentionRow{Kind: string(r.Kind), Period: r.Period, SetBy: r.SetBy, SetAt: toMicros(r.SetAt), Reason: r.Reason}
	return db.fault(upsert(db.mutate(ctx), "kind").Create(row).Error, "the retention period could not be saved")
}

// keeping is how long the details of an entry stay that says nothing itself.
type keeping struct {
	years atomic.Pointer[func(ledger.Kind) int]
}

// KeepYears sets how many years the details of entries of a kind stay when the
// entry itself does not say so; without it ledger.DefaultRetentionYears.
func (db *DB) KeepYears(years func(ledger.Kind) int) { db.keep.years.Store(&years) }

// until is the end of retention of e as of at. What counts from an end that is long
// past, such as the revocation of an old provision, need not stay at all.
func (k *keeping) until(e ledger.Entry, at time.Time) time.Time {
	years := k.years.Load()
	switch {
	case !e.Retain.IsZero() && e.Retain.Before(at):
		return at
	case !e.Retain.IsZero() || years == nil:
		return e.Retain
	}
	return at.AddDate((*years)(e.Kind), 0, 0)
}
