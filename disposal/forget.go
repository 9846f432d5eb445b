package disposal

import (
	"bytes"
	"context"

	"teikyo/ledger"
	"teikyo/models"
	"teikyo/provision/parcel"
)

// forgotten is the result of items whose records go.
type forgotten struct {
	Entries int `json:"entries_redacted"`
	Left    int `json:"entries_left"` // whose details must stay longer
}

// forgetProvision removes the record of a provision: what its rows say about
// people, its documents, and the details of its entries. Number, ids, times and
// digests stay.
func (s *Service) forgetProvision(ctx context.Context, d models.Disposal, item models.DisposalItem) error {
	prov, err := s.Store.Provision(ctx, item.Ref)
	if err != nil {
		return err
	}
	if err := s.emptyPack(ctx, d, item, prov); err != nil {
		return err
	}
	err = s.Store.Update(ctx, func(ctx context.Context) error { return s.Store.ForgetProvision(ctx, prov.ID, prov.RequestID) })
	if err != nil {
		return err
	}
	return s.forget(ctx, d, item, "provision", "")
}

// emptyPack puts an empty object in the place of the pack, whose documents name
// people and purposes.
func (s *Service) emptyPack(ctx context.Context, d models.Disposal, item models.DisposalItem, prov models.Provision) error {
	if len(prov.Documents) == 0 {
		return nil
	}
	key, err := s.doomedKey(ctx, item)
	if err != nil {
		return err
	}
	if _, err := s.Objects.Put(ctx, key, bytes.NewReader(nil), 0); err != nil {
		return models.Wrap(models.Unavailable, err, "the object store does not take objects; it is tried again")
	}
	return s.replacePack(ctx, d, item, prov, parcel.Pack{Key: key, SHA256: digestOf(nil)})
}

// forgetRecipient removes the people of an organisation that is no partner any more.
func (s *Service) forgetRecipient(ctx context.Context, d models.Disposal, item models.DisposalItem) error {
	err := s.Store.Update(ctx, func(ctx context.Context) error { return s.Store.ForgetRecipient(ctx, item.Ref) })
	if err != nil {
		return err
	}
	return s.forget(ctx, d, item, "recipient", recipientKinds()...)
}

// forget redacts the entries about a thing, each in a transaction of its own, and
// ends the item.
func (s *Service) forget(ctx context.Context, d models.Disposal, item models.DisposalItem, noun string, kinds ...ledger.Kind) error {
	var sum forgotten
	for _, kind := range kinds {
		err := s.eachEntry(ctx, noun, item.Ref, kind, func(rec ledger.Record) error {
			return s.forgetEntry(ctx, d, rec, &sum)
		})
		if err != nil {
			return err
		}
	}
	return s.Store.Update(ctx, func(ctx context.Context) error {
		item, done, err := s.again(ctx, item)
		if err != nil || done {
			return err
		}
		return s.done(ctx, item, sum)
	})
}

func (s *Service) forgetEntry(ctx context.Context, d models.Disposal, rec ledger.Record, sum *forgotten) error {
	switch {
	case rec.Kind == ledger.EntryRedacted || rec.IDs["disposal"] == d.ID:
		return nil
	case rec.Details == nil: // by this disposal before a crash, or by another one
		sum.Entries++
		return nil
	case s.redactable(rec) != nil:
		sum.Left++
		return nil //nolint:nilerr // it is counted as left
	}
	sum.Entries++
	return s.Store.Update(ctx, func(ctx context.Context) error {
		if err := s.claim(ctx, d.ID); err != nil {
			return err
		}
		_, err := s.redact(ctx, d, rec.Index)
		return err
	})
}
