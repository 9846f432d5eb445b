package crypto_test

import (
	"context"
	"crypto/rand"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"teikyo/crypto"
)

func TestNewSecret(t *testing.T) {
	t.Parallel()
	a, err := crypto.NewSecret(rand.Reader)
	check(t, err)
	b, err := crypto.NewSecret(rand.Reader)
	check(t, err)
	if a == b || !regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(a) {
		t.Errorf("%s, %s", a, b)
	}
	if !crypto.EqualSecret(a, crypto.HashSecret(a)) || crypto.EqualSecret(b, crypto.HashSecret(a)) || crypto.EqualSecret("", "") {
		t.Error("comparison")
	}
	id, err := crypto.NewID(rand.Reader, "ds")
	check(t, err)
	if !regexp.MustCompile(`^ds-[a-z2-7]{16}$`).MatchString(id) {
		t.Error(id)
	}
}

// Nothing is made when there is no randomness.
func TestBrokenRandomness(t *testing.T) {
	t.Parallel()
	broken := errors.New("no randomness")
	r := iotest.ErrReader(broken)
	_, err1 := crypto.NewSecret(r)
	_, err2 := crypto.NewID(r, "x")
	_, err3 := crypto.NewFileKey(r)
	_, err4 := crypto.NewSealer(crypto.FileKey{}, r, nil)
	_, err5 := crypto.NewChallenge(r, "o", "r", "f", noon())
	_, err6 := crypto.NewPasswordHasher(r, 1).Hash(t.Context(), "p")
	_, err7 := crypto.OpenFileKeyring(t.TempDir(), r)
	_, err8 := crypto.OpenSigningKeys(t.TempDir(), "example.org", r, noon())
	for i, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8} {
		if !errors.Is(err, broken) {
			t.Errorf("%d: %v", i+1, err)
		}
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	p := crypto.NewPasswordHasher(rand.Reader, 2)
	phc, err := p.Hash(t.Context(), "正しい馬 battery")
	check(t, err)
	if !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Error(phc)
	}
	for _, tt := range []struct {
		password, phc string
		want          bool
	}{
		{"正しい馬 battery", phc, true},
		{"正しい馬 batterz", phc, false},
		{"", phc, false},
		{"", "", false},
		{"正しい馬 battery", "", false},
		{"正しい馬 battery", strings.Replace(phc, "m=19456", "m=99999999", 1), false},
		{"正しい馬 battery", phc[:len(phc)-4], false},
		{"正しい馬 battery", "!", false},
	} {
		if got, err := p.Check(t.Context(), tt.password, tt.phc); got != tt.want || err != nil {
			t.Errorf("%q, %q: %v, %v", tt.password, tt.phc, got, err)
		}
	}
	if _, err := p.Check(t.Context(), strings.Repeat("x", 1025), phc); !errors.Is(err, crypto.ErrPasswordTooLong) {
		t.Errorf("long: %v", err)
	}
}

// A waiting check gives up with its context, whoever holds the slot.
func TestPasswordSlots(t *testing.T) {
	t.Parallel()
	p := crypto.NewPasswordHasher(rand.Reader, 1)
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan error, 8)
	for range cap(results) {
		go func() {
			_, err := p.Check(ctx, "x", "")
			results <- err
		}()
	}
	check(t, <-results)
	cancel()
	for range cap(results) - 1 {
		select {
		case err := <-results:
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("waits although its context ended")
		}
	}
}
