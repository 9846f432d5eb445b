package recipient

import (
	"context"
	"strings"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
)

// MaxKeys is how many keys a recipient may have that are not revoked.
const MaxKeys = 50

// KeyInput is a public key that somebody enters for a recipient.
type KeyInput struct {
	RecipientID string
	Public      string // age1… or age1pq1…
	Holder      string
	Expires     string // last day, or empty
}

// keyDetails is the details of the key entries.
type keyDetails struct {
	Fingerprint  string              `json:"fingerprint"`
	Public       string              `json:"public,omitempty"`
	Holder       string              `json:"holder,omitempty"`
	ExpiresAt    time.Time           `json:"expires_at,omitzero"`
	PostQuantum  bool                `json:"post_quantum,omitempty"`
	Issuer       string              `json:"issuer_fingerprint,omitempty"`
	Independence models.Independence `json:"independence,omitempty"`
	Reason       string              `json:"reason,omitempty"`
}

// AddKey enters a public key and returns it with a sealed challenge, which only
// the holder of the secret key can answer.
func (s *Service) AddKey(ctx context.Context, actor access.Actor, in KeyInput) (models.RecipientKey, []byte, error) {
	if _, err := s.load(ctx, actor, access.AddKey, in.RecipientID); err != nil {
		return models.RecipientKey{}, nil, err
	}
	key, public, err := s.newKey(actor, in)
	if err != nil {
		return models.RecipientKey{}, nil, err
	}
	sealed, err := s.challenge(ctx, &key, public)
	if err != nil {
		return models.RecipientKey{}, nil, err
	}
	return key, sealed, s.Store.Update(ctx, func(ctx context.Context) error {
		if err := s.checkUnknown(ctx, key); err != nil {
			return err
		}
		if err := s.Store.SaveRecipientKey(ctx, key); err != nil {
			return err
		}
		return s.Store.Append(ctx, keyEntry(ledger.KeyAdded, actor, key, keyDetails{
			Fingerprint: key.Fingerprint, Public: key.Public, Holder: key.Holder, ExpiresAt: key.ExpiresAt, PostQuantum: key.PostQuantum,
		}))
	})
}

func (s *Service) newKey(actor access.Actor, in KeyInput) (models.RecipientKey, crypto.Recipient, error) {
	public, err := crypto.ParseRecipient(in.Public)
	if err != nil {
		return models.RecipientKey{}, public, models.Wrap(models.Invalid, err, err.Error())
	}
	if len(in.Holder) > 200 || strings.ContainsFunc(in.Holder, isControl) {
		return models.RecipientKey{}, public, models.Errorf(models.Invalid, "the holder's name is too long (200 bytes) or holds control characters")
	}
	var expires time.Time
	if in.Expires != "" {
		if expires, err = s.futureEnd(in.Expires); err != nil {
			return models.RecipientKey{}, public, err
		}
	}
	id, err := models.NewID(s.Rand, models.KeyID)
	if err != nil {
		return models.RecipientKey{}, public, err
	}
	return models.RecipientKey{
		ID: id, RecipientID: in.RecipientID, Public: public.String(), Fingerprint: public.Fingerprint(),
		PostQuantum: public.PostQuantum(), Holder: in.Holder, State: models.KeyAdded, ExpiresAt: expires,
		AddedBy: actor.UserID, AddedAt: s.now(),
	}, public, nil
}

// checkUnknown refuses a key that stands already somewhere: under another
// recipient it would open that one's data too.
func (s *Service) checkUnknown(ctx context.Context, key models.RecipientKey) error {
	known, err := s.Store.RecipientKeyByPublic(ctx, key.Public)
	switch {
	case models.IsKind(err, models.NotFound):
	case err != nil:
		return err
	case known.RecipientID == key.RecipientID:
		return models.Errorf(models.Conflict, "this key is entered already as %s (%s)", known.ID, known.State)
	default:
		return models.Errorf(models.Conflict, "this key cannot be used; make a new one (teikyo keygen)")
	}
	keys, err := s.Store.RecipientKeys(ctx, key.RecipientID)
	if err != nil {
		return err
	}
	open := 0
	for _, k := range keys {
		if k.State != models.KeyRevoked {
			open++
		}
	}
	if open >= MaxKeys {
		return models.Errorf(models.Conflict, "the recipient has %d keys already; revoke one first", MaxKeys)
	}
	return nil
}

