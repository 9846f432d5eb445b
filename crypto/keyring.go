package crypto

import (
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"
)

var (
	// ErrMissingKey: a key-encryption key that rows need is not in the keyring.
	ErrMissingKey = errors.New("crypto: a key-encryption key is missing; restore its file to the keys folder")
	// ErrUnwrap: a wrapped key was altered, or belongs to another row.
	ErrUnwrap = errors.New("crypto: a wrapped key was altered or moved to another row")
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

// FileKeyring is the KEK in local files, one for each version. It prints as
// "[redacted]" and is safe for concurrent use.
type FileKeyring struct {
	redacted
	dir  string
	rand io.Reader

	mu   sync.RWMutex
	ids  []string
	keks map[string]kekVersion
}

type kekVersion struct {
	aead  cipher.AEAD
	check string
}

const kekKind = "kek"

// OpenFileKeyring reads the keyring in dir and makes the first key when there is
// none. ErrKeyFileReadable names the file that others can read and the command
// that ends it; ErrKeyFile a damaged one.
func OpenFileKeyring(dir string, rand io.Reader) (*FileKeyring, error) {
	if err := openKeyFolder(dir); err != nil {
		return nil, err
	}
	k := &FileKeyring{dir: dir, rand: rand}
	if err := k.reload(); err != nil {
		return nil, err
	}
	if len(k.ids) == 0 {
		if _, err := k.Rotate(); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// Rotate adds a version, which wraps from now on, and returns its id. Rows keep
// their wraps until they are rewrapped.
func (k *FileKeyring) Rotate() (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	file, err := createKeyFile(k.dir, kekKind, len(k.ids)+1, k.rand)
	if err != nil {
		return "", err
	}
	return file.id, k.reloadLocked()
}

func (k *FileKeyring) reload() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.reloadLocked()
}

func (k *FileKeyring) reloadLocked() error {
	files, err := readKeyFiles(k.dir, kekKind)
	if err != nil {
		return err
	}
	ids, keks := []string(nil), make(map[string]kekVersion, len(files))
	for _, f := range files {
		v, err := newKEKVersion(f)
		if err != nil {
			return err
		}
		ids, keks[f.id] = append(ids, f.id), v
	}
	k.ids, k.keks = ids, keks
	return nil
}

// newKEKVersion derives one key for wrapping and one for the check value.
func newKEKVersion(f keyFile) (kekVersion, error) {
	wrap, err := hkdf.Key(sha256.New, f.secret[:], nil, "teikyo kek wrap", chacha20poly1305.KeySize)
	if err != nil {
		return kekVersion{}, fmt.Errorf("crypto: deriving the wrapping key: %w", err)
	}
	defer clear(wrap)
	check, err := hkdf.Key(sha256.New, f.secret[:], nil, "teikyo kek check value", 16)
	if err != nil {
		return kekVersion{}, fmt.Errorf("crypto: deriving the check value: %w", err)
	}
	aead, err := chacha20poly1305.NewX(wrap)
	return kekVersion{aead: aead, check: hex.EncodeToString(check)}, err
}

// CurrentID implements KEK.
func (k *FileKeyring) CurrentID() string {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.ids[len(k.ids)-1]
}

// IDs implements KEK.
func (k *FileKeyring) IDs() []string {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return append([]string(nil), k.ids...)
}

// CheckValue implements KEK.
func (k *FileKeyring) CheckValue(id string) (string, error) {
	v, err := k.version(id)
	return v.check, err
}

// version looks at the folder again before it gives up: another process may have
// rotated.
func (k *FileKeyring) version(id string) (kekVersion, error) {
	k.mu.RLock()
	v, ok := k.keks[id]
	k.mu.RUnlock()
	if ok {
		return v, nil
	}
	if err := k.reload(); err != nil {
		return kekVersion{}, err
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	if v, ok = k.keks[id]; !ok {
		return kekVersion{}, fmt.Errorf("%w: %q", ErrMissingKey, id)
	}
	return v, nil
}

// Wrap implements KEK: nonce[24] ‖ XChaCha20-Poly1305, with key id and context
// as associated data.
func (k *FileKeyring) Wrap(_ context.Context, secret, context []byte) (string, []byte, error) {
	id := k.CurrentID()
	v, err := k.version(id)
	if err != nil {
		return "", nil, err
	}
	nonce := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(secret)+chacha20poly1305.Overhead)
	if _, err := io.ReadFull(k.rand, nonce); err != nil {
		return "", nil, fmt.Errorf("crypto: reading randomness for a nonce: %w", err)
	}
	return id, v.aead.Seal(nonce, nonce, secret, joined([]byte(id), context)), nil
}

// Unwrap implements KEK.
func (k *FileKeyring) Unwrap(_ context.Context, kekID string, wrapped, context []byte) ([]byte, error) {
	v, err := k.version(kekID)
	if err != nil {
		return nil, err
	}
	if len(wrapped) < chacha20poly1305.NonceSizeX {
		return nil, ErrUnwrap
	}
	nonce, sealed := wrapped[:chacha20poly1305.NonceSizeX], wrapped[chacha20poly1305.NonceSizeX:]
	secret, err := v.aead.Open(nil, nonce, sealed, joined([]byte(kekID), context))
	if err != nil {
		return nil, ErrUnwrap
	}
	return secret, nil
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
