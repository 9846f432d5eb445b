package rekey

import (
	"context"
	"io"
	"strings"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
)

// KeySize is the size of a key in bytes.
const KeySize = 32

const maxReason = 500

// Store keeps the rows; *database.DB satisfies it.
type Store interface {
	Update(ctx context.Context, fn func(ctx context.Context) error) error
	Append(ctx context.Context, e *ledger.Entry) error

	// DeidKey is held inside Update; NotFound when the domain has none.
	DeidKey(ctx context.Context, domain string) (models.DeidKey, error)
	DeidKeys(ctx context.Context, page models.Page) ([]models.DeidKey, error)
	SaveDeidKey(ctx context.Context, k models.DeidKey) error

	AddObjections(ctx context.Context, b models.ObjectionBatch, hashes []string) (models.ObjectionBatch, error)
	ObjectionBatches(ctx context.Context, page models.Page) ([]models.ObjectionBatch, error)
	ObjectionHashes(ctx context.Context, after string, limit int) ([]string, error)
	CountObjections(ctx context.Context) (int64, error)
}

// Service holds the use cases. Every field must be set; it is safe for
// concurrent use.
type Service struct {
	Store  Store
	KEK    crypto.KEK
	Origin func() string // of the issuer, for bundles
	Now    func() time.Time
	Rand   io.Reader
}

func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// Create makes the key of a new domain. Conflict when the domain has one, or had.
func (s *Service) Create(ctx context.Context, actor access.Actor, domain string) (models.DeidKey, error) {
	if err := access.Can(actor, access.UseRekey, access.Whole()); err != nil {
		return models.DeidKey{}, err
	}
	if err := checkDomain(domain); err != nil {
		return models.DeidKey{}, err
	}
	var k models.DeidKey
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		switch known, err := s.Store.DeidKey(ctx, domain); {
		case err == nil && known.State == models.DeidKeyDestroyed:
			return usedUp(domain)
		case err == nil:
			return models.Errorf(models.Conflict, "the domain %s has a key already; use it, or name another domain", domain)
		case !models.IsKind(err, models.NotFound):
			return err
		}
		var err error
		k, err = s.create(ctx, actor, domain)
		return err
	})
	return k, err
}

func checkDomain(domain string) error {
	if models.IsDomain(domain) {
		return nil
	}
	return models.Errorf(models.Invalid, "a domain is named by lower-case letters, digits, dots, hyphens and underscores, at most 64: "+
		"such as keio-2026 or project-12")
}

func usedUp(domain string) error {
	return models.Errorf(models.Conflict, "the key of the domain %s was destroyed; name another domain", domain)
}

// create makes a key inside Update.
func (s *Service) create(ctx context.Context, actor access.Actor, domain string) (models.DeidKey, error) {
	id, err := models.NewID(s.Rand, models.DeidKeyID)
	if err != nil {
		return models.DeidKey{}, err
	}
	key, err := newKey(s.Rand)
	if err != nil {
		return models.DeidKey{}, err
	}
	defer clear(key)
	k := models.DeidKey{ID: id, Domain: domain, State: models.DeidKeyActive, CreatedBy: actor.UserID, CreatedAt: s.now()}
	if k.KEKID, k.Wrapped, err = s.KEK.Wrap(ctx, key, models.DeidKeyContext(id)); err != nil {
		return k, models.Wrap(models.Unavailable, err, "the key could not be sealed; check the server's keys")
	}
	if err := s.Store.SaveDeidKey(ctx, k); err != nil {
		return k, err
	}
	return k, s.Store.Append(ctx, entry(ledger.RekeyCreated, k, actor, keyDetails{Domain: domain}))
}

func newKey(rand io.Reader) ([]byte, error) {
	key := make([]byte, KeySize)
	if _, err := io.ReadFull(rand, key); err != nil {
		return nil, models.Wrap(models.Internal, err, "no randomness for a new key")
	}
	return key, nil
}

// keyDetails are the details of the entries about a key.
type keyDetails struct {
	Domain         string `json:"domain"`
	Recipient      string `json:"sealed_to,omitempty"` // fingerprint of the age key
	Exports        int    `json:"exports,omitempty"`
	Reason         string `json:"reason,omitempty"`
	WithObjections bool   `json:"with_objections,omitempty"`
}

func entry(kind ledger.Kind, k models.DeidKey, actor access.Actor, details keyDetails) *ledger.Entry {
	return &ledger.Entry{Kind: kind, IDs: map[string]string{"deid_key": k.ID, "actor": actor.UserID}, Details: details}
}

