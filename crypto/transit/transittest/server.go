// Package transittest is a transit secrets engine in this process, as HashiCorp
// Vault and OpenBao document its API, for tests.
package transittest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Server is the engine with one key named "teikyo" at the mount "transit".
type Server struct {
	URL string
	// CAFile is a PEM file of the certificate.
	CAFile string

	http *httptest.Server
	mu   sync.Mutex
	keys [][32]byte
	set  Settings
	hits map[string]int
}

// Settings are what the server is like. Tests change them by Set.
type Settings struct {
	Token     string // that may; default "t-1"
	RoleID    string // of AppRole; empty: none
	SecretID  string
	Namespace string
	Derived   bool
	MinDec    int  // min_decryption_version; default 1
	NoRotate  bool // the token may not rotate
	NoKey     bool // there is no key
	Sealed    bool // 503
	IgnoreAAD bool // as a server that does not know associated data
	// Fault is asked first; true: it has answered.
	Fault func(w http.ResponseWriter, r *http.Request) bool
}

// New starts a server over TLS, until the end of the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{set: Settings{Token: "t-1", MinDec: 1}, hits: map[string]int{}}
	s.rotate()
	s.http = httptest.NewTLSServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.http.Close)
	s.URL = s.http.URL
	s.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
	if err := os.WriteFile(s.CAFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// Set changes the settings.
func (s *Server) Set(change func(*Settings)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.set)
}

// Rotate is what the operator of the server does.
func (s *Server) Rotate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rotate()
}

// Hits is how often a path was asked.
func (s *Server) Hits(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hits[path]
}

func (s *Server) rotate() {
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		panic(err)
	}
	s.keys = append(s.keys, key)
}

type input struct {
	Plaintext  string `json:"plaintext"`
	Ciphertext string `json:"ciphertext"`
	Version    int    `json:"key_version"`
	Bound      string `json:"associated_data"`
	Context    string `json:"context"`
	Input      string `json:"input"`
	RoleID     string `json:"role_id"`
	SecretID   string `json:"secret_id"`
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	text, readErr := io.ReadAll(r.Body)
	s.mu.Lock()
	s.hits[path]++
	fault := s.set.Fault
	s.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var in input
	if readErr != nil || len(text) > 0 && json.Unmarshal(text, &in) != nil {
		refuse(w, 400, "error parsing JSON")
		return
	}
	switch {
	case s.set.Sealed:
		refuse(w, 503, "Vault is sealed")
	case r.Header.Get("X-Vault-Namespace") != s.set.Namespace:
		refuse(w, 403, "permission denied")
	case path == "auth/approle/login":
		s.login(w, in)
	case r.Header.Get("X-Vault-Token") != s.set.Token:
		refuse(w, 403, "permission denied", "invalid token")
	default:
		s.engine(w, r.Method+" "+path, in)
	}
}

func (s *Server) login(w http.ResponseWriter, in input) {
	if s.set.RoleID == "" || in.RoleID != s.set.RoleID || in.SecretID != s.set.SecretID {
		refuse(w, 400, "invalid role or secret ID")
		return
	}
	answer(w, map[string]any{"auth": map[string]any{"client_token": s.set.Token, "lease_duration": 1200, "renewable": true}})
}

func (s *Server) engine(w http.ResponseWriter, what string, in input) {
	if s.set.NoKey {
		refuse(w, 404)
		return
	}
	switch what {
	case "GET transit/keys/teikyo":
		s.read(w)
	case "POST transit/keys/teikyo/rotate":
		if s.set.NoRotate {
			refuse(w, 403, "1 error occurred:\n\t* permission denied\n\n")
			return
		}
		s.rotate()
		w.WriteHeader(204)
	case "POST transit/hmac/teikyo":
		s.hmac(w, in)
	case "POST transit/encrypt/teikyo":
		s.encrypt(w, in)
	case "POST transit/decrypt/teikyo":
		s.decrypt(w, in)
	default:
		refuse(w, 404, "no handler for route")
	}
}

