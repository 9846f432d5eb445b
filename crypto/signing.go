package crypto

import (
	stdcrypto "crypto"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Use is the one purpose of a signing key (DESIGN.md 3.4).
type Use string

// The uses, each with a key of its own.
const (
	UseManifest   Use = "manifest"
	UseCheckpoint Use = "checkpoint"
	UseLink       Use = "link"
	UseDelivery   Use = "delivery"
)

// Uses are all uses, in the order of the issuer file.
func Uses() []Use { return []Use{UseManifest, UseCheckpoint, UseLink, UseDelivery} }

const (
	issuerFileName = "issuer.json"
	maxIssuerFile  = 1 << 20
)

// ErrOrigin: the issuer's name is malformed, or not the one of the keys folder.
var ErrOrigin = errors.New("crypto: bad issuer origin")

// SigningKey is an Ed25519 private key of one use. It prints as "[redacted]" and
// implements crypto.Signer.
type SigningKey struct {
	redacted
	private ed25519.PrivateKey
}

// NewSigningKey makes a key from a 32-byte seed.
func NewSigningKey(seed [ed25519.SeedSize]byte) SigningKey {
	return SigningKey{private: ed25519.NewKeyFromSeed(seed[:])}
}

// Public returns the ed25519.PublicKey.
func (k SigningKey) Public() stdcrypto.PublicKey { return k.private.Public() }

// Sign signs a message, not a digest; opts must be crypto.Hash(0).
func (k SigningKey) Sign(rand io.Reader, message []byte, opts stdcrypto.SignerOpts) ([]byte, error) {
	return k.private.Sign(rand, message, opts)
}

func (k SigningKey) publicText() string {
	return base64.StdEncoding.EncodeToString(k.private.Public().(ed25519.PublicKey))
}

// SigningKeys are the issuer's keys with the issuer file that holds their public
// history, both in the keys folder. It prints as "[redacted]" and is safe for
// concurrent use.
type SigningKeys struct {
	redacted
	dir  string
	rand io.Reader

	mu     sync.RWMutex
	issuer Issuer
	keys   map[Use]SigningKey
}

// OpenSigningKeys reads the keys and issuer.json from dir, or makes them when
// there is no issuer.json. Errors: ErrOrigin, ErrKeyFileReadable, ErrKeyFile,
// ErrMissingKey, ErrIssuer.
func OpenSigningKeys(dir, origin string, rand io.Reader, now time.Time) (*SigningKeys, error) {
	if err := openKeyFolder(dir); err != nil {
		return nil, err
	}
	k := &SigningKeys{dir: dir, rand: rand, keys: map[Use]SigningKey{}}
	data, err := os.ReadFile(filepath.Join(dir, issuerFileName))
	if errors.Is(err, fs.ErrNotExist) {
		return k, k.create(origin, now)
	}
	if err != nil {
		return nil, fmt.Errorf("crypto: issuer file: %w", err)
	}
	if k.issuer, err = ParseIssuer(data); err != nil {
		return nil, err
	}
	if k.issuer.Origin != origin {
		return nil, fmt.Errorf("%w: the keys in %s belong to %s, not to %s", ErrOrigin, dir, k.issuer.Origin, origin)
	}
	return k, k.load()
}

func (k *SigningKeys) create(origin string, now time.Time) error {
	if !ValidOrigin(origin) {
		return fmt.Errorf("%w: %q; use a name like example.org", ErrOrigin, origin)
	}
	issuer := Issuer{V: 1, Origin: origin}
	for _, use := range Uses() {
		key, err := k.newKey(use, 1)
		if err != nil {
			return err
		}
		k.keys[use] = key
		issuer.Keys = append(issuer.Keys, IssuerKey{Use: use, Public: key.publicText(), From: wholeSeconds(now)})
	}
	return k.save(issuer)
}

func (k *SigningKeys) newKey(use Use, version int) (SigningKey, error) {
	file, err := createKeyFile(k.dir, string(use), version, k.rand)
	return NewSigningKey(file.secret), err
}

// load finds for each use the file of the key that the issuer file names. A file
// more is what a crash between key and issuer file leaves.
func (k *SigningKeys) load() error {
	for _, use := range Uses() {
		files, err := readKeyFiles(k.dir, string(use))
		if err != nil {
			return err
		}
		current := k.issuer.current(use)
		at := slices.IndexFunc(files, func(f keyFile) bool { return NewSigningKey(f.secret).publicText() == current.Public })
		if at < 0 {
			return fmt.Errorf("%w: the %s signing key", ErrMissingKey, use)
		}
		k.keys[use] = NewSigningKey(files[at].secret)
	}
	return nil
}

func (k *SigningKeys) save(issuer Issuer) error {
	data, err := issuer.JSON()
	if err != nil {
		return err
	}
	if err := writeDurably(k.dir, issuerFileName, data); err != nil {
		return err
	}
	k.issuer = issuer
	return nil
}

// Issuer is the issuer file as it stands now.
func (k *SigningKeys) Issuer() Issuer {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.issuer
}

func (k *SigningKeys) key(use Use) SigningKey {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.keys[use]
}

// ManifestKey signs manifests (SignManifest).
func (k *SigningKeys) ManifestKey() SigningKey { return k.key(UseManifest) }

// LinkKey signs link tokens (SignLink).
func (k *SigningKeys) LinkKey() SigningKey { return k.key(UseLink) }

// DeliveryKey signs HTTPS deliveries (RFC 9421).
func (k *SigningKeys) DeliveryKey() SigningKey { return k.key(UseDelivery) }

// CheckpointSecretKey is the checkpoint key in the form that ledger.NewSigner
// takes (C2SP signed-note), its name the origin. It is a secret: hand it on, do
// not keep it.
func (k *SigningKeys) CheckpointSecretKey() string {
	key := k.key(UseCheckpoint)
	name, rest, _ := strings.Cut(noteVerifierKey(k.Issuer().Origin, key.private.Public().(ed25519.PublicKey)), "+")
	hash, _, _ := strings.Cut(rest, "+")
	secret := append([]byte{noteEd25519}, key.private.Seed()...)
	return "PRIVATE+KEY+" + name + "+" + hash + "+" + base64.StdEncoding.EncodeToString(secret)
}

// Rotate replaces the key of a use from ledgerIndex on, which is the length of
// the ledger now, and returns the statement signed by the old key. Record it in
// the ledger (issuer.rotated).
func (k *SigningKeys) Rotate(use Use, now time.Time, ledgerIndex int64) (KeyChange, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old, ok := k.keys[use]
	if !ok {
		return KeyChange{}, fmt.Errorf("%w: no use %q", ErrIssuer, use)
	}
	next, err := k.newKey(use, len(k.issuer.history(use))+1)
	if err != nil {
		return KeyChange{}, err
	}
	for _, earlier := range k.issuer.Changes { // after a forced restore the ledger counts from 0 again
		if earlier.Use == use {
			ledgerIndex = max(ledgerIndex, earlier.LedgerIndex)
		}
	}
	change := KeyChange{
		Use: use, Old: old.publicText(), New: next.publicText(), At: wholeSeconds(now), LedgerIndex: ledgerIndex,
	}
	change.Signature = signStatement(old, change.statement(k.issuer.Origin))
	issuer := k.issuer
	issuer.Changes = append(slices.Clone(issuer.Changes), change)
	if err := issuer.Verify(); err != nil {
		return KeyChange{}, err
	}
	if err := k.save(issuer); err != nil {
		return KeyChange{}, err
	}
	k.keys[use] = next
	return change, nil
}

// Revoke withdraws trust in an earlier key (base64 of the public key): what it
// signed counts only for ledger entries below fromIndex. Rotate first. Record
// the statement in the ledger.
func (k *SigningKeys) Revoke(use Use, public string, now time.Time, fromIndex int64) (KeyRevocation, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := KeyRevocation{Use: use, Key: public, By: k.issuer.current(use).Public, At: wholeSeconds(now), LedgerIndex: fromIndex}
	r.Signature = signStatement(k.keys[use], r.statement(k.issuer.Origin))
	issuer := k.issuer
	issuer.Revocations = append(slices.Clone(issuer.Revocations), r)
	if err := issuer.Verify(); err != nil {
		return KeyRevocation{}, err
	}
	return r, k.save(issuer)
}

func signStatement(key SigningKey, statement []byte) string {
	return base64.StdEncoding.EncodeToString(ed25519.Sign(key.private, statement))
}

func wholeSeconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// CanonicalJSON encodes v as RFC 8785 demands.
func CanonicalJSON(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("crypto: encoding JSON: %w", err)
	}
	return canonical(data)
}
