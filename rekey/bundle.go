package rekey

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
)

const (
	bundleFormat = "teikyo-rekey-v1"
	maxDomains   = 100
	maxBundle    = 64 << 20 // bytes, opened
)

// Bundle is what a transformation away from the server needs: keys of domains,
// and the list of people who objected. On disk it is sealed to an age key. It
// prints as "[redacted]".
type Bundle struct {
	wire       bundleWire
	objections *Objections
}

// String returns "[redacted]".
func (Bundle) String() string { return "[redacted]" }

// GoString returns "[redacted]".
func (Bundle) GoString() string { return "[redacted]" }

type bundleWire struct {
	Format     string            `json:"format"`
	Issuer     string            `json:"issuer,omitempty"` // empty: made without a server
	MadeAt     time.Time         `json:"made_at"`
	Domains    map[string]string `json:"domains"` // base64 of the keys
	Objections *objectionsWire   `json:"objections,omitempty"`
}

type objectionsWire struct {
	Key    string   `json:"key"`
	Hashes []string `json:"hashes"` // hex
}

// Export seals the keys of domains, and the list of people who objected, to an
// age key. Each key's entry in the ledger says so. Domains without a key get one.
func (s *Service) Export(ctx context.Context, actor access.Actor, domains []string, public string) ([]byte, error) {
	if err := access.Can(actor, access.UseRekey, access.Whole()); err != nil {
		return nil, err
	}
	to, err := crypto.ParseRecipient(public)
	if err != nil {
		return nil, models.Wrap(models.Invalid, nil, err.Error())
	}
	domains = slices.Compact(slices.Sorted(slices.Values(domains)))
	if len(domains) == 0 || len(domains) > maxDomains {
		return nil, models.Errorf(models.Invalid, "name 1 to %d domains", maxDomains)
	}
	w := bundleWire{Format: bundleFormat, Issuer: s.Origin(), MadeAt: s.now().Truncate(time.Second), Domains: map[string]string{}}
	for _, domain := range domains { // those that are not there are made first
		key, err := s.For(actor).Key(ctx, domain)
		if err != nil {
			return nil, err
		}
		w.Domains[domain] = base64.StdEncoding.EncodeToString(key)
		clear(key)
	}
	if w.Objections, err = s.objectionsWire(ctx, actor); err != nil {
		return nil, err
	}
	sealed, err := w.seal(to)
	if err != nil {
		return nil, err
	}
	return sealed, s.exported(ctx, actor, domains, to.Fingerprint(), w.Objections != nil)
}

func (s *Service) objectionsWire(ctx context.Context, actor access.Actor) (*objectionsWire, error) {
	list, err := s.Objections(ctx, actor)
	if err != nil || list.Len() == 0 {
		return nil, err
	}
	w := &objectionsWire{Key: base64.StdEncoding.EncodeToString(list.key)}
	return w, s.eachHash(ctx, func(hash string) error {
		w.Hashes = append(w.Hashes, hash)
		return nil
	})
}

func (w bundleWire) seal(to crypto.Recipient) ([]byte, error) {
	text, err := json.Marshal(w)
	if err != nil {
		return nil, models.Wrap(models.Internal, nil, "the keys cannot be encoded")
	}
	defer clear(text)
	sealed, err := crypto.SealSmall(text, to)
	if err != nil {
		return nil, models.Wrap(models.Invalid, err, "the keys cannot be sealed to this age key")
	}
	return sealed, nil
}

// exported counts and records an export, before its bytes leave.
func (s *Service) exported(ctx context.Context, actor access.Actor, domains []string, fingerprint string, objections bool) error {
	for _, domain := range domains {
		err := s.Store.Update(ctx, func(ctx context.Context) error {
			k, err := s.Store.DeidKey(ctx, domain)
			if err != nil {
				return err
			}
			if k.State == models.DeidKeyDestroyed {
				return usedUp(domain)
			}
			k.Exports++
			if err := s.Store.SaveDeidKey(ctx, k); err != nil {
				return err
			}
			return s.Store.Append(ctx, entry(ledger.RekeyExported, k, actor,
				keyDetails{Domain: domain, Recipient: fingerprint, Exports: k.Exports, WithObjections: objections}))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// NewBundle makes keys for domains without a server, sealed to an age key.
func NewBundle(rand io.Reader, now time.Time, domains []string, to crypto.Recipient) ([]byte, error) {
	w := bundleWire{Format: bundleFormat, MadeAt: now.UTC().Truncate(time.Second), Domains: map[string]string{}}
	for _, domain := range domains {
		if err := checkDomain(domain); err != nil {
			return nil, err
		}
		key, err := newKey(rand)
		if err != nil {
			return nil, err
		}
		w.Domains[domain] = base64.StdEncoding.EncodeToString(key)
		clear(key)
	}
	if len(w.Domains) == 0 || len(w.Domains) > maxDomains {
		return nil, models.Errorf(models.Invalid, "name 1 to %d domains", maxDomains)
	}
	return w.seal(to)
}

// OpenBundle opens a sealed bundle. Errors: Integrity when it is damaged, Denied
// when the identity does not open it.
func OpenBundle(sealed []byte, id crypto.Identity) (*Bundle, error) {
	text, err := crypto.OpenSmall(sealed, id, maxBundle)
	if err != nil {
		return nil, models.Wrap(models.Denied, err, "the file with the keys does not open with this identity")
	}
	defer clear(text)
	b := &Bundle{}
	if err := json.Unmarshal(text, &b.wire); err != nil || b.wire.Format != bundleFormat {
		return nil, models.Errorf(models.Integrity, "this is no file with keys of domains, or it is damaged")
	}
	for domain, key := range b.wire.Domains {
		if raw, err := base64.StdEncoding.DecodeString(key); err != nil || len(raw) != KeySize {
			return nil, models.Errorf(models.Integrity, "the key of the domain %s is damaged", domain)
		}
	}
	return b, b.openObjections()
}

func (b *Bundle) openObjections() error {
	b.objections = &Objections{}
	w := b.wire.Objections
	if w == nil {
		return nil
	}
	key, err := base64.StdEncoding.DecodeString(w.Key)
	if err != nil || len(key) != KeySize || len(w.Hashes) > MaxObjections {
		return models.Errorf(models.Integrity, "the list of people who objected is damaged")
	}
	b.objections.key = key
	for _, hash := range w.Hashes {
		if err := b.objections.add(hash); err != nil {
			return err
		}
	}
	return nil
}

// Key implements what a transformation asks for. NotFound when the bundle lacks
// the domain.
func (b *Bundle) Key(_ context.Context, domain string) ([]byte, error) {
	key, ok := b.wire.Domains[domain]
	if !ok {
		return nil, models.Errorf(models.NotFound, "the file with the keys has none for the domain %s; it has: %s",
			domain, strings.Join(b.Domains(), ", "))
	}
	return base64.StdEncoding.DecodeString(key)
}

// Domains are the names, sorted.
func (b *Bundle) Domains() []string { return slices.Sorted(maps.Keys(b.wire.Domains)) }

// Objections is the list of people who objected as it stood when the bundle was
// made; it may be empty, never nil.
func (b *Bundle) Objections() *Objections { return b.objections }

// MadeAt is when the bundle was made; Issuer by whom, empty without a server.
func (b *Bundle) MadeAt() time.Time { return b.wire.MadeAt }

// Issuer is the origin of the server that made it, empty without one.
func (b *Bundle) Issuer() string { return b.wire.Issuer }
