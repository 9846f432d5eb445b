package crypto

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strings"

	"filippo.io/age"
)

// What ParseRecipient refuses. None of them repeats the input.
var (
	// ErrSecretKey: somebody pasted a secret key. It must never be used again.
	ErrSecretKey = errors.New("this is a secret key; it is burnt now that it left its place: make a new one and send only the line that starts with age1")
	// ErrPluginKey: age1NAME1… keys need programs of others on our side.
	ErrPluginKey = errors.New("keys of age plugins are not accepted: use an age1… or age1pq1… key")
	// ErrSSHKey: age can use SSH keys, but they have another purpose already.
	ErrSSHKey = errors.New("SSH keys are not accepted: make a key for this purpose with keygen")
	// ErrBadKey: not exactly one well-formed age public key.
	ErrBadKey = errors.New("this is not exactly one age public key (age1… or age1pq1…)")
	// ErrWeakKey: well-formed, but everybody could open what is sealed to it.
	ErrWeakKey = errors.New("this public key is all zero or of low order: make a new one")
)

// Sizes of a header with one stanza, in bytes.
const (
	headerSizeX25519 = 168
	headerSizeHybrid = 1627

	maxRecipientText = 4 << 10
)

// Recipient is a parsed and tried age public key. The zero value is no key.
type Recipient struct {
	public string
	pq     bool
	key    age.Recipient
}

// ParseRecipient reads one age public key, X25519 or hybrid (ML-KEM-768 and
// X25519), with white space and # comment lines around it, at most 4 KiB. The
// errors are ErrSecretKey, ErrPluginKey, ErrSSHKey, ErrBadKey and ErrWeakKey.
func ParseRecipient(s string) (Recipient, error) {
	if holdsSecretKey(s) {
		return Recipient{}, ErrSecretKey
	}
	public, ok := onlyLine(s)
	if !ok {
		return Recipient{}, ErrBadKey
	}
	r, err := decodeRecipient(public)
	if err != nil {
		return Recipient{}, err
	}
	// A low-order point parses and fails only in use.
	if _, err := WriteHeader(FileKey{}, r); err != nil {
		return Recipient{}, ErrWeakKey
	}
	return r, nil
}

// LoadRecipient reads a public key that ParseRecipient has accepted and whose
// text was kept. It is not tried again, which costs as much as a header; a key
// that cannot be sealed to fails in use. The error is ErrBadKey.
func LoadRecipient(public string) (Recipient, error) {
	r, err := decodeRecipient(public)
	if err != nil {
		return Recipient{}, ErrBadKey
	}
	return r, nil
}

// holdsSecretKey looks through white space and case, because mail programs and
// people break lines anywhere.
func holdsSecretKey(s string) bool {
	s = strings.ToUpper(strings.Join(strings.Fields(s), ""))
	return strings.Contains(s, "AGE-SECRET-KEY") || strings.Contains(s, "PRIVATEKEY-----")
}

func onlyLine(s string) (line string, ok bool) {
	if len(s) > maxRecipientText {
		return "", false
	}
	for l := range strings.Lines(s) {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		if line != "" {
			return "", false
		}
		line = l
	}
	return line, line != ""
}

// decodeRecipient drops age's own errors: they repeat the input.
func decodeRecipient(public string) (Recipient, error) {
	lower := strings.ToLower(public)
	switch {
	case strings.HasPrefix(lower, "ssh-"), strings.HasPrefix(lower, "ecdsa-"), strings.HasPrefix(lower, "sk-"):
		return Recipient{}, ErrSSHKey
	case strings.HasPrefix(lower, "age1pq1"):
		key, err := age.ParseHybridRecipient(public)
		if err != nil {
			return Recipient{}, ErrBadKey
		}
		return Recipient{public: key.String(), pq: true, key: key}, nil
	case strings.HasPrefix(lower, "age-plugin-"), strings.HasPrefix(lower, "age1") && strings.LastIndex(lower, "1") > len("age"):
		return Recipient{}, ErrPluginKey
	}
	key, err := age.ParseX25519Recipient(public)
	if err != nil {
		return Recipient{}, ErrBadKey
	}
	return Recipient{public: key.String(), key: key}, nil
}

// String returns the public key, 62 characters (X25519) or 1,959 (hybrid).
// Show people the Fingerprint.
func (r Recipient) String() string { return r.public }

// Fingerprint is what people compare: the first 25 bytes of the SHA-256 of the
// public key text in lower-case base32, eight groups of five (47 characters,
// 200 bits), safe in file names, URLs and shells.
func (r Recipient) Fingerprint() string { return fingerprint([]byte(r.public)) }

// PostQuantum tells whether the key is hybrid.
func (r Recipient) PostQuantum() bool { return r.pq }

// HeaderSize is the size in bytes of every header written to the key.
func (r Recipient) HeaderSize() int {
	if r.pq {
		return headerSizeHybrid
	}
	return headerSizeX25519
}

func fingerprint(data []byte) string {
	sum := sha256.Sum256(data)
	text := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:25]))
	groups := make([]string, 0, 8)
	for i := 0; i < len(text); i += 5 {
		groups = append(groups, text[i:i+5])
	}
	return strings.Join(groups, "-")
}
