package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"teikyo/client/arrival"
	"teikyo/client/received"
	"teikyo/crypto"
	"teikyo/models"
)

const (
	sessionFile  = "session.json"
	sessionMagic = "teikyo-session-v1"
	maxSession   = 1 << 10 // bytes of the opened text
)

// session is a redeemed link: what the server answered, kept in the folder that
// is received into, so that a later run spends no further use. For links that
// are bound to a key it holds the secret only as it came, sealed.
type session struct {
	LinkSHA256 string `json:"link_sha256"`
	Base       string `json:"base"`
	redeemed
}

// redeemed is the answer of POST /api/v1/links/redeem.
type redeemed struct {
	Provision string          `json:"provision"`
	Link      string          `json:"link"`
	Bind      models.LinkBind `json:"bind"`
	ExpiresAt time.Time       `json:"expires_at"`
	Issuer    struct {
		Origin      string `json:"origin"`
		Fingerprint string `json:"fingerprint"`
	} `json:"issuer"`
	KeyFingerprint string `json:"key_fingerprint"`
	Session        string `json:"session,omitempty"`
	SealedSession  string `json:"sealed_session,omitempty"`
}

// loadSession finds the session of a link from an earlier run.
func loadSession(tree *arrival.Tree, l link) (s session, found bool, err error) {
	text, err := tree.State(sessionFile)
	if err != nil || text == nil {
		return session{}, false, err
	}
	if json.Unmarshal(text, &s) != nil { // damaged: the link is redeemed again
		return session{}, false, nil //nolint:nilerr // the link is redeemed again
	}
	return s, s.LinkSHA256 == l.digest() && s.Base == l.base, nil
}

func saveSession(tree *arrival.Tree, s session) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return models.Wrap(models.Internal, err, "the session cannot be written")
	}
	return tree.SetState(sessionFile, append(text, '\n'))
}

// redeem spends one use of the link and keeps the session at once.
func (g *Get) redeem(ctx context.Context, c *Client, p *patience, tree *arrival.Tree, l link) (session, error) {
	s := session{LinkSHA256: l.digest(), Base: l.base}
	asked := *c
	if g.Token != nil {
		asked.Token = g.Token(l.base)
	}
	err := p.again(ctx, func() (bool, error) {
		err := asked.Call(ctx, "POST", "/api/v1/links/redeem", map[string]string{"token": l.token}, &s.redeemed)
		if models.IsKind(err, models.Unavailable) && !notSent(err) {
			return false, final{models.Wrap(models.Unavailable, err,
				"the server did not answer when the link was redeemed; try again (one use of the link may be spent)")}
		}
		return false, err
	})
	if err != nil {
		return s, err
	}
	return s, saveSession(tree, s)
}

// check compares the answer with the issuer that is trusted.
func (s session) check(issuer crypto.Issuer) error {
	if s.Issuer.Origin != issuer.Origin || s.Issuer.Fingerprint != issuer.Fingerprint() {
		return models.Errorf(models.Integrity, "the link is of the issuer %q (fingerprint %q), the server of %s (%s); do not use it",
			s.Issuer.Origin, s.Issuer.Fingerprint, issuer.Origin, issuer.Fingerprint())
	}
	if !models.IsID(s.Provision, models.ProvisionID) || !models.IsID(s.Link, models.LinkID) {
		return models.Errorf(models.Unavailable, "the server's answer is not what was expected; check its address and version")
	}
	return nil
}

// open gives the path of the session below the server's address.
func (s session) open(id crypto.Identity) (string, error) {
	path := s.Session
	if s.Bind == models.BindKey {
		if err := received.CheckKey(id, s.KeyFingerprint); err != nil {
			return "", err
		}
		var err error
		if path, err = s.unseal(id); err != nil {
			return "", err
		}
	}
	secret, ok := strings.CutPrefix(path, "/dl/")
	secret, ends := strings.CutSuffix(secret, "/")
	if !ok || !ends || secret == "" || len(secret) > 128 || strings.ContainsFunc(secret, notToken) {
		return "", models.Errorf(models.Unavailable, "the server's answer holds no session; check its address and version")
	}
	return path, nil
}

func notToken(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
}

// unseal opens the session and checks every line: nothing that the identity
// opens for somebody else is ever sent back.
func (s session) unseal(id crypto.Identity) (string, error) {
	sealed, err := base64.StdEncoding.DecodeString(s.SealedSession)
	if err != nil || len(sealed) > 16<<10 {
		return "", models.Errorf(models.Unavailable, "the server's answer holds no session; check its address and version")
	}
	text, err := crypto.OpenSmall(sealed, id, maxSession)
	if err != nil {
		return "", models.Wrap(models.Integrity, err, "the session cannot be opened with this identity")
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 6 || lines[0] != sessionMagic || lines[1] != s.Issuer.Origin || lines[2] != s.Link ||
		lines[3] != s.Provision || lines[5] != "" {
		return "", models.Errorf(models.Integrity, "the session that the server sent is not of this link; it was not used")
	}
	return lines[4], nil
}
