package database

import (
	"context"

	"gorm.io/gorm/clause"

	"teikyo/models"
)

type recipientKeyRow struct {
	ID               string `gorm:"primaryKey"`
	RecipientID      string
	Public           string
	Fingerprint      string
	PostQuantum      bool
	Holder           string
	State            string
	ExpiresAt        int64
	AddedBy          string
	AddedAt          int64
	ProvedAt         int64
	ApprovedBy       string
	ApprovedAt       int64
	RevokedBy        string
	RevokedAt        int64
	Independence     string
	Challenge        []byte
	ChallengeKekID   string
	ChallengeExpires int64
}

func (recipientKeyRow) TableName() string { return "recipient_keys" }

func newRecipientKeyRow(k models.RecipientKey) recipientKeyRow {
	challenge := k.Challenge
	if challenge == nil {
		challenge = []byte{}
	}
	return recipientKeyRow{
		ID: k.ID, RecipientID: k.RecipientID, Public: k.Public, Fingerprint: k.Fingerprint, PostQuantum: k.PostQuantum,
		Holder: k.Holder, State: string(k.State), ExpiresAt: toMicros(k.ExpiresAt), AddedBy: k.AddedBy,
		AddedAt: toMicros(k.AddedAt), ProvedAt: toMicros(k.ProvedAt), ApprovedBy: k.ApprovedBy,
		ApprovedAt: toMicros(k.ApprovedAt), RevokedBy: k.RevokedBy, RevokedAt: toMicros(k.RevokedAt),
		Independence: string(k.Independence), Challenge: challenge, ChallengeKekID: k.ChallengeKEK, ChallengeExpires: toMicros(k.ChallengeExpires),
	}
}

func (row recipientKeyRow) model() (models.RecipientKey, error) {
	return models.RecipientKey{
		ID: row.ID, RecipientID: row.RecipientID, Public: row.Public, Fingerprint: row.Fingerprint,
		PostQuantum: row.PostQuantum, Holder: row.Holder, State: models.KeyState(row.State),
		ExpiresAt: fromMicros(row.ExpiresAt), AddedBy: row.AddedBy, AddedAt: fromMicros(row.AddedAt),
		ProvedAt: fromMicros(row.ProvedAt), ApprovedBy: row.ApprovedBy, ApprovedAt: fromMicros(row.ApprovedAt),
		RevokedBy: row.RevokedBy, RevokedAt: fromMicros(row.RevokedAt), Independence: models.Independence(row.Independence),
		Challenge: row.Challenge, ChallengeKEK: row.ChallengeKekID, ChallengeExpires: fromMicros(row.ChallengeExpires),
	}, nil
}

// SaveRecipientKey inserts or replaces a key. A public key stands once: a
// second row with it is a Conflict.
func (db *DB) SaveRecipientKey(ctx context.Context, k models.RecipientKey) error {
	if k.ChallengeKEK != "" {
		wrap := models.Wrapped{Shelf: models.ShelfChallenges, ID: k.ID, KEKID: k.ChallengeKEK, Bytes: k.Challenge}
		if err := db.mayKeep(ctx, wrap); err != nil {
			return err
		}
	}
	row := newRecipientKeyRow(k)
	err := db.mutate(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, UpdateAll: true}).Create(&row).Error
	return db.fault(err, "the key could not be saved")
}

// RecipientKey finds a key by id.
func (db *DB) RecipientKey(ctx context.Context, id string) (models.RecipientKey, error) {
	var row recipientKeyRow
	if err := db.conn(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return models.RecipientKey{}, translate(err, "the key cannot be read")
	}
	return row.model()
}

// RecipientKeyByPublic finds a key by its public half.
func (db *DB) RecipientKeyByPublic(ctx context.Context, public string) (models.RecipientKey, error) {
	var row recipientKeyRow
	if err := db.conn(ctx).Where("public = ?", public).Take(&row).Error; err != nil {
		return models.RecipientKey{}, translate(err, "the key cannot be read")
	}
	return row.model()
}

// RecipientKeys lists the keys of a recipient, oldest first.
func (db *DB) RecipientKeys(ctx context.Context, recipientID string) ([]models.RecipientKey, error) {
	var rows []recipientKeyRow
	err := db.conn(ctx).Where("recipient_id = ?", recipientID).Order("added_at, id").Find(&rows).Error
	if err != nil {
		return nil, translate(err, "the keys cannot be read")
	}
	return modelsOf(rows, recipientKeyRow.model)
}
