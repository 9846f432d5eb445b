package crypto

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
)

var (
	// ErrMissingKey: a key-encryption key that rows need is not in the keyring.
	ErrMissingKey = errors.New("crypto: a key-encryption key is missing; restore its file to the keys folder")
	// ErrUnwrap: a wrapped key was altered, or belongs to another row.
	ErrUnwrap = errors.New("crypto: a wrapped key was altered or moved to another row")
	// ErrProvider: the provider of the key-encryption key does not do its work
	// now. A retry may help.
	ErrProvider = errors.New("crypto: the provider of the key-encryption key is out of reach")
)

// KEK wraps small secrets under a versioned key-encryption key (DESIGN.md 3.5).
// context is authenticated, not stored: Unwrap needs the same. Errors:
// ErrMissingKey, ErrUnwrap, and those of a remote provider.
type KEK interface {
	// CurrentID is the id of the key that Wrap uses now.
	CurrentID() string
	// IDs are all ids, oldest first.
	IDs() []string
	// CheckValue tells keys apart without showing them: stored in the database,
	// it shows at start that the keyring is the right one.
	CheckValue(id string) (string, error)
	Wrap(ctx context.Context, secret, context []byte) (kekID string, wrapped []byte, err error)
	Unwrap(ctx context.Context, kekID string, wrapped, context []byte) ([]byte, error)
}

// KEKProvider keeps versions of the key-encryption key: in files, or in a key
// service. It is safe for concurrent use.
type KEKProvider interface {
	// Provider is its name as in the settings.
	Provider() string
	// IDs are the versions that it holds, oldest first.
	IDs() []string
	CheckValue(id string) (string, error)
	// WrapUnder wraps under a version that need not be the current one.
	WrapUnder(ctx context.Context, id string, secret, context []byte) ([]byte, error)
	Unwrap(ctx context.Context, id string, wrapped, context []byte) ([]byte, error)
	// Create makes a version that is none of known, durable when it returns. One
	// that was made before and is not known yet is taken up.
	Create(ctx context.Context, known []string) (id string, err error)
	// Destroy removes a version for good; one that is gone already is no error.
	Destroy(ctx context.Context, id string) error
	// Ping says why the provider cannot wrap and unwrap now.
	Ping(ctx context.Context) error
}

// Keyring is the KEK of one or more providers: the first makes new versions, the
// others are there for what was wrapped before. Which version wraps is said by
// Use. It prints as "[redacted]" and is safe for concurrent use.
type Keyring struct {
	redacted
	providers []KEKProvider

	mu      sync.RWMutex
	current string
}

// NewKeyring puts providers together; maker makes new versions.
func NewKeyring(maker KEKProvider, others ...KEKProvider) *Keyring {
	return &Keyring{providers: append([]KEKProvider{maker}, others...)}
}

// Use makes Wrap wrap under id from now on; ErrMissingKey when no provider has
// that version.
func (k *Keyring) Use(id string) error {
	if _, err := k.CheckValue(id); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.current = id
	return nil
}

// CurrentID implements KEK; empty before Use.
func (k *Keyring) CurrentID() string {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.current
}

// IDs implements KEK.
func (k *Keyring) IDs() []string {
	var ids []string
	for _, p := range k.providers {
		ids = append(ids, p.IDs()...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// CheckValue implements KEK.
func (k *Keyring) CheckValue(id string) (string, error) {
	_, value, err := k.find(id)
	return value, err
}

// ProviderOf is the name of the provider that holds a version, empty when none
// does.
func (k *Keyring) ProviderOf(id string) string {
	p, _, err := k.find(id)
	if err != nil {
		return ""
	}
	return p.Provider()
}

// find asks the providers one after the other. One that is out of reach counts
// only when no other has the key.
func (k *Keyring) find(id string) (KEKProvider, string, error) {
	var failed error
	for _, p := range k.providers {
		value, err := p.CheckValue(id)
		if err == nil {
			return p, value, nil
		}
		if failed == nil || errors.Is(failed, ErrMissingKey) {
			failed = err
		}
	}
	return nil, "", failed
}

// Wrap implements KEK.
func (k *Keyring) Wrap(ctx context.Context, secret, context []byte) (string, []byte, error) {
	for {
		id := k.CurrentID()
		wrapped, err := k.WrapUnder(ctx, id, secret, context)
		if errors.Is(err, ErrMissingKey) && id != k.CurrentID() { // rotated and destroyed in between
			continue
		}
		return id, wrapped, err
	}
}

// WrapUnder is Wrap under a version that need not be the current one.
func (k *Keyring) WrapUnder(ctx context.Context, id string, secret, context []byte) ([]byte, error) {
	p, _, err := k.find(id)
	if err != nil {
		return nil, err
	}
	return p.WrapUnder(ctx, id, secret, context)
}

// Unwrap implements KEK.
func (k *Keyring) Unwrap(ctx context.Context, kekID string, wrapped, context []byte) ([]byte, error) {
	p, _, err := k.find(kekID)
	if err != nil {
		return nil, err
	}
	return p.Unwrap(ctx, kekID, wrapped, context)
}

// Create makes a new version with the first provider. It does not wrap before
// Use.
func (k *Keyring) Create(ctx context.Context, known []string) (string, error) {
	return k.providers[0].Create(ctx, known)
}

// Destroy removes a version from every provider that has it.
func (k *Keyring) Destroy(ctx context.Context, id string) error {
	var errs []error
	for _, p := range k.providers {
		if slices.Contains(p.IDs(), id) {
			errs = append(errs, p.Destroy(ctx, id))
		}
	}
	return errors.Join(errs...)
}

// Ping says why some provider cannot wrap and unwrap now.
func (k *Keyring) Ping(ctx context.Context) error {
	var errs []error
	for _, p := range k.providers {
		errs = append(errs, p.Ping(ctx))
	}
	return errors.Join(errs...)
}

// joined puts the length before every part, so that no two lists are alike.
func joined(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}

// Purposes of a WrapContext.
const (
	WrapFile  = "file"  // the key of a registered file
	WrapDraft = "draft" // of an upload under way: its payload digest is zero
)

// WrapContext ties a wrapped key to its row: a wrap moved to another row does
// not open.
type WrapContext struct {
	Purpose       string
	FileID        string
	PayloadSHA256 [sha256.Size]byte
}

// Bytes is the context for KEK.Wrap and KEK.Unwrap.
func (c WrapContext) Bytes() []byte {
	return joined([]byte("teikyo-wrap-v1"), []byte(c.Purpose), []byte(c.FileID), c.PayloadSHA256[:])
}

// WrapFileKey wraps a file key for its row.
func WrapFileKey(ctx context.Context, kek KEK, key FileKey, c WrapContext) (kekID string, wrapped []byte, err error) {
	return kek.Wrap(ctx, key[:], c.Bytes())
}

// UnwrapFileKey is the inverse of WrapFileKey, with the same errors as KEK.
func UnwrapFileKey(ctx context.Context, kek KEK, kekID string, wrapped []byte, c WrapContext) (FileKey, error) {
	secret, err := kek.Unwrap(ctx, kekID, wrapped, c.Bytes())
	if err != nil {
		return FileKey{}, err
	}
	defer clear(secret)
	if len(secret) != len(FileKey{}) {
		return FileKey{}, ErrUnwrap
	}
	return FileKey(secret), nil
}
