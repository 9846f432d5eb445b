package database

import (
	"context"
	"fmt"
	"iter"

	"teikyo/models"
)

// storedBatch is how many sealed files or provisions are read at a time.
const storedBatch = 500

// StoredObjects yields everything in the object store that rows refer to: the
// sealed files that have segments, then the packs of parcels.
func (db *DB) StoredObjects(ctx context.Context) iter.Seq2[models.StoredObject, error] {
	return func(yield func(models.StoredObject, error) bool) {
		for _, read := range []func(context.Context, string) ([]models.StoredObject, string, error){db.sealedObjects, db.packObjects} {
			after := ""
			for {
				batch, last, err := read(ctx, after)
				if err != nil {
					yield(models.StoredObject{}, translate(err, "the list of objects cannot be read"))
					return
				}
				for _, object := range batch {
					if !yield(object, nil) {
						return
					}
				}
				if last == "" {
					break
				}
				after = last
			}
		}
	}
}

// sealedObjects reads a batch and says where the next one begins; nowhere when
// there is none.
func (db *DB) sealedObjects(ctx context.Context, after string) ([]models.StoredObject, string, error) {
	var rows []sealedRow
	err := db.conn(ctx).Where("id > ? AND state <> ?", after, string(models.SealedDestroyed)).
		Order("id").Limit(storedBatch).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return nil, "", err
	}
	files, err := db.sealedModels(ctx, rows)
	if err != nil {
		return nil, "", err
	}
	var list []models.StoredObject
	for _, f := range files {
		if len(f.Segments) == 0 {
			continue
		}
		object := models.StoredObject{Kind: "sealed", ID: f.ID, Segments: f.Segments}
		for _, s := range f.Segments {
			object.Size += s.Size
		}
		if f.State == models.SealedComplete {
			object.SHA256 = f.PayloadSHA256
		}
		list = append(list, object)
	}
	return list, rows[len(rows)-1].ID, nil
}

func (db *DB) packObjects(ctx context.Context, after string) ([]models.StoredObject, string, error) {
	var rows []struct{ ID, PackKey, PackSha256, Documents string }
	err := db.conn(ctx).Raw("SELECT id, pack_key, pack_sha256, documents FROM provisions WHERE id > ? ORDER BY id LIMIT ?",
		after, storedBatch).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return nil, "", err
	}
	var list []models.StoredObject
	for _, row := range rows {
		documents, err := fromJSON[[]models.Document](row.Documents)
		if err != nil {
			return nil, "", err
		}
		if row.PackKey == "" { // a provision that was imported has no parcel of ours
			continue
		}
		object := models.StoredObject{Kind: "pack", ID: row.ID, SHA256: row.PackSha256}
		for _, d := range documents { // they stand at its end
			object.Size = max(object.Size, d.Offset+d.Size)
		}
		object.Segments = []models.Segment{{Key: row.PackKey, Size: object.Size}}
		list = append(list, object)
	}
	return list, rows[len(rows)-1].ID, nil
}

// ObjectUses says what needs a stored object.
func (db *DB) ObjectUses(ctx context.Context, object models.StoredObject) (models.ObjectUse, error) {
	var use models.ObjectUse
	issued := string(models.ProvisionIssued)
	if object.Kind == "pack" {
		err := db.conn(ctx).Raw("SELECT id FROM provisions WHERE id = ? AND state = ?", object.ID, issued).Scan(&use.Provisions).Error
		return use, translate(err, "the provisions cannot be read")
	}
	var files []struct {
		DatasetID string
		Version   int
		Path      string
	}
	err := db.conn(ctx).Raw("SELECT dataset_id, version, path FROM dataset_files WHERE sealed_id = ? ORDER BY dataset_id, version, path",
		object.ID).Scan(&files).Error
	if err != nil {
		return use, translate(err, "the files cannot be read")
	}
	for _, f := range files {
		use.Paths = append(use.Paths, fmt.Sprintf("%s@%d %s", f.DatasetID, f.Version, f.Path))
	}
	err = db.conn(ctx).Raw(`SELECT DISTINCT p.id FROM provisions p JOIN dataset_files f ON f.dataset_id = p.dataset_id AND f.version = p.version
		WHERE f.sealed_id = ? AND p.state = ? ORDER BY p.id`, object.ID, issued).Scan(&use.Provisions).Error
	return use, translate(err, "the provisions cannot be read")
}
