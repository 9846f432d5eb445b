package database

import (
	"context"

	"teikyo/models"
)

// wrapRow is a row of any shelf.
type wrapRow struct {
	ID            string
	KekID         string
	Wrapped       []byte
	State         string
	PayloadSha256 string `gorm:"column:payload_sha256"`
}

// wrapSQL is what is asked of a shelf. The rows of destroyed files hold no key,
// and a key without an open challenge none either.
type wrapSQL struct{ count, list, swap, has string }

func sqlOf(shelf models.WrapShelf) wrapSQL {
	switch shelf {
	case models.ShelfSealedFiles:
		return wrapSQL{
			"SELECT kek_id, count(*) AS n FROM sealed_files WHERE state <> 'destroyed' GROUP BY kek_id",
			"SELECT id, kek_id, wrapped_key AS wrapped, state, payload_sha256 FROM sealed_files " +
				"WHERE kek_id <> ? AND id > ? AND state <> 'destroyed' ORDER BY id LIMIT ?",
			"UPDATE sealed_files SET kek_id = ?, wrapped_key = ? WHERE id = ? AND kek_id = ? AND wrapped_key = ?",
			"SELECT count(*) FROM sealed_files WHERE id = ? AND kek_id = ? AND wrapped_key = ?",
		}
	case models.ShelfDocuments:
		return wrapSQL{
			"SELECT kek_id, count(*) AS n FROM agreement_documents GROUP BY kek_id",
			"SELECT agreement_id AS id, kek_id, sealed AS wrapped FROM agreement_documents " +
				"WHERE kek_id <> ? AND agreement_id > ? ORDER BY agreement_id LIMIT ?",
			"UPDATE agreement_documents SET kek_id = ?, sealed = ? WHERE agreement_id = ? AND kek_id = ? AND sealed = ?",
			"SELECT count(*) FROM agreement_documents WHERE agreement_id = ? AND kek_id = ? AND sealed = ?",
		}
	case models.ShelfChallenges:
		return wrapSQL{
			"SELECT challenge_kek_id AS kek_id, count(*) AS n FROM recipient_keys WHERE challenge_kek_id <> '' GROUP BY challenge_kek_id",
			"SELECT id, challenge_kek_id AS kek_id, challenge AS wrapped FROM recipient_keys " +
				"WHERE challenge_kek_id <> ? AND challenge_kek_id <> '' AND id > ? ORDER BY id LIMIT ?",
			"UPDATE recipient_keys SET challenge_kek_id = ?, challenge = ? WHERE id = ? AND challenge_kek_id = ? AND challenge = ?",
			"SELECT count(*) FROM recipient_keys WHERE id = ? AND challenge_kek_id = ? AND challenge = ?",
		}
	case models.ShelfWebhooks:
		return wrapSQL{
			"SELECT kek_id, count(*) AS n FROM webhook_secrets GROUP BY kek_id",
			"SELECT id, kek_id, secret AS wrapped FROM webhook_secrets WHERE kek_id <> ? AND id > ? ORDER BY id LIMIT ?",
			"UPDATE webhook_secrets SET kek_id = ?, secret = ? WHERE id = ? AND kek_id = ? AND secret = ?",
			"SELECT count(*) FROM webhook_secrets WHERE id = ? AND kek_id = ? AND secret = ?",
		}
	case models.ShelfDeidKeys:
		return wrapSQL{
			"SELECT kek_id, count(*) AS n FROM deid_keys WHERE kek_id <> '' GROUP BY kek_id",
			"SELECT id, kek_id, wrapped FROM deid_keys WHERE kek_id <> ? AND kek_id <> '' AND id > ? ORDER BY id LIMIT ?",
			"UPDATE deid_keys SET kek_id = ?, wrapped = ? WHERE id = ? AND kek_id = ? AND wrapped = ?",
			"SELECT count(*) FROM deid_keys WHERE id = ? AND kek_id = ? AND wrapped = ?",
		}
	case models.ShelfDestinations:
		return wrapSQL{
			"SELECT kek_id, count(*) AS n FROM destinations WHERE kek_id <> '' GROUP BY kek_id",
			"SELECT id, kek_id, secret AS wrapped FROM destinations WHERE kek_id <> ? AND kek_id <> '' AND id > ? ORDER BY id LIMIT ?",
			"UPDATE destinations SET kek_id = ?, secret = ? WHERE id = ? AND kek_id = ? AND secret = ?",
			"SELECT count(*) FROM destinations WHERE id = ? AND kek_id = ? AND secret = ?",
		}
	}
	panic("database: there is no shelf " + string(shelf))
}

// countWraps, listWraps, swapWrap and hasWrap are the SQL of a shelf.
func countWraps(shelf models.WrapShelf) string { return sqlOf(shelf).count }
func listWraps(shelf models.WrapShelf) string  { return sqlOf(shelf).list }
func swapWrap(shelf models.WrapShelf) string   { return sqlOf(shelf).swap }
func hasWrap(shelf models.WrapShelf) string    { return sqlOf(shelf).has }

// WrapCounts counts what a shelf keeps under each version of the key-encryption
// key.
func (db *DB) WrapCounts(ctx context.Context, shelf models.WrapShelf) (map[string]int64, error) {
	var rows []struct {
		KekID string
		N     int64
	}
	if err := db.conn(ctx).Raw(countWraps(shelf)).Scan(&rows).Error; err != nil {
		return nil, translate(err, "what is wrapped cannot be counted")
	}
	counts := make(map[string]int64, len(rows))
	for _, r := range rows {
		counts[r.KekID] = r.N
	}
	return counts, nil
}

// WrapsNotUnder lists, by id, what a shelf keeps under another version than
// kekID; all of it when kekID is empty.
func (db *DB) WrapsNotUnder(ctx context.Context, shelf models.WrapShelf, kekID, after string, limit int) ([]models.Wrapped, error) {
	var rows []wrapRow
	if err := db.conn(ctx).Raw(listWraps(shelf), kekID, after, limit).Scan(&rows).Error; err != nil {
		return nil, translate(err, "what is wrapped cannot be read")
	}
	list := make([]models.Wrapped, len(rows))
	for i, r := range rows {
		list[i] = models.Wrapped{
			Shelf: shelf, ID: r.ID, KEKID: r.KekID, Bytes: r.Wrapped,
			State: models.SealedState(r.State), PayloadSHA256: r.PayloadSha256,
		}
	}
	return list, nil
}

// SwapWrap replaces a wrap when it is still the one that was read, and says
// whether it was.
func (db *DB) SwapWrap(ctx context.Context, was models.Wrapped, kekID string, wrapped []byte) (bool, error) {
	if err := db.mayWrapUnder(ctx, kekID); err != nil {
		return false, err
	}
	done := db.mutate(ctx).Exec(swapWrap(was.Shelf), kekID, wrapped, was.ID, was.KEKID, was.Bytes)
	return done.RowsAffected == 1, db.fault(done.Error, "the wrapped key could not be saved")
}
