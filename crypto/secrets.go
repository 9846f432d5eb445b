package crypto

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"
)

// NewSecret returns 256 random bits in unpadded base64url (43 characters): API
// tokens, sessions, setup and invitation codes. Store its HashSecret.
func NewSecret(rand io.Reader) (string, error) {
	var b [32]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", fmt.Errorf("crypto: reading randomness for a secret: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

// NewID returns prefix, a hyphen and 80 random bits in lower-case base32 (16
// characters). It names a thing and is no secret.
func NewID(rand io.Reader, prefix string) (string, error) {
	var b [10]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", fmt.Errorf("crypto: reading randomness for an id: %w", err)
	}
	return prefix + "-" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:])), nil
}

// HashSecret is the SHA-256 of a secret in hex, as stored. Only for secrets of
// NewSecret: passwords need a PasswordHasher.
func HashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// EqualSecret compares a secret with a stored HashSecret in constant time.
func EqualSecret(secret, hash string) bool {
	return subtle.ConstantTimeCompare([]byte(HashSecret(secret)), []byte(hash)) == 1
}

// argon2id as OWASP's password storage sheet sets it: 19 MiB, two passes.
const (
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2
	argonThreads = 1
	argonSalt    = 16
	argonKey     = 32

	maxPassword = 1024
)

// ErrPasswordTooLong: over 1,024 bytes.
var ErrPasswordTooLong = errors.New("crypto: passwords have at most 1,024 bytes")

// PasswordHasher hashes passwords with argon2id. Its slots bound the memory: one
// hash takes 19 MiB, and waiting for a slot ends with the context.
type PasswordHasher struct {
	rand  io.Reader
	slots chan struct{}
}

// NewPasswordHasher allows slots hashes at a time (at least one); salts come
// from rand.
func NewPasswordHasher(rand io.Reader, slots int) *PasswordHasher {
	return &PasswordHasher{rand: rand, slots: make(chan struct{}, max(1, slots))}
}

// Hash returns the PHC string of a password with a fresh salt.
func (p *PasswordHasher) Hash(ctx context.Context, password string) (string, error) {
	var salt [argonSalt]byte
	if _, err := io.ReadFull(p.rand, salt[:]); err != nil {
		return "", fmt.Errorf("crypto: reading randomness for a salt: %w", err)
	}
	key, err := p.derive(ctx, password, salt[:])
	if err != nil {
		return "", err
	}
	return argonPrefix() + encodePart(salt[:]) + "$" + encodePart(key), nil
}

// Check tells whether password belongs to the PHC string. With an empty string,
// as for an unknown user, it does the same work and says no.
func (p *PasswordHasher) Check(ctx context.Context, password, phc string) (bool, error) {
	salt, want, known := parsePHC(phc)
	key, err := p.derive(ctx, password, salt[:])
	if err != nil {
		return false, err
	}
	equal := subtle.ConstantTimeCompare(key, want[:]) == 1
	return equal && known, nil
}

func (p *PasswordHasher) derive(ctx context.Context, password string, salt []byte) ([]byte, error) {
	if len(password) > maxPassword {
		return nil, ErrPasswordTooLong
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonKey), nil
}

func argonPrefix() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, argonMemory, argonTime, argonThreads)
}

func encodePart(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }

// parsePHC knows only our own parameters, so a stored string cannot ask for more
// memory. What it cannot read counts as no password.
func parsePHC(phc string) (salt [argonSalt]byte, key [argonKey]byte, ok bool) {
	rest, ours := strings.CutPrefix(phc, argonPrefix())
	saltText, keyText, two := strings.Cut(rest, "$")
	s, err1 := base64.RawStdEncoding.DecodeString(saltText)
	k, err2 := base64.RawStdEncoding.DecodeString(keyText)
	if !ours || !two || err1 != nil || err2 != nil || len(s) != argonSalt || len(k) != argonKey {
		return salt, key, false
	}
	return [argonSalt]byte(s), [argonKey]byte(k), true
}
