package storage

import (
	"bytes"
	"crypto/rand"
	"errors"
	"regexp"
	"testing"
	"testing/iotest"
)

func TestNewKey(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		key, err := NewKey(rand.Reader)
		if err != nil || CheckKey(key) != nil || len(key) != 32 || seen[key] {
			t.Fatalf("NewKey = %q, %v", key, err)
		}
		seen[key] = true
	}
	key, err := NewKey(bytes.NewReader(make([]byte, 20)))
	if err != nil || key != "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
		t.Errorf("NewKey of zeros = %q, %v", key, err)
	}
	broken := errors.New("no entropy")
	if key, err := NewKey(iotest.ErrReader(broken)); key != "" || !errors.Is(err, broken) {
		t.Errorf("NewKey without entropy = %q, %v", key, err)
	}
}

func FuzzCheckKey(f *testing.F) {
	pattern := regexp.MustCompile(`\A[a-z0-9][a-z0-9_-]{7,127}\z`)
	for _, key := range []string{"", "abcdefgh", "abcdefgh\n", "-bcdefgh", "Abcdefgh", "../../..", "日本語です"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		err := CheckKey(key)
		if (err == nil) != pattern.MatchString(key) {
			t.Errorf("CheckKey(%q) = %v", key, err)
		}
		if err != nil && !errors.Is(err, ErrInvalidKey) {
			t.Errorf("CheckKey(%q) = %v, want ErrInvalidKey", key, err)
		}
	})
}
