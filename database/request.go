package database

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"teikyo/models"
)

type requestRow struct {
	ID             string `gorm:"primaryKey"`
	State          string
	DatasetID      string
	Version        int
	PathGlob       string
	RecipientID    string
	AgreementID    string
	KeyID          string
	KeyFingerprint string
	Purpose        string
	Words          string
	Duo            string
	Basis          string
	Method         string
	Destination    string
	NoticeID       string
	Items          string
	FileCount      int
	TotalSize      int64
	Until          int64
	Refs           string
	Frozen         string
	Facts          []byte
	RequestedBy    string
	RequestedAt    int64
	ExpiresAt      int64
	DecidedBy      string
	DecidedAt      int64
	Reason         string
	ProvisionID    string
	Independence   string
}

func (requestRow) TableName() string { return "requests" }

func toRequestRow(r models.Request) *requestRow {
	return &requestRow{
		ID: r.ID, State: string(r.State), DatasetID: r.DatasetID, Version: r.Version, PathGlob: r.PathGlob,
		RecipientID: r.RecipientID, AgreementID: r.AgreementID, KeyID: r.KeyID, KeyFingerprint: r.KeyFingerprint,
		Purpose: string(r.Purpose), Words: r.Words, Duo: toJSON(r.DUO), Basis: string(r.Basis),
		Method: string(r.Method), Destination: r.Destination, NoticeID: r.NoticeID,
		Items: toJSON(r.Items), FileCount: r.FileCount, TotalSize: r.TotalSize, Until: toMicros(r.Until),
		Refs: toJSON(r.References), Frozen: r.Frozen, Facts: r.Facts,
		RequestedBy: r.RequestedBy, RequestedAt: toMicros(r.RequestedAt), ExpiresAt: toMicros(r.ExpiresAt),
		DecidedBy: r.DecidedBy, DecidedAt: toMicros(r.DecidedAt), Reason: r.Reason,
		ProvisionID: r.ProvisionID, Independence: string(r.Independence),
	}
}

func (r requestRow) model() (models.Request, error) {
	const unreadable = "a stored request cannot be read"
	duo, err := fromJSON[[]string](r.Duo)
	if err != nil {
		return models.Request{}, translate(err, unreadable)
	}
	items, err := fromJSON[[]models.Item](r.Items)
	if err != nil {
		return models.Request{}, translate(err, unreadable)
	}
	refs, err := fromJSON[[]models.Reference](r.Refs)
	return models.Request{
		ID: r.ID, State: models.RequestState(r.State), DatasetID: r.DatasetID, Version: r.Version, PathGlob: r.PathGlob,
		RecipientID: r.RecipientID, AgreementID: r.AgreementID, KeyID: r.KeyID, KeyFingerprint: r.KeyFingerprint,
		Purpose: models.Purpose(r.Purpose), Words: r.Words, DUO: duo, Basis: models.Basis(r.Basis),
		Method: models.Method(r.Method), Destination: r.Destination, NoticeID: r.NoticeID,
		Items: items, FileCount: r.FileCount, TotalSize: r.TotalSize, Until: fromMicros(r.Until),
		References: refs, Frozen: r.Frozen, Facts: r.Facts,
		RequestedBy: r.RequestedBy, RequestedAt: fromMicros(r.RequestedAt), ExpiresAt: fromMicros(r.ExpiresAt),
		DecidedBy: r.DecidedBy, DecidedAt: fromMicros(r.DecidedAt), Reason: r.Reason,
		ProvisionID: r.ProvisionID, Independence: models.Independence(r.Independence),
	}, translate(err, unreadable)
}

// SaveRequest adds a request or replaces it.
func (db *DB) SaveRequest(ctx context.Context, r models.Request) error {
	err := db.mutate(ctx).Clauses(clause.OnConflict{UpdateAll: true}).Create(toRequestRow(r)).Error
	return db.fault(err, "the request could not be saved")
}

// Request finds a request by its id. Inside Update it is held until the end.
func (db *DB) Request(ctx context.Context, id string) (models.Request, error) {
	var row requestRow
	if err := db.held(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return models.Request{}, translate(err, "the request cannot be read")
	}
	return row.model()
}

// RequestList lists requests, the newest first.
func (db *DB) RequestList(ctx context.Context, f models.RequestFilter, page models.Page) ([]models.Request, error) {
	query, err := db.newestFirst(ctx, page, "requested_at")
	if err != nil {
		return nil, err
	}
	query = equals(query, "recipient_id", f.RecipientID)
	query = equals(query, "dataset_id", f.DatasetID)
	query = equals(query, "state", string(f.State))
	var rows []requestRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, translate(err, "the requests cannot be read")
	}
	return each(rows, requestRow.model)
}

// newestFirst is one page of a table sorted by a time column and the id, the
// newest row first. column is a constant of this package.
func (db *DB) newestFirst(ctx context.Context, page models.Page, column string) (*gorm.DB, error) {
	at, id, err := models.ParseTimeCursor(page.After)
	if err != nil {
		return nil, err
	}
	time, key := clause.Column{Name: column}, clause.Column{Name: "id"}
	query := db.conn(ctx).Limit(page.Size()).
		Order(clause.OrderByColumn{Column: time, Desc: true}).Order(clause.OrderByColumn{Column: key, Desc: true})
	if page.After != "" {
		query = query.Where("(?, ?) < (?, ?)", time, key, toMicros(at), id)
	}
	return query, nil
}

// equals keeps the rows whose column has that value; all of them when it is
// empty. column is a constant of this package.
func equals(query *gorm.DB, column, value string) *gorm.DB {
	if value == "" {
		return query
	}
	return query.Where(map[string]any{column: value})
}

type commentRow struct {
	Number    int64 `gorm:"primaryKey;autoIncrement"`
	RequestID string
	UserID    string
	Text      string
	At        int64
}

func (commentRow) TableName() string { return "request_comments" }

// SaveComment adds a remark on a request.
func (db *DB) SaveComment(ctx context.Context, c models.Comment) error {
	err := db.mutate(ctx).Create(&commentRow{RequestID: c.RequestID, UserID: c.UserID, Text: c.Text, At: toMicros(c.At)}).Error
	return db.fault(err, "the remark could not be saved")
}

// Comments are the remarks on a request, the oldest first.
func (db *DB) Comments(ctx context.Context, requestID string) ([]models.Comment, error) {
	var rows []commentRow
	if err := db.conn(ctx).Where("request_id = ?", requestID).Order("number").Find(&rows).Error; err != nil {
		return nil, translate(err, "the remarks cannot be read")
	}
	return each(rows, func(r commentRow) (models.Comment, error) {
		return models.Comment{RequestID: r.RequestID, UserID: r.UserID, Text: r.Text, At: fromMicros(r.At)}, nil
	})
}
