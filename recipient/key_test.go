package recipient_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/models"
	"teikyo/recipient"
)

// holder is somebody with a key pair.
type holder struct {
	identity crypto.Identity
	public   string
}

func newHolder(t *testing.T, pq bool) holder {
	t.Helper()
	text, public, err := crypto.GenerateIdentity(pq)
	check(t, err)
	identity, err := crypto.ParseIdentity(strings.NewReader(text))
	check(t, err)
	return holder{identity, public}
}

// answer opens a challenge as the client does.
func (h holder) answer(t *testing.T, sealed []byte, recipientID string, now time.Time) string {
	t.Helper()
	c, err := crypto.OpenChallenge(sealed, h.identity, crypto.ChallengeExpectation{
		Origin: "data.example.jp", RecipientID: recipientID, Now: now,
	})
	check(t, err)
	return c.Answer()
}

func TestKeyIsProvedAndApproved(t *testing.T) {
	t.Parallel()
	for name, pq := range map[string]bool{"classic": false, "hybrid": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			ctx := t.Context()
			rcpt := b.approved(t)
			h := newHolder(t, pq)
			key, sealed, err := b.AddKey(ctx, manager, recipient.KeyInput{RecipientID: rcpt.ID, Public: h.public, Holder: "山田"})
			check(t, err)
			_, err = b.ApproveKey(ctx, admin, rcpt.ID, key.ID)
			refused(t, err, models.Conflict, "not proved")
			key, err = b.Prove(ctx, manager, rcpt.ID, key.ID, h.answer(t, sealed, rcpt.ID, b.now))
			check(t, err)
			if key.Usable(b.now) {
				t.Error("usable before a second person approved it")
			}
			key, err = b.ApproveKey(ctx, admin, rcpt.ID, key.ID)
			check(t, err)
			if !key.Usable(b.now) || key.PostQuantum != pq {
				t.Errorf("key %+v", key)
			}
			key, err = b.RevokeKey(ctx, manager, rcpt.ID, key.ID, "laptop lost")
			check(t, err)
			if key.Usable(b.now) {
				t.Error("usable after it was revoked")
			}
			b.checkLedger(t)
		})
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.approved(t).ID
	secret, public, err := crypto.GenerateIdentity(false)
	check(t, err)
	for words, text := range map[string]string{
		"burnt":       secret,
		"exactly one": "age1qqqq",
		"plugin":      "age1yubikey1q2w7u3vpya839jxxuq8g0sedh3d740d4xvn639sqhr95ejj8vu3hyfumptt",
		"SSH":         "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJXeF1bDkF9s0bq3XHqXJp0pH4Cg6pX5b1lT8y5C2n3W",
		"all zero":    "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z",
	} {
		_, _, err := b.AddKey(t.Context(), manager, recipient.KeyInput{RecipientID: id, Public: text})
		refused(t, err, models.Invalid, words)
		if strings.Contains(err.Error(), "AGE-SECRET") {
			t.Error("the secret key is repeated")
		}
	}
	_, _, err = b.AddKey(t.Context(), manager, recipient.KeyInput{RecipientID: id, Public: public, Expires: "2020-01-01"})
	refused(t, err, models.Invalid, "past")
	_, _, err = b.AddKey(t.Context(), manager, recipient.KeyInput{RecipientID: id, Public: public})
	check(t, err)
	_, _, err = b.AddKey(t.Context(), manager, recipient.KeyInput{RecipientID: id, Public: public})
	refused(t, err, models.Conflict, "already")
	_, _, err = b.AddKey(t.Context(), manager, recipient.KeyInput{RecipientID: b.approved(t).ID, Public: public})
	refused(t, err, models.Conflict, "make a new one")
}

func TestChallengesThatDoNotCount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	rcpt := b.approved(t)
	h := newHolder(t, false)
	key, sealed, err := b.AddKey(ctx, manager, recipient.KeyInput{RecipientID: rcpt.ID, Public: h.public})
	check(t, err)
	right := h.answer(t, sealed, rcpt.ID, b.now)

	relay := access.Actor{UserID: "u-other", Role: models.Manager}
	_, err = b.Prove(ctx, relay, rcpt.ID, key.ID, right)
	refused(t, err, models.Denied, "only the account")

	_, err = b.Prove(ctx, manager, rcpt.ID, key.ID, "wrong")
	refused(t, err, models.Invalid, "wrong")
	_, err = b.Prove(ctx, manager, rcpt.ID, key.ID, right) // the wrong answer used it up
	refused(t, err, models.Expired, "used")

	_, sealed, err = b.Challenge(ctx, manager, rcpt.ID, key.ID)
	check(t, err)
	right = h.answer(t, sealed, rcpt.ID, b.now)
	b.now = b.now.Add(crypto.ChallengeLifetime + time.Second)
	_, err = b.Prove(ctx, manager, rcpt.ID, key.ID, right)
	refused(t, err, models.Expired, "expired")

	_, sealed, err = b.Challenge(ctx, manager, rcpt.ID, key.ID)
	check(t, err)
	_, err = b.Prove(ctx, manager, rcpt.ID, key.ID, h.answer(t, sealed, rcpt.ID, b.now))
	check(t, err)
	_, err = b.Prove(ctx, manager, rcpt.ID, key.ID, h.answer(t, sealed, rcpt.ID, b.now))
	refused(t, err, models.Conflict, "proved already")
	b.checkLedger(t)
}

func TestClientRefusesForeignChallenges(t *testing.T) {
	t.Parallel()
	h := newHolder(t, false)
	public, err := crypto.ParseRecipient(h.public)
	check(t, err)
	now := time.Now()
	c, err := crypto.NewChallenge(rand.Reader, "evil.example.com", "r-me", public.Fingerprint(), now)
	check(t, err)
	sealed, err := c.Seal(public)
	check(t, err)
	_, err = crypto.OpenChallenge(sealed, h.identity, crypto.ChallengeExpectation{Origin: "data.example.jp", RecipientID: "r-me", Now: now})
	if err == nil {
		t.Error("a challenge of another issuer was taken")
	}
	_, err = crypto.OpenChallenge(sealed, h.identity, crypto.ChallengeExpectation{RecipientID: "r-other", Now: now})
	if err == nil {
		t.Error("a challenge for another recipient was taken")
	}
}
