package transit

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"teikyo/crypto"
)

// Provider is crypto.KEKProvider over a key of a transit engine. A version of the
// KEK is a version of that key, with the id transit-KEY-vN. It is safe for
// concurrent use.
type Provider struct {
	api caller

	mu      sync.Mutex
	checks  map[int]string // check values, by version
	derived bool           // the key wants a context for every use
	bound   bool           // it was seen that associated data counts
	pinged  time.Time      // the last time that a Ping went well
}

// New makes a provider. It connects when it is first used.
func New(cfg Config) *Provider {
	return &Provider{api: caller{Config: cfg}, checks: map[int]string{}}
}

// String keeps settings out of logs.
func (p *Provider) String() string { return "[redacted]" }

// GoString is String.
func (p *Provider) GoString() string { return p.String() }

// Provider implements crypto.KEKProvider.
func (p *Provider) Provider() string { return "transit" }

const (
	// pingEvery is how often the server is really asked.
	pingEvery = 5 * time.Second
	// direct is the longest secret that is sent to the server, in bytes. Longer
	// ones are sealed here under a key of their own, and that key is sent.
	direct = 256
	// checkTimeout bounds CheckValue.
	checkTimeout = 15 * time.Second
)

// Forms of a wrap.
const (
	formDirect   = 1 // then the ciphertext
	formEnvelope = 2 // then its length (2 bytes), the ciphertext of a key, nonce and what is sealed under the key
)

func (p *Provider) id(version int) string {
	return "transit-" + p.api.Key + "-v" + strconv.Itoa(version)
}

// version is the inverse of id.
func (p *Provider) version(id string) (int, error) {
	text, ours := strings.CutPrefix(id, "transit-"+p.api.Key+"-v")
	n, err := strconv.Atoi(text)
	if !ours || err != nil || n < 1 || p.id(n) != id {
		return 0, fmt.Errorf("%w: %q", crypto.ErrMissingKey, id)
	}
	return n, nil
}

// IDs implements crypto.KEKProvider: the versions that were asked for.
func (p *Provider) IDs() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var versions []int
	for v := range p.checks {
		versions = append(versions, v)
	}
	slices.Sort(versions)
	ids := make([]string, len(versions))
	for i, v := range versions {
		ids[i] = p.id(v)
	}
	return ids
}

