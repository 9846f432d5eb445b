package crypto_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"teikyo/crypto"
)

func newChallenge(t testing.TB, p person) crypto.Challenge {
	t.Helper()
	c, err := crypto.NewChallenge(rand.Reader, "example.org", "r-abc", p.rcpt.Fingerprint(), noon())
	check(t, err)
	return c
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	for _, pq := range []bool{false, true} {
		p := newPerson(t, pq)
		asked := newChallenge(t, p)
		sealed, err := asked.Seal(p.rcpt)
		check(t, err)
		got, err := crypto.OpenChallenge(sealed, p.id, crypto.ChallengeExpectation{
			Origin: "example.org", RecipientID: "r-abc", KeyFingerprint: p.rcpt.Fingerprint(), Now: noon(),
		})
		check(t, err)
		if got != asked || !asked.Check(got.Answer()) {
			t.Error("the answer does not fit")
		}
		for _, wrong := range []string{"", got.Answer()[1:], newChallenge(t, p).Answer(), asked.Text()} {
			if asked.Check(wrong) {
				t.Errorf("accepts %q", wrong)
			}
		}
	}
}

// The answer can be computed with openssl from DESIGN.md 3.23 alone.
func TestChallengeAnswerIsDocumented(t *testing.T) {
	t.Parallel()
	c := newChallenge(t, newPerson(t, false))
	lines := strings.SplitAfter(c.Text(), "\n")
	mac := hmac.New(sha256.New, c.Nonce[:])
	mac.Write([]byte(strings.Join(lines[:5], "")))
	if want := base64.RawURLEncoding.EncodeToString(mac.Sum(nil)); c.Answer() != want {
		t.Errorf("%s, want %s", c.Answer(), want)
	}
	if strings.Contains(c.Text(), c.Answer()) {
		t.Error("the answer shows plaintext")
	}
}

func TestOpenChallengeRefuses(t *testing.T) {
	t.Parallel()
	p, other := newPerson(t, false), newPerson(t, false)
	good := crypto.ChallengeExpectation{Origin: "example.org", RecipientID: "r-abc", KeyFingerprint: p.rcpt.Fingerprint(), Now: noon()}
	sealed, err := newChallenge(t, p).Seal(p.rcpt)
	check(t, err)
	// Somebody relays the challenge that he got for a key of his own.
	relayed, err := newChallenge(t, other).Seal(p.rcpt)
	check(t, err)
	plain, err := crypto.SealSmall([]byte("the contents of some file"), p.rcpt)
	check(t, err)
	for _, tt := range []struct {
		name   string
		sealed []byte
		change func(*crypto.ChallengeExpectation)
		want   error
	}{
		{"as it should be", sealed, func(*crypto.ChallengeExpectation) {}, nil},
		{"issuer not known yet", sealed, func(e *crypto.ChallengeExpectation) { e.Origin = "" }, nil},
		{"another issuer", sealed, func(e *crypto.ChallengeExpectation) { e.Origin = "example.com" }, crypto.ErrChallengeMismatch},
		{"another recipient", sealed, func(e *crypto.ChallengeExpectation) { e.RecipientID = "r-abd" }, crypto.ErrChallengeMismatch},
		{"another key", sealed, func(e *crypto.ChallengeExpectation) { e.KeyFingerprint = other.rcpt.Fingerprint() }, crypto.ErrChallengeMismatch},
		{"key of somebody else", relayed, func(e *crypto.ChallengeExpectation) { e.KeyFingerprint = "" }, crypto.ErrChallengeMismatch},
		{"last second", sealed, func(e *crypto.ChallengeExpectation) { e.Now = noon().Add(15*time.Minute - 1) }, nil},
		{"expired", sealed, func(e *crypto.ChallengeExpectation) { e.Now = noon().Add(15 * time.Minute) }, crypto.ErrChallengeExpired},
		{"from the future", sealed, func(e *crypto.ChallengeExpectation) { e.Now = noon().Add(-time.Hour) }, crypto.ErrChallengeExpired},
		{"no challenge", plain, func(*crypto.ChallengeExpectation) {}, crypto.ErrChallenge},
	} {
		expect := good
		tt.change(&expect)
		if _, err := crypto.OpenChallenge(tt.sealed, p.id, expect); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := crypto.OpenChallenge(sealed, other.id, good); !errors.Is(err, crypto.ErrWrongIdentity) {
		t.Errorf("not for this key: %v", err)
	}
}

func TestNewChallengeRefusesOddWords(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"", "two words", "line\nbreak", "全角", strings.Repeat("x", 201)} {
		if _, err := crypto.NewChallenge(rand.Reader, word, "r", "f", noon()); !errors.Is(err, crypto.ErrChallenge) {
			t.Errorf("%q: %v", word, err)
		}
	}
}

// A text that parses is the one and only text of its challenge.
func FuzzParseChallenge(f *testing.F) {
	text := newChallenge(f, newPerson(f, false)).Text()
	f.Add(text)
	f.Add(strings.Replace(text, "Z\n", "+00:00\n", 1))
	f.Add(strings.ReplaceAll(text, "\n", "\r\n"))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := crypto.ParseChallenge(text)
		if err == nil && c.Text() != text {
			t.Errorf("%q became %q", text, c.Text())
		}
	})
}
