package rekey

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"teikyo/access"
	"teikyo/deid/recognise"
	"teikyo/ledger"
	"teikyo/models"
)

// The limits of objections.
const (
	MaxObjections = 1_000_000 // people, in all
	MaxBatch      = 10_000    // source keys in one call
	MaxSourceKey  = 128       // bytes of one
)

// AddObjections notes that the people with these source keys (chart numbers and
// the like) objected. The keys themselves are kept nowhere.
func (s *Service) AddObjections(ctx context.Context, actor access.Actor, keys []string, reason string) (models.ObjectionBatch, error) {
	if err := access.Can(actor, access.AddObjections, access.Whole()); err != nil {
		return models.ObjectionBatch{}, err
	}
	reason = strings.TrimSpace(reason)
	if len(keys) == 0 || len(keys) > MaxBatch || len(reason) > maxReason {
		return models.ObjectionBatch{}, models.Errorf(models.Invalid, "give 1 to %d source keys at once, and a reason of at most %d bytes", MaxBatch, maxReason)
	}
	id, err := models.NewID(s.Rand, models.ObjectionID)
	if err != nil {
		return models.ObjectionBatch{}, err
	}
	batch := models.ObjectionBatch{ID: id, Reason: reason, AddedBy: actor.UserID, AddedAt: s.now()}
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		key, err := s.objectionKey(ctx, actor)
		if err != nil {
			return err
		}
		hashes, err := hashAll(key, keys)
		if err != nil {
			return err
		}
		batch.Keys = int64(len(hashes))
		if batch, err = s.Store.AddObjections(ctx, batch, hashes); err != nil {
			return err
		}
		total, err := s.Store.CountObjections(ctx)
		if err != nil {
			return err
		}
		if total > MaxObjections {
			return models.Errorf(models.TooLarge, "the list of people who objected holds at most %d", MaxObjections)
		}
		return s.Store.Append(ctx, &ledger.Entry{
			Kind: ledger.ObjectionAdded, IDs: map[string]string{"objection": id, "actor": actor.UserID},
			Details: objectionDetails{Keys: batch.Keys, New: batch.New, Total: total, Reason: reason},
		})
	})
	return batch, err
}

// objectionDetails is the details of objection.added: numbers, never keys, and
// no hashes either.
type objectionDetails struct {
	Keys   int64  `json:"keys"`
	New    int64  `json:"new"`
	Total  int64  `json:"total"`
	Reason string `json:"reason,omitempty"`
}

// objectionKey opens the key of the list, or makes it, inside Update.
func (s *Service) objectionKey(ctx context.Context, actor access.Actor) ([]byte, error) {
	k, err := s.Store.DeidKey(ctx, models.ObjectionDomain)
	if models.IsKind(err, models.NotFound) {
		k, err = s.create(ctx, actor, models.ObjectionDomain)
	}
	if err != nil {
		return nil, err
	}
	return s.open(ctx, k)
}

func hashAll(key []byte, sources []string) ([]string, error) {
	var out []string
	for i, source := range sources {
		norm := normalised([]byte(source))
		if len(norm) == 0 || len(source) > MaxSourceKey {
			return nil, models.Errorf(models.Invalid, "source key %d is empty or longer than %d bytes", i+1, MaxSourceKey)
		}
		h := hashOf(key, norm)
		out = append(out, hex.EncodeToString(h[:]))
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// normalised makes the spellings of one source key equal: full-width and
// half-width characters, spaces around it, capitals, and the zeros that some
// files fill numbers up with (a DPC data identifier has ten digits). Two keys
// that only differ in these count as one person, and both are left out.
func normalised(source []byte) []byte {
	out := bytes.ToLower(bytes.TrimSpace(recognise.Fold(nil, source)))
	if len(bytes.Trim(out, "0123456789")) > 0 {
		return out
	}
	if short := bytes.TrimLeft(out, "0"); len(short) > 0 {
		return short
	}
	return out
}

func hashOf(key, norm []byte) (h [16]byte) {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("teikyo objection\n"))
	mac.Write(norm)
	copy(h[:], mac.Sum(nil))
	return h
}

// Objections are the people who objected, as a transformation asks for them. The
// zero value holds nobody. It is safe for concurrent use.
type Objections struct {
	key    []byte
	hashes map[[16]byte]struct{}
}

// Left reports whether the record of that source key is left out.
func (o *Objections) Left(_ context.Context, sourceKey []byte) bool {
	if o == nil || len(o.hashes) == 0 {
		return false
	}
	norm := normalised(sourceKey)
	if len(norm) == 0 {
		return false
	}
	_, left := o.hashes[hashOf(o.key, norm)]
	return left
}

// Len is how many people are on the list.
func (o *Objections) Len() int {
	if o == nil {
		return 0
	}
	return len(o.hashes)
}

func (o *Objections) add(hash string) error {
	raw, err := hex.DecodeString(hash)
	if err != nil || len(raw) != 16 {
		return models.Errorf(models.Integrity, "the list of people who objected is damaged")
	}
	if o.hashes == nil {
		o.hashes = map[[16]byte]struct{}{}
	}
	o.hashes[[16]byte(raw)] = struct{}{}
	return nil
}

// Objections reads the list for a transformation that the actor runs.
func (s *Service) Objections(ctx context.Context, actor access.Actor) (*Objections, error) {
	if err := access.Can(actor, access.UseRekey, access.Whole()); err != nil {
		return nil, err
	}
	o := &Objections{}
	k, err := s.Store.DeidKey(ctx, models.ObjectionDomain)
	if models.IsKind(err, models.NotFound) {
		return o, nil
	}
	if err != nil {
		return nil, err
	}
	if o.key, err = s.open(ctx, k); err != nil {
		return nil, err
	}
	return o, s.eachHash(ctx, o.add)
}

func (s *Service) eachHash(ctx context.Context, do func(hash string) error) error {
	const page = 5000
	for after := ""; ; {
		list, err := s.Store.ObjectionHashes(ctx, after, page)
		if err != nil {
			return err
		}
		for _, hash := range list {
			if err := do(hash); err != nil {
				return err
			}
		}
		if len(list) < page {
			return nil
		}
		after = list[len(list)-1]
	}
}

// Batches lists what was added when, the newest first.
func (s *Service) Batches(ctx context.Context, actor access.Actor, page models.Page) ([]models.ObjectionBatch, error) {
	if err := access.Can(actor, access.ReadObjections, access.Whole()); err != nil {
		return nil, err
	}
	return s.Store.ObjectionBatches(ctx, page)
}
