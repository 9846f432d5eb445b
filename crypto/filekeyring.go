package crypto

import (
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"
)

// FileKeyring is the KEK in local files, one for each version. It prints as
// "[redacted]" and is safe for concurrent use.
type FileKeyring struct {
	redacted
	dir  string
	rand io.Reader
	seal *passphraseSeal // nil: the files are plain

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
	k, err := OpenKEKFolder(dir, rand)
	if err != nil {
		return nil, err
	}
	if len(k.IDs()) == 0 {
		if _, err := k.Rotate(); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// OpenKEKFolder reads the keyring in dir, which may hold no key yet.
func OpenKEKFolder(dir string, rand io.Reader) (*FileKeyring, error) {
	if err := openKeyFolder(dir); err != nil {
		return nil, err
	}
	k := &FileKeyring{dir: dir, rand: rand}
	return k, k.reload()
}

// Provider implements KEKProvider.
func (k *FileKeyring) Provider() string {
	if k.seal != nil {
		return "passphrase"
	}
	return "file"
}

// Rotate adds a version, which wraps from now on, and returns its id. Rows keep
// their wraps until they are rewrapped.
func (k *FileKeyring) Rotate() (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.create(nil)
}

// Create implements KEKProvider.
func (k *FileKeyring) Create(_ context.Context, known []string) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.reloadLocked(); err != nil {
		return "", err
	}
	for _, id := range k.ids { // left by a process that died before it was recorded
		if !slices.Contains(known, id) {
			return id, nil
		}
	}
	return k.create(known)
}

func (k *FileKeyring) create(known []string) (string, error) {
	version := k.nextVersion(known)
	if k.seal == nil {
		file, err := createKeyFile(k.dir, kekKind, version, k.rand)
		if err != nil {
			return "", err
		}
		return file.id, k.reloadLocked()
	}
	file, err := newKeyFile(kekKind, version, k.rand)
	if err != nil {
		return "", err
	}
	if err := k.seal.write(k.dir, file); err != nil {
		return "", err
	}
	return file.id, k.reloadLocked()
}

// nextVersion counts on from the newest: older ones may have been destroyed.
func (k *FileKeyring) nextVersion(known []string) int {
	next := 1
	for _, id := range append(slices.Clone(k.ids), known...) {
		number, _, _ := strings.Cut(strings.TrimPrefix(id, kekKind+"-"), "-")
		if n, err := strconv.Atoi(number); err == nil && n >= next {
			next = n + 1
		}
	}
	return next
}

// Destroy implements KEKProvider: the file goes, also from the memory of this
// process. Copies elsewhere are their owner's business.
func (k *FileKeyring) Destroy(_ context.Context, id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.holds(id) {
		return nil
	}
	suffix := keyFileSuffix
	if k.seal != nil {
		suffix = sealedSuffix
	}
	err := removeIfThere(filepath.Join(k.dir, id+suffix))
	if err := errors.Join(err, syncFolder(k.dir)); err != nil {
		return fmt.Errorf("crypto: destroying the key %s: %w", id, err)
	}
	delete(k.keks, id)
	k.ids = slices.DeleteFunc(k.ids, func(other string) bool { return other == id })
	return nil
}

func (k *FileKeyring) holds(id string) bool { return slices.Contains(k.ids, id) }

// Ping implements KEKProvider: what is in memory works whatever the disk does,
// but the next start needs the folder.
func (k *FileKeyring) Ping(context.Context) error {
	if _, err := os.Stat(k.dir); err != nil {
		return fmt.Errorf("crypto: keys folder: %w", err)
	}
	return nil
}

func (k *FileKeyring) reload() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.reloadLocked()
}

func (k *FileKeyring) reloadLocked() error {
	if k.seal != nil {
		return k.reloadSealed()
	}
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

// reloadSealed opens only what is new: it takes a second each.
func (k *FileKeyring) reloadSealed() error {
	ids, err := sealedIDs(k.dir, kekKind)
	if err != nil {
		return err
	}
	keks := make(map[string]kekVersion, len(ids))
	for _, id := range ids {
		v, ok := k.keks[id]
		if !ok {
			file, err := k.seal.read(filepath.Join(k.dir, id+sealedSuffix))
			if err != nil {
				return err
			}
			if v, err = newKEKVersion(file); err != nil {
				return err
			}
		}
		keks[id] = v
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

// CurrentID implements KEK: the newest version.
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
	if !strings.HasPrefix(id, kekKind+"-") {
		return kekVersion{}, fmt.Errorf("%w: %q", ErrMissingKey, id)
	}
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

// Wrap implements KEK.
func (k *FileKeyring) Wrap(ctx context.Context, secret, context []byte) (string, []byte, error) {
	id := k.CurrentID()
	wrapped, err := k.WrapUnder(ctx, id, secret, context)
	return id, wrapped, err
}

// WrapUnder implements KEKProvider: nonce[24] ‖ XChaCha20-Poly1305, with key id
// and context as associated data.
func (k *FileKeyring) WrapUnder(_ context.Context, id string, secret, context []byte) ([]byte, error) {
	v, err := k.version(id)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(secret)+chacha20poly1305.Overhead)
	if _, err := io.ReadFull(k.rand, nonce); err != nil {
		return nil, fmt.Errorf("crypto: reading randomness for a nonce: %w", err)
	}
	return v.aead.Seal(nonce, nonce, secret, joined([]byte(id), context)), nil
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
