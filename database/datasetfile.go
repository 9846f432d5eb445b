package database

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"teikyo/models"
)

type fileRow struct {
	ID        string `gorm:"primaryKey"`
	DatasetID string
	Version   int
	Number    int
	Path      string
	Fold      string
	Items     string
	MediaType string
	SealedID  string
	Size      int64
	Sha256    string `gorm:"column:sha256"`
	ReportID  string
	CreatedAt int64 `gorm:"autoCreateTime:false"`
}

func (fileRow) TableName() string { return "dataset_files" }

func (r fileRow) model() (models.File, error) {
	items, err := fromJSON[[]models.Item](r.Items)
	return models.File{
		ID: r.ID, DatasetID: r.DatasetID, Version: r.Version, Number: r.Number, Path: r.Path, Items: items,
		MediaType: r.MediaType, SealedID: r.SealedID, Size: r.Size, SHA256: r.Sha256, ReportID: r.ReportID,
		CreatedAt: fromMicros(r.CreatedAt),
	}, translate(err, "a stored file cannot be read")
}

// Files lists the files of a version by path (in the order of bytes); after is
// the last path seen.
func (db *DB) Files(ctx context.Context, datasetID string, version int, after string, limit int) ([]models.File, error) {
	rows, err := db.fileRows(ctx, datasetID, version, after, limit)
	if err != nil {
		return nil, err
	}
	return each(rows, fileRow.model)
}

func (db *DB) fileRows(ctx context.Context, datasetID string, version int, after string, limit int) ([]fileRow, error) {
	var rows []fileRow
	err := db.conn(ctx).Where("dataset_id = ? AND version = ? AND path > ?", datasetID, version, after).
		Order("path").Limit(limit).Find(&rows).Error
	return rows, translate(err, "the files cannot be read")
}

// File finds a file of a version by its path; inside Update it is held.
func (db *DB) File(ctx context.Context, datasetID string, version int, path string) (models.File, error) {
	var row fileRow
	err := db.held(ctx).Where("dataset_id = ? AND version = ? AND path = ?", datasetID, version, path).Take(&row).Error
	if err != nil {
		return models.File{}, translate(err, "the file cannot be read")
	}
	return row.model()
}

// CountFiles counts the files of a version.
func (db *DB) CountFiles(ctx context.Context, datasetID string, version int) (int, error) {
	var n int64
	err := db.conn(ctx).Model(&fileRow{}).Where("dataset_id = ? AND version = ?", datasetID, version).Count(&n).Error
	return int(n), translate(err, "the files cannot be counted")
}

// PathTwins lists other paths of the version that could not stand beside path
// on every file system: the same but for case, a folder of it, or below it.
func (db *DB) PathTwins(ctx context.Context, datasetID string, version int, path string) ([]string, error) {
	fold := models.FoldCase(path)
	same := []string{fold}
	for i, r := range fold {
		if r == '/' {
			same = append(same, fold[:i])
		}
	}
	var paths []string
	// The character after '/' is '0': the range is everything below the path.
	err := db.conn(ctx).Model(&fileRow{}).
		Where("dataset_id = ? AND version = ? AND path <> ? AND (fold IN ? OR (fold > ? AND fold < ?))",
			datasetID, version, path, same, fold+"/", fold+"0").
		Order("path").Limit(10).Pluck("path", &paths).Error
	return paths, translate(err, "the files cannot be read")
}

// SaveFile adds or rewrites a file.
func (db *DB) SaveFile(ctx context.Context, f models.File) error {
	row := &fileRow{
		ID: f.ID, DatasetID: f.DatasetID, Version: f.Version, Number: f.Number, Path: f.Path, Fold: models.FoldCase(f.Path),
		Items: toJSON(f.Items), MediaType: f.MediaType, SealedID: f.SealedID, Size: f.Size, Sha256: f.SHA256,
		ReportID: f.ReportID, CreatedAt: toMicros(f.CreatedAt),
	}
	return db.fault(upsert(db.mutate(ctx), "id").Create(row).Error, "the file could not be saved")
}

// upsert rewrites the row when the key is there already.
func upsert(tx *gorm.DB, key ...string) *gorm.DB {
	columns := make([]clause.Column, len(key))
	for i, name := range key {
		columns[i] = clause.Column{Name: name}
	}
	return tx.Clauses(clause.OnConflict{Columns: columns, UpdateAll: true})
}

// DeleteFile removes a file's row.
func (db *DB) DeleteFile(ctx context.Context, id string) error {
	return db.fault(db.mutate(ctx).Exec("DELETE FROM dataset_files WHERE id = ?", id).Error, "the file could not be removed")
}

// NumberFiles gives the files of a version their numbers, by path from 0.
func (db *DB) NumberFiles(ctx context.Context, datasetID string, version int) error {
	err := db.mutate(ctx).Exec("UPDATE dataset_files SET number = counted.n FROM "+
		"(SELECT id, ROW_NUMBER() OVER (ORDER BY path) - 1 AS n FROM dataset_files WHERE dataset_id = ? AND version = ?) "+
		"AS counted WHERE counted.id = dataset_files.id", datasetID, version).Error
	return db.fault(err, "the files could not be numbered")
}

type reportRow struct {
	ID        string `gorm:"primaryKey"`
	Sha256    string `gorm:"column:sha256"`
	Profile   string
	Verdict   string
	Findings  string
	Report    []byte
	CreatedAt int64 `gorm:"autoCreateTime:false"`
}

func (reportRow) TableName() string { return "gate_reports" }

func (r reportRow) model() (models.GateReport, error) {
	findings, err := fromJSON[[]models.Finding](r.Findings)
	return models.GateReport{
		ID: r.ID, SHA256: r.Sha256, Profile: r.Profile, Verdict: r.Verdict, Findings: findings, Report: r.Report,
		CreatedAt: fromMicros(r.CreatedAt),
	}, translate(err, "a stored gate report cannot be read")
}

// SaveReport adds a gate report.
func (db *DB) SaveReport(ctx context.Context, r models.GateReport) error {
	row := &reportRow{
		ID: r.ID, Sha256: r.SHA256, Profile: r.Profile, Verdict: r.Verdict, Findings: toJSON(r.Findings), Report: r.Report,
		CreatedAt: toMicros(r.CreatedAt),
	}
	return db.fault(db.mutate(ctx).Create(row).Error, "the gate report could not be saved")
}

// Reports finds gate reports; those that are absent are left out.
func (db *DB) Reports(ctx context.Context, ids []string) ([]models.GateReport, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []reportRow
	if err := db.conn(ctx).Where("id IN ?", ids).Find(&rows).Error; err != nil {
		return nil, translate(err, "the gate reports cannot be read")
	}
	return each(rows, reportRow.model)
}

// Report finds a gate report.
func (db *DB) Report(ctx context.Context, id string) (models.GateReport, error) {
	reports, err := db.Reports(ctx, []string{id})
	if err == nil && len(reports) == 0 {
		err = translate(gorm.ErrRecordNotFound, "")
	}
	if err != nil {
		return models.GateReport{}, err
	}
	return reports[0], nil
}

// DeleteReport removes a gate report that no file names.
func (db *DB) DeleteReport(ctx context.Context, id string) error {
	return db.fault(db.mutate(ctx).Exec("DELETE FROM gate_reports WHERE id = ?", id).Error, "the gate report could not be removed")
}