func (s *Server) read(w http.ResponseWriter) {
	versions := map[string]int{}
	for v := s.set.MinDec; v <= len(s.keys); v++ {
		versions[strconv.Itoa(v)] = 1442851412
	}
	answer(w, map[string]any{"data": map[string]any{
		"type": "aes256-gcm96", "keys": versions, "latest_version": len(s.keys), "min_decryption_version": s.set.MinDec,
		"min_encryption_version": 0, "derived": s.set.Derived, "supports_encryption": true, "supports_decryption": true, "name": "teikyo",
	}})
}

func (s *Server) hmac(w http.ResponseWriter, in input) {
	text, err := base64.StdEncoding.DecodeString(in.Input)
	if err != nil || in.Version < 1 || in.Version > len(s.keys) {
		refuse(w, 400, "cannot generate HMAC")
		return
	}
	mac := hmac.New(sha256.New, s.keys[in.Version-1][:])
	mac.Write(text)
	answer(w, data("hmac", fmt.Sprintf("vault:v%d:%s", in.Version, base64.StdEncoding.EncodeToString(mac.Sum(nil)))))
}

// aead is the cipher of a version, derived by the context where the key says so.
func (s *Server) aead(version int, in input) (cipher.AEAD, []byte, error) {
	key := s.keys[version-1][:]
	if s.set.Derived {
		info, err := base64.StdEncoding.DecodeString(in.Context)
		if err != nil || len(info) == 0 {
			return nil, nil, fmt.Errorf("missing 'context' for key derivation")
		}
		if key, err = hkdf.Key(sha256.New, key, nil, string(info), 32); err != nil {
			return nil, nil, err
		}
	}
	bound, err := base64.StdEncoding.DecodeString(in.Bound)
	if err != nil {
		return nil, nil, fmt.Errorf("failed to base64-decode associated_data")
	}
	if s.set.IgnoreAAD {
		bound = nil
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	return aead, bound, err
}

func (s *Server) encrypt(w http.ResponseWriter, in input) {
	plain, err := base64.StdEncoding.DecodeString(in.Plaintext)
	version := in.Version
	if version == 0 {
		version = len(s.keys)
	}
	if err != nil || version < s.set.MinDec || version > len(s.keys) {
		refuse(w, 400, "requested version for encryption is not permitted")
		return
	}
	aead, bound, err := s.aead(version, in)
	if err != nil {
		refuse(w, 400, err.Error())
		return
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		panic(err)
	}
	sealed := aead.Seal(nonce, nonce, plain, bound)
	answer(w, data("ciphertext", fmt.Sprintf("vault:v%d:%s", version, base64.StdEncoding.EncodeToString(sealed))))
}

func (s *Server) decrypt(w http.ResponseWriter, in input) {
	version, sealed := 0, ""
	if rest, ok := strings.CutPrefix(in.Ciphertext, "vault:v"); ok {
		var number string
		number, sealed, _ = strings.Cut(rest, ":")
		version, _ = strconv.Atoi(number)
	}
	raw, err := base64.StdEncoding.DecodeString(sealed)
	switch {
	case err != nil || version < 1 || version > len(s.keys) || len(raw) < 12:
		refuse(w, 400, "invalid ciphertext: no prefix")
		return
	case version < s.set.MinDec:
		refuse(w, 400, "ciphertext or signature version is disallowed by policy (too old)")
		return
	}
	aead, bound, err := s.aead(version, in)
	if err != nil {
		refuse(w, 400, err.Error())
		return
	}
	plain, err := aead.Open(nil, raw[:12], raw[12:], bound)
	if err != nil {
		refuse(w, 400, "cipher: message authentication failed")
		return
	}
	answer(w, data("plaintext", base64.StdEncoding.EncodeToString(plain)))
}

func data(name, value string) map[string]any {
	return map[string]any{"request_id": "r", "lease_id": "", "renewable": false, "data": map[string]any{name: value}}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, errors ...string) {
	w.WriteHeader(status)
	answer(w, map[string][]string{"errors": append([]string{}, errors...)})
}
