package database

import (
	"context"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"teikyo/models"
)

type datasetRow struct {
	ID          string `gorm:"primaryKey"`
	Title       string
	Description string
	Search      string
	Class       string
	SourceKind  string
	Language    string
	CreatedBy   string
	CreatedAt   int64 `gorm:"autoCreateTime:false"`
	Latest      int
}

func (datasetRow) TableName() string { return "datasets" }

func (r datasetRow) model() (models.Dataset, error) {
	return models.Dataset{
		ID: r.ID, Title: r.Title, Description: r.Description, Class: models.DataClass(r.Class),
		SourceKind: r.SourceKind, Language: r.Language, CreatedBy: r.CreatedBy,
		CreatedAt: fromMicros(r.CreatedAt), Latest: r.Latest,
	}, nil
}

// CreateDataset adds a dataset.
func (db *DB) CreateDataset(ctx context.Context, ds models.Dataset) error {
	row := &datasetRow{
		ID: ds.ID, Title: ds.Title, Description: ds.Description, Class: string(ds.Class),
		Search:     models.FoldCase(ds.Title + "\n" + ds.Description),
		SourceKind: ds.SourceKind, Language: ds.Language, CreatedBy: ds.CreatedBy,
		CreatedAt: toMicros(ds.CreatedAt), Latest: ds.Latest,
	}
	return db.fault(db.mutate(ctx).Create(row).Error, "the dataset could not be saved")
}

// SetLatest moves the number of the highest registered version.
func (db *DB) SetLatest(ctx context.Context, id string, version int) error {
	err := db.mutate(ctx).Exec("UPDATE datasets SET latest = ? WHERE id = ? AND latest < ?", version, id, version).Error
	return db.fault(err, "the dataset could not be saved")
}

// Dataset finds a dataset; inside Update it is held.
func (db *DB) Dataset(ctx context.Context, id string) (models.Dataset, error) {
	var row datasetRow
	if err := db.held(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return models.Dataset{}, translate(err, "the dataset cannot be read")
	}
	return row.model()
}

// Datasets lists the newest first; the cursor is models.TimeCursor.
func (db *DB) Datasets(ctx context.Context, q models.DatasetQuery, page models.Page) ([]models.Dataset, error) {
	query := db.conn(ctx)
	if page.After != "" {
		at, id, err := models.ParseTimeCursor(page.After)
		if err != nil {
			return nil, err
		}
		query = query.Where("(created_at, id) < (?, ?)", toMicros(at), id)
	}
	if q.Class != "" {
		query = query.Where("class = ?", string(q.Class))
	}
	for _, word := range strings.Fields(models.FoldCase(q.Text)) {
		query = query.Where(`search LIKE ? ESCAPE '\'`, "%"+escapeLike.Replace(word)+"%")
	}
	var rows []datasetRow
	if err := query.Order("created_at DESC, id DESC").Limit(page.Size()).Find(&rows).Error; err != nil {
		return nil, translate(err, "the datasets cannot be read")
	}
	return each(rows, datasetRow.model)
}

