package crypto_test

import (
	"bytes"
	"crypto/rand"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"teikyo/crypto"
)

// No verb, encoder or logger shows a secret, also inside another value.
func TestSecretsAreRedacted(t *testing.T) {
	t.Parallel()
	key := crypto.FileKey(bytes.Repeat([]byte{0xAB}, 16))
	p := newPerson(t, true)
	ring, err := crypto.OpenFileKeyring(t.TempDir(), rand.Reader)
	check(t, err)
	signing := crypto.NewSigningKey([32]byte(bytes.Repeat([]byte{0xAB}, 32)))
	keys, err := crypto.OpenSigningKeys(t.TempDir(), "example.org", rand.Reader, noon())
	check(t, err)
	challenge := crypto.Challenge{Origin: "example.org", Nonce: [32]byte(bytes.Repeat([]byte{0xAB}, 32))}
	for _, secret := range []any{key, &key, p.id, &p.id, ring, signing, &signing, keys, challenge, &challenge} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			checkRedacted(t, fmt.Sprintf(verb, secret))
			checkRedacted(t, fmt.Sprintf(verb, []any{secret}))
			checkRedacted(t, fmt.Sprintf(verb, struct{ Secret any }{secret}))
		}
		checkRedacted(t, secret.(fmt.Stringer).String())
		checkRedacted(t, secret.(fmt.GoStringer).GoString())
		text, err := secret.(encoding.TextMarshaler).MarshalText()
		check(t, err)
		checkRedacted(t, string(text))
		data, err := json.Marshal(map[string]any{"secret": secret})
		check(t, err)
		checkRedacted(t, string(data))
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", secret)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret)
		checkRedacted(t, log.String())
	}
}

func checkRedacted(t *testing.T, out string) {
	t.Helper()
	lower := strings.ToLower(out)
	if !strings.Contains(out, "[redacted]") || strings.Contains(lower, "abab") || strings.Contains(out, "171") || strings.Contains(lower, "secret-key") {
		t.Errorf("printed %.200s", out)
	}
}
