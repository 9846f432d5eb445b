package database

import (
	"context"

	"teikyo/ledger"
)

// ManifestOf is the manifest digest that the table of provisions holds for an
// entry of kind provision.issued or provision.reissued (see
// ledger.VerifyOptions); empty when it holds none. The row knows the newest
// manifest alone, so an entry that another one has followed stands for itself.
func (db *DB) ManifestOf(ctx context.Context, e ledger.Record) (string, error) {
	tx := db.conn(ctx)
	var later int64
	err := scanRow(tx.Raw(`SELECT count(*) FROM ledger_entries WHERE kind = ?
		AND idx IN (SELECT idx FROM ledger_subject_index WHERE noun = 'provision' AND id = ? AND idx > ?)`,
		string(ledger.ProvisionReissued), e.IDs["provision"], e.Index), &later)
	if err != nil {
		return "", translate(err, "the provisions cannot be read")
	}
	if later > 0 {
		return e.ManifestSHA256, nil
	}
	var sums []string
	err = tx.Raw("SELECT manifest_sha256 FROM provisions WHERE id = ?", e.IDs["provision"]).Scan(&sums).Error
	if err != nil || len(sums) == 0 {
		return "", translate(err, "the provisions cannot be read")
	}
	return sums[0], nil
}

// UnrecordedProvision is a provision that no ledger entry vouches for; empty when
// there is none. The newest block, whose subjects are not stored, is read once and
// not for every provision.
func (db *DB) UnrecordedProvision(ctx context.Context) (string, error) {
	var ids []string
	err := db.conn(ctx).Raw(`SELECT p.id FROM (
		SELECT id, CAST(? AS TEXT) AS kind FROM provisions UNION ALL SELECT id, CAST(? AS TEXT) AS kind FROM imported_provisions) p
		WHERE NOT EXISTS (SELECT 1 FROM ledger_subjects s JOIN ledger_entries e ON e.idx = s.idx
		WHERE s.noun = 'provision' AND s.id = p.id AND e.kind = p.kind)
		AND (p.id, p.kind) NOT IN (SELECT s.id, e.kind FROM ledger_subject_index s JOIN ledger_entries e ON e.idx = s.idx
		WHERE s.noun = 'provision' AND s.idx >= (SELECT size - size % 32 FROM ledger_head WHERE id = 1))
		AND NOT EXISTS (SELECT 1 FROM ledger_archive a WHERE a.provision = p.id AND a.kind = p.kind) ORDER BY p.id LIMIT 1`,
		string(ledger.ProvisionIssued), string(ledger.ProvisionImported)).Scan(&ids).Error
	if err != nil || len(ids) == 0 {
		return "", translate(err, "the provisions cannot be read")
	}
	return ids[0], nil
}
