package disposal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"

	"teikyo/ledger"
	"teikyo/models"
	"teikyo/provision/parcel"
	"teikyo/storage"
)

// maxListed is how many sealed files an entry and a certificate list one by one;
// list_sha256 covers all of them.
const maxListed = 500

// destroyedVersion is what is left of a version: the details of dataset.destroyed,
// and part of the certificate.
type destroyedVersion struct {
	Reason       string              `json:"reason,omitempty"`
	Digest       string              `json:"digest"` // of the version, as it was registered
	Files        int                 `json:"files"`
	Bytes        int64               `json:"bytes"`            // of their plaintexts
	Sealed       int                 `json:"sealed_destroyed"` // sealed files whose keys and contents are gone
	SealedBytes  int64               `json:"sealed_bytes"`     // of their payloads
	Kept         int                 `json:"sealed_kept"`      // shared with another version, which has them still
	ListSHA256   string              `json:"list_sha256"`      // over lines of payload digest and size, by path
	List         []destroyedFile     `json:"list"`             // the first of them
	Provisions   int                 `json:"provisions"`       // whose headers are gone
	Independence models.Independence `json:"independence,omitempty"`
	seen         map[string]bool     // sealed files counted already
	sum          hash.Hash
}

type destroyedFile struct {
	PayloadSHA256 string `json:"payload_sha256"`
	PayloadSize   int64  `json:"payload_size"`
}

// destroyVersion removes everything that could open a version: the headers in the
// packs of its provisions, the wrapped file keys and the payloads. Rows go first,
// and name the objects that must follow; then the objects; then the version counts
// as destroyed.
func (s *Service) destroyVersion(ctx context.Context, d models.Disposal, item models.DisposalItem) error {
	id, number, err := parseVersionRef(item.Ref)
	if err != nil {
		return err
	}
	provisions := 0
	err = s.eachProvision(ctx, id, number, func(p models.Provision) error {
		provisions++
		return s.endProvision(ctx, d, item, p)
	})
	if err != nil {
		return err
	}
	if err := s.destroyKeys(ctx, item, id, number); err != nil {
		return err
	}
	if err := s.deleteDoomed(ctx, item); err != nil {
		return err
	}
	v, err := s.Store.Version(ctx, id, number)
	if err != nil {
		return err
	}
	sum, err := s.remains(ctx, v, d)
	if err != nil {
		return err
	}
	sum.Provisions = provisions
	return s.versionDestroyed(ctx, d, item, sum)
}

type revokedDetails struct {
	Number string `json:"number"`
	Reason string `json:"reason"`
}

// endProvision revokes a provision and leaves of its pack the documents alone.
func (s *Service) endProvision(ctx context.Context, d models.Disposal, item models.DisposalItem, p models.Provision) error {
	if p.HeaderSize == 0 && models.CheckTransition(p.State, models.ProvisionRevoked) != nil {
		return nil //nolint:nilerr // it has ended already
	}
	key, err := s.doomedKey(ctx, item)
	if err != nil {
		return err
	}
	pack, err := parcel.Strip(ctx, s.Objects, key, p)
	if err != nil {
		return err
	}
	return s.replacePack(ctx, d, item, p, pack)
}

// doomedKey is a key for a new pack. Until a row names the pack its object counts as
// one that must go: a process that stops in between leaves nothing.
func (s *Service) doomedKey(ctx context.Context, item models.DisposalItem) (string, error) {
	key, err := storage.NewKey(s.Rand)
	if err != nil {
		return "", models.Wrap(models.Internal, err, "no randomness for a storage key")
	}
	key += parcel.KeySuffix
	return key, s.Store.Update(ctx, func(ctx context.Context) error {
		if err := s.claim(ctx, item.DisposalID); err != nil {
			return err
		}
		return s.Store.AddDoomed(ctx, item, []string{key})
	})
}

// replacePack revokes a provision and gives it another pack; the old one goes.
func (s *Service) replacePack(ctx context.Context, d models.Disposal, item models.DisposalItem, p models.Provision, pack parcel.Pack) error {
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		if err := s.claim(ctx, d.ID); err != nil {
			return err
		}
		now, err := s.Store.Provision(ctx, p.ID)
		if err != nil {
			return err
		}
		if now.PackKey != p.PackKey {
			return models.Errorf(models.Unavailable, "the provision %s was changed meanwhile; it is tried again", p.ID)
		}
		now.PackKey, now.PackSHA256, now.HeaderSize, now.Documents = pack.Key, pack.SHA256, 0, pack.Documents
		if err := s.revoke(ctx, d, &now); err != nil {
			return err
		}
		if err := s.Store.ForgetDoomed(ctx, []string{pack.Key}); err != nil {
			return err
		}
		if err := s.Store.AddDoomed(ctx, item, []string{p.PackKey}); err != nil {
			return err
		}
		return s.Store.SaveProvision(ctx, now)
	})
	if err != nil {
		return err
	}
	return s.deleteDoomed(ctx, item)
}

