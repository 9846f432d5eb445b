package crypto

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gowebpki/jcs"
	"golang.org/x/crypto/ssh"
	"golang.org/x/mod/sumdb/note"
)

var (
	// ErrIssuer: an issuer file that is malformed or contradicts itself.
	ErrIssuer = errors.New("crypto: bad issuer file")
	// ErrIssuerChanged: another issuer, or another history, than the pinned one.
	ErrIssuerChanged = errors.New("crypto: the issuer file does not continue the pinned one")
	// ErrIssuerOlder: the pinned file continues this one; harmless.
	ErrIssuerOlder = errors.New("crypto: the issuer file is older than the pinned one")
)

const noteEd25519 = 1 // algorithm byte of C2SP signed-note

// Issuer is the issuer file: who signs, with which keys, and how they changed.
// Keys, Changes and Revocations only ever grow at their ends. SignerLines and
// VerifierKeys repeat them for stock tools and are recomputed on every write.
type Issuer struct {
	V            int             `json:"v"`
	Origin       string          `json:"origin"`
	Keys         []IssuerKey     `json:"keys"` // the first one of each use
	Changes      []KeyChange     `json:"changes"`
	Revocations  []KeyRevocation `json:"revocations"`
	SignerLines  []string        `json:"allowed_signers"` // OpenSSH, for manifests
	VerifierKeys []string        `json:"checkpoint_keys"` // C2SP signed-note
}

// IssuerKey is the first key of a use. Public is 32 bytes in base64.
type IssuerKey struct {
	Use    Use       `json:"use"`
	Public string    `json:"public"`
	From   time.Time `json:"from"`
}

// KeyChange replaces Old by New from At on and from the ledger's entry
// LedgerIndex on; Old signed it.
type KeyChange struct {
	Use         Use       `json:"use"`
	Old         string    `json:"old"`
	New         string    `json:"new"`
	At          time.Time `json:"at"`
	LedgerIndex int64     `json:"ledger_index"`
	Signature   string    `json:"signature"`
}

// KeyRevocation ends the trust in Key for ledger entries from LedgerIndex on. By
// is a later key of the same use, which signed it.
type KeyRevocation struct {
	Use         Use       `json:"use"`
	Key         string    `json:"key"`
	By          string    `json:"by"`
	At          time.Time `json:"at"`
	LedgerIndex int64     `json:"ledger_index"`
	Signature   string    `json:"signature"`
}

// The first line of a statement keeps it apart from all else that keys sign.
func (c KeyChange) statement(origin string) []byte {
	return fmt.Appendf(nil, "teikyo-key-change-v1\n%s\n%s\n%s\n%s\n%s\n%d\n",
		origin, c.Use, c.Old, c.New, c.At.Format(time.RFC3339), c.LedgerIndex)
}

func (r KeyRevocation) statement(origin string) []byte {
	return fmt.Appendf(nil, "teikyo-key-revocation-v1\n%s\n%s\n%s\n%s\n%s\n%d\n",
		origin, r.Use, r.Key, r.By, r.At.Format(time.RFC3339), r.LedgerIndex)
}

// keyPeriod is one key with the time in which it signed.
type keyPeriod struct {
	Public      string
	From, Until time.Time // Until zero: still
	RevokedFrom int64     // ledger index, -1: not revoked
}

func (p keyPeriod) key() ed25519.PublicKey {
	k, _ := base64.StdEncoding.DecodeString(p.Public)
	return k
}

// history lists the keys of a use, oldest first.
func (i Issuer) history(use Use) []keyPeriod {
	var periods []keyPeriod
	for _, k := range i.Keys {
		if k.Use == use {
			periods = append(periods, keyPeriod{Public: k.Public, From: k.From, RevokedFrom: -1})
		}
	}
	for _, c := range i.Changes {
		if c.Use == use && len(periods) > 0 {
			periods[len(periods)-1].Until = c.At
			periods = append(periods, keyPeriod{Public: c.New, From: c.At, RevokedFrom: -1})
		}
	}
	for n := range periods {
		for _, r := range i.Revocations {
			p := &periods[n]
			if r.Use == use && r.Key == p.Public && (p.RevokedFrom < 0 || r.LedgerIndex < p.RevokedFrom) {
				p.RevokedFrom = r.LedgerIndex
			}
		}
	}
	return periods
}

func (i Issuer) current(use Use) keyPeriod {
	periods := i.history(use)
	if len(periods) == 0 {
		return keyPeriod{}
	}
	return periods[len(periods)-1]
}

