package database

import (
	"context"
	"time"

	"teikyo/models"
)

type downloadSessionRow struct {
	ID          string `gorm:"primaryKey"`
	LinkID      string
	ProvisionID string
	RecipientID string
	Hash        string
	Holder      string
	OpenedAt    int64
	ClosedAt    int64
	Address     string
	Agent       string
}

func (downloadSessionRow) TableName() string { return "download_sessions" }

func (r downloadSessionRow) model() (models.DownloadSession, error) {
	return models.DownloadSession{
		ID: r.ID, LinkID: r.LinkID, ProvisionID: r.ProvisionID, RecipientID: r.RecipientID, Hash: r.Hash,
		Holder: r.Holder, OpenedAt: fromMicros(r.OpenedAt), ClosedAt: fromMicros(r.ClosedAt),
		Address: r.Address, Agent: r.Agent,
	}, nil
}

// AddDownloadSession adds a session.
func (db *DB) AddDownloadSession(ctx context.Context, s models.DownloadSession) error {
	err := db.mutate(ctx).Create(&downloadSessionRow{
		ID: s.ID, LinkID: s.LinkID, ProvisionID: s.ProvisionID, RecipientID: s.RecipientID, Hash: s.Hash,
		Holder: s.Holder, OpenedAt: toMicros(s.OpenedAt), ClosedAt: toMicros(s.ClosedAt),
		Address: s.Address, Agent: s.Agent,
	}).Error
	return db.fault(err, "the download session could not be saved")
}

// DownloadSession finds a session by its id.
func (db *DB) DownloadSession(ctx context.Context, id string) (models.DownloadSession, error) {
	var row downloadSessionRow
	if err := db.conn(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return models.DownloadSession{}, translate(err, "the download session cannot be read")
	}
	return row.model()
}

// DownloadSessionByHash finds a session by the hash of its secret.
func (db *DB) DownloadSessionByHash(ctx context.Context, hash string) (models.DownloadSession, error) {
	var row downloadSessionRow
	if err := db.conn(ctx).Where("hash = ?", hash).Take(&row).Error; err != nil {
		return models.DownloadSession{}, translate(err, "the download session cannot be read")
	}
	return row.model()
}

// OpenDownloadSessions lists sessions whose end is not recorded yet, the oldest
// first. With endedBy only those whose link had ended by then.
func (db *DB) OpenDownloadSessions(ctx context.Context, endedBy time.Time, page models.Page) ([]models.DownloadSession, error) {
	at, id, err := models.ParseTimeCursor(page.After)
	if err != nil {
		return nil, err
	}
	query := db.conn(ctx).Where("closed_at = 0 AND (opened_at, id) > (?, ?)", toMicros(at), id).
		Order("opened_at, id").Limit(page.Size())
	if !endedBy.IsZero() {
		query = query.Where("link_id IN (SELECT l.id FROM links l WHERE l.id = link_id AND (l.revoked_at > 0 OR l.expires_at <= ?))",
			toMicros(endedBy))
	}
	var rows []downloadSessionRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, translate(err, "the download sessions cannot be read")
	}
	return each(rows, downloadSessionRow.model)
}

// CloseDownloadSession notes that the end of a session is recorded and reports
// whether it was not before: one node alone writes the entry.
func (db *DB) CloseDownloadSession(ctx context.Context, id string, at time.Time) (bool, error) {
	done := db.mutate(ctx).Exec("UPDATE download_sessions SET closed_at = ? WHERE id = ? AND closed_at = 0", toMicros(at), id)
	return done.RowsAffected == 1, db.fault(done.Error, "the download session could not be closed")
}
