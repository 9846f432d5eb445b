package provision

import (
	"context"
	"encoding/json"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
)

// Reissue makes new headers, and with them a new parcel, for another proved and
// approved key of the same recipient; the payload stays as it is, so that the
// client keeps what it has. It takes a second person: neither who asked for the
// provision nor who added the key. The parcel before is not given out any more.
func (s *Service) Reissue(ctx context.Context, actor access.Actor, id, key string) (models.Provision, error) {
	prov, err := s.provision(ctx, actor, access.ReissueProvision, id)
	if err != nil {
		return models.Provision{}, err
	}
	if s.MayIssue != nil {
		if err := s.MayIssue(); err != nil {
			return models.Provision{}, err
		}
	}
	req, g, err := s.rekey(ctx, actor, prov, key)
	if err != nil {
		return models.Provision{}, err
	}
	prov.KeyID, prov.KeyFingerprint, prov.Independence = req.KeyID, req.KeyFingerprint, req.Independence
	pack, stored, err := s.pack(ctx, prov, req, g)
	if err == nil {
		err = stored()
	}
	if err != nil {
		return models.Provision{}, err
	}
	var entry *ledger.Entry
	saved, err := s.change(ctx, id, func(ctx context.Context, current *models.Provision) error {
		if current.State != models.ProvisionIssued || current.Reissue != prov.Reissue {
			return models.Errorf(models.Conflict, "the provision was changed meanwhile; look at it and try again")
		}
		if err := s.stillUsable(ctx, actor, req, g); err != nil {
			return err
		}
		rec := s.record(prov, req, g, pack.NoticeSHA256)
		rec.Supersedes = current.ManifestSHA256
		setPack(current, pack)
		rec.PackageSHA256 = current.ManifestSHA256
		current.KeyID, current.KeyFingerprint, current.Independence = req.KeyID, req.KeyFingerprint, req.Independence
		current.Receipt, current.EntryIndex = "", -1
		current.Reissue++
		var err error
		if current.Record, err = json.Marshal(rec); err != nil {
			return models.Wrap(models.Internal, err, "the provision record could not be written")
		}
		if err := s.Store.Revoke(ctx); err != nil { // transfers of the old parcel stop
			return err
		}
		entry = s.provisionEntry(ledger.ProvisionReissued, *current, actor, rec)
		entry.IDs["second"] = req.RequestedBy
		if err := s.Store.Append(ctx, entry); err != nil {
			return err
		}
		return s.enqueue(ctx, *current, req)
	})
	if err != nil {
		return models.Provision{}, err
	}
	saved.EntryIndex = entry.Index
	s.awaitReceipts(ctx, &saved)
	return saved, nil
}

// rekey is the request of a provision with another key, after every rule was
// asked again.
func (s *Service) rekey(ctx context.Context, actor access.Actor, prov models.Provision, name string) (models.Request, ground, error) {
	fail := func(err error) (models.Request, ground, error) { return models.Request{}, ground{}, err }
	if prov.State != models.ProvisionIssued {
		return fail(models.Errorf(models.Conflict, "the provision is %s; make a new request", prov.State))
	}
	if name == "" {
		return fail(models.Errorf(models.Invalid, "name the other key by its fingerprint (--key)"))
	}
	key, err := s.resolveKey(ctx, prov.RecipientID, name)
	if err != nil {
		return fail(err)
	}
	if key.ID == prov.KeyID {
		return fail(models.Errorf(models.Conflict, "the provision is made for this key already"))
	}
	req, err := s.Store.Request(ctx, prov.RequestID)
	if err != nil {
		return fail(err)
	}
	if key.AddedBy == actor.UserID {
		return fail(models.Errorf(models.Denied, "you added this key; a second person must reissue the provision to it"))
	}
	if req.Independence, err = s.People.Pair(ctx, req.RequestedBy, actor.UserID); err != nil {
		return fail(err)
	}
	req.KeyID, req.KeyFingerprint = key.ID, key.Fingerprint
	g, err := s.examine(ctx, req, s.now())
	return req, g, err
}

// stillUsable asks the rules again inside the transaction.
func (s *Service) stillUsable(ctx context.Context, actor access.Actor, req models.Request, before ground) error {
	now := s.now()
	g, err := s.ground(ctx, req, now)
	if err != nil {
		return err
	}
	g.choice = before.choice
	if err := s.check(req, g, now); err != nil {
		return err
	}
	return s.stillTwo(ctx, actor, req)
}
