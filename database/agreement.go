package database

import (
	"context"
	"errors"

	"gorm.io/gorm/clause"

	"teikyo/models"
)

type agreementRow struct {
	ID             string `gorm:"primaryKey"`
	RecipientID    string
	Number         string
	DocumentName   string
	DocumentSHA256 string `gorm:"column:document_sha256"`
	Purposes       string
	Methods        string
	Classes        string
	Handlers       string
	Places         string
	ValidFrom      int64
	ValidUntil     int64
	ReviewAt       int64
	AddedBy        string
	AddedAt        int64
	EndedBy        string
	EndedAt        int64
	EndReason      string
}

func (agreementRow) TableName() string { return "agreements" }

func newAgreementRow(a models.Agreement) agreementRow {
	return agreementRow{
		ID: a.ID, RecipientID: a.RecipientID, Number: a.Number, DocumentName: a.DocumentName, DocumentSHA256: a.DocumentSHA256,
		Purposes: toJSON(a.Purposes), Methods: toJSON(a.Methods), Classes: toJSON(a.Classes), Handlers: toJSON(a.Handlers),
		Places: toJSON(a.Places), ValidFrom: toMicros(a.ValidFrom), ValidUntil: toMicros(a.ValidUntil),
		ReviewAt: toMicros(a.ReviewAt), AddedBy: a.AddedBy, AddedAt: toMicros(a.AddedAt),
		EndedBy: a.EndedBy, EndedAt: toMicros(a.EndedAt), EndReason: a.EndReason,
	}
}

func (row agreementRow) model() (models.Agreement, error) {
	purposes, err1 := fromJSON[[]models.Purpose](row.Purposes)
	methods, err2 := fromJSON[[]models.Method](row.Methods)
	classes, err3 := fromJSON[[]models.DataClass](row.Classes)
	handlers, err4 := fromJSON[[]string](row.Handlers)
	places, err5 := fromJSON[[]string](row.Places)
	return models.Agreement{
		ID: row.ID, RecipientID: row.RecipientID, Number: row.Number, DocumentName: row.DocumentName,
		DocumentSHA256: row.DocumentSHA256, Purposes: purposes, Methods: methods, Classes: classes, Handlers: handlers,
		Places: places, ValidFrom: fromMicros(row.ValidFrom), ValidUntil: fromMicros(row.ValidUntil),
		ReviewAt: fromMicros(row.ReviewAt), AddedBy: row.AddedBy, AddedAt: fromMicros(row.AddedAt),
		EndedBy: row.EndedBy, EndedAt: fromMicros(row.EndedAt), EndReason: row.EndReason,
	}, errors.Join(err1, err2, err3, err4, err5)
}

// SaveAgreement inserts or replaces an agreement. A second one with the same
// number under a recipient is a Conflict.
func (db *DB) SaveAgreement(ctx context.Context, a models.Agreement) error {
	row := newAgreementRow(a)
	err := db.mutate(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, UpdateAll: true}).Create(&row).Error
	return db.fault(err, "the agreement could not be saved")
}

// Agreement finds an agreement by id.
func (db *DB) Agreement(ctx context.Context, id string) (models.Agreement, error) {
	var row agreementRow
	if err := db.conn(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return models.Agreement{}, translate(err, "the agreement cannot be read")
	}
	return row.model()
}

// Agreements lists agreements by id: those of one recipient, or all when
// recipientID is empty.
func (db *DB) Agreements(ctx context.Context, recipientID string, page models.Page) ([]models.Agreement, error) {
	query := db.conn(ctx).Where("id > ?", page.After).Order("id").Limit(page.Size())
	if recipientID != "" {
		query = query.Where("recipient_id = ?", recipientID)
	}
	var rows []agreementRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, translate(err, "the agreements cannot be read")
	}
	return modelsOf(rows, agreementRow.model)
}

type agreementDocumentRow struct {
	AgreementID string `gorm:"primaryKey"`
	KEKID       string `gorm:"column:kek_id"`
	Sealed      []byte
}

func (agreementDocumentRow) TableName() string { return "agreement_documents" }

// SaveAgreementDocument keeps the sealed document of an agreement, once.
func (db *DB) SaveAgreementDocument(ctx context.Context, agreementID, kekID string, sealed []byte) error {
	if err := db.mayWrapUnder(ctx, kekID); err != nil {
		return err
	}
	row := agreementDocumentRow{agreementID, kekID, sealed}
	return db.fault(db.mutate(ctx).Create(&row).Error, "the document could not be saved")
}

// AgreementDocument reads the sealed document of an agreement.
func (db *DB) AgreementDocument(ctx context.Context, agreementID string) (kekID string, sealed []byte, err error) {
	var row agreementDocumentRow
	if err := db.conn(ctx).Where("agreement_id = ?", agreementID).Take(&row).Error; err != nil {
		return "", nil, translate(err, "the document cannot be read")
	}
	return row.KEKID, row.Sealed, nil
}
