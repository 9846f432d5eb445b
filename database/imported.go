package database

import (
	"context"
	"time"

	"teikyo/models"
)

type importedRow struct {
	Kind       string `gorm:"primaryKey"`
	Reference  string `gorm:"primaryKey"`
	ID         string
	Digest     string
	ImportedBy string
	ImportedAt int64
}

func (importedRow) TableName() string { return "imported" }

// Imported finds what a row of an earlier register became.
func (db *DB) Imported(ctx context.Context, kind, reference string) (models.Imported, error) {
	var row importedRow
	if err := db.conn(ctx).Where("kind = ? AND reference = ?", kind, reference).Take(&row).Error; err != nil {
		return models.Imported{}, translate(err, "what was imported cannot be read")
	}
	return models.Imported{
		Kind: row.Kind, Reference: row.Reference, ID: row.ID, Digest: row.Digest, By: row.ImportedBy, At: fromMicros(row.ImportedAt),
	}, nil
}

// SaveImported remembers what a row became; Conflict when the reference is known.
func (db *DB) SaveImported(ctx context.Context, i models.Imported) error {
	err := db.mutate(ctx).Create(&importedRow{
		Kind: i.Kind, Reference: i.Reference, ID: i.ID, Digest: i.Digest, ImportedBy: i.By, ImportedAt: toMicros(i.At),
	}).Error
	return db.fault(err, "what was imported could not be saved")
}

type importedProvisionRow struct {
	ID          string `gorm:"primaryKey"`
	Number      string
	DatasetID   string
	Version     int
	RecipientID string
	AgreementID string
	Method      string
	Class       string
	IssuedAt    int64
	Until       int64
	ImportedBy  string
	ImportedAt  int64
	Record      []byte
}

func (importedProvisionRow) TableName() string { return "imported_provisions" }

func (r importedProvisionRow) model() (models.Provision, error) {
	return models.Provision{
		ID: r.ID, Number: r.Number, State: models.ProvisionImported, DatasetID: r.DatasetID, Version: r.Version,
		RecipientID: r.RecipientID, AgreementID: r.AgreementID, Method: models.Method(r.Method), Class: models.DataClass(r.Class),
		IssuedAt: fromMicros(r.IssuedAt), Until: fromMicros(r.Until), IssuedBy: r.ImportedBy, EntryIndex: -1, Record: r.Record,
	}, nil
}

// SaveImportedProvision adds a provision of an earlier register.
func (db *DB) SaveImportedProvision(ctx context.Context, p models.Provision, by string, at time.Time) error {
	err := db.mutate(ctx).Create(&importedProvisionRow{
		ID: p.ID, Number: p.Number, DatasetID: p.DatasetID, Version: p.Version, RecipientID: p.RecipientID, AgreementID: p.AgreementID,
		Method: string(p.Method), Class: string(p.Class), IssuedAt: toMicros(p.IssuedAt), Until: toMicros(p.Until),
		ImportedBy: by, ImportedAt: toMicros(at), Record: p.Record,
	}).Error
	return db.fault(err, "the imported provision could not be saved")
}

// ImportedProvision finds a provision of an earlier register.
func (db *DB) ImportedProvision(ctx context.Context, id string) (models.Provision, error) {
	var row importedProvisionRow
	if err := db.conn(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return models.Provision{}, translate(err, "the imported provision cannot be read")
	}
	return row.model()
}

// ImportedProvisions lists provisions of an earlier register, the newest first,
// with the cursor of ProvisionList.
func (db *DB) ImportedProvisions(ctx context.Context, f models.ProvisionFilter, page models.Page) ([]models.Provision, error) {
	query, err := db.newestFirst(ctx, page, "issued_at")
	if err != nil {
		return nil, err
	}
	query = equals(query, "recipient_id", f.RecipientID)
	query = equals(query, "dataset_id", f.DatasetID)
	if f.Version > 0 {
		query = query.Where("version = ?", f.Version)
	}
	if !f.From.IsZero() {
		query = query.Where("issued_at >= ?", toMicros(f.From))
	}
	if !f.To.IsZero() {
		query = query.Where("issued_at < ?", toMicros(f.To))
	}
	var rows []importedProvisionRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, translate(err, "the imported provisions cannot be read")
	}
	return each(rows, importedProvisionRow.model)
}
