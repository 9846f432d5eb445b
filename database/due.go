package database

import (
	"context"

	"teikyo/models"
)

// EndedVersions lists withdrawn and recalled versions that ended before the
// instant and stand in no other disposal, by ID@VERSION, which is the cursor.
func (db *DB) EndedVersions(ctx context.Context, q models.DueQuery) ([]models.Version, error) {
	var rows []versionRow
	err := db.conn(ctx).Raw(`SELECT v.* FROM dataset_versions v WHERE v.state IN ('withdrawn', 'recalled') AND v.ended_at < ?
		AND v.dataset_id || '@' || CAST(v.number AS TEXT) > ?
		AND NOT EXISTS (SELECT 1 FROM disposal_items i JOIN disposals d ON d.id = i.disposal_id WHERE i.kind = 'version'
			AND i.ref = v.dataset_id || '@' || CAST(v.number AS TEXT) AND i.held_by = '' AND (d.state IN ('proposed', 'confirmed') OR i.done))
		ORDER BY v.dataset_id || '@' || CAST(v.number AS TEXT) LIMIT ?`, toMicros(q.Before), q.After, q.Limit).Scan(&rows).Error
	if err != nil {
		return nil, translate(err, "the versions cannot be read")
	}
	return each(rows, versionRow.model)
}

// EndedProvisions lists provisions of the classes that ended before the instant
// and stand in no other disposal, by id.
func (db *DB) EndedProvisions(ctx context.Context, classes []models.DataClass, q models.DueQuery) ([]models.Provision, error) {
	var rows []provisionRow
	err := db.conn(ctx).Raw(`SELECT p.* FROM provisions p WHERE p.class IN ? AND p.until < ? AND p.id > ?
		AND NOT EXISTS (SELECT 1 FROM disposal_items i JOIN disposals d ON d.id = i.disposal_id WHERE i.kind = 'provision'
			AND i.ref = p.id AND i.held_by = '' AND (d.state IN ('proposed', 'confirmed') OR i.done))
		ORDER BY p.id LIMIT ?`, classes, toMicros(q.Before), q.After, q.Limit).Scan(&rows).Error
	if err != nil {
		return nil, translate(err, "the provisions cannot be read")
	}
	return each(rows, provisionRow.model)
}

// EndedRecipients lists recipients that were rejected or revoked before the
// instant and stand in no other disposal, by id.
func (db *DB) EndedRecipients(ctx context.Context, q models.DueQuery) ([]models.Recipient, error) {
	var rows []recipientRow
	err := db.conn(ctx).Raw(`SELECT r.* FROM recipients r WHERE r.state IN ('rejected', 'revoked') AND r.updated_at < ? AND r.id > ?
		AND NOT EXISTS (SELECT 1 FROM disposal_items i JOIN disposals d ON d.id = i.disposal_id WHERE i.kind = 'application'
			AND i.ref = r.id AND i.held_by = '' AND (d.state IN ('proposed', 'confirmed') OR i.done))
		ORDER BY r.id LIMIT ?`, toMicros(q.Before), q.After, q.Limit).Scan(&rows).Error
	if err != nil {
		return nil, translate(err, "the recipients cannot be read")
	}
	return each(rows, recipientRow.model)
}

// ForgetProvision removes what the rows of a provision say about people: its
// record, the words of its request, and where its downloads went.
func (db *DB) ForgetProvision(ctx context.Context, id, requestID string) error {
	tx, empty := db.mutate(ctx), []byte("{}")
	return db.forgot(
		tx.Exec("UPDATE provisions SET record = ?, revoke_reason = '' WHERE id = ?", empty, id).Error,
		tx.Exec("UPDATE requests SET words = '', refs = '[]', facts = ?, reason = '' WHERE id = ?", empty, requestID).Error,
		tx.Exec("DELETE FROM request_comments WHERE request_id = ?", requestID).Error,
		tx.Exec("DELETE FROM transfers WHERE session_id IN (SELECT id FROM download_sessions WHERE provision_id = ?)", id).Error,
		tx.Exec("UPDATE download_sessions SET address = '', agent = '' WHERE provision_id = ?", id).Error,
	)
}

// ForgetRecipient removes the people of an organisation that is no partner any
// more: representative, contacts, address, holders of keys, handlers and documents
// of agreements, and the names of its disabled accounts. The organisation's name
// stays, because provisions speak of it.
func (db *DB) ForgetRecipient(ctx context.Context, id string) error {
	tx := db.mutate(ctx)
	return db.forgot(
		tx.Exec("UPDATE recipients SET representative = '', email = '', contacts = '[]', address = '', reason = '' WHERE id = ?", id).Error,
		tx.Exec("DELETE FROM agreement_documents WHERE agreement_id IN (SELECT id FROM agreements WHERE recipient_id = ?)", id).Error,
		tx.Exec("UPDATE agreements SET handlers = '[]', places = '[]', document_name = '', end_reason = '' WHERE recipient_id = ?", id).Error,
		tx.Exec("UPDATE recipient_keys SET holder = '' WHERE recipient_id = ?", id).Error,
		tx.Exec(`UPDATE destinations SET state = 'revoked', url = '', host_keys = '[]', public_key = '', reason = '', kek_id = '', secret = ?
			WHERE recipient_id = ?`, []byte{}, id).Error,
		tx.Exec(`UPDATE users SET name = '', email = id || '@removed.invalid', password_hash = '', invite_hash = ''
			WHERE recipient_id = ? AND state = 'disabled'`, id).Error,
	)
}

// forgot is the first fault of several statements of one transaction, which then
// leaves nothing.
func (db *DB) forgot(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return db.fault(err, "the records could not be removed")
		}
	}
	return nil
}
