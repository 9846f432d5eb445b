package database

import (
	"context"

	"teikyo/models"
)

type sealedRow struct {
	ID            string `gorm:"primaryKey"`
	State         string
	Size          int64
	Sha256        string `gorm:"column:sha256"`
	PayloadSize   int64
	PayloadSha256 string `gorm:"column:payload_sha256"`
	KekID         string
	WrappedKey    []byte
	Resume        []byte
	Epoch         int64
	CreatedAt     int64 `gorm:"autoCreateTime:false"`
	UpdatedAt     int64 `gorm:"autoUpdateTime:false"`
}

func (sealedRow) TableName() string { return "sealed_files" }

func (r sealedRow) model(segments []models.Segment) models.SealedFile {
	return models.SealedFile{
		ID: r.ID, State: models.SealedState(r.State), Size: r.Size, SHA256: r.Sha256,
		PayloadSize: r.PayloadSize, PayloadSHA256: r.PayloadSha256, KEKID: r.KekID, WrappedKey: r.WrappedKey,
		Segments: segments, Resume: r.Resume, Epoch: r.Epoch,
		CreatedAt: fromMicros(r.CreatedAt), UpdatedAt: fromMicros(r.UpdatedAt),
	}
}

type segmentRow struct {
	SealedID  string `gorm:"primaryKey"`
	Seq       int    `gorm:"primaryKey;autoIncrement:false"`
	ObjectKey string
	Size      int64
}

func (segmentRow) TableName() string { return "sealed_segments" }

// segmentsOf reads the segments of several sealed files.
func (db *DB) segmentsOf(ctx context.Context, ids []string) (map[string][]models.Segment, error) {
	segments := map[string][]models.Segment{}
	var rows []segmentRow
	if err := db.conn(ctx).Where("sealed_id IN ?", ids).Order("sealed_id, seq").Find(&rows).Error; err != nil {
		return nil, translate(err, "the segments cannot be read")
	}
	for _, r := range rows {
		segments[r.SealedID] = append(segments[r.SealedID], models.Segment{Key: r.ObjectKey, Size: r.Size})
	}
	return segments, nil
}

func (db *DB) sealedModels(ctx context.Context, rows []sealedRow) ([]models.SealedFile, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	segments, err := db.segmentsOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	list := make([]models.SealedFile, len(rows))
	for i, r := range rows {
		list[i] = r.model(segments[r.ID])
	}
	return list, nil
}

// SealedFile finds a sealed file with its segments; inside Update it is held.
func (db *DB) SealedFile(ctx context.Context, id string) (models.SealedFile, error) {
	var row sealedRow
	if err := db.held(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return models.SealedFile{}, translate(err, "the sealed file cannot be read")
	}
	list, err := db.sealedModels(ctx, []sealedRow{row})
	if err != nil {
		return models.SealedFile{}, err
	}
	return list[0], nil
}

// SealedFilesOf lists the sealed files of a version in the same order and pages
// as Files: one for each file, the same one twice when two files share it.
func (db *DB) SealedFilesOf(
	ctx context.Context, datasetID string, version int, after string, limit int,
) ([]models.SealedFile, error) {
	files, err := db.fileRows(ctx, datasetID, version, after, limit)
	if err != nil || len(files) == 0 {
		return nil, err
	}
	ids := make([]string, len(files))
	for i, f := range files {
		ids[i] = f.SealedID
	}
	var rows []sealedRow
	if err := db.conn(ctx).Where("id IN ?", ids).Find(&rows).Error; err != nil {
		return nil, translate(err, "the sealed files cannot be read")
	}
	sealed, err := db.sealedModels(ctx, rows)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]models.SealedFile, len(sealed))
	for _, s := range sealed {
		byID[s.ID] = s
	}
	list := make([]models.SealedFile, len(files))
	for i, id := range ids {
		list[i] = byID[id]
	}
	return list, nil
}

