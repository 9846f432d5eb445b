package database

import (
	"context"
	"iter"

	"teikyo/models"
)

// transferBatch is how many transfers are written in one statement.
const transferBatch = 500

type transferRow struct {
	ID        string `gorm:"primaryKey"`
	SessionID string
	Path      string
	FromByte  int64
	Bytes     int64
	At        int64
}

func (transferRow) TableName() string { return "transfers" }

// AddTransfers adds answered byte requests.
func (db *DB) AddTransfers(ctx context.Context, list []models.Transfer) error {
	rows := make([]transferRow, len(list))
	for i, t := range list {
		rows[i] = transferRow{ID: t.ID, SessionID: t.SessionID, Path: t.Path, FromByte: t.From, Bytes: t.Bytes, At: toMicros(t.At)}
	}
	return db.fault(db.mutate(ctx).CreateInBatches(rows, transferBatch).Error, "the transfers could not be recorded")
}

// Transfers yields the byte requests of a session by path and offset. An error
// is the last thing yielded.
func (db *DB) Transfers(ctx context.Context, sessionID string) iter.Seq2[models.Transfer, error] {
	const failed = "the transfers cannot be read"
	return func(yield func(models.Transfer, error) bool) {
		rows, err := db.conn(ctx).Raw(`SELECT id, path, from_byte, bytes, at FROM transfers
			WHERE session_id = ? ORDER BY path, from_byte`, sessionID).Rows()
		if err != nil {
			yield(models.Transfer{}, translate(err, failed))
			return
		}
		defer rows.Close()
		for rows.Next() {
			t := models.Transfer{SessionID: sessionID}
			var at int64
			if err := rows.Scan(&t.ID, &t.Path, &t.From, &t.Bytes, &at); err != nil {
				yield(models.Transfer{}, translate(err, failed))
				return
			}
			t.At = fromMicros(at)
			if !yield(t, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(models.Transfer{}, translate(err, failed))
		}
	}
}
