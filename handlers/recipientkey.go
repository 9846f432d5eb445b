package handlers

import (
	"context"
	"encoding/base64"
	"net/http"
	"time"

	"teikyo/access"
	"teikyo/models"
	"teikyo/recipient"
)

func (a *api) recipientKeyRoutes() {
	const tag, base = "recipients", "/recipients/{id}/keys"
	add(a, route{post, base, "key-add", "Enter a public key and get its challenge", tag, http.StatusCreated, false, 0}, a.addKey)
	add(a, route{get, base, "key-list", "List the keys of an organisation", tag, 0, false, 0}, a.listKeys)
	add(a, route{post, base + "/{key}/challenge", "key-challenge", "Get a new challenge", tag, 0, false, 0}, a.challengeKey)
	add(a, route{post, base + "/{key}/prove", "key-prove", "Answer the challenge", tag, 0, false, 0}, a.proveKey)
	add(a, route{post, base + "/{key}/approve", "key-approve", "Approve a proved key", tag, 0, false, 0}, a.approveKey)
	add(a, route{post, base + "/{key}/revoke", "key-revoke", "Revoke a key", tag, 0, false, 0}, a.revokeKey)
}

// RecipientKeyView is a recipient key as the API shows it.
type RecipientKeyView struct {
	ID           string    `json:"id"`
	RecipientID  string    `json:"recipient_id"`
	Fingerprint  string    `json:"fingerprint"`
	PostQuantum  bool      `json:"post_quantum"`
	Holder       string    `json:"holder,omitempty"`
	State        string    `json:"state"`
	ExpiresAt    time.Time `json:"expires_at,omitzero"`
	AddedBy      string    `json:"added_by"`
	AddedAt      time.Time `json:"added_at"`
	ProvedAt     time.Time `json:"proved_at,omitzero"`
	ApprovedBy   string    `json:"approved_by,omitempty"`
	ApprovedAt   time.Time `json:"approved_at,omitzero"`
	RevokedAt    time.Time `json:"revoked_at,omitzero"`
	Independence string    `json:"independence,omitempty"`
}

func viewKey(k models.RecipientKey) RecipientKeyView {
	return RecipientKeyView{
		ID: k.ID, RecipientID: k.RecipientID, Fingerprint: k.Fingerprint, PostQuantum: k.PostQuantum, Holder: k.Holder,
		State: string(k.State), ExpiresAt: k.ExpiresAt, AddedBy: k.AddedBy, AddedAt: k.AddedAt, ProvedAt: k.ProvedAt,
		ApprovedBy: k.ApprovedBy, ApprovedAt: k.ApprovedAt, RevokedAt: k.RevokedAt, Independence: string(k.Independence),
	}
}

type challengeView struct {
	RecipientKeyView
	Challenge        string    `json:"challenge" doc:"An age file, base64, sealed to the key: only its holder can answer."`
	ChallengeExpires time.Time `json:"challenge_expires"`
}

func viewChallenge(k models.RecipientKey, sealed []byte) challengeView {
	return challengeView{viewKey(k), base64.StdEncoding.EncodeToString(sealed), k.ChallengeExpires}
}

type addKeyInput struct {
	ID   string `path:"id"`
	Body struct {
		Public  string `json:"public" maxLength:"4096" doc:"An age public key, age1… or age1pq1…."`
		Holder  string `json:"holder,omitempty" maxLength:"200" doc:"Who holds the secret key."`
		Expires string `json:"expires,omitempty" maxLength:"40" doc:"Last day, for example 2027-03-31."`
	}
}

func (a *api) addKey(ctx context.Context, actor access.Actor, in *addKeyInput) (*body[challengeView], error) {
	key, sealed, err := a.Recipients.AddKey(ctx, actor, recipient.KeyInput{
		RecipientID: in.ID, Public: in.Body.Public, Holder: in.Body.Holder, Expires: in.Body.Expires,
	})
	return respond(viewChallenge(key, sealed), err)
}

// KeyPath names a key of a recipient in an address.
type KeyPath struct {
	ID  string `path:"id"`
	Key string `path:"key"`
}

func (a *api) challengeKey(ctx context.Context, actor access.Actor, in *KeyPath) (*body[challengeView], error) {
	key, sealed, err := a.Recipients.Challenge(ctx, actor, in.ID, in.Key)
	return respond(viewChallenge(key, sealed), err)
}

type proveKeyInput struct {
	KeyPath
	Body struct {
		Answer string `json:"answer" maxLength:"200" doc:"HMAC-SHA256 of the challenge's lines under its nonce, base64url."`
	}
}

func (a *api) proveKey(ctx context.Context, actor access.Actor, in *proveKeyInput) (*body[RecipientKeyView], error) {
	key, err := a.Recipients.Prove(ctx, actor, in.ID, in.Key, in.Body.Answer)
	return respond(viewKey(key), err)
}

func (a *api) approveKey(ctx context.Context, actor access.Actor, in *KeyPath) (*body[RecipientKeyView], error) {
	key, err := a.Recipients.ApproveKey(ctx, actor, in.ID, in.Key)
	return respond(viewKey(key), err)
}

type revokeKeyInput struct {
	KeyPath
	Body struct {
		Reason string `json:"reason" maxLength:"2000"`
	}
}

func (a *api) revokeKey(ctx context.Context, actor access.Actor, in *revokeKeyInput) (*body[RecipientKeyView], error) {
	key, err := a.Recipients.RevokeKey(ctx, actor, in.ID, in.Key, in.Body.Reason)
	return respond(viewKey(key), err)
}

func (a *api) listKeys(ctx context.Context, actor access.Actor, in *idInput) (*body[listOf[RecipientKeyView]], error) {
	keys, err := a.Recipients.KeyList(ctx, actor, in.ID)
	list := page(keys, models.Page{Limit: models.MaxPage}, viewKey, func(k models.RecipientKey) string { return k.ID })
	list.Next = "" // a recipient has at most recipient.MaxKeys open keys: one page
	return respond(list, err)
}