// JSON is the file: canonical JSON with the lines for stock tools filled in.
func (i Issuer) JSON() ([]byte, error) {
	i.Keys = append([]IssuerKey{}, i.Keys...)
	i.Changes = append([]KeyChange{}, i.Changes...)
	i.Revocations = append([]KeyRevocation{}, i.Revocations...)
	i.SignerLines = i.signerLines()
	i.VerifierKeys = []string{}
	for _, k := range i.CheckpointKeys() {
		i.VerifierKeys = append(i.VerifierKeys, k.Verifier)
	}
	return CanonicalJSON(i)
}

// ParseIssuer reads an issuer file of at most 1 MiB, strictly: canonical byte
// for byte and consistent (Verify). Errors wrap ErrIssuer.
func ParseIssuer(data []byte) (Issuer, error) {
	var i Issuer
	if len(data) > maxIssuerFile {
		return Issuer{}, fmt.Errorf("%w: over 1 MiB", ErrIssuer)
	}
	if err := strictJSON(data, &i); err != nil {
		return Issuer{}, fmt.Errorf("%w: %w", ErrIssuer, err)
	}
	if err := i.Verify(); err != nil {
		return Issuer{}, err
	}
	again, err := i.JSON()
	if err != nil || !bytes.Equal(again, data) {
		return Issuer{}, fmt.Errorf("%w: not in canonical form", ErrIssuer)
	}
	return i, nil
}

// Verify checks the file in itself: one first key for each use, every change
// signed by the key it replaces, every revocation by a later key of the use.
func (i Issuer) Verify() error {
	if i.V != 1 || !ValidOrigin(i.Origin) {
		return fmt.Errorf("%w: version or origin", ErrIssuer)
	}
	current, seen := map[Use]KeyChange{}, map[string]bool{}
	for n, k := range i.Keys {
		if n >= len(Uses()) || k.Use != Uses()[n] || seen[k.Public] || !isPublicKey(k.Public) || !isStamp(k.From) {
			return fmt.Errorf("%w: first keys", ErrIssuer)
		}
		current[k.Use], seen[k.Public] = KeyChange{New: k.Public, At: k.From}, true
	}
	if len(i.Keys) != len(Uses()) {
		return fmt.Errorf("%w: a first key is missing", ErrIssuer)
	}
	for n, c := range i.Changes {
		last := current[c.Use]
		inOrder := isStamp(c.At) && !c.At.Before(last.At) && c.LedgerIndex >= last.LedgerIndex
		if c.Old != last.New || !inOrder || seen[c.New] || !isPublicKey(c.New) {
			return fmt.Errorf("%w: key change %d does not follow", ErrIssuer, n+1)
		}
		if !signedBy(c.Old, c.statement(i.Origin), c.Signature) {
			return fmt.Errorf("%w: key change %d is not signed by the old key", ErrIssuer, n+1)
		}
		current[c.Use], seen[c.New] = c, true
	}
	return i.verifyRevocations()
}

func (i Issuer) verifyRevocations() error {
	for n, r := range i.Revocations {
		periods := i.history(r.Use)
		revoked := slices.IndexFunc(periods, func(p keyPeriod) bool { return p.Public == r.Key })
		by := slices.IndexFunc(periods, func(p keyPeriod) bool { return p.Public == r.By })
		if revoked < 0 || by <= revoked || r.LedgerIndex < 0 || !isStamp(r.At) || !signedBy(r.By, r.statement(i.Origin), r.Signature) {
			return fmt.Errorf("%w: revocation %d is not signed by a later key", ErrIssuer, n+1)
		}
	}
	return nil
}

func signedBy(public string, statement []byte, signature string) bool {
	key, err1 := base64.StdEncoding.Strict().DecodeString(public)
	sig, err2 := base64.StdEncoding.Strict().DecodeString(signature)
	return err1 == nil && err2 == nil && len(key) == ed25519.PublicKeySize && ed25519.Verify(key, statement, sig)
}

func isPublicKey(s string) bool {
	key, err := base64.StdEncoding.Strict().DecodeString(s)
	return err == nil && len(key) == ed25519.PublicKeySize && !strings.ContainsAny(s, "\r\n")
}

// isStamp: in UTC and whole seconds, so that equal times are equal values.
func isStamp(t time.Time) bool { return t == wholeSeconds(t) }

