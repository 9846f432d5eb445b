package database

import (
	"context"

	"teikyo/models"
)

type deidKeyRow struct {
	ID          string `gorm:"primaryKey"`
	Domain      string
	State       string
	KEKID       string `gorm:"column:kek_id"`
	Wrapped     []byte
	Exports     int
	CreatedBy   string
	CreatedAt   int64 `gorm:"autoCreateTime:false"`
	DestroyedBy string
	DestroyedAt int64
	Reason      string
}

func (deidKeyRow) TableName() string { return "deid_keys" }

func (r deidKeyRow) model() (models.DeidKey, error) {
	return models.DeidKey{
		ID: r.ID, Domain: r.Domain, State: models.DeidKeyState(r.State), KEKID: r.KEKID, Wrapped: r.Wrapped, Exports: r.Exports,
		CreatedBy: r.CreatedBy, CreatedAt: fromMicros(r.CreatedAt),
		DestroyedBy: r.DestroyedBy, DestroyedAt: fromMicros(r.DestroyedAt), Reason: r.Reason,
	}, nil
}

// SaveDeidKey adds or rewrites the key of a domain. Conflict when the domain has
// another one.
func (db *DB) SaveDeidKey(ctx context.Context, k models.DeidKey) error {
	if k.KEKID != "" {
		if err := db.mayWrapUnder(ctx, k.KEKID); err != nil {
			return err
		}
	}
	if k.Wrapped == nil {
		k.Wrapped = []byte{}
	}
	row := &deidKeyRow{
		ID: k.ID, Domain: k.Domain, State: string(k.State), KEKID: k.KEKID, Wrapped: k.Wrapped, Exports: k.Exports,
		CreatedBy: k.CreatedBy, CreatedAt: toMicros(k.CreatedAt),
		DestroyedBy: k.DestroyedBy, DestroyedAt: toMicros(k.DestroyedAt), Reason: k.Reason,
	}
	return db.fault(upsert(db.mutate(ctx), "id").Create(row).Error, "the key of the domain could not be saved")
}

// DeidKey finds the key of a domain; inside Update it is held.
func (db *DB) DeidKey(ctx context.Context, domain string) (models.DeidKey, error) {
	var row deidKeyRow
	if err := db.held(ctx).Where("domain = ?", domain).Take(&row).Error; err != nil {
		return models.DeidKey{}, translate(err, "the key of the domain cannot be read")
	}
	return row.model()
}

// DeidKeys lists the keys of domains, the newest first; the cursor is
// models.TimeCursor.
func (db *DB) DeidKeys(ctx context.Context, page models.Page) ([]models.DeidKey, error) {
	query, err := db.newestFirst(ctx, page, "created_at")
	if err != nil {
		return nil, err
	}
	var rows []deidKeyRow
	if err := query.Where("domain <> ?", models.ObjectionDomain).Find(&rows).Error; err != nil {
		return nil, translate(err, "the keys of domains cannot be read")
	}
	return each(rows, deidKeyRow.model)
}
