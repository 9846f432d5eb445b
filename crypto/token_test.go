package crypto_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"teikyo/crypto"
)

func testSigningKey(seed byte) crypto.SigningKey {
	return crypto.NewSigningKey([32]byte{seed})
}

func testClaims() crypto.LinkClaims {
	return crypto.LinkClaims{
		Recipient: "r-7f3kq2vdmzop4a5c", Link: "l-xq4m2vdmzop4a5c6", Provision: "p-k2vdmzop4a5c6xq4",
		IssuedAt: noon(), NotBefore: noon(), Expires: noon().Add(72 * time.Hour),
	}
}

func testVerifier(now time.Time) crypto.LinkVerifier {
	return crypto.LinkVerifier{
		Keys:   []ed25519.PublicKey{testSigningKey(9).Public().(ed25519.PublicKey), testSigningKey(1).Public().(ed25519.PublicKey)},
		Issuer: "example.org", Audience: "dl", Now: func() time.Time { return now },
	}
}

func TestLinkToken(t *testing.T) {
	t.Parallel()
	token, err := crypto.SignLink(testSigningKey(1), "example.org", "dl", testClaims())
	check(t, err)
	if len(token) > 350 {
		t.Errorf("%d characters: mail programs cut long links", len(token))
	}
	for _, tt := range []struct {
		name  string
		after time.Duration
		want  error
	}{
		{"first second", 0, nil},
		{"last second", 72*time.Hour - time.Second, nil},
		{"at its end", 72 * time.Hour, crypto.ErrTokenExpired},
		{"long after", 9000 * time.Hour, crypto.ErrTokenExpired},
		{"before", -time.Second, crypto.ErrTokenNotYet},
	} {
		got, err := testVerifier(noon().Add(tt.after)).Verify(token)
		if got != testClaims() || !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
	}
}

// Every change of a genuine token makes it unknown, whatever the time.
func TestTamperedToken(t *testing.T) {
	t.Parallel()
	token, err := crypto.SignLink(testSigningKey(1), "example.org", "dl", testClaims())
	check(t, err)
	for _, now := range []time.Time{noon(), noon().Add(9000 * time.Hour)} {
		for i := range token {
			for _, c := range []byte{'A', '.', '=', '\n', token[i] ^ 1} {
				bad := token[:i] + string(c) + token[i+1:]
				if bad == token {
					continue
				}
				if got, err := testVerifier(now).Verify(bad); err != crypto.ErrTokenMalformed || got != (crypto.LinkClaims{}) {
					t.Fatalf("character %d to %q: %v", i, c, err)
				}
			}
		}
	}
}

func TestForeignToken(t *testing.T) {
	t.Parallel()
	claims := func(change func(jwt.MapClaims)) jwt.MapClaims {
		c := jwt.MapClaims{"iss": "example.org", "aud": "dl", "sub": "r", "jti": "l", "pid": "p",
			"iat": noon().Unix(), "nbf": noon().Unix(), "exp": noon().Unix() + 60}
		change(c)
		return c
	}
	same := claims(func(jwt.MapClaims) {})
	typ := map[string]any{"typ": "dl+jwt"}
	tests := map[string]string{
		"empty":          "",
		"no token":       "hello",
		"long":           strings.Repeat("a", 2049),
		"another key":    sign(t, jwt.SigningMethodEdDSA, testSigningKey(2), typ, same),
		"another type":   sign(t, jwt.SigningMethodEdDSA, testSigningKey(1), map[string]any{"typ": "JWT"}, same),
		"no type":        sign(t, jwt.SigningMethodEdDSA, testSigningKey(1), map[string]any{"typ": nil}, same),
		"more header":    sign(t, jwt.SigningMethodEdDSA, testSigningKey(1), map[string]any{"typ": "dl+jwt", "crit": []string{"x"}}, same),
		"none":           sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, typ, same),
		"public as HMAC": sign(t, jwt.SigningMethodHS256, []byte(testSigningKey(1).Public().(ed25519.PublicKey)), typ, same),
	}
	for name, change := range map[string]func(jwt.MapClaims){
		"issuer":            func(c jwt.MapClaims) { c["iss"] = "example.com" },
		"audience":          func(c jwt.MapClaims) { c["aud"] = "api" },
		"no audience":       func(c jwt.MapClaims) { delete(c, "aud") },
		"no end":            func(c jwt.MapClaims) { delete(c, "exp") },
		"no beginning":      func(c jwt.MapClaims) { delete(c, "nbf") },
		"no issue":          func(c jwt.MapClaims) { delete(c, "iat") },
		"no link":           func(c jwt.MapClaims) { delete(c, "jti") },
		"no provision":      func(c jwt.MapClaims) { c["pid"] = "" },
		"no recipient":      func(c jwt.MapClaims) { c["sub"] = "" },
		"expired, no issue": func(c jwt.MapClaims) { delete(c, "iat"); c["exp"] = noon().Unix() - 9 },
		"expired, foreign":  func(c jwt.MapClaims) { c["iss"] = "example.com"; c["exp"] = noon().Unix() - 9 },
		"end is no number":  func(c jwt.MapClaims) { c["exp"] = "tomorrow" },
	} {
		tests[name] = sign(t, jwt.SigningMethodEdDSA, testSigningKey(1), typ, claims(change))
	}
	for name, token := range tests {
		if got, err := testVerifier(noon()).Verify(token); err != crypto.ErrTokenMalformed || got != (crypto.LinkClaims{}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func sign(t *testing.T, method jwt.SigningMethod, key any, header map[string]any, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	for name, value := range header {
		if token.Header[name] = value; value == nil {
			delete(token.Header, name)
		}
	}
	text, err := token.SignedString(key)
	check(t, err)
	return text
}

func TestSignLinkRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*crypto.LinkClaims){
		"no link":      func(c *crypto.LinkClaims) { c.Link = "" },
		"no recipient": func(c *crypto.LinkClaims) { c.Recipient = "" },
		"no provision": func(c *crypto.LinkClaims) { c.Provision = "" },
		"no life":      func(c *crypto.LinkClaims) { c.Expires = c.NotBefore },
	} {
		c := testClaims()
		change(&c)
		if token, err := crypto.SignLink(testSigningKey(1), "example.org", "dl", c); err == nil {
			t.Errorf("%s: %s", name, token)
		}
	}
}

func TestTokenIsPlainJWT(t *testing.T) {
	t.Parallel()
	token, err := crypto.SignLink(testSigningKey(1), "example.org", "dl", testClaims())
	check(t, err)
	parts := strings.Split(token, ".")
	head, err := base64.RawURLEncoding.DecodeString(parts[0])
	check(t, err)
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	check(t, err)
	var claims map[string]any
	check(t, json.Unmarshal(body, &claims))
	if string(head) != `{"alg":"EdDSA","typ":"dl+jwt"}` || claims["aud"] != "dl" || fmt.Sprint(len(claims)) != "8" {
		t.Errorf("%s %s", head, body)
	}
}

// The one genuine token of the key is the only one that verifies.
func FuzzLinkToken(f *testing.F) {
	genuine, err := crypto.SignLink(testSigningKey(1), "example.org", "dl", testClaims())
	check(f, err)
	f.Add(genuine)
	f.Add(genuine + "=")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		for _, now := range []time.Time{noon(), noon().Add(9000 * time.Hour)} {
			if _, err := testVerifier(now).Verify(token); token != genuine && err != crypto.ErrTokenMalformed {
				t.Errorf("%q: %v", token, err)
			}
		}
	})
}