// ValidOrigin tells whether s can name an issuer: lower-case letters, digits,
// hyphens, dots and slashes between them, 3 to 100 characters, as example.org.
func ValidOrigin(s string) bool {
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '.' || r == '/' || r == '-' }) {
		if strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return false
		}
	}
	return len(s) >= 3 && len(s) <= 100 && isAlnum(s[0]) && isAlnum(s[len(s)-1]) && !strings.Contains(s, "//") && !strings.Contains(s, "..")
}

func isAlnum(b byte) bool { return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' }

// Fingerprint is what people compare before they trust an issuer: of the
// canonical JSON of the first keys and the origin, in the form of
// Recipient.Fingerprint. Key changes leave it as it is.
func (i Issuer) Fingerprint() string {
	data, err := CanonicalJSON(struct {
		Keys   []IssuerKey `json:"keys"`
		Origin string      `json:"origin"`
	}{i.Keys, i.Origin})
	if err != nil {
		return ""
	}
	return fingerprint(data)
}

// Extends tells whether next continues the pinned file: same origin and first
// keys, and all the pinned changes and revocations. ErrIssuerOlder when it is
// the other way round, else ErrIssuerChanged.
func Extends(pinned, next Issuer) error {
	same := pinned.Origin == next.Origin && slices.Equal(pinned.Keys, next.Keys)
	switch {
	case same && startsWith(next.Changes, pinned.Changes) && startsWith(next.Revocations, pinned.Revocations):
		return nil
	case same && startsWith(pinned.Changes, next.Changes) && startsWith(pinned.Revocations, next.Revocations):
		return ErrIssuerOlder
	}
	return ErrIssuerChanged
}

func startsWith[T comparable](s, prefix []T) bool {
	return len(s) >= len(prefix) && slices.Equal(s[:len(prefix)], prefix)
}

// AllowedSigners is the file for ssh-keygen -Y verify, one line a key, with
// validity in UTC (OpenSSH 9.1). The first line has no beginning, so that
// without a key change older versions read it too.
func (i Issuer) AllowedSigners() string {
	return strings.Join(i.signerLines(), "\n") + "\n"
}

func (i Issuer) signerLines() []string {
	lines := []string{}
	for n, p := range i.history(UseManifest) {
		options := `namespaces="` + ManifestNamespace + `"`
		if n > 0 {
			options += p.From.Format(`,valid-after="20060102150405Z"`)
		}
		if !p.Until.IsZero() {
			options += p.Until.Format(`,valid-before="20060102150405Z"`)
		}
		key, err := ssh.NewPublicKey(p.key())
		if err == nil {
			lines = append(lines, i.Origin+" "+options+" "+strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))))
		}
	}
	return lines
}

// CheckpointKey is a public checkpoint key in signed-note form, as
// ledger.NewVerifier takes it, with the ledger index from which it is revoked.
type CheckpointKey struct {
	Verifier    string
	RevokedFrom int64 // -1: not revoked
}

// CheckpointKeys are all keys that ever signed checkpoints, oldest first.
func (i Issuer) CheckpointKeys() []CheckpointKey {
	var keys []CheckpointKey
	for _, p := range i.history(UseCheckpoint) {
		keys = append(keys, CheckpointKey{Verifier: noteVerifierKey(i.Origin, p.key()), RevokedFrom: p.RevokedFrom})
	}
	return keys
}

func noteVerifierKey(name string, key ed25519.PublicKey) string {
	text, err := note.NewEd25519VerifierKey(name, key)
	if err != nil {
		return "" // only for a key of another size, which Verify excludes
	}
	return text
}

// LinkKeys are the keys whose links count: all but revoked ones.
func (i Issuer) LinkKeys() []ed25519.PublicKey {
	var keys []ed25519.PublicKey
	for _, p := range i.history(UseLink) {
		if p.RevokedFrom < 0 {
			keys = append(keys, p.key())
		}
	}
	return keys
}

// ManifestKeyAt is the key that signed manifests at a time, zero for now.
func (i Issuer) ManifestKeyAt(at time.Time) (ed25519.PublicKey, bool) {
	periods := i.history(UseManifest)
	for _, p := range slices.Backward(periods) {
		if at.IsZero() || !at.Before(p.From) {
			return p.key(), true
		}
	}
	return nil, false
}

func canonical(data []byte) ([]byte, error) {
	out, err := jcs.Transform(data)
	if err != nil {
		return nil, fmt.Errorf("crypto: canonical JSON: %w", err)
	}
	return out, nil
}

// strictJSON refuses unknown fields and anything after the value. Duplicate and
// misspelt names fall at the comparison with the canonical form.
func strictJSON(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if dec.More() {
		return errors.New("data after the end")
	}
	return nil
}
