package crypto

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// ChallengeLifetime is how long a challenge can be answered.
const ChallengeLifetime = 15 * time.Minute

const (
	challengeVersion = "teikyo-key-proof-v1"
	maxChallengeText = 1 << 10
	maxClockError    = time.Hour
)

var (
	// ErrChallenge: not the text of a challenge.
	ErrChallenge = errors.New("crypto: this is not a key challenge")
	// ErrChallengeMismatch: a challenge for somebody or something else.
	ErrChallengeMismatch = errors.New("crypto: the challenge is for another recipient, key or issuer")
	// ErrChallengeExpired: too late, or a clock is wrong.
	ErrChallengeExpired = errors.New("crypto: the challenge has expired")
)

// Challenge asks the holder of a key to prove it (DESIGN.md 3.23). It prints as
// "[redacted]": whoever knows the nonce can answer.
type Challenge struct {
	redacted
	Origin         string // of the issuer
	RecipientID    string
	KeyFingerprint string
	Expires        time.Time // UTC, whole seconds
	Nonce          [32]byte
}

// NewChallenge draws a nonce from rand; the challenge expires ChallengeLifetime
// after now.
func NewChallenge(rand io.Reader, origin, recipientID, keyFingerprint string, now time.Time) (Challenge, error) {
	c := Challenge{
		Origin: origin, RecipientID: recipientID, KeyFingerprint: keyFingerprint,
		Expires: now.Add(ChallengeLifetime).UTC().Truncate(time.Second),
	}
	if _, err := io.ReadFull(rand, c.Nonce[:]); err != nil {
		return Challenge{}, fmt.Errorf("crypto: reading randomness for a challenge: %w", err)
	}
	if _, err := ParseChallenge(c.Text()); err != nil {
		return Challenge{}, fmt.Errorf("%w: origin, recipient and fingerprint must be short words", err)
	}
	return c, nil
}

// Text is six lines: version, issuer origin, recipient id, key fingerprint,
// expiry (RFC 3339, UTC) and the nonce (unpadded base64url).
func (c Challenge) Text() string {
	return c.signedLines() + base64.RawURLEncoding.EncodeToString(c.Nonce[:]) + "\n"
}

func (c Challenge) signedLines() string {
	return strings.Join([]string{
		challengeVersion, c.Origin, c.RecipientID, c.KeyFingerprint, c.Expires.UTC().Format(time.RFC3339), "",
	}, "\n")
}

// Seal seals the text to the key that is to be proved.
func (c Challenge) Seal(r Recipient) ([]byte, error) { return SealSmall([]byte(c.Text()), r) }

// ParseChallenge accepts exactly what Text gives, at most 1 KiB; else
// ErrChallenge.
func ParseChallenge(text string) (Challenge, error) {
	lines := strings.Split(text, "\n")
	if len(text) > maxChallengeText || len(lines) != 7 || lines[0] != challengeVersion {
		return Challenge{}, ErrChallenge
	}
	if !isWord(lines[1]) || !isWord(lines[2]) || !isWord(lines[3]) {
		return Challenge{}, ErrChallenge
	}
	c := Challenge{Origin: lines[1], RecipientID: lines[2], KeyFingerprint: lines[3]}
	var err error
	if c.Expires, err = time.Parse(time.RFC3339, lines[4]); err != nil {
		return Challenge{}, ErrChallenge
	}
	nonce, err := base64.RawURLEncoding.Strict().DecodeString(lines[5])
	if err != nil || len(nonce) != len(c.Nonce) {
		return Challenge{}, ErrChallenge
	}
	c.Nonce = [32]byte(nonce)
	if c.Expires = c.Expires.UTC(); c.Text() != text {
		return Challenge{}, ErrChallenge
	}
	return c, nil
}

// isWord: visible ASCII without spaces, 1 to 200 characters.
func isWord(s string) bool {
	for _, b := range []byte(s) {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return s != "" && len(s) <= 200
}

// Answer is HMAC-SHA256(nonce, the other lines) in unpadded base64url. It never
// shows plaintext, so that proving a key cannot be used to decrypt.
func (c Challenge) Answer() string {
	mac := hmac.New(sha256.New, c.Nonce[:])
	mac.Write([]byte(c.signedLines()))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Check compares an answer in constant time. Expiry and single use are the
// caller's to check.
func (c Challenge) Check(answer string) bool {
	return hmac.Equal([]byte(c.Answer()), []byte(answer))
}

// ChallengeExpectation is what the holder of a key knows already.
type ChallengeExpectation struct {
	Origin         string // "" when the issuer is not known yet: show it then
	RecipientID    string
	KeyFingerprint string // "" for any key of the identity
	Now            time.Time
}

// OpenChallenge opens a sealed challenge and checks every line, so that a
// challenge relayed from elsewhere is never answered. Besides the errors of
// OpenSmall: ErrChallenge, ErrChallengeMismatch (it says which line) and
// ErrChallengeExpired.
func OpenChallenge(sealed []byte, id Identity, expect ChallengeExpectation) (Challenge, error) {
	text, err := OpenSmall(sealed, id, maxChallengeText)
	if err != nil {
		return Challenge{}, err
	}
	c, err := ParseChallenge(string(text))
	if err != nil {
		return Challenge{}, err
	}
	switch {
	case expect.Origin != "" && c.Origin != expect.Origin:
		return Challenge{}, fmt.Errorf("%w: its issuer is %s", ErrChallengeMismatch, c.Origin)
	case c.RecipientID != expect.RecipientID:
		return Challenge{}, fmt.Errorf("%w: its recipient is %s", ErrChallengeMismatch, c.RecipientID)
	case expect.KeyFingerprint != "" && c.KeyFingerprint != expect.KeyFingerprint, !id.holds(c.KeyFingerprint):
		return Challenge{}, fmt.Errorf("%w: its key is %s", ErrChallengeMismatch, c.KeyFingerprint)
	case !expect.Now.Before(c.Expires):
		return Challenge{}, ErrChallengeExpired
	case c.Expires.Sub(expect.Now) > maxClockError:
		return Challenge{}, fmt.Errorf("%w or lies far ahead: check the clock of this machine", ErrChallengeExpired)
	}
	return c, nil
}

func (i Identity) holds(fingerprint string) bool {
	for _, r := range i.recipients {
		if r.Fingerprint() == fingerprint {
			return true
		}
	}
	return false
}
