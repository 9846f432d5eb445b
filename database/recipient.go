package database

import (
	"context"
	"strings"

	"gorm.io/gorm/clause"

	"teikyo/models"
)

type recipientRow struct {
	ID             string `gorm:"primaryKey"`
	Name           string
	Country        string
	Address        string
	Representative string
	Email          string
	Contacts       string
	State          string
	ApprovedUntil  int64
	AppliedBy      string
	AppliedAt      int64
	DecidedBy      string
	DecidedAt      int64
	Reason         string
	UpdatedAt      int64 `gorm:"autoUpdateTime:false"`
	Independence   string
}

func (recipientRow) TableName() string { return "recipients" }

func newRecipientRow(r models.Recipient) recipientRow {
	return recipientRow{
		ID: r.ID, Name: r.Name, Country: r.Country, Address: r.Address, Representative: r.Representative, Email: r.Email,
		Contacts: toJSON(r.Contacts), State: string(r.State), ApprovedUntil: toMicros(r.ApprovedUntil),
		AppliedBy: r.AppliedBy, AppliedAt: toMicros(r.AppliedAt), DecidedBy: r.DecidedBy, DecidedAt: toMicros(r.DecidedAt),
		Reason: r.Reason, UpdatedAt: toMicros(r.UpdatedAt), Independence: string(r.Independence),
	}
}

func (row recipientRow) model() (models.Recipient, error) {
	contacts, err := fromJSON[[]models.Contact](row.Contacts)
	return models.Recipient{
		ID: row.ID, Name: row.Name, Country: row.Country, Address: row.Address, Representative: row.Representative,
		Email: row.Email, Contacts: contacts, State: models.RecipientState(row.State),
		ApprovedUntil: fromMicros(row.ApprovedUntil), AppliedBy: row.AppliedBy, AppliedAt: fromMicros(row.AppliedAt),
		DecidedBy: row.DecidedBy, DecidedAt: fromMicros(row.DecidedAt), Reason: row.Reason,
		UpdatedAt: fromMicros(row.UpdatedAt), Independence: models.Independence(row.Independence),
	}, err
}

// SaveRecipient inserts or replaces a recipient.
func (db *DB) SaveRecipient(ctx context.Context, r models.Recipient) error {
	row := newRecipientRow(r)
	err := db.mutate(ctx).Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error
	return db.fault(err, "the recipient could not be saved")
}

// Recipient finds a recipient by id.
func (db *DB) Recipient(ctx context.Context, id string) (models.Recipient, error) {
	var row recipientRow
	if err := db.conn(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return models.Recipient{}, translate(err, "the recipient cannot be read")
	}
	return row.model()
}

// RecipientList lists recipients by id.
func (db *DB) RecipientList(ctx context.Context, filter models.RecipientFilter, page models.Page) ([]models.Recipient, error) {
	query := db.conn(ctx).Where("id > ?", page.After).Order("id").Limit(page.Size())
	if filter.ID != "" {
		query = query.Where("id = ?", filter.ID)
	}
	if filter.State != "" {
		query = query.Where("state = ?", string(filter.State))
	}
	if filter.Query != "" {
		like := likePattern(filter.Query)
		query = query.Where("(lower(name) LIKE ? ESCAPE '!' OR lower(address) LIKE ? ESCAPE '!' OR lower(email) LIKE ? ESCAPE '!')",
			like, like, like)
	}
	var rows []recipientRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, translate(err, "the recipients cannot be read")
	}
	return modelsOf(rows, recipientRow.model)
}

// likePattern finds text anywhere, whatever wildcards it holds.
func likePattern(text string) string {
	text = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(strings.ToLower(text))
	return "%" + text + "%"
}

// modelsOf translates rows.
func modelsOf[R, M any](rows []R, model func(R) (M, error)) ([]M, error) {
	list := make([]M, 0, len(rows))
	for _, row := range rows {
		m, err := model(row)
		if err != nil {
			return nil, models.Wrap(models.Integrity, err, "a stored row is damaged")
		}
		list = append(list, m)
	}
	return list, nil
}