// SaveSealedFile adds or rewrites the row and adds the segments that are new.
// A segment that is stored stays as it is.
func (db *DB) SaveSealedFile(ctx context.Context, f models.SealedFile) error {
	row := &sealedRow{
		ID: f.ID, State: string(f.State), Size: f.Size, Sha256: f.SHA256, PayloadSize: f.PayloadSize,
		PayloadSha256: f.PayloadSHA256, KekID: f.KEKID, WrappedKey: f.WrappedKey, Resume: f.Resume, Epoch: f.Epoch,
		CreatedAt: toMicros(f.CreatedAt), UpdatedAt: toMicros(f.UpdatedAt),
	}
	const failed = "the sealed file could not be saved"
	if f.State != models.SealedDestroyed {
		wrap := models.Wrapped{Shelf: models.ShelfSealedFiles, ID: f.ID, KEKID: f.KEKID, Bytes: f.WrappedKey}
		if err := db.mayKeep(ctx, wrap); err != nil {
			return err
		}
	}
	if err := upsert(db.mutate(ctx), "id").Create(row).Error; err != nil {
		return db.fault(err, failed)
	}
	var stored int64
	err := db.mutate(ctx).Model(&segmentRow{}).Where("sealed_id = ?", f.ID).Count(&stored).Error
	if err != nil || int(stored) >= len(f.Segments) {
		return db.fault(err, failed)
	}
	var rows []segmentRow
	for i, s := range f.Segments[stored:] {
		rows = append(rows, segmentRow{SealedID: f.ID, Seq: int(stored) + i, ObjectKey: s.Key, Size: s.Size})
	}
	return db.fault(db.mutate(ctx).CreateInBatches(rows, 500).Error, failed)
}

// DeleteSealedFile removes the row and its segments' rows; the objects are the
// caller's to remove, after the commit.
func (db *DB) DeleteSealedFile(ctx context.Context, id string) error {
	const failed = "the sealed file could not be removed"
	if err := db.mutate(ctx).Exec("DELETE FROM sealed_segments WHERE sealed_id = ?", id).Error; err != nil {
		return db.fault(err, failed)
	}
	return db.fault(db.mutate(ctx).Exec("DELETE FROM sealed_files WHERE id = ?", id).Error, failed)
}

// findReusable pairs each file of a version with the newest sealed file of the
// same contents in an earlier registered version of the dataset. Recipients of
// both share its key: schema and key strength must be the same.
const findReusable = `SELECT f.id AS file_id, f.sealed_id AS own_id, (
	SELECT o.sealed_id FROM dataset_files o
	JOIN dataset_versions v ON v.dataset_id = o.dataset_id AND v.number = o.version
	WHERE o.dataset_id = f.dataset_id AND o.sha256 = f.sha256 AND o.size = f.size AND o.version < f.version
	AND v.state = 'registered' AND v.pq_required = ? AND v.schema_text = ?
	ORDER BY o.version DESC, o.path LIMIT 1) AS reuse_id
FROM dataset_files f WHERE f.dataset_id = ? AND f.version = ? AND f.sha256 <> ''`

type reusable struct {
	FileID  string
	OwnID   string
	ReuseID *string
}

// ReuseSealed points the files of a version to sealed files of earlier
// registered versions where the contents, schema and key strength are the same.
// It returns the sealed files that nothing points to any more; their rows are
// gone.
func (db *DB) ReuseSealed(ctx context.Context, v models.Version) ([]models.SealedFile, error) {
	const failed = "the sealed files of earlier versions could not be reused"
	var pairs []reusable
	err := db.conn(ctx).Raw(findReusable, v.PQRequired, v.Schema, v.DatasetID, v.Number).Scan(&pairs).Error
	if err != nil {
		return nil, translate(err, failed)
	}
	var dropped []models.SealedFile
	for _, p := range pairs {
		if p.ReuseID == nil || *p.ReuseID == p.OwnID {
			continue
		}
		own, err := db.SealedFile(ctx, p.OwnID)
		if err != nil {
			return nil, err
		}
		if err := db.mutate(ctx).Exec("UPDATE dataset_files SET sealed_id = ? WHERE id = ?", *p.ReuseID, p.FileID).Error; err != nil {
			return nil, db.fault(err, failed)
		}
		if err := db.DeleteSealedFile(ctx, p.OwnID); err != nil {
			return nil, err
		}
		dropped = append(dropped, own)
	}
	return dropped, nil
}

// KnownSegments returns those of keys that a row names.
func (db *DB) KnownSegments(ctx context.Context, keys []string) ([]string, error) {
	var known []string
	for start := 0; start < len(keys); start += 500 {
		var part []string
		err := db.conn(ctx).Model(&segmentRow{}).Where("object_key IN ?", keys[start:min(start+500, len(keys))]).
			Pluck("object_key", &part).Error
		if err != nil {
			return nil, translate(err, "the segments cannot be read")
		}
		known = append(known, part...)
	}
	return known, nil
}