// Keys lists the domains, the newest first; the cursor is models.TimeCursor.
func (s *Service) Keys(ctx context.Context, actor access.Actor, page models.Page) ([]models.DeidKey, error) {
	if err := access.Can(actor, access.ReadRekey, access.Whole()); err != nil {
		return nil, err
	}
	return s.Store.DeidKeys(ctx, page)
}

// Destroy removes the key of a domain for good. Exports are their holders' to
// destroy, and older backups hold it, under the key-encryption key of their time.
func (s *Service) Destroy(ctx context.Context, actor access.Actor, domain, reason string) (models.DeidKey, error) {
	k, err := s.Store.DeidKey(ctx, domain)
	object := access.Of("")
	if models.IsKind(err, models.NotFound) || domain == models.ObjectionDomain {
		object, err = access.Absent(), nil
	}
	if can := access.Can(actor, access.DestroyRekey, object); can != nil || err != nil {
		return k, first(can, err)
	}
	if reason = strings.TrimSpace(reason); reason == "" || len(reason) > maxReason {
		return k, models.Errorf(models.Invalid, "say why the key is destroyed, in at most %d bytes", maxReason)
	}
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		if k, err = s.Store.DeidKey(ctx, domain); err != nil {
			return err
		}
		if k.State == models.DeidKeyDestroyed {
			return models.Errorf(models.Conflict, "the key of the domain %s is destroyed already", domain)
		}
		k.State, k.KEKID, k.Wrapped = models.DeidKeyDestroyed, "", nil
		k.DestroyedBy, k.DestroyedAt, k.Reason = actor.UserID, s.now(), reason
		if err := s.Store.SaveDeidKey(ctx, k); err != nil {
			return err
		}
		return s.Store.Append(ctx, entry(ledger.RekeyDestroyed, k, actor, keyDetails{Domain: domain, Exports: k.Exports, Reason: reason}))
	})
	return k, err
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// open unwraps a key.
func (s *Service) open(ctx context.Context, k models.DeidKey) ([]byte, error) {
	if k.State == models.DeidKeyDestroyed {
		return nil, usedUp(k.Domain)
	}
	key, err := s.KEK.Unwrap(ctx, k.KEKID, k.Wrapped, models.DeidKeyContext(k.ID))
	if err != nil {
		return nil, models.Wrap(models.Unavailable, err, "the key of the domain "+k.Domain+" does not open; run teikyo key status")
	}
	if len(key) != KeySize {
		return nil, models.Errorf(models.Integrity, "the key of the domain %s is damaged", k.Domain)
	}
	return key, nil
}

// For gives the keys of domains to a transformation that the actor runs; a domain
// without a key gets one.
func (s *Service) For(actor access.Actor) Keys { return Keys{service: s, actor: actor} }

// Keys are the keys of domains, as a transformation asks for them.
type Keys struct {
	service *Service
	actor   access.Actor
}

// Key returns the 32 bytes of a domain's key. Conflict when it was destroyed.
func (k Keys) Key(ctx context.Context, domain string) ([]byte, error) {
	if err := access.Can(k.actor, access.UseRekey, access.Whole()); err != nil {
		return nil, err
	}
	if err := checkDomain(domain); err != nil {
		return nil, err
	}
	s := k.service
	row, err := s.Store.DeidKey(ctx, domain)
	if models.IsKind(err, models.NotFound) {
		err = s.Store.Update(ctx, func(ctx context.Context) error {
			row, err = s.Store.DeidKey(ctx, domain)
			if models.IsKind(err, models.NotFound) { // still nobody else has made one
				row, err = s.create(ctx, k.actor, domain)
			}
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	return s.open(ctx, row)
}

// Once makes a key for each domain that is asked for, in memory alone: a
// transformation whose keys are destroyed with it. It is not safe for concurrent
// use.
type Once struct {
	Rand io.Reader
	keys map[string][]byte
}

// Key implements what a transformation asks for.
func (o *Once) Key(_ context.Context, domain string) ([]byte, error) {
	if key, ok := o.keys[domain]; ok {
		return append([]byte(nil), key...), nil
	}
	key, err := newKey(o.Rand)
	if err != nil {
		return nil, err
	}
	if o.keys == nil {
		o.keys = map[string][]byte{}
	}
	o.keys[domain] = key
	return append([]byte(nil), key...), nil
}

// Destroy forgets the keys and says of how many domains.
func (o *Once) Destroy() int {
	n := len(o.keys)
	for _, key := range o.keys {
		clear(key)
	}
	o.keys = nil
	return n
}
