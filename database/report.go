package database

import (
	"context"
	"time"

	"teikyo/models"
)

// EndingLinks lists links that are not revoked, have uses left and end at or
// after from, before to; by their end.
func (db *DB) EndingLinks(ctx context.Context, from, to time.Time, page models.Page) ([]models.Link, error) {
	at, id, err := models.ParseTimeCursor(page.After)
	if err != nil {
		return nil, err
	}
	var rows []linkRow
	err = db.conn(ctx).Where("expires_at >= ? AND expires_at < ? AND revoked_at = 0 AND uses < max_uses", toMicros(from), toMicros(to)).
		Where("(expires_at, id) > (?, ?)", toMicros(at), id).Order("expires_at, id").Limit(page.Size()).Find(&rows).Error
	if err != nil {
		return nil, translate(err, "the links cannot be read")
	}
	return each(rows, linkRow.model)
}

// EndingProvisions lists provisions that are not revoked, that nobody
// acknowledged, and that end at or after from, before to; by their end.
func (db *DB) EndingProvisions(ctx context.Context, from, to time.Time, page models.Page) ([]models.Provision, error) {
	at, id, err := models.ParseTimeCursor(page.After)
	if err != nil {
		return nil, err
	}
	var rows []provisionRow
	err = db.conn(ctx).Where("until >= ? AND until < ? AND revoked_at = 0 AND acknowledged_at = 0", toMicros(from), toMicros(to)).
		Where("(until, id) > (?, ?)", toMicros(at), id).Order("until, id").Limit(page.Size()).Find(&rows).Error
	if err != nil {
		return nil, translate(err, "the provisions cannot be read")
	}
	return each(rows, provisionRow.model)
}

// WaitingKeys lists keys that nobody proved or approved yet, and approved ones
// that end before a time, of recipients that are neither rejected nor revoked; by
// id.
func (db *DB) WaitingKeys(ctx context.Context, before time.Time, page models.Page) ([]models.RecipientKey, error) {
	var rows []recipientKeyRow
	err := db.conn(ctx).Where("id > ? AND (state IN ? OR state = ? AND expires_at > 0 AND expires_at < ?)", page.After,
		[]string{string(models.KeyAdded), string(models.KeyProved)}, string(models.KeyApproved), toMicros(before)).
		Where("recipient_id IN (SELECT id FROM recipients WHERE state NOT IN ?)",
			[]string{string(models.RecipientRejected), string(models.RecipientRevoked)}).
		Order("id").Limit(page.Size()).Find(&rows).Error
	if err != nil {
		return nil, translate(err, "the keys cannot be read")
	}
	return each(rows, recipientKeyRow.model)
}
