package database

import (
	"context"
	"time"

	"teikyo/models"
)

type disposalRow struct {
	ID           string `gorm:"primaryKey"`
	Kind         string
	Year         int
	Reason       string
	State        string
	ProposedBy   string
	ProposedAt   int64
	DecidedBy    string
	DecidedAt    int64
	Decision     string
	Independence string
	FinishedAt   int64
	Certificate  []byte
	Signature    string
}

func (disposalRow) TableName() string { return "disposals" }

func (r disposalRow) model() (models.Disposal, error) {
	return models.Disposal{
		ID: r.ID, Kind: models.DisposalKind(r.Kind), Year: r.Year, Reason: r.Reason, State: models.DisposalState(r.State),
		ProposedBy: r.ProposedBy, ProposedAt: fromMicros(r.ProposedAt), DecidedBy: r.DecidedBy, DecidedAt: fromMicros(r.DecidedAt),
		Decision: r.Decision, Independence: models.Independence(r.Independence), FinishedAt: fromMicros(r.FinishedAt),
		Certificate: r.Certificate, Signature: r.Signature,
	}, nil
}

// SaveDisposal adds or rewrites a disposal.
func (db *DB) SaveDisposal(ctx context.Context, d models.Disposal) error {
	row := &disposalRow{
		ID: d.ID, Kind: string(d.Kind), Year: d.Year, Reason: d.Reason, State: string(d.State),
		ProposedBy: d.ProposedBy, ProposedAt: toMicros(d.ProposedAt), DecidedBy: d.DecidedBy, DecidedAt: toMicros(d.DecidedAt),
		Decision: d.Decision, Independence: string(d.Independence), FinishedAt: toMicros(d.FinishedAt),
		Certificate: append([]byte{}, d.Certificate...), Signature: d.Signature,
	}
	return db.fault(upsert(db.mutate(ctx), "id").Create(row).Error, "the disposal could not be saved")
}

// Disposal finds a disposal; inside Update it is held.
func (db *DB) Disposal(ctx context.Context, id string) (models.Disposal, error) {
	var row disposalRow
	if err := db.held(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return models.Disposal{}, translate(err, "the disposal cannot be read")
	}
	return row.model()
}

// Disposals lists disposals, the newest first; an empty state means all.
func (db *DB) Disposals(ctx context.Context, state models.DisposalState, page models.Page) ([]models.Disposal, error) {
	query, err := db.newestFirst(ctx, page, "proposed_at")
	if err != nil {
		return nil, err
	}
	var rows []disposalRow
	if err := equals(query, "state", string(state)).Find(&rows).Error; err != nil {
		return nil, translate(err, "the disposals cannot be read")
	}
	return each(rows, disposalRow.model)
}

type disposalItemRow struct {
	DisposalID string `gorm:"primaryKey"`
	Number     int    `gorm:"primaryKey;autoIncrement:false"`
	Kind       string
	Ref        string
	Due        int64
	HeldBy     string
	HeldAt     int64
	HeldReason string
	Done       bool
	Result     []byte
}

func (disposalItemRow) TableName() string { return "disposal_items" }

func (r disposalItemRow) model() (models.DisposalItem, error) {
	return models.DisposalItem{
		DisposalID: r.DisposalID, Number: r.Number, Kind: models.DisposalItemKind(r.Kind), Ref: r.Ref, Due: fromMicros(r.Due),
		HeldBy: r.HeldBy, HeldAt: fromMicros(r.HeldAt), HeldReason: r.HeldReason, Done: r.Done, Result: r.Result,
	}, nil
}

// SaveDisposalItem adds or rewrites one thing of a disposal.
func (db *DB) SaveDisposalItem(ctx context.Context, i models.DisposalItem) error {
	row := &disposalItemRow{
		DisposalID: i.DisposalID, Number: i.Number, Kind: string(i.Kind), Ref: i.Ref, Due: toMicros(i.Due),
		HeldBy: i.HeldBy, HeldAt: toMicros(i.HeldAt), HeldReason: i.HeldReason, Done: i.Done, Result: append([]byte{}, i.Result...),
	}
	return db.fault(upsert(db.mutate(ctx), "disposal_id", "number").Create(row).Error, "the disposal could not be saved")
}

// DisposalItems lists the things of a disposal by number, after that one.
func (db *DB) DisposalItems(ctx context.Context, id string, after, limit int) ([]models.DisposalItem, error) {
	var rows []disposalItemRow
	err := db.held(ctx).Where("disposal_id = ? AND number > ?", id, after).Order("number").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, translate(err, "the disposal cannot be read")
	}
	return each(rows, disposalItemRow.model)
}

