package database

import (
	"context"

	"gorm.io/gorm/clause"

	"teikyo/models"
)

type provisionRow struct {
	ID             string `gorm:"primaryKey"`
	Number         string
	RequestID      string
	DatasetID      string
	Version        int
	RecipientID    string
	AgreementID    string
	KeyID          string
	KeyFingerprint string
	Method         string
	Class          string
	Until          int64
	State          string
	FileCount      int
	PathGlob       string
	PackKey        string
	PackSHA256     string `gorm:"column:pack_sha256"`
	HeaderSize     int
	Documents      string
	ManifestSHA256 string `gorm:"column:manifest_sha256"`
	Receipt        string
	EntryIndex     int64
	Reissue        int
	IssuedBy       string
	IssuedAt       int64
	RevokedBy      string
	RevokedAt      int64
	RevokeReason   string
	AcknowledgedBy string
	AcknowledgedAt int64
	Independence   string
	Record         []byte
}

func (provisionRow) TableName() string { return "provisions" }

func toProvisionRow(p models.Provision) *provisionRow {
	return &provisionRow{
		ID: p.ID, Number: p.Number, RequestID: p.RequestID, DatasetID: p.DatasetID, Version: p.Version,
		RecipientID: p.RecipientID, AgreementID: p.AgreementID, KeyID: p.KeyID, KeyFingerprint: p.KeyFingerprint,
		Method: string(p.Method), Class: string(p.Class), Until: toMicros(p.Until), State: string(p.State),
		FileCount: p.FileCount, PathGlob: p.PathGlob, PackKey: p.PackKey, PackSHA256: p.PackSHA256,
		HeaderSize: p.HeaderSize, Documents: toJSON(p.Documents), ManifestSHA256: p.ManifestSHA256,
		Receipt: p.Receipt, EntryIndex: p.EntryIndex, Reissue: p.Reissue,
		IssuedBy: p.IssuedBy, IssuedAt: toMicros(p.IssuedAt),
		RevokedBy: p.RevokedBy, RevokedAt: toMicros(p.RevokedAt), RevokeReason: p.RevokeReason,
		AcknowledgedBy: p.AcknowledgedBy, AcknowledgedAt: toMicros(p.AcknowledgedAt),
		Independence: string(p.Independence), Record: p.Record,
	}
}

func (r provisionRow) model() (models.Provision, error) {
	docs, err := fromJSON[[]models.Document](r.Documents)
	return models.Provision{
		ID: r.ID, Number: r.Number, RequestID: r.RequestID, DatasetID: r.DatasetID, Version: r.Version,
		RecipientID: r.RecipientID, AgreementID: r.AgreementID, KeyID: r.KeyID, KeyFingerprint: r.KeyFingerprint,
		Method: models.Method(r.Method), Class: models.DataClass(r.Class), Until: fromMicros(r.Until),
		State: models.ProvisionState(r.State), FileCount: r.FileCount, PathGlob: r.PathGlob,
		PackKey: r.PackKey, PackSHA256: r.PackSHA256, HeaderSize: r.HeaderSize, Documents: docs,
		ManifestSHA256: r.ManifestSHA256, Receipt: r.Receipt, EntryIndex: r.EntryIndex, Reissue: r.Reissue,
		IssuedBy: r.IssuedBy, IssuedAt: fromMicros(r.IssuedAt),
		RevokedBy: r.RevokedBy, RevokedAt: fromMicros(r.RevokedAt), RevokeReason: r.RevokeReason,
		AcknowledgedBy: r.AcknowledgedBy, AcknowledgedAt: fromMicros(r.AcknowledgedAt),
		Independence: models.Independence(r.Independence), Record: r.Record,
	}, translate(err, "a stored provision cannot be read")
}

// NextNumber is the next number of a series, from 1, without gaps: when the
// transaction of ctx is not committed the number was never taken.
func (db *DB) NextNumber(ctx context.Context, series string) (int64, error) {
	var n int64
	err := scanRow(db.mutate(ctx).Raw(`INSERT INTO provision_numbers (series, last) VALUES (?, 1)
		ON CONFLICT (series) DO UPDATE SET last = provision_numbers.last + 1 RETURNING last`, series), &n)
	return n, db.fault(err, "the running number could not be taken")
}

// SaveProvision adds a provision or replaces it.
func (db *DB) SaveProvision(ctx context.Context, p models.Provision) error {
	err := db.mutate(ctx).Clauses(clause.OnConflict{UpdateAll: true}).Create(toProvisionRow(p)).Error
	return db.fault(err, "the provision could not be saved")
}

// SaveReceipt keeps the receipt for the parcel with that manifest. The first one
// stays: receipts are given away, and two would be two files of one name.
func (db *DB) SaveReceipt(ctx context.Context, id, manifestSHA256 string, index int64, receipt string) error {
	err := db.mutate(ctx).Exec(`UPDATE provisions SET receipt = ?, entry_index = ?
		WHERE id = ? AND manifest_sha256 = ? AND receipt = ''`, receipt, index, id, manifestSHA256).Error
	return db.fault(err, "the receipt could not be saved")
}

// Provision finds a provision by its id. Inside Update it is held until the end.
func (db *DB) Provision(ctx context.Context, id string) (models.Provision, error) {
	var row provisionRow
	if err := db.held(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return models.Provision{}, translate(err, "the provision cannot be read")
	}
	return row.model()
}

// ProvisionList lists provisions, the newest first.
func (db *DB) ProvisionList(ctx context.Context, f models.ProvisionFilter, page models.Page) ([]models.Provision, error) {
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
	var rows []provisionRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, translate(err, "the provisions cannot be read")
	}
	return each(rows, provisionRow.model)
}

// KnownPacks returns those of keys that a provision needs.
func (db *DB) KnownPacks(ctx context.Context, keys []string) ([]string, error) {
	var known []string
	err := db.conn(ctx).Raw("SELECT pack_key FROM provisions WHERE pack_key IN ?", keys).Scan(&known).Error
	return known, translate(err, "the provisions cannot be read")
}
