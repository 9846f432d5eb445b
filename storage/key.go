package storage

import (
	"encoding/base32"
	"fmt"
	"io"
)

const (
	minKeyLen = 8
	maxKeyLen = 128
	keyBytes  = 20 // 160 random bits: a collision needs about 2^80 objects
)

// NewKey returns a fresh random key of 32 characters, made of 20 bytes of rand.
func NewKey(rand io.Reader) (string, error) {
	var raw [keyBytes]byte
	if _, err := io.ReadFull(rand, raw[:]); err != nil {
		return "", fmt.Errorf("storage: new key: %w", err)
	}
	enc := base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	return enc.EncodeToString(raw[:]), nil
}

// CheckKey returns an error that wraps ErrInvalidKey unless key matches
// ^[a-z0-9][a-z0-9_-]{7,127}$. Such a key is a safe file name on every system
// and means the same on file systems that ignore case.
func CheckKey(key string) error {
	if len(key) < minKeyLen || len(key) > maxKeyLen {
		return fmt.Errorf("%w: %d characters, need %d to %d", ErrInvalidKey, len(key), minKeyLen, maxKeyLen)
	}
	for i := range len(key) {
		if !keyChar(key[i], i) {
			return fmt.Errorf("%w: character %q at %d", ErrInvalidKey, key[i], i)
		}
	}
	return nil
}

func keyChar(c byte, at int) bool {
	if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
		return true
	}
	return at > 0 && (c == '_' || c == '-')
}
