package database

import (
	"context"
	"time"

	"teikyo/models"
)

type webhookRow struct {
	ID           string `gorm:"primaryKey"`
	URL          string `gorm:"column:url"`
	Description  string
	Kinds        string
	RecipientID  string
	State        string
	Reason       string
	NextIndex    int64
	FailingSince int64
	LastSuccess  int64
	LastError    string
	CreatedBy    string
	CreatedAt    int64 `gorm:"autoCreateTime:false"`
}

func (webhookRow) TableName() string { return "webhooks" }

func newWebhookRow(w models.Webhook) webhookRow {
	return webhookRow{
		ID: w.ID, URL: w.URL, Description: w.Description, Kinds: toJSON(w.Kinds), RecipientID: w.RecipientID,
		State: string(w.State), Reason: w.Reason, NextIndex: w.NextIndex, FailingSince: toMicros(w.FailingSince),
		LastSuccess: toMicros(w.LastSuccess), LastError: w.LastError, CreatedBy: w.CreatedBy, CreatedAt: toMicros(w.CreatedAt),
	}
}

func (r webhookRow) model() (models.Webhook, error) {
	kinds, err := fromJSON[[]string](r.Kinds)
	if err != nil {
		return models.Webhook{}, models.Wrap(models.Integrity, err, "a stored webhook cannot be read")
	}
	return models.Webhook{
		ID: r.ID, URL: r.URL, Description: r.Description, Kinds: kinds, RecipientID: r.RecipientID,
		State: models.WebhookState(r.State), Reason: r.Reason, NextIndex: r.NextIndex, FailingSince: fromMicros(r.FailingSince),
		LastSuccess: fromMicros(r.LastSuccess), LastError: r.LastError, CreatedBy: r.CreatedBy, CreatedAt: fromMicros(r.CreatedAt),
	}, nil
}

type webhookSecretRow struct {
	ID        string `gorm:"primaryKey"`
	WebhookID string
	Version   int64
	KEKID     string `gorm:"column:kek_id"`
	Secret    []byte
	ExpiresAt int64
}

func (webhookSecretRow) TableName() string { return "webhook_secrets" }

func (r webhookSecretRow) model() (models.WebhookSecret, error) {
	return models.WebhookSecret{
		ID: r.ID, WebhookID: r.WebhookID, Version: r.Version, KEKID: r.KEKID, Wrapped: r.Secret, ExpiresAt: fromMicros(r.ExpiresAt),
	}, nil
}

// AddWebhook adds a webhook.
func (db *DB) AddWebhook(ctx context.Context, w models.Webhook) error {
	row := newWebhookRow(w)
	return db.fault(db.mutate(ctx).Create(&row).Error, "the webhook could not be saved")
}

// SaveWebhookState writes how a webhook stands: State, Reason, FailingSince,
// LastSuccess and LastError.
func (db *DB) SaveWebhookState(ctx context.Context, w models.Webhook) error {
	err := db.mutate(ctx).Exec(`UPDATE webhooks SET state = ?, reason = ?, failing_since = ?, last_success = ?, last_error = ?
		WHERE id = ?`, string(w.State), w.Reason, toMicros(w.FailingSince), toMicros(w.LastSuccess), w.LastError, w.ID).Error
	return db.fault(err, "the webhook could not be saved")
}

// AdvanceWebhook moves the entry that a webhook gets next, and reports whether it
// still was from: another node may have been faster.
func (db *DB) AdvanceWebhook(ctx context.Context, id string, from, to int64) (bool, error) {
	done := db.mutate(ctx).Exec("UPDATE webhooks SET next_index = ? WHERE id = ? AND next_index = ? AND state = 'active'", to, id, from)
	return done.RowsAffected == 1, db.fault(done.Error, "the webhook could not be saved")
}

// RemoveWebhook removes a webhook and its secrets.
func (db *DB) RemoveWebhook(ctx context.Context, id string) error {
	err := db.mutate(ctx).Exec("DELETE FROM webhooks WHERE id = ?", id).Error
	return db.fault(err, "the webhook could not be removed")
}

