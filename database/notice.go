package database

import (
	"context"

	"teikyo/models"
)

type noticeRow struct {
	ID          string `gorm:"primaryKey"`
	Class       string
	Version     int
	Items       string
	Methods     string
	Text        string
	PublishedBy string
	PublishedAt int64
}

func (noticeRow) TableName() string { return "notices" }

func (r noticeRow) model() (models.Notice, error) {
	items, err := fromJSON[[]models.Item](r.Items)
	if err != nil {
		return models.Notice{}, translate(err, "a stored notice cannot be read")
	}
	methods, err := fromJSON[[]models.Method](r.Methods)
	return models.Notice{
		ID: r.ID, Class: models.DataClass(r.Class), Version: r.Version, Items: items, Methods: methods,
		Text: r.Text, PublishedBy: r.PublishedBy, PublishedAt: fromMicros(r.PublishedAt),
	}, translate(err, "a stored notice cannot be read")
}

// SaveNotice adds a notice. Its class and version exist once: a Conflict when
// somebody else published that version first.
func (db *DB) SaveNotice(ctx context.Context, n models.Notice) error {
	err := db.mutate(ctx).Create(&noticeRow{
		ID: n.ID, Class: string(n.Class), Version: n.Version, Items: toJSON(n.Items), Methods: toJSON(n.Methods),
		Text: n.Text, PublishedBy: n.PublishedBy, PublishedAt: toMicros(n.PublishedAt),
	}).Error
	return db.fault(err, "the notice could not be saved")
}

// Notice finds a notice by its id.
func (db *DB) Notice(ctx context.Context, id string) (models.Notice, error) {
	var row noticeRow
	if err := db.conn(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return models.Notice{}, translate(err, "the notice cannot be read")
	}
	return row.model()
}

// CurrentNotice is the highest version of the notice of a class.
func (db *DB) CurrentNotice(ctx context.Context, class models.DataClass) (models.Notice, error) {
	var row noticeRow
	err := db.conn(ctx).Where("class = ?", string(class)).Order("version DESC").Take(&row).Error
	if err != nil {
		return models.Notice{}, translate(err, "the notice cannot be read")
	}
	return row.model()
}

// NoticeList lists notices, the newest first.
func (db *DB) NoticeList(ctx context.Context, page models.Page) ([]models.Notice, error) {
	query, err := db.newestFirst(ctx, page, "published_at")
	if err != nil {
		return nil, err
	}
	var rows []noticeRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, translate(err, "the notices cannot be read")
	}
	return each(rows, noticeRow.model)
}