// challenge makes a fresh challenge for key: the text, sealed under the KEK,
// stays in the row; the text sealed to the key goes to the holder.
func (s *Service) challenge(ctx context.Context, key *models.RecipientKey, public crypto.Recipient) ([]byte, error) {
	origin, _ := s.Issuer()
	c, err := crypto.NewChallenge(s.Rand, origin, key.RecipientID, key.Fingerprint, s.now())
	if err != nil {
		return nil, models.Wrap(models.Internal, err, "no challenge could be made")
	}
	key.ChallengeKEK, key.Challenge, err = s.KEK.Wrap(ctx, []byte(c.Text()), ChallengeContext(key.ID))
	if err != nil {
		return nil, models.Wrap(models.Unavailable, err, "the challenge could not be sealed; try again")
	}
	key.ChallengeExpires = c.Expires
	sealed, err := c.Seal(public)
	if err != nil {
		return nil, models.Wrap(models.Invalid, err, "nothing can be sealed to this key; make a new one (teikyo keygen)")
	}
	return sealed, nil
}

// ChallengeContext is what the wrap of a key's open challenge is bound to.
func ChallengeContext(keyID string) []byte { return []byte("key-challenge " + keyID) }

// Challenge makes a new challenge for a key that is not proved yet; the one
// before does not count any more. Only the account that added the key gets it.
func (s *Service) Challenge(ctx context.Context, actor access.Actor, recipientID, keyID string) (models.RecipientKey, []byte, error) {
	var key models.RecipientKey
	var sealed []byte
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		var err error
		if key, err = s.loadKey(ctx, actor, access.ProveKey, recipientID, keyID); err != nil {
			return err
		}
		if err := mayProve(actor, key); err != nil {
			return err
		}
		public, err := crypto.ParseRecipient(key.Public)
		if err != nil {
			return models.Wrap(models.Integrity, err, "the stored key is damaged")
		}
		if sealed, err = s.challenge(ctx, &key, public); err != nil {
			return err
		}
		return s.Store.SaveRecipientKey(ctx, key)
	})
	return key, sealed, err
}

func mayProve(actor access.Actor, key models.RecipientKey) error {
	if key.State != models.KeyAdded {
		return models.Errorf(models.Conflict, "the key is %s already", key.State)
	}
	if actor.UserID != key.AddedBy {
		return models.Errorf(models.Denied, "only the account that added the key can prove it")
	}
	return nil
}

// Prove checks the answer to the key's challenge. An answer counts once: right
// or wrong, the challenge is gone afterwards.
func (s *Service) Prove(ctx context.Context, actor access.Actor, recipientID, keyID, answer string) (models.RecipientKey, error) {
	var key models.RecipientKey
	var refused error
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		var err error
		if key, err = s.loadKey(ctx, actor, access.ProveKey, recipientID, keyID); err != nil {
			return err
		}
		if err := mayProve(actor, key); err != nil {
			return err
		}
		refused = s.checkAnswer(ctx, key, answer)
		key.Challenge, key.ChallengeKEK, key.ChallengeExpires = nil, "", time.Time{}
		if refused != nil {
			return s.Store.SaveRecipientKey(ctx, key)
		}
		key.State, key.ProvedAt = models.KeyProved, s.now()
		if err := s.Store.SaveRecipientKey(ctx, key); err != nil {
			return err
		}
		return s.Store.Append(ctx, keyEntry(ledger.KeyProved, actor, key, keyDetails{Fingerprint: key.Fingerprint}))
	})
	if err == nil {
		err = refused
	}
	return key, err
}

