package crypto

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"
)

// ErrPassphrase: the passphrase is missing, too short, or does not open a key.
var ErrPassphrase = errors.New("crypto: the passphrase of the key-encryption key is not right")

const (
	// minPassphrase is the least number of bytes of a passphrase.
	minPassphrase = 12
	// maxSealedKey bounds a sealed key file, in bytes.
	maxSealedKey = 4 << 10
	// sealedSuffix is what a sealed key file has after its name.
	sealedSuffix = keyFileSuffix + ".age"

	// ScryptWork is the work factor (2^n) of new sealed key files: about a second.
	ScryptWork    = 18
	maxScryptWork = 22
)

// passphraseSeal seals key files with scrypt as "age -p" does, so that age opens
// them where this program is not at hand.
type passphraseSeal struct {
	passphrase string
	work       int
}

// OpenSealedKEKFolder reads the keyring in dir whose files are sealed by a
// passphrase (kek-….key.age); new ones are sealed with the work factor 2^work.
// ErrPassphrase when it does not open them.
func OpenSealedKEKFolder(dir, passphrase string, work int, rand io.Reader) (*FileKeyring, error) {
	if len(passphrase) < minPassphrase {
		return nil, fmt.Errorf("%w: it needs %d characters or more", ErrPassphrase, minPassphrase)
	}
	if err := openKeyFolder(dir); err != nil {
		return nil, err
	}
	k := &FileKeyring{dir: dir, rand: rand, seal: &passphraseSeal{passphrase, work}}
	return k, k.reload()
}

// write makes the key durable under its sealed name.
func (p *passphraseSeal) write(dir string, k keyFile) error {
	recipient, err := age.NewScryptRecipient(p.passphrase)
	if err != nil {
		return fmt.Errorf("crypto: sealing a key: %w", err)
	}
	recipient.SetWorkFactor(p.work)
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, recipient)
	if err != nil {
		return fmt.Errorf("crypto: sealing a key: %w", err)
	}
	line := k.line()
	defer clear(line)
	_, writeErr := w.Write(line)
	if err := errors.Join(writeErr, w.Close()); err != nil {
		return fmt.Errorf("crypto: sealing a key: %w", err)
	}
	return writeDurably(dir, k.id+sealedSuffix, sealed.Bytes())
}

func (p *passphraseSeal) read(path string) (keyFile, error) {
	sealed, err := readPrivate(path)
	if err != nil {
		return keyFile{}, err
	}
	identity, err := age.NewScryptIdentity(p.passphrase)
	if err != nil {
		return keyFile{}, fmt.Errorf("crypto: opening a key: %w", err)
	}
	identity.SetMaxWorkFactor(maxScryptWork)
	r, err := age.Decrypt(bytes.NewReader(sealed), identity)
	if err != nil {
		var wrong *age.NoIdentityMatchError
		if errors.As(err, &wrong) {
			return keyFile{}, fmt.Errorf("%w: it does not open %s", ErrPassphrase, path)
		}
		return keyFile{}, fmt.Errorf("%w: %s; restore it from a backup", ErrKeyFile, path)
	}
	line, err := io.ReadAll(io.LimitReader(r, maxSealedKey))
	if err != nil {
		return keyFile{}, fmt.Errorf("%w: %s; restore it from a backup", ErrKeyFile, path)
	}
	defer clear(line)
	return parseKeyFile(path, sealedSuffix, line)
}

// line is the contents of a key file.
func (k keyFile) line() []byte {
	return []byte(keyFileVersion + " " + k.id + " " + base64.StdEncoding.EncodeToString(k.secret[:]) + "\n")
}

// sealedIDs are the versions in the folder, oldest first.
func sealedIDs(dir, kind string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(globEscape(dir), kind+"-*"+sealedSuffix))
	if err != nil {
		return nil, fmt.Errorf("crypto: keys folder: %w", err)
	}
	ids := make([]string, len(paths))
	for i, path := range paths {
		ids[i] = strings.TrimSuffix(filepath.Base(path), sealedSuffix)
	}
	slices.Sort(ids)
	return ids, nil
}

// ReadSecretFile reads a small secret from a file that nobody else may read: its
// first line. The name credential:NAME is a systemd credential (systemd.exec(5),
// LoadCredential).
func ReadSecretFile(path string) (string, error) {
	if name, ok := strings.CutPrefix(path, "credential:"); ok {
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" || strings.ContainsAny(name, `/\`) {
			return "", fmt.Errorf("crypto: there is no systemd credential %q; add LoadCredential=%s:FILE to the unit", name, name)
		}
		path = filepath.Join(dir, name)
	}
	text, err := readPrivate(path)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSuffix(line, "\r"), nil
}