var escapeLike = strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`)

// DeleteDataset removes a dataset that has no version.
func (db *DB) DeleteDataset(ctx context.Context, id string) error {
	return db.fault(db.mutate(ctx).Exec("DELETE FROM datasets WHERE id = ?", id).Error, "the dataset could not be removed")
}

type versionRow struct {
	DatasetID    string `gorm:"primaryKey"`
	Number       int    `gorm:"primaryKey;autoIncrement:false"`
	State        string
	Items        string
	Terms        string
	TermsSha256  string `gorm:"column:terms_sha256"`
	SchemaText   string
	Profile      string
	ProfileHash  string
	Transform    string
	PQRequired   bool `gorm:"column:pq_required"`
	PeriodFrom   string
	PeriodTo     string
	Subjects     int64
	Records      int64
	FileCount    int
	TotalSize    int64
	Digest       string
	IdempotentBy string
	CreatedBy    string
	CreatedAt    int64 `gorm:"autoCreateTime:false"`
	RegisteredBy string
	RegisteredAt int64
	Independence string
	Revision     int64
	UpdatedAt    int64 `gorm:"autoUpdateTime:false"`
	EndedBy      string
	EndedAt      int64
	EndReason    string
}

func (versionRow) TableName() string { return "dataset_versions" }

func toVersionRow(v models.Version) *versionRow {
	return &versionRow{
		DatasetID: v.DatasetID, Number: v.Number, State: string(v.State), Items: toJSON(v.Items),
		Terms: v.Terms, TermsSha256: v.TermsSHA256, SchemaText: v.Schema, Profile: v.Profile, ProfileHash: v.ProfileHash, Transform: v.Transform, PQRequired: v.PQRequired,
		PeriodFrom: v.PeriodFrom, PeriodTo: v.PeriodTo, Subjects: v.Subjects, Records: v.Records,
		FileCount: v.FileCount, TotalSize: v.TotalSize, Digest: v.Digest, IdempotentBy: v.IdempotentBy,
		CreatedBy: v.CreatedBy, CreatedAt: toMicros(v.CreatedAt),
		RegisteredBy: v.RegisteredBy, RegisteredAt: toMicros(v.RegisteredAt), Independence: string(v.Independence),
		Revision: v.Revision, UpdatedAt: toMicros(v.UpdatedAt),
		EndedBy: v.EndedBy, EndedAt: toMicros(v.EndedAt), EndReason: v.EndReason,
	}
}

func (r versionRow) model() (models.Version, error) {
	items, err := fromJSON[[]models.Item](r.Items)
	return models.Version{
		DatasetID: r.DatasetID, Number: r.Number, State: models.VersionState(r.State), Items: items,
		Terms: r.Terms, TermsSHA256: r.TermsSha256, Schema: r.SchemaText, Profile: r.Profile, ProfileHash: r.ProfileHash, Transform: r.Transform, PQRequired: r.PQRequired,
		PeriodFrom: r.PeriodFrom, PeriodTo: r.PeriodTo, Subjects: r.Subjects, Records: r.Records,
		FileCount: r.FileCount, TotalSize: r.TotalSize, Digest: r.Digest, IdempotentBy: r.IdempotentBy,
		CreatedBy: r.CreatedBy, CreatedAt: fromMicros(r.CreatedAt),
		RegisteredBy: r.RegisteredBy, RegisteredAt: fromMicros(r.RegisteredAt),
		Independence: models.Independence(r.Independence),
		Revision:     r.Revision, UpdatedAt: fromMicros(r.UpdatedAt),
		EndedBy: r.EndedBy, EndedAt: fromMicros(r.EndedAt), EndReason: r.EndReason,
	}, translate(err, "a stored version cannot be read")
}

func takeVersion(query *gorm.DB) (models.Version, error) {
	var row versionRow
	if err := query.Take(&row).Error; err != nil {
		return models.Version{}, translate(err, "the version cannot be read")
	}
	return row.model()
}

// CreateVersion adds a version; Conflict when the number or the idempotency key
// is taken.
func (db *DB) CreateVersion(ctx context.Context, v models.Version) error {
	return db.fault(db.mutate(ctx).Create(toVersionRow(v)).Error, "the version could not be saved")
}

// SaveVersion writes all of a version.
func (db *DB) SaveVersion(ctx context.Context, v models.Version) error {
	err := db.mutate(ctx).Model(&versionRow{}).Where("dataset_id = ? AND number = ?", v.DatasetID, v.Number).
		Select("*").Updates(toVersionRow(v)).Error
	return db.fault(err, "the version could not be saved")
}

// Version finds a version of a dataset; inside Update it is held.
func (db *DB) Version(ctx context.Context, datasetID string, number int) (models.Version, error) {
	return takeVersion(db.held(ctx).Where("dataset_id = ? AND number = ?", datasetID, number))
}

// Versions lists the versions of a dataset, newest first; the cursor is the
// number.
func (db *DB) Versions(ctx context.Context, datasetID string, page models.Page) ([]models.Version, error) {
	query := db.conn(ctx).Where("dataset_id = ?", datasetID)
	if page.After != "" {
		number, err := strconv.Atoi(page.After)
		if err != nil {
			return nil, models.Wrap(models.Invalid, err, "the cursor is not one of this list; start without it")
		}
		query = query.Where("number < ?", number)
	}
	var rows []versionRow
	if err := query.Order("number DESC").Limit(page.Size()).Find(&rows).Error; err != nil {
		return nil, translate(err, "the versions cannot be read")
	}
	return each(rows, versionRow.model)
}

// VersionByKey finds the version that the same person made with the same
// idempotency key.
func (db *DB) VersionByKey(ctx context.Context, userID, key string) (models.Version, error) {
	return takeVersion(db.held(ctx).Where("created_by = ? AND idempotent_by = ? AND idempotent_by <> ''", userID, key))
}

// TouchDraft counts a change of a draft; Conflict when it is no draft any more.
func (db *DB) TouchDraft(ctx context.Context, datasetID string, number int, at time.Time) error {
	done := db.mutate(ctx).Exec("UPDATE dataset_versions SET revision = revision + 1, updated_at = ? "+
		"WHERE dataset_id = ? AND number = ? AND state = 'draft'", toMicros(at), datasetID, number)
	if done.Error == nil && done.RowsAffected == 0 {
		return models.Errorf(models.Conflict, "version %d of %s is no draft any more, and a registered version never changes; "+
			"make a new version (teikyo dataset register --of %s)", number, datasetID, datasetID)
	}
	return db.fault(done.Error, "the draft could not be saved")
}

// StaleDrafts lists drafts untouched since before, the oldest first.
func (db *DB) StaleDrafts(ctx context.Context, before time.Time, limit int) ([]models.Version, error) {
	var rows []versionRow
	err := db.conn(ctx).Where("state = 'draft' AND updated_at < ?", toMicros(before)).
		Order("updated_at").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, translate(err, "the drafts cannot be read")
	}
	return each(rows, versionRow.model)
}

// DeleteVersion removes a version that has no files.
func (db *DB) DeleteVersion(ctx context.Context, datasetID string, number int) error {
	err := db.mutate(ctx).Exec("DELETE FROM dataset_versions WHERE dataset_id = ? AND number = ?", datasetID, number).Error
	return db.fault(err, "the version could not be removed")
}
