package database

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm/clause"

	"teikyo/models"
)

const kekPurpose = "kek"

// Shared reports whether other processes may use the database at the same time.
func (db *DB) Shared() bool { return db.isPostgres() }

type serverKeyRow struct {
	Purpose    string `gorm:"primaryKey"`
	ID         string `gorm:"primaryKey"`
	CheckValue string
	Added      int64
	State      string
	Provider   string
	Changed    int64
}

func (serverKeyRow) TableName() string { return "server_keys" }

// ServerKeys are the ids of the secrets that this database was used with, each
// with its check value; purpose is "kek" or "issuer".
func (db *DB) ServerKeys(ctx context.Context, purpose string) (map[string]string, error) {
	var rows []serverKeyRow
	if err := db.conn(ctx).Where("purpose = ?", purpose).Find(&rows).Error; err != nil {
		return nil, translate(err, "the list of the server's keys cannot be read")
	}
	keys := make(map[string]string, len(rows))
	for _, row := range rows {
		keys[row.ID] = row.CheckValue
	}
	return keys, nil
}

// SaveServerKey remembers a secret by id and check value.
func (db *DB) SaveServerKey(ctx context.Context, purpose, id, checkValue string, at time.Time) error {
	row := serverKeyRow{Purpose: purpose, ID: id, CheckValue: checkValue, Added: toMicros(at), Changed: toMicros(at)}
	return db.fault(db.mutate(ctx).Create(&row).Error, "the server's key could not be recorded")
}

// KEKVersions are the versions of the key-encryption key, oldest first, those
// that were destroyed too. Inside Update they are held, new ones too.
func (db *DB) KEKVersions(ctx context.Context) ([]models.KEKVersion, error) {
	if changeOf(ctx) != nil && db.isPostgres() { // a version that is not there cannot be held
		if err := db.mutate(ctx).Exec("LOCK TABLE server_keys IN SHARE ROW EXCLUSIVE MODE").Error; err != nil {
			return nil, translate(err, "the versions of the key-encryption key cannot be held")
		}
	}
	var rows []serverKeyRow
	if err := db.held(ctx).Where("purpose = ?", kekPurpose).Order("added, id").Find(&rows).Error; err != nil {
		return nil, translate(err, "the versions of the key-encryption key cannot be read")
	}
	versions := make([]models.KEKVersion, len(rows))
	for i, r := range rows {
		versions[i] = models.KEKVersion{
			ID: r.ID, CheckValue: r.CheckValue, Provider: r.Provider, State: models.KEKState(r.State),
			Added: fromMicros(r.Added), Changed: fromMicros(r.Changed),
		}
	}
	return versions, nil
}

// SaveKEKVersion adds or rewrites what is known of a version.
func (db *DB) SaveKEKVersion(ctx context.Context, v models.KEKVersion) error {
	row := serverKeyRow{
		Purpose: kekPurpose, ID: v.ID, CheckValue: v.CheckValue, Provider: v.Provider, State: string(v.State),
		Added: toMicros(v.Added), Changed: toMicros(v.Changed),
	}
	columns := []clause.Column{{Name: "purpose"}, {Name: "id"}}
	err := db.mutate(ctx).Clauses(clause.OnConflict{Columns: columns, UpdateAll: true}).Create(&row).Error
	return db.fault(err, "the version of the key-encryption key could not be recorded")
}

// mayKeep refuses to save what is newly wrapped under a version that is about to
// be destroyed: it could never be opened again. What stands there already is
// counted before the version goes, and may be saved again as it is. The version
// is held, so that it cannot begin to close before the transaction of ctx has
// ended.
func (db *DB) mayKeep(ctx context.Context, w models.Wrapped) error {
	err := db.mayWrapUnder(ctx, w.KEKID)
	if !errors.Is(err, models.ErrKEKClosing) {
		return err
	}
	var n int64
	if scanErr := scanRow(db.mutate(ctx).Raw(hasWrap(w.Shelf), w.ID, w.KEKID, w.Bytes), &n); scanErr != nil {
		return translate(scanErr, "what is wrapped cannot be read")
	}
	if n > 0 {
		return nil
	}
	return err
}

func (db *DB) mayWrapUnder(ctx context.Context, kekID string) error {
	query := db.mutate(ctx)
	if db.isPostgres() {
		query = query.Clauses(clause.Locking{Strength: clause.LockingStrengthShare})
	}
	var rows []serverKeyRow
	if err := query.Where("purpose = ? AND id = ?", kekPurpose, kekID).Limit(1).Find(&rows).Error; err != nil {
		return translate(err, "the version of the key-encryption key cannot be read")
	}
	if len(rows) == 0 {
		return nil
	}
	switch models.KEKState(rows[0].State) {
	case models.KEKClosing, models.KEKDestroyed:
		return models.Wrap(models.Unavailable, models.ErrKEKClosing, "the version "+kekID+" of the key-encryption key is being destroyed; try again")
	}
	return nil
}

type kekHolderRow struct {
	Node  string `gorm:"primaryKey"`
	Name  string
	KekID string `gorm:"primaryKey"`
	Seen  int64
}

func (kekHolderRow) TableName() string { return "kek_holders" }

// ReportKEKs replaces what a node said that it has at hand, and forgets nodes
// that have said nothing since forget.
func (db *DB) ReportKEKs(ctx context.Context, h models.KEKHolder, forget time.Time) error {
	const failed = "what this node has at hand could not be reported"
	err := db.mutate(ctx).Exec("DELETE FROM kek_holders WHERE node = ? OR seen < ?", h.Node, toMicros(forget)).Error
	if err != nil || len(h.KEKs) == 0 {
		return db.fault(err, failed)
	}
	var rows []kekHolderRow
	for _, id := range h.KEKs {
		rows = append(rows, kekHolderRow{h.Node, h.Name, id, toMicros(h.Seen)})
	}
	return db.fault(db.mutate(ctx).Create(&rows).Error, failed)
}

// KEKHolders are the nodes that reported since a time.
func (db *DB) KEKHolders(ctx context.Context, since time.Time) ([]models.KEKHolder, error) {
	var rows []kekHolderRow
	err := db.conn(ctx).Where("seen >= ?", toMicros(since)).Order("node, kek_id").Find(&rows).Error
	if err != nil {
		return nil, translate(err, "the nodes' keys cannot be read")
	}
	var holders []models.KEKHolder
	for _, r := range rows {
		if n := len(holders); n == 0 || holders[n-1].Node != r.Node {
			holders = append(holders, models.KEKHolder{Node: r.Node, Name: r.Name, Seen: fromMicros(r.Seen)})
		}
		last := &holders[len(holders)-1]
		last.KEKs = append(last.KEKs, r.KekID)
	}
	return holders, nil
}
