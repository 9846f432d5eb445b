package crypto

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	linkTokenType = "dl+jwt"
	// maxLinkToken bounds what is parsed, in bytes.
	maxLinkToken = 2 << 10
)

var (
	// ErrTokenMalformed: not a token of ours, or tampered with. Strangers learn
	// nothing (404).
	ErrTokenMalformed = errors.New("crypto: this is not a link of ours")
	// ErrTokenExpired: genuine but past its end (410).
	ErrTokenExpired = errors.New("crypto: the link has expired")
	// ErrTokenNotYet: genuine but its time has not come, or a clock is wrong.
	ErrTokenNotYet = errors.New("crypto: the link is not valid yet")
)

// LinkClaims is what a link token says. Times have whole seconds.
type LinkClaims struct {
	Recipient string // sub
	Link      string // jti: the key of every list, never the token itself
	Provision string // pid
	IssuedAt  time.Time
	NotBefore time.Time
	Expires   time.Time
}

// linkJWT writes aud as one string: jwt's own claims make an array of it, and
// long links are cut by mail programs.
type linkJWT struct {
	Iss string           `json:"iss"`
	Aud string           `json:"aud"`
	Sub string           `json:"sub"`
	JTI string           `json:"jti"`
	PID string           `json:"pid"`
	IAT *jwt.NumericDate `json:"iat"`
	NBF *jwt.NumericDate `json:"nbf"`
	Exp *jwt.NumericDate `json:"exp"`
}

func (c linkJWT) GetIssuer() (string, error)                   { return c.Iss, nil }
func (c linkJWT) GetSubject() (string, error)                  { return c.Sub, nil }
func (c linkJWT) GetAudience() (jwt.ClaimStrings, error)       { return jwt.ClaimStrings{c.Aud}, nil }
func (c linkJWT) GetIssuedAt() (*jwt.NumericDate, error)       { return c.IAT, nil }
func (c linkJWT) GetNotBefore() (*jwt.NumericDate, error)      { return c.NBF, nil }
func (c linkJWT) GetExpirationTime() (*jwt.NumericDate, error) { return c.Exp, nil }

func (c linkJWT) claims() LinkClaims {
	return LinkClaims{
		Recipient: c.Sub, Link: c.JTI, Provision: c.PID,
		IssuedAt: c.IAT.UTC(), NotBefore: c.NBF.UTC(), Expires: c.Exp.UTC(),
	}
}

// SignLink makes a link token: an EdDSA JWT of type dl+jwt (RFC 7519, 8725).
// Keep iss, aud and the ids short.
func SignLink(key SigningKey, iss, aud string, c LinkClaims) (string, error) {
	if c.Recipient == "" || c.Link == "" || c.Provision == "" || !c.Expires.After(c.NotBefore) {
		return "", fmt.Errorf("crypto: a link needs recipient, link, provision and a life: %w", ErrTokenMalformed)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, linkJWT{
		Iss: iss, Aud: aud, Sub: c.Recipient, JTI: c.Link, PID: c.Provision,
		IAT: jwt.NewNumericDate(c.IssuedAt), NBF: jwt.NewNumericDate(c.NotBefore), Exp: jwt.NewNumericDate(c.Expires),
	})
	token.Header["typ"] = linkTokenType
	return token.SignedString(key)
}

// LinkVerifier checks link tokens. All its fields must be set; Keys are those of
// Issuer.LinkKeys.
type LinkVerifier struct {
	Keys     []ed25519.PublicKey
	Issuer   string
	Audience string
	Now      func() time.Time
}

// Verify returns the claims of a genuine token. With ErrTokenExpired and
// ErrTokenNotYet the claims are there too; anything else is ErrTokenMalformed.
func (v LinkVerifier) Verify(token string) (LinkClaims, error) {
	if len(token) > maxLinkToken {
		return LinkClaims{}, ErrTokenMalformed
	}
	var c linkJWT
	_, err := v.parser().ParseWithClaims(token, &c, v.keys)
	genuine := err == nil || onlyTimeIsWrong(err)
	if !genuine || c.Sub == "" || c.JTI == "" || c.PID == "" || c.IAT == nil {
		return LinkClaims{}, ErrTokenMalformed
	}
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return c.claims(), ErrTokenExpired
	case err != nil:
		return c.claims(), ErrTokenNotYet
	}
	return c.claims(), nil
}

func (v LinkVerifier) parser() *jwt.Parser {
	return jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithAudience(v.Audience), jwt.WithIssuer(v.Issuer),
		jwt.WithExpirationRequired(), jwt.WithNotBeforeRequired(), jwt.WithIssuedAt(),
		jwt.WithStrictDecoding(), jwt.WithLeeway(0), jwt.WithTimeFunc(v.Now),
	)
}

// keys refuses tokens of another type or with parameters we never write.
func (v LinkVerifier) keys(token *jwt.Token) (any, error) {
	if token.Header["typ"] != linkTokenType || len(token.Header) != 2 {
		return nil, ErrTokenMalformed
	}
	set := jwt.VerificationKeySet{}
	for _, k := range v.Keys {
		set.Keys = append(set.Keys, k)
	}
	return set, nil
}

// onlyTimeIsWrong: the signature, issuer and audience were checked and hold.
func onlyTimeIsWrong(err error) bool {
	for _, other := range []error{
		jwt.ErrTokenMalformed, jwt.ErrTokenUnverifiable, jwt.ErrTokenSignatureInvalid,
		jwt.ErrTokenInvalidAudience, jwt.ErrTokenInvalidIssuer, jwt.ErrTokenRequiredClaimMissing,
	} {
		if errors.Is(err, other) {
			return false
		}
	}
	return errors.Is(err, jwt.ErrTokenInvalidClaims)
}