// DisposalOf is the id of the disposal that is under way for a thing and does not
// hold it back; empty when there is none.
func (db *DB) DisposalOf(ctx context.Context, kind models.DisposalItemKind, ref string) (string, error) {
	var ids []string
	err := db.conn(ctx).Raw(`SELECT d.id FROM disposal_items i JOIN disposals d ON d.id = i.disposal_id
		WHERE i.kind = ? AND i.ref = ? AND i.held_by = '' AND (d.state IN ('proposed', 'confirmed') OR i.done) LIMIT 1`,
		string(kind), ref).Scan(&ids).Error
	if err != nil || len(ids) == 0 {
		return "", translate(err, "the disposals cannot be read")
	}
	return ids[0], nil
}

type doomedRow struct {
	ObjectKey  string `gorm:"primaryKey"`
	DisposalID string
	Number     int
}

func (doomedRow) TableName() string { return "doomed_objects" }

// AddDoomed remembers objects that must be gone before an item is done.
func (db *DB) AddDoomed(ctx context.Context, i models.DisposalItem, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	rows := make([]doomedRow, len(keys))
	for n, key := range keys {
		rows[n] = doomedRow{ObjectKey: key, DisposalID: i.DisposalID, Number: i.Number}
	}
	return db.fault(db.mutate(ctx).CreateInBatches(rows, 500).Error, "the disposal could not be saved")
}

// Doomed lists objects of an item that were not deleted yet.
func (db *DB) Doomed(ctx context.Context, i models.DisposalItem, limit int) ([]string, error) {
	var keys []string
	err := db.conn(ctx).Raw("SELECT object_key FROM doomed_objects WHERE disposal_id = ? AND number = ? ORDER BY object_key LIMIT ?",
		i.DisposalID, i.Number, limit).Scan(&keys).Error
	return keys, translate(err, "the disposal cannot be read")
}

// ForgetDoomed says that objects are gone.
func (db *DB) ForgetDoomed(ctx context.Context, keys []string) error {
	return db.fault(db.mutate(ctx).Exec("DELETE FROM doomed_objects WHERE object_key IN ?", keys).Error, "the disposal could not be saved")
}

// SealedUsedElsewhere returns those sealed files of ids that a file of another
// version uses whose contents are neither destroyed nor being destroyed.
func (db *DB) SealedUsedElsewhere(ctx context.Context, datasetID string, version int, ids []string) ([]string, error) {
	var used []string
	err := db.conn(ctx).Raw(`SELECT DISTINCT f.sealed_id FROM dataset_files f
		JOIN dataset_versions v ON v.dataset_id = f.dataset_id AND v.number = f.version
		WHERE f.sealed_id IN ? AND NOT (f.dataset_id = ? AND f.version = ?) AND v.state NOT IN ('destroying', 'destroyed')`,
		ids, datasetID, version).Scan(&used).Error
	return used, translate(err, "the files cannot be read")
}

// DestroySealed removes the wrapped key of a sealed file and its list of
// segments. Size and digests stay.
func (db *DB) DestroySealed(ctx context.Context, id string, at time.Time) error {
	const failed = "the key of a file could not be destroyed"
	if err := db.mutate(ctx).Exec("DELETE FROM sealed_segments WHERE sealed_id = ?", id).Error; err != nil {
		return db.fault(err, failed)
	}
	err := db.mutate(ctx).Exec("UPDATE sealed_files SET state = 'destroyed', kek_id = '', wrapped_key = ?, resume = NULL, updated_at = ? WHERE id = ?",
		[]byte{}, toMicros(at), id).Error
	return db.fault(err, failed)
}

// RedactEntry removes details and salt of a ledger entry and reports whether they
// were there. The caller appends entry.redacted in the same transaction.
func (db *DB) RedactEntry(ctx context.Context, index int64) (bool, error) {
	done := db.mutate(ctx).Exec("DELETE FROM ledger_details WHERE idx = ?", index)
	return done.RowsAffected == 1, db.fault(done.Error, "the details of the entry could not be removed")
}

// ClaimDisposal lets one process carry a confirmed disposal out, until the instant or
// until it claims again; false when another one does. It is part of the transaction
// of ctx, and keeps every other claim waiting until its end.
func (db *DB) ClaimDisposal(ctx context.Context, id, by string, now, until time.Time) (bool, error) {
	done := db.mutate(ctx).Exec(`UPDATE disposals SET lease_by = ?, lease_until = ? WHERE id = ? AND state = 'confirmed'
		AND (lease_by = ? OR lease_until < ?)`, by, toMicros(until), id, by, toMicros(now))
	return done.RowsAffected == 1, db.fault(done.Error, "the disposal could not be claimed")
}
