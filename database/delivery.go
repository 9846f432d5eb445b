package database

import (
	"context"

	"teikyo/models"
)

type deliveryRow struct {
	ID             string `gorm:"primaryKey"`
	ProvisionID    string
	RecipientID    string
	DestinationID  string
	Method         string
	JobID          string
	State          string
	Paused         bool
	ManifestSHA256 string `gorm:"column:manifest_sha256"`
	Files          int
	FilesDone      int
	Bytes          int64
	BytesDone      int64
	Rate           int64
	Attempts       int
	LastError      string
	Reason         string
	QueuedAt       int64
	StartedAt      int64
	UpdatedAt      int64 `gorm:"autoUpdateTime:false"`
	EndedAt        int64
}

func (deliveryRow) TableName() string { return "deliveries" }

func (r deliveryRow) model() (models.Delivery, error) {
	return models.Delivery{
		ID: r.ID, ProvisionID: r.ProvisionID, RecipientID: r.RecipientID, DestinationID: r.DestinationID,
		Method: models.Method(r.Method), JobID: r.JobID, State: models.DeliveryState(r.State), Paused: r.Paused,
		ManifestSHA256: r.ManifestSHA256, Files: r.Files, FilesDone: r.FilesDone, Bytes: r.Bytes, BytesDone: r.BytesDone,
		Rate: r.Rate, Attempts: r.Attempts, LastError: r.LastError, Reason: r.Reason,
		QueuedAt: fromMicros(r.QueuedAt), StartedAt: fromMicros(r.StartedAt), UpdatedAt: fromMicros(r.UpdatedAt), EndedAt: fromMicros(r.EndedAt),
	}, nil
}

// SaveDelivery inserts or replaces a delivery.
func (db *DB) SaveDelivery(ctx context.Context, d models.Delivery) error {
	row := &deliveryRow{
		ID: d.ID, ProvisionID: d.ProvisionID, RecipientID: d.RecipientID, DestinationID: d.DestinationID,
		Method: string(d.Method), JobID: d.JobID, State: string(d.State), Paused: d.Paused, ManifestSHA256: d.ManifestSHA256,
		Files: d.Files, FilesDone: d.FilesDone, Bytes: d.Bytes, BytesDone: d.BytesDone, Rate: d.Rate, Attempts: d.Attempts,
		LastError: d.LastError, Reason: d.Reason, QueuedAt: toMicros(d.QueuedAt), StartedAt: toMicros(d.StartedAt),
		UpdatedAt: toMicros(d.UpdatedAt), EndedAt: toMicros(d.EndedAt),
	}
	return db.fault(upsert(db.mutate(ctx), "id").Create(row).Error, "the delivery could not be saved")
}

// SaveProgress writes how far a delivery has come, as long as it is the same
// attempt that sends: FilesDone, BytesDone, Rate and UpdatedAt of d.
func (db *DB) SaveProgress(ctx context.Context, d models.Delivery) error {
	err := db.mutate(ctx).Exec(`UPDATE deliveries SET files_done = ?, bytes_done = ?, rate = ?, updated_at = ?
		WHERE id = ? AND state = 'sending' AND attempts = ?`,
		d.FilesDone, d.BytesDone, d.Rate, toMicros(d.UpdatedAt), d.ID, d.Attempts).Error
	return db.fault(err, "the progress of the delivery could not be saved")
}

// Delivery finds a delivery by id; inside Update it is held.
func (db *DB) Delivery(ctx context.Context, id string) (models.Delivery, error) {
	var row deliveryRow
	if err := db.held(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return models.Delivery{}, translate(err, "the delivery cannot be read")
	}
	return row.model()
}

// DeliveryList lists deliveries, the newest first.
func (db *DB) DeliveryList(ctx context.Context, f models.DeliveryFilter, page models.Page) ([]models.Delivery, error) {
	query, err := db.newestFirst(ctx, page, "queued_at")
	if err != nil {
		return nil, err
	}
	query = equals(query, "recipient_id", f.RecipientID)
	query = equals(query, "provision_id", f.ProvisionID)
	query = equals(query, "destination_id", f.DestinationID)
	query = equals(query, "state", string(f.State))
	var rows []deliveryRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, translate(err, "the deliveries cannot be read")
	}
	return each(rows, deliveryRow.model)
}

// DeliveryCounts counts deliveries by state.
func (db *DB) DeliveryCounts(ctx context.Context) (map[models.DeliveryState]int64, error) {
	var rows []struct {
		State string
		N     int64
	}
	err := db.conn(ctx).Raw("SELECT state, count(*) AS n FROM deliveries GROUP BY state").Scan(&rows).Error
	if err != nil {
		return nil, translate(err, "the deliveries cannot be counted")
	}
	counts := make(map[models.DeliveryState]int64, len(rows))
	for _, r := range rows {
		counts[models.DeliveryState(r.State)] = r.N
	}
	return counts, nil
}
