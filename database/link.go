package database

import (
	"context"
	"time"

	"teikyo/models"
)

type linkRow struct {
	ID          string `gorm:"primaryKey"`
	ProvisionID string
	RecipientID string
	Bind        string
	MaxUses     int
	Uses        int
	NotBefore   int64
	ExpiresAt   int64
	CreatedBy   string
	CreatedAt   int64 `gorm:"autoCreateTime:false"`
	RevokedBy   string
	RevokedAt   int64
}

func (linkRow) TableName() string { return "links" }

func (r linkRow) model() (models.Link, error) {
	return models.Link{
		ID: r.ID, ProvisionID: r.ProvisionID, RecipientID: r.RecipientID, Bind: models.LinkBind(r.Bind),
		MaxUses: r.MaxUses, Uses: r.Uses, NotBefore: fromMicros(r.NotBefore), ExpiresAt: fromMicros(r.ExpiresAt),
		CreatedBy: r.CreatedBy, CreatedAt: fromMicros(r.CreatedAt),
		RevokedBy: r.RevokedBy, RevokedAt: fromMicros(r.RevokedAt),
	}, nil
}

// AddLink adds a link.
func (db *DB) AddLink(ctx context.Context, l models.Link) error {
	err := db.mutate(ctx).Create(&linkRow{
		ID: l.ID, ProvisionID: l.ProvisionID, RecipientID: l.RecipientID, Bind: string(l.Bind),
		MaxUses: l.MaxUses, Uses: l.Uses, NotBefore: toMicros(l.NotBefore), ExpiresAt: toMicros(l.ExpiresAt),
		CreatedBy: l.CreatedBy, CreatedAt: toMicros(l.CreatedAt),
		RevokedBy: l.RevokedBy, RevokedAt: toMicros(l.RevokedAt),
	}).Error
	return db.fault(err, "the link could not be saved")
}

// Link finds a link by its id.
func (db *DB) Link(ctx context.Context, id string) (models.Link, error) {
	var row linkRow
	if err := db.conn(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return models.Link{}, translate(err, "the link cannot be read")
	}
	return row.model()
}

// LinkList lists links, the newest first.
func (db *DB) LinkList(ctx context.Context, f models.LinkFilter, page models.Page) ([]models.Link, error) {
	query, err := db.newestFirst(ctx, page, "created_at")
	if err != nil {
		return nil, err
	}
	query = equals(query, "provision_id", f.ProvisionID)
	query = equals(query, "recipient_id", f.RecipientID)
	var rows []linkRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, translate(err, "the links cannot be read")
	}
	return each(rows, linkRow.model)
}

// UseLink takes one use of a link and reports whether there was one: the
// condition is part of the change, so that however many try, no more than the
// limit succeed.
func (db *DB) UseLink(ctx context.Context, id string, now time.Time) (bool, error) {
	done := db.mutate(ctx).Exec(`UPDATE links SET uses = uses + 1
		WHERE id = ? AND uses < max_uses AND revoked_at = 0 AND expires_at > ?`, id, toMicros(now))
	return done.RowsAffected == 1, db.fault(done.Error, "the link could not be used")
}

// RevokeLink ends a link and reports whether it was not revoked already.
func (db *DB) RevokeLink(ctx context.Context, id, by string, at time.Time) (bool, error) {
	done := db.mutate(ctx).Exec("UPDATE links SET revoked_by = ?, revoked_at = ? WHERE id = ? AND revoked_at = 0",
		by, toMicros(at), id)
	return done.RowsAffected == 1, db.fault(done.Error, "the link could not be revoked")
}