// CheckValue implements crypto.KEKProvider: the beginning of the server's HMAC
// under that version of the key ("Generate HMAC").
func (p *Provider) CheckValue(id string) (string, error) {
	version, err := p.version(id)
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	check, ok := p.checks[version]
	p.mu.Unlock()
	if ok {
		return check, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	key, err := p.readKey(ctx)
	if err != nil {
		return "", err
	}
	if version > key.Latest || version < key.MinDecryption {
		return "", fmt.Errorf("%w: version %d of the key %s (it has %d to %d)", crypto.ErrMissingKey, version, p.api.Key, key.MinDecryption, key.Latest)
	}
	if check, err = p.hmac(ctx, version); err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.checks[version], p.derived = check, key.Derived
	return check, nil
}

// keyInfo is a part of "Read Key".
type keyInfo struct {
	Latest        int            `json:"latest_version"`
	MinDecryption int            `json:"min_decryption_version"`
	Derived       bool           `json:"derived"`
	Encrypts      bool           `json:"supports_encryption"`
	Versions      map[string]any `json:"keys"`
}

func (p *Provider) readKey(ctx context.Context) (keyInfo, error) {
	var key keyInfo
	err := p.api.call(ctx, http.MethodGet, p.path("keys"), nil, &key)
	var refused *refusal
	if errors.As(err, &refused) && refused.status == http.StatusNotFound {
		return key, fmt.Errorf("%w: it has no key %s; make it: vault write -f %s/keys/%s", crypto.ErrProvider, p.api.Key, p.api.Mount, p.api.Key)
	}
	if err != nil {
		return key, outOfReach(err)
	}
	for v := range key.Versions { // older servers do not say which is the latest
		if n, err := strconv.Atoi(v); err == nil && n > key.Latest {
			key.Latest = n
		}
	}
	if !key.Encrypts || key.Latest < 1 {
		return key, fmt.Errorf("%w: the key %s does not encrypt; make one of the type aes256-gcm96 or chacha20-poly1305", crypto.ErrProvider, p.api.Key)
	}
	return key, nil
}

// outOfReach makes a refusal of something that must be permitted one of the
// provider.
func outOfReach(err error) error {
	if errors.Is(err, crypto.ErrProvider) {
		return err
	}
	return fmt.Errorf("%w: %w", crypto.ErrProvider, err)
}

func (p *Provider) path(what string) string { return p.api.Mount + "/" + what + "/" + p.api.Key }

func (p *Provider) hmac(ctx context.Context, version int) (string, error) {
	in := map[string]any{"input": encode([]byte("teikyo kek check value")), "key_version": version}
	var out struct {
		HMAC string `json:"hmac"`
	}
	if err := p.api.call(ctx, http.MethodPost, p.path("hmac"), in, &out); err != nil {
		return "", outOfReach(err)
	}
	text, ok := strings.CutPrefix(out.HMAC, fmt.Sprintf("vault:v%d:", version))
	sum, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(sum) < 16 {
		return "", fmt.Errorf("%w: its HMAC is not what was expected", crypto.ErrProvider)
	}
	return fmt.Sprintf("%x", sum[:16]), nil
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// request is the body of encrypt and decrypt. What the wrap is bound to goes as
// associated data, and as the context of a derived key too.
type request struct {
	Plaintext  string `json:"plaintext,omitempty"`
	Ciphertext string `json:"ciphertext,omitempty"`
	Version    int    `json:"key_version,omitempty"`
	Bound      string `json:"associated_data"`
	Context    string `json:"context,omitempty"`
}

func (p *Provider) request(id string, context []byte) request {
	bound := append([]byte("teikyo-transit-v1\x00"+id+"\x00"), context...)
	r := request{Bound: encode(bound)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.derived {
		sum := sha256.Sum256(bound)
		r.Context = encode(sum[:])
	}
	return r
}

// WrapUnder implements crypto.KEKProvider ("Encrypt Data").
func (p *Provider) WrapUnder(ctx context.Context, id string, secret, context []byte) ([]byte, error) {
	if err := p.ready(ctx, id); err != nil {
		return nil, err
	}
	if len(secret) <= direct {
		text, err := p.encrypt(ctx, id, secret, context)
		return append([]byte{formDirect}, text...), err
	}
	var key [chacha20poly1305.KeySize]byte
	defer clear(key[:])
	if _, err := io.ReadFull(p.api.Rand, key[:]); err != nil {
		return nil, fmt.Errorf("transit: reading randomness for a key: %w", err)
	}
	text, err := p.encrypt(ctx, id, key[:], context)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return nil, fmt.Errorf("transit: cipher: %w", err)
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := io.ReadFull(p.api.Rand, nonce); err != nil {
		return nil, fmt.Errorf("transit: reading randomness for a nonce: %w", err)
	}
	out := binary.BigEndian.AppendUint16([]byte{formEnvelope}, uint16(len(text)))
	out = append(append(out, text...), nonce...)
	return aead.Seal(out, nonce, secret, context), nil
}

func (p *Provider) encrypt(ctx context.Context, id string, secret, context []byte) (string, error) {
	version, err := p.version(id)
	if err != nil {
		return "", err
	}
	in := p.request(id, context)
	in.Plaintext, in.Version = encode(secret), version
	var out struct {
		Ciphertext string `json:"ciphertext"`
	}
	if err := p.api.call(ctx, http.MethodPost, p.path("encrypt"), in, &out); err != nil {
		return "", outOfReach(err)
	}
	if !strings.HasPrefix(out.Ciphertext, fmt.Sprintf("vault:v%d:", version)) || len(out.Ciphertext) > 1<<15 {
		return "", fmt.Errorf("%w: it encrypted under another version than it was asked to", crypto.ErrProvider)
	}
	return out.Ciphertext, nil
}

// Unwrap implements crypto.KEKProvider ("Decrypt Data").
func (p *Provider) Unwrap(ctx context.Context, id string, wrapped, context []byte) ([]byte, error) {
	if err := p.ready(ctx, id); err != nil {
		return nil, err
	}
	if len(wrapped) < 1 {
		return nil, crypto.ErrUnwrap
	}
	switch form, rest := wrapped[0], wrapped[1:]; form {
	case formDirect:
		return p.decrypt(ctx, id, string(rest), context)
	case formEnvelope:
		return p.openEnvelope(ctx, id, rest, context)
	}
	return nil, crypto.ErrUnwrap
}

func (p *Provider) openEnvelope(ctx context.Context, id string, rest, context []byte) ([]byte, error) {
	if len(rest) < 2 {
		return nil, crypto.ErrUnwrap
	}
	n := int(binary.BigEndian.Uint16(rest))
	if rest = rest[2:]; len(rest) < n+chacha20poly1305.NonceSizeX {
		return nil, crypto.ErrUnwrap
	}
	key, err := p.decrypt(ctx, id, string(rest[:n]), context)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, crypto.ErrUnwrap
	}
	nonce, sealed := rest[n:n+aead.NonceSize()], rest[n+aead.NonceSize():]
	secret, err := aead.Open(nil, nonce, sealed, context)
	if err != nil {
		return nil, crypto.ErrUnwrap
	}
	return secret, nil
}

func (p *Provider) decrypt(ctx context.Context, id, ciphertext string, context []byte) ([]byte, error) {
	version, err := p.version(id)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(ciphertext, fmt.Sprintf("vault:v%d:", version)) {
		return nil, crypto.ErrUnwrap
	}
	in := p.request(id, context)
	in.Ciphertext = ciphertext
	var out struct {
		Plaintext string `json:"plaintext"`
	}
	if err := p.api.call(ctx, http.MethodPost, p.path("decrypt"), in, &out); err != nil {
		return nil, decryptFailed(err)
	}
	secret, err := base64.StdEncoding.DecodeString(out.Plaintext)
	if err != nil {
		return nil, fmt.Errorf("%w: the answer is not what was expected", crypto.ErrProvider)
	}
	return secret, nil
}

// decryptFailed: 400 says that the ciphertext does not open, or that its version
// is no longer permitted; anything else that the server must permit is its
// operator's business.
func decryptFailed(err error) error {
	var refused *refusal
	switch {
	case !errors.As(err, &refused):
		return err
	case refused.status != http.StatusBadRequest:
		return outOfReach(err)
	case strings.Contains(refused.words, "disallowed by policy"):
		return fmt.Errorf("%w: %w", crypto.ErrMissingKey, err)
	}
	return crypto.ErrUnwrap
}

// ready knows the version before it is used, and has seen once that the server
// heeds associated data: one that does not would open a wrap in any row.
func (p *Provider) ready(ctx context.Context, id string) error {
	if _, err := p.CheckValue(id); err != nil {
		return err
	}
	p.mu.Lock()
	bound := p.bound
	p.mu.Unlock()
	if bound {
		return nil
	}
	text, err := p.encrypt(ctx, id, []byte("teikyo"), []byte("one"))
	if err != nil {
		return err
	}
	_, err = p.decrypt(ctx, id, text, []byte("another"))
	switch {
	case err == nil:
		return fmt.Errorf("%w: it does not heed associated data; use a key of the type aes256-gcm96 or chacha20-poly1305 on a newer server", crypto.ErrProvider)
	case !errors.Is(err, crypto.ErrUnwrap):
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bound = true
	return nil
}

// Create implements crypto.KEKProvider: it takes up the newest version that the
// server has, or has it make one ("Rotate Key").
func (p *Provider) Create(ctx context.Context, known []string) (string, error) {
	key, err := p.readKey(ctx)
	if err != nil {
		return "", err
	}
	if id := p.id(key.Latest); !slices.Contains(known, id) {
		_, err := p.CheckValue(id)
		return id, err
	}
	err = p.api.call(ctx, http.MethodPost, p.path("keys")+"/rotate", map[string]any{}, nil)
	var refused *refusal
	if errors.As(err, &refused) && refused.status == http.StatusForbidden {
		return "", fmt.Errorf("%w: this token may not rotate; have its operator run: vault write -f %s/keys/%s/rotate, then run teikyo key rotate again",
			crypto.ErrProvider, p.api.Mount, p.api.Key)
	}
	if err != nil {
		return "", outOfReach(err)
	}
	if key, err = p.readKey(ctx); err != nil {
		return "", err
	}
	id := p.id(key.Latest)
	if slices.Contains(known, id) {
		return "", fmt.Errorf("%w: it did not make a new version", crypto.ErrProvider)
	}
	_, err = p.CheckValue(id)
	return id, err
}

// Destroy implements crypto.KEKProvider. The server goes on having the version:
// its operator ends it (min_decryption_version, trim), because a token that may
// do so could destroy everything.
func (p *Provider) Destroy(_ context.Context, id string) error {
	version, err := p.version(id)
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.checks, version)
	return nil
}

// Ping implements crypto.KEKProvider: something small goes there and back, every
// five seconds at most.
func (p *Provider) Ping(ctx context.Context) error {
	now := p.api.Now()
	p.mu.Lock()
	fresh := now.Sub(p.pinged) < pingEvery && !p.pinged.IsZero()
	p.mu.Unlock()
	if fresh {
		return nil
	}
	ids := p.IDs()
	if len(ids) == 0 {
		if _, err := p.readKey(ctx); err != nil {
			return err
		}
	} else if err := p.roundTrip(ctx, ids[len(ids)-1]); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pinged = now
	return nil
}

func (p *Provider) roundTrip(ctx context.Context, id string) error {
	text, err := p.encrypt(ctx, id, []byte("teikyo"), []byte("ping"))
	if err != nil {
		return err
	}
	_, err = p.decrypt(ctx, id, text, []byte("ping"))
	return err
}
