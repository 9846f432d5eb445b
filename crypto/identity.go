package crypto

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

const maxIdentityFile = 64 << 10

var (
	// ErrBadIdentity: no age secret key, or a line that is none.
	ErrBadIdentity = errors.New("crypto: this is not an identity file as keygen or age-keygen write it")
	// ErrTooLarge: more data than the caller wanted to hold.
	ErrTooLarge = errors.New("crypto: more data than allowed")
)

// Identity holds the secret keys of one identity file. It prints as
// "[redacted]". The zero value opens nothing.
type Identity struct {
	redacted
	keys       []age.Identity
	recipients []Recipient
}

// Recipients are the public halves, in the order of the file.
func (i Identity) Recipients() []Recipient { return i.recipients }

// ParseIdentity reads an identity file: one secret key a line (X25519 or
// hybrid), # comments and empty lines, at most 64 KiB. ErrBadIdentity names the
// line and never repeats it; a failing reader gives *SourceError.
func ParseIdentity(r io.Reader) (Identity, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxIdentityFile+1))
	if err != nil {
		return Identity{}, &SourceError{err}
	}
	defer clear(data)
	if len(data) > maxIdentityFile {
		return Identity{}, fmt.Errorf("%w: over %d bytes", ErrBadIdentity, maxIdentityFile)
	}
	var id Identity
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := id.add(line); err != nil {
			return Identity{}, fmt.Errorf("%w: line %d", ErrBadIdentity, n)
		}
	}
	if len(id.keys) == 0 {
		return Identity{}, fmt.Errorf("%w: it holds no secret key", ErrBadIdentity)
	}
	return id, nil
}

func (i *Identity) add(line string) error {
	var key age.Identity
	var public string
	if strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1") {
		k, err := age.ParseHybridIdentity(line)
		if err != nil {
			return err
		}
		key, public = k, k.Recipient().String()
	} else {
		k, err := age.ParseX25519Identity(line)
		if err != nil {
			return err
		}
		key, public = k, k.Recipient().String()
	}
	rcpt, err := ParseRecipient(public)
	if err != nil {
		return err
	}
	i.keys, i.recipients = append(i.keys, key), append(i.recipients, rcpt)
	return nil
}

// GenerateIdentity makes a key pair, hybrid when pq is set, and returns the text
// of the identity file (keep it 0600) and the public key.
func GenerateIdentity(pq bool) (identityFile, public string, err error) {
	var secret string
	if pq {
		k, err := age.GenerateHybridIdentity()
		if err != nil {
			return "", "", fmt.Errorf("crypto: generating a key: %w", err)
		}
		secret, public = k.String(), k.Recipient().String()
	} else {
		k, err := age.GenerateX25519Identity()
		if err != nil {
			return "", "", fmt.Errorf("crypto: generating a key: %w", err)
		}
		secret, public = k.String(), k.Recipient().String()
	}
	return "# public key: " + public + "\n" + secret + "\n", public, nil
}

// SealSmall makes an ordinary age file of a small plaintext (challenge, session
// secret, digest list) for one recipient.
func SealSmall(plain []byte, r Recipient) ([]byte, error) {
	if r.key == nil {
		return nil, ErrBadKey
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, r.key)
	if err != nil {
		return nil, fmt.Errorf("crypto: sealing for %s: %w", r.Fingerprint(), err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("crypto: sealing for %s: %w", r.Fingerprint(), err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("crypto: sealing for %s: %w", r.Fingerprint(), err)
	}
	return sealed.Bytes(), nil
}

// OpenSmall opens an age file of at most limit bytes of plaintext. The errors
// are ErrHeader, ErrWrongIdentity, ErrPayload and ErrTooLarge.
func OpenSmall(sealed []byte, id Identity, limit int) ([]byte, error) {
	header, payload, err := SplitHeader(bytes.NewReader(sealed))
	if err != nil {
		return nil, err
	}
	key, err := ReadHeader(header, id)
	if err != nil {
		return nil, err
	}
	if PayloadSize(int64(limit)) < int64(len(sealed)-len(header)) {
		return nil, ErrTooLarge
	}
	plain, err := NewOpener(key, payload)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(plain)
}
