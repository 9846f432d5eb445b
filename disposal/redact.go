package disposal

import (
	"context"
	"strconv"

	"teikyo/ledger"
	"teikyo/models"
)

// redactedEntry is what the certificate says of an entry.
type redactedEntry struct {
	Kind          ledger.Kind `json:"kind,omitempty"`
	DetailsSHA256 string      `json:"details_sha256,omitempty"` // salted, as it stands in the leaf
	Before        bool        `json:"gone_before,omitempty"`    // another disposal was first
}

// redactEntry removes the details of one entry.
func (s *Service) redactEntry(ctx context.Context, d models.Disposal, item models.DisposalItem) error {
	index, err := strconv.ParseInt(item.Ref, 10, 64)
	if err != nil {
		return models.Wrap(models.Integrity, err, "the disposal names no entry: "+item.Ref)
	}
	return s.Store.Update(ctx, func(ctx context.Context) error {
		item, done, err := s.again(ctx, item)
		if err != nil || done {
			return err
		}
		result, err := s.redact(ctx, d, index)
		if err != nil {
			return err
		}
		return s.done(ctx, item, result)
	})
}

// redact takes part in the transaction of ctx.
func (s *Service) redact(ctx context.Context, d models.Disposal, index int64) (redactedEntry, error) {
	rec, err := s.entry(ctx, index)
	if err != nil {
		return redactedEntry{}, err
	}
	if rec.Details == nil {
		return redactedEntry{Kind: rec.Kind, Before: true}, nil
	}
	if err := s.redactable(rec); err != nil {
		return redactedEntry{}, err
	}
	leaf, err := ledger.ParseLeaf(rec.Leaf)
	if err != nil {
		return redactedEntry{}, models.Wrap(models.Integrity, err, "the ledger is damaged; run teikyo ledger verify")
	}
	if _, err := s.Store.RedactEntry(ctx, index); err != nil {
		return redactedEntry{}, err
	}
	entry := ledger.Redaction{Index: index, Actor: d.ProposedBy, Second: d.DecidedBy, Reason: d.Reason}.Entry()
	entry.IDs["disposal"] = d.ID
	return redactedEntry{Kind: rec.Kind, DetailsSHA256: leaf.DetailsSHA256}, s.Store.Append(ctx, &entry)
}
