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
func (db *DB) Suspend(ctx context.Context, keep [2]string, reason string, at time.Time) (models.Suspended, error) {
	var n models.Suspended
	now := toMicros(at)
	issued, approved := string(models.ProvisionIssued), string(models.RecipientApproved)
	steps := []statement{
		{"UPDATE recipients SET state = ?, reason = ?, updated_at = ? WHERE state = ?",
			[]any{string(models.RecipientSuspended), reason, now, approved}, &n.Recipients},
		{"UPDATE recipient_keys SET state = ?, approved_by = '', approved_at = 0, independence = '' WHERE state = ?",
			[]any{string(models.KeyProved), string(models.KeyApproved)}, &n.Keys},
		{"UPDATE provisions SET state = ?, revoked_by = 'system', revoked_at = ?, revoke_reason = ? WHERE state = ? AND receipt = ''",
			[]any{string(models.ProvisionRevoked), now, reason, issued}, nil},
		{"UPDATE provisions SET state = ? WHERE state = ?", []any{string(models.ProvisionSuspended), issued}, &n.Provisions},
		{"UPDATE requests SET state = ?, reason = ? WHERE state = ?",
			[]any{string(models.RequestReturned), reason, string(models.RequestSubmitted)}, &n.Requests},
		{"UPDATE links SET revoked_by = 'system', revoked_at = ? WHERE revoked_at = 0", []any{now}, &n.Links},
		{"UPDATE download_sessions SET closed_at = ? WHERE closed_at = 0", []any{now}, &n.Sessions},
		{"UPDATE tokens SET revoked_at = ? WHERE revoked_at = 0", []any{now}, &n.Tokens},
		{"UPDATE users SET state = ? WHERE state = ? AND id NOT IN (?, ?)",
			[]any{string(models.UserDisabled), string(models.UserActive), keep[0], keep[1]}, &n.Accounts},
		{"UPDATE users SET invite_hash = '', invite_expires = 0 WHERE invite_expires <> 0", nil, nil},
		{"UPDATE setup_code SET hash = ''", nil, nil},
		{"UPDATE jobs SET state = ?, last_error = ?, ended_at = ? WHERE state IN (?, ?)",
			[]any{string(models.JobCancelled), reason, now, string(models.JobQueued), string(models.JobRunning)}, &n.Jobs},
		{"UPDATE destinations SET state = ?, approved_by = '', approved_at = 0, independence = '' WHERE state = ?",
			[]any{string(models.DestinationAdded), string(models.DestinationApproved)}, nil},
		{"UPDATE deliveries SET state = ?, reason = ?, ended_at = ? WHERE state IN (?, ?)",
			[]any{string(models.DeliveryCancelled), reason, now, string(models.DeliveryQueued), string(models.DeliverySending)}, nil},
		{"UPDATE webhooks SET state = 'disabled', reason = ? WHERE state = 'active'", []any{reason}, &n.Webhooks},
		// Cursors of readers count from the beginning of the new log.
		{"UPDATE webhooks SET next_index = 0", nil, nil},
		{"UPDATE event_cursors SET next_index = 0", nil, nil},
		{"DELETE FROM idempotency", nil, nil},
		{"UPDATE revocation SET counter = counter + 1", nil, nil},
	}
	if err := db.execAll(ctx, steps); err != nil {
		return n, db.fault(err, "the restored state could not be suspended")
	}
	return n, nil
}
