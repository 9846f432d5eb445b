package database

import (
	"context"
	"time"

	"teikyo/models"
)

// Suspend stops everything that people must look at again after a state older
// than the last known one was restored, inside Update: what ended after that
// state would be in force again. keep are the accounts that stay open. The
// provisions without a receipt are revoked, because their log cannot give one
// any more.
func (db *DB) Suspend(ctx context.Context, keep []string, reason string, at time.Time) (models.Suspended, error) {
	var n models.Suspended
	now := toMicros(at)
	issued, approved := string(models.ProvisionIssued), string(models.RecipientApproved)
	steps := []struct {
		count *int64
		sql   string
		args  []any
	}{
		{&n.Recipients, "UPDATE recipients SET state = ?, reason = ?, updated_at = ? WHERE state = ?",
			[]any{string(models.RecipientSuspended), reason, now, approved}},
		{&n.Keys, "UPDATE recipient_keys SET state = ?, approved_by = '', approved_at = 0, independence = '' WHERE state = ?",
			[]any{string(models.KeyProved), string(models.KeyApproved)}},
		{nil, "UPDATE provisions SET state = ?, revoked_by = 'system', revoked_at = ?, revoke_reason = ? WHERE state = ? AND receipt = ''",
			[]any{string(models.ProvisionRevoked), now, reason, issued}},
		{&n.Provisions, "UPDATE provisions SET state = ? WHERE state = ?", []any{string(models.ProvisionSuspended), issued}},
		{&n.Requests, "UPDATE requests SET state = ?, reason = ? WHERE state = ?",
			[]any{string(models.RequestReturned), reason, string(models.RequestSubmitted)}},
		{&n.Links, "UPDATE links SET revoked_by = 'system', revoked_at = ? WHERE revoked_at = 0", []any{now}},
		{&n.Sessions, "UPDATE download_sessions SET closed_at = ? WHERE closed_at = 0", []any{now}},
		{&n.Tokens, "UPDATE tokens SET revoked_at = ? WHERE revoked_at = 0", []any{now}},
		{&n.Accounts, "UPDATE users SET state = ? WHERE state = ? AND id NOT IN ?",
			[]any{string(models.UserDisabled), string(models.UserActive), keep}},
		{nil, "UPDATE users SET invite_hash = '', invite_expires = 0 WHERE invite_expires <> 0", nil},
		{nil, "UPDATE setup_code SET hash = ''", nil},
		{&n.Jobs, "UPDATE jobs SET state = ?, last_error = ?, ended_at = ? WHERE state IN ?",
			[]any{string(models.JobCancelled), reason, now, []string{string(models.JobQueued), string(models.JobRunning)}}},
		{&n.Webhooks, "UPDATE webhooks SET state = 'disabled', reason = ? WHERE state = 'active'", []any{reason}},
		// Cursors of readers count from the beginning of the new log.
		{nil, "UPDATE webhooks SET next_index = 0", nil},
		{nil, "UPDATE event_cursors SET next_index = 0", nil},
		{nil, "DELETE FROM idempotency", nil},
		{nil, "UPDATE revocation SET counter = counter + 1", nil},
	}
	tx := db.mutate(ctx)
	for _, step := range steps {
		done := tx.Exec(step.sql, step.args...)
		if done.Error != nil {
			return n, db.fault(done.Error, "the restored state could not be suspended")
		}
		if step.count != nil {
			*step.count = done.RowsAffected
		}
	}
	return n, nil
}