func (s *Service) checkAnswer(ctx context.Context, key models.RecipientKey, answer string) error {
	if len(key.Challenge) == 0 {
		return models.Errorf(models.Expired, "the challenge has been used already; get a new one (teikyo recipient key prove does)")
	}
	if !s.now().Before(key.ChallengeExpires) {
		return models.Errorf(models.Expired, "the challenge has expired; get a new one (teikyo recipient key prove does)")
	}
	text, err := s.KEK.Unwrap(ctx, key.ChallengeKEK, key.Challenge, ChallengeContext(key.ID))
	if err != nil {
		return models.Wrap(models.Integrity, err, "the stored challenge is damaged; get a new one")
	}
	c, err := crypto.ParseChallenge(string(text))
	if err != nil {
		return models.Wrap(models.Integrity, err, "the stored challenge is damaged; get a new one")
	}
	if !c.Check(answer) {
		return models.Errorf(models.Invalid, "the answer is wrong: it does not come from the holder of this key; get a new challenge")
	}
	return nil
}

// ApproveKey lets a proved key receive data. The approver is not who added it;
// the entry names the issuer file that the recipient holds against it.
func (s *Service) ApproveKey(ctx context.Context, actor access.Actor, recipientID, keyID string) (models.RecipientKey, error) {
	var key models.RecipientKey
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		var err error
		if key, err = s.loadKey(ctx, actor, access.ApproveKey, recipientID, keyID); err != nil {
			return err
		}
		if key.State == models.KeyAdded {
			return models.Errorf(models.Conflict, "the key's holder has not proved it yet (teikyo recipient key prove)")
		}
		if err := models.CheckTransition(key.State, models.KeyApproved); err != nil {
			return err
		}
		independence, err := s.People.Pair(ctx, key.AddedBy, actor.UserID)
		if err != nil {
			return err
		}
		key.State, key.ApprovedBy, key.ApprovedAt, key.Independence = models.KeyApproved, actor.UserID, s.now(), independence
		if err := s.Store.SaveRecipientKey(ctx, key); err != nil {
			return err
		}
		_, issuer := s.Issuer()
		return s.Store.Append(ctx, keyEntry(ledger.KeyApproved, actor, key,
			keyDetails{Fingerprint: key.Fingerprint, Issuer: issuer, Independence: independence}))
	})
	return key, err
}

// RevokeKey ends a key: no further headers are made for it, and links that are
// bound to it end.
func (s *Service) RevokeKey(ctx context.Context, actor access.Actor, recipientID, keyID, reason string) (models.RecipientKey, error) {
	var key models.RecipientKey
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		var err error
		if key, err = s.loadKey(ctx, actor, access.RevokeKey, recipientID, keyID); err != nil {
			return err
		}
		if err := needReason(reason); err != nil {
			return err
		}
		if err := models.CheckTransition(key.State, models.KeyRevoked); err != nil {
			return err
		}
		key.State, key.RevokedBy, key.RevokedAt = models.KeyRevoked, actor.UserID, s.now()
		key.Challenge, key.ChallengeKEK, key.ChallengeExpires = nil, "", time.Time{}
		if err := s.Store.SaveRecipientKey(ctx, key); err != nil {
			return err
		}
		if err := s.Store.Revoke(ctx); err != nil {
			return err
		}
		return s.Store.Append(ctx, keyEntry(ledger.KeyRevoked, actor, key, keyDetails{Fingerprint: key.Fingerprint, Reason: reason}))
	})
	return key, err
}

// KeyList shows the keys of a recipient, oldest first.
func (s *Service) KeyList(ctx context.Context, actor access.Actor, recipientID string) ([]models.RecipientKey, error) {
	if _, err := s.load(ctx, actor, access.ReadRecipient, recipientID); err != nil {
		return nil, err
	}
	return s.Store.RecipientKeys(ctx, recipientID)
}

func (s *Service) loadKey(ctx context.Context, actor access.Actor, act access.Act, recipientID, keyID string) (models.RecipientKey, error) {
	key, err := s.Store.RecipientKey(ctx, keyID)
	if models.IsKind(err, models.NotFound) || err == nil && key.RecipientID != recipientID {
		if err := access.Can(actor, act, access.Absent()); err != nil {
			return models.RecipientKey{}, err
		}
	}
	if err != nil {
		return models.RecipientKey{}, err
	}
	return key, access.Can(actor, act, access.Of(key.RecipientID))
}

func keyEntry(kind ledger.Kind, actor access.Actor, key models.RecipientKey, details keyDetails) *ledger.Entry {
	return entry(kind, actor, map[string]string{"recipient": key.RecipientID, "key": key.ID}, details)
}
