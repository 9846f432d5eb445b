package database

import (
	"context"
	"time"

	"gorm.io/gorm"

	"teikyo/models"
)

// purgeBatch is how many ended downloads are cleaned in one transaction.
const purgeBatch = 200

// Purge removes what nobody needs any more and no record speaks of, in short
// transactions.
func (db *DB) Purge(ctx context.Context, before models.PurgeBefore) (models.Purged, error) {
	var sum models.Purged
	err := db.Update(ctx, func(ctx context.Context) error {
		if err := db.ForgetSignInDelays(ctx, before.Now.Add(-24*time.Hour), before.Now); err != nil {
			return err
		}
		tx, signIns := db.mutate(ctx), toMicros(before.SignIns)
		if err := tx.Exec("DELETE FROM redeem_turns WHERE due < ?", toMicros(before.Now.Add(-24*time.Hour))).Error; err != nil {
			return db.fault(err, "the attempts of addresses could not be forgotten")
		}
		return purged([]*int64{&sum.Answers, &sum.Tokens, &sum.Invitations, &sum.Challenges},
			tx.Exec("DELETE FROM idempotency WHERE created < ?", toMicros(before.Answers)),
			tx.Exec("DELETE FROM tokens WHERE (expires_at > 0 AND expires_at < ?) OR (revoked_at > 0 AND revoked_at < ?)", signIns, signIns),
			tx.Exec("UPDATE users SET invite_hash = '' WHERE invite_hash <> '' AND invite_expires > 0 AND invite_expires < ?", signIns),
			tx.Exec("UPDATE recipient_keys SET challenge = ? WHERE length(challenge) > 0 AND challenge_expires < ?", []byte{}, toMicros(before.Answers)),
		)
	})
	for err == nil {
		var n int
		if n, err = db.purgeDownloads(ctx, before.Transfers); n == 0 {
			break
		}
		sum.Downloads += int64(n)
	}
	return sum, err
}

// purged takes the counts of statements, or the first error.
func purged(counts []*int64, done ...*gorm.DB) error {
	for i, result := range done {
		if result.Error != nil {
			return translate(result.Error, "what has ended could not be removed")
		}
		*counts[i] = result.RowsAffected
	}
	return nil
}

// purgeDownloads forgets where some ended downloads went, and their single requests;
// download.closed has summed them up.
func (db *DB) purgeDownloads(ctx context.Context, before time.Time) (int, error) {
	const failed = "the records of ended downloads could not be removed"
	var ids []string
	err := db.conn(ctx).Raw(`SELECT id FROM download_sessions WHERE closed_at > 0 AND (address <> '' OR agent <> '') AND closed_at < ?
		ORDER BY closed_at LIMIT ?`, toMicros(before), purgeBatch).Scan(&ids).Error
	if err != nil || len(ids) == 0 {
		return 0, translate(err, failed)
	}
	return len(ids), db.Update(ctx, func(ctx context.Context) error {
		if err := db.mutate(ctx).Exec("DELETE FROM transfers WHERE session_id IN ?", ids).Error; err != nil {
			return db.fault(err, failed)
		}
		err := db.mutate(ctx).Exec("UPDATE download_sessions SET address = '', agent = '' WHERE id IN ?", ids).Error
		return db.fault(err, failed)
	})
}
