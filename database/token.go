package database

import (
	"context"
	"time"

	"gorm.io/gorm"

	"teikyo/models"
)

type tokenRow struct {
	ID        string `gorm:"primaryKey"`
	UserID    string
	Kind      string
	Name      string
	Hash      string
	CreatedAt int64 `gorm:"autoCreateTime:false"`
	LastUsed  int64
	ExpiresAt int64
	RevokedAt int64
}

func (tokenRow) TableName() string { return "tokens" }

func (r tokenRow) model() models.Token {
	return models.Token{
		ID: r.ID, UserID: r.UserID, Kind: models.TokenKind(r.Kind), Name: r.Name, Hash: r.Hash,
		CreatedAt: fromMicros(r.CreatedAt), LastUsed: fromMicros(r.LastUsed),
		ExpiresAt: fromMicros(r.ExpiresAt), RevokedAt: fromMicros(r.RevokedAt),
	}
}

func takeToken(query *gorm.DB) (models.Token, error) {
	var row tokenRow
	if err := query.Take(&row).Error; err != nil {
		return models.Token{}, translate(err, "the token cannot be read")
	}
	return row.model(), nil
}

// Token finds a token by its id, whatever its state.
func (db *DB) Token(ctx context.Context, id string) (models.Token, error) {
	return takeToken(db.conn(ctx).Where("id = ?", id))
}

// TokenByHash finds a token by the hash of its secret, whatever its state.
func (db *DB) TokenByHash(ctx context.Context, hash string) (models.Token, error) {
	return takeToken(db.conn(ctx).Where("hash = ?", hash))
}

// Tokens lists the tokens and sessions of an account that are neither revoked
// nor expired at now, the oldest first.
func (db *DB) Tokens(ctx context.Context, userID string, now time.Time, page models.Page) ([]models.Token, error) {
	at, id, err := models.ParseTimeCursor(page.After)
	if err != nil {
		return nil, err
	}
	var rows []tokenRow
	err = db.conn(ctx).Where("user_id = ? AND revoked_at = 0 AND (expires_at = 0 OR expires_at > ?)", userID, toMicros(now)).
		Where("(created_at, id) > (?, ?)", toMicros(at), id).
		Order("created_at, id").Limit(page.Size()).Find(&rows).Error
	if err != nil {
		return nil, translate(err, "the tokens cannot be read")
	}
	return each(rows, func(r tokenRow) (models.Token, error) { return r.model(), nil })
}

// AddToken adds a token.
func (db *DB) AddToken(ctx context.Context, t models.Token) error {
	err := db.mutate(ctx).Create(&tokenRow{
		ID: t.ID, UserID: t.UserID, Kind: string(t.Kind), Name: t.Name, Hash: t.Hash,
		CreatedAt: toMicros(t.CreatedAt), LastUsed: toMicros(t.LastUsed),
		ExpiresAt: toMicros(t.ExpiresAt), RevokedAt: toMicros(t.RevokedAt),
	}).Error
	return db.fault(err, "the token could not be saved")
}

// TouchToken notes that a token was used.
func (db *DB) TouchToken(ctx context.Context, id string, at time.Time) error {
	err := db.mutate(ctx).Exec("UPDATE tokens SET last_used = ? WHERE id = ? AND last_used < ?",
		toMicros(at), id, toMicros(at)).Error
	return db.fault(err, "the token could not be saved")
}

// RevokeToken ends a token; one that has ended stays as it is.
func (db *DB) RevokeToken(ctx context.Context, id string, at time.Time) error {
	err := db.mutate(ctx).Exec("UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at = 0",
		toMicros(at), id).Error
	return db.fault(err, "the token could not be revoked")
}

// RevokeTokens ends all tokens and sessions of an account.
func (db *DB) RevokeTokens(ctx context.Context, userID string, at time.Time) error {
	err := db.mutate(ctx).Exec("UPDATE tokens SET revoked_at = ? WHERE user_id = ? AND revoked_at = 0",
		toMicros(at), userID).Error
	return db.fault(err, "the tokens could not be revoked")
}
