package database

import (
	"context"

	"teikyo/models"
)

type destinationRow struct {
	ID           string `gorm:"primaryKey"`
	RecipientID  string
	Type         string
	URL          string `gorm:"column:url"`
	HostKeys     string
	Login        string
	PublicKey    string
	Config       string
	State        string
	AddedBy      string
	AddedAt      int64
	ApprovedBy   string
	ApprovedAt   int64
	RevokedBy    string
	RevokedAt    int64
	Reason       string
	Independence string
	KEKID        string `gorm:"column:kek_id"`
	Secret       []byte
}

func (destinationRow) TableName() string { return "destinations" }

func (r destinationRow) model() (models.Destination, error) {
	keys, err := fromJSON[[]string](r.HostKeys)
	return models.Destination{
		ID: r.ID, RecipientID: r.RecipientID, Type: models.DestinationType(r.Type), URL: r.URL, HostKeys: keys, Login: r.Login,
		PublicKey: r.PublicKey, Config: r.Config, State: models.DestinationState(r.State),
		AddedBy: r.AddedBy, AddedAt: fromMicros(r.AddedAt), ApprovedBy: r.ApprovedBy, ApprovedAt: fromMicros(r.ApprovedAt),
		RevokedBy: r.RevokedBy, RevokedAt: fromMicros(r.RevokedAt), Reason: r.Reason,
		Independence: models.Independence(r.Independence), KEKID: r.KEKID, Secret: r.Secret,
	}, err
}

// SaveDestination inserts or replaces a destination.
func (db *DB) SaveDestination(ctx context.Context, d models.Destination) error {
	if d.KEKID != "" {
		wrap := models.Wrapped{Shelf: models.ShelfDestinations, ID: d.ID, KEKID: d.KEKID, Bytes: d.Secret}
		if err := db.mayKeep(ctx, wrap); err != nil {
			return err
		}
	}
	if d.Secret == nil {
		d.Secret = []byte{}
	}
	row := &destinationRow{
		ID: d.ID, RecipientID: d.RecipientID, Type: string(d.Type), URL: d.URL, HostKeys: toJSON(d.HostKeys), Login: d.Login,
		PublicKey: d.PublicKey, Config: d.Config, State: string(d.State), AddedBy: d.AddedBy, AddedAt: toMicros(d.AddedAt),
		ApprovedBy: d.ApprovedBy, ApprovedAt: toMicros(d.ApprovedAt), RevokedBy: d.RevokedBy, RevokedAt: toMicros(d.RevokedAt),
		Reason: d.Reason, Independence: string(d.Independence), KEKID: d.KEKID, Secret: d.Secret,
	}
	return db.fault(upsert(db.mutate(ctx), "id").Create(row).Error, "the destination could not be saved")
}

// Destination finds a destination by id; inside Update it is held.
func (db *DB) Destination(ctx context.Context, id string) (models.Destination, error) {
	var row destinationRow
	if err := db.held(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return models.Destination{}, translate(err, "the destination cannot be read")
	}
	return row.model()
}

// Destinations lists the destinations of a recipient, oldest first.
func (db *DB) Destinations(ctx context.Context, recipientID string) ([]models.Destination, error) {
	var rows []destinationRow
	err := db.conn(ctx).Where("recipient_id = ?", recipientID).Order("added_at, id").Find(&rows).Error
	if err != nil {
		return nil, translate(err, "the destinations cannot be read")
	}
	return modelsOf(rows, destinationRow.model)
}