// Webhook finds a webhook by its id.
func (db *DB) Webhook(ctx context.Context, id string) (models.Webhook, error) {
	var row webhookRow
	if err := db.conn(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return models.Webhook{}, translate(err, "the webhook cannot be read")
	}
	return row.model()
}

// WebhookList lists webhooks, the newest first.
func (db *DB) WebhookList(ctx context.Context, page models.Page) ([]models.Webhook, error) {
	query, err := db.newestFirst(ctx, page, "created_at")
	if err != nil {
		return nil, err
	}
	var rows []webhookRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, translate(err, "the webhooks cannot be read")
	}
	return each(rows, webhookRow.model)
}

// WebhooksBehind are the active webhooks that have not got every entry of a
// ledger of that size.
func (db *DB) WebhooksBehind(ctx context.Context, size int64) ([]models.Webhook, error) {
	var rows []webhookRow
	err := db.conn(ctx).Where("state = 'active' AND next_index < ?", size).Order("id").Find(&rows).Error
	if err != nil {
		return nil, translate(err, "the webhooks cannot be read")
	}
	return each(rows, webhookRow.model)
}

// WebhookSecrets are the secrets of a webhook that have not ended at now, the
// newest first.
func (db *DB) WebhookSecrets(ctx context.Context, id string, now time.Time) ([]models.WebhookSecret, error) {
	var rows []webhookSecretRow
	err := db.conn(ctx).Where("webhook_id = ? AND (expires_at = 0 OR expires_at > ?)", id, toMicros(now)).
		Order("version DESC").Find(&rows).Error
	if err != nil {
		return nil, translate(err, "the secrets of the webhook cannot be read")
	}
	return each(rows, webhookSecretRow.model)
}

// AddWebhookSecret adds a secret; the ones before end at an instant, or are gone
// when they ended before now.
func (db *DB) AddWebhookSecret(ctx context.Context, s models.WebhookSecret, oldEnd, now time.Time) error {
	if err := db.mayWrapUnder(ctx, s.KEKID); err != nil {
		return err
	}
	tx := db.mutate(ctx)
	err := tx.Exec("DELETE FROM webhook_secrets WHERE webhook_id = ? AND expires_at > 0 AND expires_at <= ?", s.WebhookID, toMicros(now)).Error
	if err == nil {
		err = tx.Exec("UPDATE webhook_secrets SET expires_at = ? WHERE webhook_id = ? AND (expires_at = 0 OR expires_at > ?)",
			toMicros(oldEnd), s.WebhookID, toMicros(oldEnd)).Error
	}
	if err == nil {
		err = tx.Create(&webhookSecretRow{
			ID: s.ID, WebhookID: s.WebhookID, Version: s.Version, KEKID: s.KEKID, Secret: s.Wrapped, ExpiresAt: toMicros(s.ExpiresAt),
		}).Error
	}
	return db.fault(err, "the secret of the webhook could not be saved")
}

// EventCursor is the entry that a reader gets next; 0 when nobody has read under
// that name.
func (db *DB) EventCursor(ctx context.Context, name string) (int64, error) {
	var next []int64
	err := db.conn(ctx).Raw("SELECT next_index FROM event_cursors WHERE name = ?", name).Scan(&next).Error
	if err != nil || len(next) == 0 {
		return 0, translate(err, "the cursor cannot be read")
	}
	return next[0], nil
}

// SaveEventCursor moves the cursor of a reader; it never goes back.
func (db *DB) SaveEventCursor(ctx context.Context, name string, next int64) error {
	err := db.mutate(ctx).Exec(`INSERT INTO event_cursors (name, next_index) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET next_index = excluded.next_index WHERE event_cursors.next_index < excluded.next_index`,
		name, next).Error
	return db.fault(err, "the cursor could not be saved")
}
