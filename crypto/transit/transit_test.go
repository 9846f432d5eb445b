package transit_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"teikyo/crypto"
	"teikyo/crypto/transit"
	"teikyo/crypto/transit/transittest"
	"teikyo/egress"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// client trusts the server's certificate and may reach this machine.
func client(t *testing.T, s *transittest.Server) *http.Client {
	t.Helper()
	text, err := os.ReadFile(s.CAFile)
	check(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	guard := egress.Guard{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	return guard.HTTPClient(&tls.Config{RootCAs: pool})
}

func newProvider(t *testing.T, s *transittest.Server, change ...func(*transit.Config)) *transit.Provider {
	t.Helper()
	cfg := transit.Config{
		URL: s.URL, Mount: "transit", Key: "teikyo", Token: func() (string, error) { return "t-1", nil },
		HTTP: client(t, s), Timeout: 5 * time.Second, Now: time.Now, Rand: rand.Reader,
		Pause: func(context.Context, time.Duration) error { return nil },
	}
	for _, c := range change {
		c(&cfg)
	}
	return transit.New(cfg)
}

func TestWrapAndUnwrap(t *testing.T) {
	t.Parallel()
	for _, derived := range []bool{false, true} {
		s := transittest.New(t)
		s.Set(func(set *transittest.Settings) { set.Derived = derived })
		p := newProvider(t, s)
		id, err := p.Create(t.Context(), nil)
		check(t, err)
		if id != "transit-teikyo-v1" {
			t.Fatal(id)
		}
		for _, secret := range [][]byte{[]byte("sixteen bytes!!!"), bytes.Repeat([]byte("document"), 100_000), {}} {
			wrapped, err := p.WrapUnder(t.Context(), id, secret, []byte("row 1"))
			check(t, err)
			got, err := newProvider(t, s).Unwrap(t.Context(), id, wrapped, []byte("row 1"))
			if err != nil || !bytes.Equal(got, secret) {
				t.Fatalf("%d bytes: %d, %v", len(secret), len(got), err)
			}
			altered := bytes.Clone(wrapped)
			altered[len(altered)-3] ^= 1
			for name, try := range map[string]struct{ wrapped, row []byte }{
				"another row": {wrapped, []byte("row 2")}, "altered": {altered, []byte("row 1")},
				"cut": {wrapped[:len(wrapped)/2], []byte("row 1")}, "empty": {nil, []byte("row 1")}, "form": {[]byte{9, 9}, []byte("row 1")},
			} {
				if _, err := p.Unwrap(t.Context(), id, try.wrapped, try.row); !errors.Is(err, crypto.ErrUnwrap) {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	s := transittest.New(t)
	p := newProvider(t, s)
	first, err := p.Create(t.Context(), nil)
	check(t, err)
	old, err := p.WrapUnder(t.Context(), first, []byte("secret"), nil)
	check(t, err)
	second, err := p.Create(t.Context(), []string{first}) // made by the server for us
	check(t, err)
	s.Rotate() // by its operator
	third, err := p.Create(t.Context(), []string{first, second})
	if err != nil || second != "transit-teikyo-v2" || third != "transit-teikyo-v3" || s.Hits("transit/keys/teikyo/rotate") != 1 {
		t.Fatal(second, third, err)
	}
	one, err1 := p.CheckValue(first)
	again, err2 := newProvider(t, s).CheckValue(first)
	other, err3 := newProvider(t, transittest.New(t)).CheckValue(first)
	if errors.Join(err1, err2, err3) != nil || one != again || one == other || len(one) != 32 {
		t.Errorf("check values %s, %s, %s", one, again, other)
	}
	for _, id := range []string{"transit-teikyo-v9", "transit-teikyo-v01", "transit-other-v1", "kek-0001-aaaa", "transit-teikyo-v0"} {
		if _, err := p.CheckValue(id); !errors.Is(err, crypto.ErrMissingKey) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := p.Unwrap(t.Context(), second, old, nil); !errors.Is(err, crypto.ErrUnwrap) {
		t.Errorf("another version: %v", err)
	}
	s.Set(func(set *transittest.Settings) { set.MinDec = 2 }) // ended by its operator
	if _, err := p.Unwrap(t.Context(), first, old, nil); !errors.Is(err, crypto.ErrMissingKey) {
		t.Errorf("ended: %v", err)
	}
	if _, err := newProvider(t, s).CheckValue(first); !errors.Is(err, crypto.ErrMissingKey) {
		t.Errorf("ended: %v", err)
	}
	s.Set(func(set *transittest.Settings) { set.NoRotate = true })
	if _, err := p.Create(t.Context(), []string{first, second, third}); !errors.Is(err, crypto.ErrProvider) || !strings.Contains(err.Error(), "vault write -f transit/keys/teikyo/rotate") {
		t.Errorf("may not rotate: %v", err)
	}
}

// A server that does not heed associated data would let wraps move between rows.
func TestAssociatedDataMustCount(t *testing.T) {
	t.Parallel()
	s := transittest.New(t)
	s.Set(func(set *transittest.Settings) { set.IgnoreAAD = true })
	p := newProvider(t, s)
	id, err := p.Create(t.Context(), nil)
	check(t, err)
	if _, err := p.WrapUnder(t.Context(), id, []byte("x"), nil); !errors.Is(err, crypto.ErrProvider) || !strings.Contains(err.Error(), "associated data") {
		t.Fatal(err)
	}
}

func TestSigningIn(t *testing.T) {
	t.Parallel()
	s := transittest.New(t)
	token := "t-0"
	p := newProvider(t, s, func(c *transit.Config) { c.Token = func() (string, error) { return token, nil } })
	if _, err := p.Create(t.Context(), nil); !errors.Is(err, crypto.ErrProvider) || strings.Contains(err.Error(), "t-0") {
		t.Fatal(err)
	}
	token = "t-1" // an agent has written a new one
	_, err := p.Create(t.Context(), nil)
	check(t, err)
	token = "t-2"
	s.Set(func(set *transittest.Settings) { set.Token = "t-2" }) // the old one has ended
	_, err = p.Create(t.Context(), nil)
	check(t, err)

	s.Set(func(set *transittest.Settings) {
		set.RoleID, set.SecretID, set.Namespace, set.Token = "role", "secret id", "ns", "t-9"
	})
	secret := "wrong id"
	role := newProvider(t, s, func(c *transit.Config) {
		c.RoleID, c.Namespace, c.SecretID = "role", "ns", func() (string, error) { return secret, nil }
	})
	if _, err := role.Create(t.Context(), nil); !errors.Is(err, crypto.ErrProvider) || strings.Contains(err.Error(), secret) {
		t.Fatal(err)
	}
	secret = "secret id"
	_, err = role.Create(t.Context(), nil)
	check(t, err)
	s.Set(func(set *transittest.Settings) { set.Token = "t-10" }) // the session has ended
	_, err = role.Create(t.Context(), nil)
	check(t, err)
	if n := s.Hits("auth/approle/login"); n != 3 {
		t.Errorf("%d sign-ins", n)
	}
}

// What goes wrong on the way is the provider's fault, and is tried again where
// that helps; nothing of it looks like an altered wrap.
func TestFaults(t *testing.T) {
	t.Parallel()
	s := transittest.New(t)
	p := newProvider(t, s, func(c *transit.Config) { c.Timeout = 300 * time.Millisecond })
	id, err := p.Create(t.Context(), nil)
	check(t, err)
	wrapped, err := p.WrapUnder(t.Context(), id, []byte("secret"), nil)
	check(t, err)
	hang := make(chan struct{})
	defer close(hang)
	faults := map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"500": func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(500); return true },
		"429": func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(429); return true },
		"redirect": func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "https://example.org/", 307)
			return true
		},
		"html": func(w http.ResponseWriter, _ *http.Request) bool { fmt.Fprint(w, "<html>"); return true },
		"long": func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write(make([]byte, 1<<20)); return true },
		"cut": func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"data":`)
			return true
		},
		"reset":     func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) },
		"silence":   func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true },
		"forbidden": func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(403); return true },
		"no route":  func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(404); return true },
		"odd text": func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(500)
			fmt.Fprintf(w, `{"errors":["a\u0000b\r\n%s"]}`, strings.Repeat("x", 5000))
			return true
		},
	}
	for name, fault := range faults {
		s.Set(func(set *transittest.Settings) { set.Fault = fault })
		_, err := p.Unwrap(t.Context(), id, wrapped, nil)
		_, wrapErr := p.WrapUnder(t.Context(), id, []byte("secret"), nil)
		if !errors.Is(err, crypto.ErrProvider) || !errors.Is(wrapErr, crypto.ErrProvider) || errors.Is(err, crypto.ErrUnwrap) ||
			len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\x00\r") {
			t.Errorf("%s: %v, %v", name, err, wrapErr)
		}
		if err := p.Ping(t.Context()); err == nil && name != "429" {
			t.Errorf("%s: it answers", name)
		}
	}
	left := 2 // two failures, then it works
	s.Set(func(set *transittest.Settings) {
		set.Fault = func(w http.ResponseWriter, _ *http.Request) bool {
			if left--; left >= 0 {
				w.WriteHeader(503)
			}
			return left >= 0
		}
	})
	got, err := p.Unwrap(t.Context(), id, wrapped, nil)
	if err != nil || string(got) != "secret" {
		t.Fatalf("%q, %v", got, err)
	}
	check(t, p.Ping(t.Context()))
}

// The server's address is the operator's: a private one must be permitted, and
// its certificate be known.
func TestTheWayThere(t *testing.T) {
	t.Parallel()
	s := transittest.New(t)
	guarded := newProvider(t, s, func(c *transit.Config) { c.HTTP = egress.Guard{}.HTTPClient(nil) })
	if _, err := guarded.Create(t.Context(), nil); !errors.Is(err, egress.ErrRefused) || !errors.Is(err, crypto.ErrProvider) {
		t.Errorf("private address: %v", err)
	}
	open := egress.Guard{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	foreign := newProvider(t, s, func(c *transit.Config) { c.HTTP = open.HTTPClient(nil) })
	if _, err := foreign.Create(t.Context(), nil); !errors.Is(err, crypto.ErrProvider) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("unknown certificate: %v", err)
	}
}