func (s *Service) revoke(ctx context.Context, d models.Disposal, p *models.Provision) error {
	if models.CheckTransition(p.State, models.ProvisionRevoked) != nil {
		return nil //nolint:nilerr // it has ended already
	}
	p.State, p.RevokedBy, p.RevokedAt, p.RevokeReason = models.ProvisionRevoked, d.ProposedBy, s.now(), "the data was destroyed"
	return s.Store.Append(ctx, &ledger.Entry{
		Kind: ledger.ProvisionRevoked, Retain: p.Until.AddDate(s.Policy.ClassYears(p.Class), 0, 0),
		IDs: people(d, "provision", p.ID, "request", p.RequestID, "dataset", p.DatasetID, "version", strconv.Itoa(p.Version),
			"recipient", p.RecipientID, "agreement", p.AgreementID, "key", p.KeyID),
		Details: revokedDetails{Number: p.Number, Reason: p.RevokeReason},
	})
}

// destroyKeys removes the wrapped keys and the segments' rows of every sealed file
// of the version that no other version needs.
func (s *Service) destroyKeys(ctx context.Context, item models.DisposalItem, id string, number int) error {
	return s.eachPage(ctx, id, number, func(_ []models.File, sealed []models.SealedFile) error {
		err := s.Store.Update(ctx, func(ctx context.Context) error {
			return s.destroyPage(ctx, item, id, number, sealed)
		})
		if err != nil {
			return err
		}
		return s.deleteDoomed(ctx, item)
	})
}

// destroyPage holds the dataset: nobody registers a version meanwhile that reuses
// one of these files.
func (s *Service) destroyPage(ctx context.Context, item models.DisposalItem, id string, number int, sealed []models.SealedFile) error {
	if err := s.claim(ctx, item.DisposalID); err != nil {
		return err
	}
	if _, err := s.Store.Dataset(ctx, id); err != nil {
		return err
	}
	used, err := s.Store.SealedUsedElsewhere(ctx, id, number, idsOf(sealed))
	if err != nil {
		return err
	}
	kept := setOf(used)
	for _, f := range sealed {
		if kept[f.ID] || f.State == models.SealedDestroyed {
			continue
		}
		kept[f.ID] = true // two files of a version may share one
		keys := make([]string, len(f.Segments))
		for i, segment := range f.Segments {
			keys[i] = segment.Key
		}
		if err := s.Store.AddDoomed(ctx, item, keys); err != nil {
			return err
		}
		if err := s.Store.DestroySealed(ctx, f.ID, s.now()); err != nil {
			return err
		}
	}
	return nil
}

// deleteDoomed deletes the objects that no row names any more.
func (s *Service) deleteDoomed(ctx context.Context, item models.DisposalItem) error {
	for {
		keys, err := s.Store.Doomed(ctx, item, itemPage)
		if err != nil || len(keys) == 0 {
			return err
		}
		// Else another process could be about to name one of them in a row.
		err = s.Store.Update(ctx, func(ctx context.Context) error { return s.claim(ctx, item.DisposalID) })
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := s.Objects.Delete(ctx, key); err != nil && !errors.Is(err, storage.ErrNotExist) {
				return models.Wrap(models.Unavailable, err, "an object could not be deleted; it is tried again")
			}
		}
		err = s.Store.Update(ctx, func(ctx context.Context) error {
			if err := s.claim(ctx, item.DisposalID); err != nil {
				return err
			}
			return s.Store.ForgetDoomed(ctx, keys)
		})
		if err != nil {
			return err
		}
	}
}

// remains sums up what the rows still say about the version.
func (s *Service) remains(ctx context.Context, v models.Version, d models.Disposal) (*destroyedVersion, error) {
	sum := &destroyedVersion{
		Reason: d.Reason, Digest: v.Digest, Independence: d.Independence, List: []destroyedFile{}, sum: sha256.New(), seen: map[string]bool{},
	}
	err := s.eachPage(ctx, v.DatasetID, v.Number, func(files []models.File, sealed []models.SealedFile) error {
		for i, f := range files {
			sum.Files++
			sum.Bytes += f.Size
			sum.count(sealed[i])
		}
		return nil
	})
	sum.ListSHA256 = hex.EncodeToString(sum.sum.Sum(nil))
	return sum, err
}

func (r *destroyedVersion) count(f models.SealedFile) {
	if r.seen[f.ID] {
		return
	}
	r.seen[f.ID] = true
	if f.State != models.SealedDestroyed {
		r.Kept++
		return
	}
	r.Sealed++
	r.SealedBytes += f.PayloadSize
	fmt.Fprintf(r.sum, "%s %d\n", f.PayloadSHA256, f.PayloadSize)
	if len(r.List) < maxListed {
		r.List = append(r.List, destroyedFile{f.PayloadSHA256, f.PayloadSize})
	}
}

// versionDestroyed is the end: the version, its entry and the item in one.
func (s *Service) versionDestroyed(ctx context.Context, d models.Disposal, item models.DisposalItem, sum *destroyedVersion) error {
	id, number, err := parseVersionRef(item.Ref)
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, func(ctx context.Context) error {
		item, done, err := s.again(ctx, item)
		if err != nil || done {
			return err
		}
		v, err := s.Store.Version(ctx, id, number)
		if err != nil {
			return err
		}
		if err := models.CheckTransition(v.State, models.VersionDestroyed); err != nil {
			return err
		}
		v.State = models.VersionDestroyed
		if err := s.Store.SaveVersion(ctx, v); err != nil {
			return err
		}
		if err := s.done(ctx, item, sum); err != nil {
			return err
		}
		return s.Store.Append(ctx, &ledger.Entry{
			Kind: ledger.DatasetDestroyed, IDs: people(d, "dataset", id, "version", strconv.Itoa(number)), Details: sum,
		})
	})
}
