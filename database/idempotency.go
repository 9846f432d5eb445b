package database

import (
	"context"
	"time"

	"gorm.io/gorm"

	"teikyo/models"
)

type keptAnswerRow struct {
	Actor       string
	RequestKey  string
	Route       string
	RequestHash string
	Status      int
	ContentType string
	Body        []byte
	Created     int64
}

func (keptAnswerRow) TableName() string { return "idempotency" }

func (r keptAnswerRow) model() models.KeptAnswer {
	return models.KeptAnswer{
		Actor: r.Actor, Key: r.RequestKey, Route: r.Route, RequestHash: r.RequestHash, Status: r.Status,
		ContentType: r.ContentType, Body: r.Body, At: fromMicros(r.Created),
	}
}

// BeginAnswer takes the key of a request for its account, or returns what is
// kept under it. Rows from before that time are removed first.
func (db *DB) BeginAnswer(ctx context.Context, a models.KeptAnswer, before time.Time) (found models.KeptAnswer, taken bool, err error) {
	err = db.Update(ctx, func(ctx context.Context) error {
		tx := db.mutate(ctx)
		if err := tx.Where("created < ?", toMicros(before)).Delete(&keptAnswerRow{}).Error; err != nil {
			return db.fault(err, "the answers of old requests could not be removed")
		}
		var rows []keptAnswerRow
		if err := heldAnswer(tx, a).Limit(1).Find(&rows).Error; err != nil {
			return db.fault(err, "the request's key could not be looked up")
		}
		if len(rows) > 0 {
			found = rows[0].model()
			return nil
		}
		taken = true
		row := keptAnswerRow{
			Actor: a.Actor, RequestKey: a.Key, Route: a.Route, RequestHash: a.RequestHash, Body: []byte{}, Created: toMicros(a.At),
		}
		return db.fault(tx.Create(&row).Error, "the request's key could not be kept")
	})
	return found, taken && err == nil, err
}

// EndAnswer keeps the answer under the key that BeginAnswer took.
func (db *DB) EndAnswer(ctx context.Context, a models.KeptAnswer) error {
	return db.Update(ctx, func(ctx context.Context) error {
		err := heldAnswer(db.mutate(ctx).Model(&keptAnswerRow{}), a).
			Updates(map[string]any{"status": a.Status, "content_type": a.ContentType, "body": append([]byte{}, a.Body...)}).Error
		return db.fault(err, "the answer could not be kept")
	})
}

// ForgetAnswer gives the key free again.
func (db *DB) ForgetAnswer(ctx context.Context, a models.KeptAnswer) error {
	return db.Update(ctx, func(ctx context.Context) error {
		err := heldAnswer(db.mutate(ctx), a).Delete(&keptAnswerRow{}).Error
		return db.fault(err, "the request's key could not be given free")
	})
}

func heldAnswer(query *gorm.DB, a models.KeptAnswer) *gorm.DB {
	return query.Where("actor = ? AND request_key = ?", a.Actor, a.Key)
}
