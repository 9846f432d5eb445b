package crypto

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ErrManifest: a manifest that is malformed, not canonical, or unsafe.
var ErrManifest = errors.New("crypto: bad manifest")

const (
	maxManifestHead = 256 << 10
	maxManifestFile = 16 << 10
	manifestVersion = 1
	// maxJSONNumber: RFC 8785 writes numbers as IEEE doubles.
	maxJSONNumber = 1 << 53
)

// ManifestHead says what a parcel is, for whom and on what grounds. All texts
// are UTF-8, times UTC in whole seconds.
type ManifestHead struct {
	V              int               `json:"v"` // 1; NewManifestWriter sets it
	Issuer         string            `json:"issuer"`
	Provision      string            `json:"provision"`
	Number         string            `json:"number,omitempty"` // running number, 2026-0042
	Created        time.Time         `json:"created"`
	Recipient      ManifestRecipient `json:"recipient"`
	KeyFingerprint string            `json:"key_fingerprint"`
	Purpose        ManifestPurpose   `json:"purpose"`
	Method         string            `json:"method"`
	Basis          string            `json:"basis"`
	Dataset        ManifestDataset   `json:"dataset"`
	ClassStatement map[string]string `json:"class_statement"` // by language
	Items          []string          `json:"items"`
	TermsSHA256    string            `json:"terms_sha256"`
	Gate           *ManifestGate     `json:"gate,omitempty"`
	ValidUntil     time.Time         `json:"valid_until"`
	Independence   string            `json:"independence,omitempty"` // "not shown" when approval could not show it
}

// ManifestRecipient names the organisation that receives the parcel.
type ManifestRecipient struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// ManifestPurpose is the code, the recipient's words and DUO codes.
type ManifestPurpose struct {
	Code  string   `json:"code"`
	Words string   `json:"words"`
	DUO   []string `json:"duo,omitempty"`
}

// ManifestDataset names the version that was provided.
type ManifestDataset struct {
	ID      string `json:"id"`
	Version int    `json:"version"`
	Title   string `json:"title"`
	Class   string `json:"class"`
}

// ManifestGate says by which rules the files were checked for identifiers.
type ManifestGate struct {
	Profile   string           `json:"profile"`
	SHA256    string           `json:"profile_sha256"`      // of the profile's canonical document
	Transform string           `json:"transform,omitempty"` // with which they were changed before, as who registered them says
	Waivers   []ManifestWaiver `json:"waivers,omitempty"`
}

// ManifestWaiver let one finding pass; two people decided, who are named by id.
type ManifestWaiver struct {
	ID          string    `json:"id"`
	Rule        string    `json:"rule"`
	Finding     string    `json:"finding"`
	FileSHA256  string    `json:"file_sha256"`
	Reason      string    `json:"reason"`
	RequestedBy string    `json:"requested_by"`
	ApprovedBy  string    `json:"approved_by"`
	Expires     time.Time `json:"expires"`
}

// ManifestFile is one file of the parcel, either plain with the digest of the
// whole, or sealed with the digests of header and payload apart. Sizes are
// bytes, digests SHA-256 in lower-case hex.
type ManifestFile struct {
	HeaderSHA256  string   `json:"header_sha256,omitempty"`
	HeaderSize    int64    `json:"header_size,omitempty"`
	Items         []string `json:"items,omitempty"`
	Path          string   `json:"path"`
	PayloadSHA256 string   `json:"payload_sha256,omitempty"`
	PayloadSize   int64    `json:"payload_size,omitempty"`
	SHA256        string   `json:"sha256,omitempty"`
	Size          int64    `json:"size"`
}

// Sealed tells whether the file is header ‖ payload.
func (f ManifestFile) Sealed() bool { return f.PayloadSize > 0 }

func (f ManifestFile) check() error {
	if err := CheckPath(f.Path); err != nil {
		return err
	}
	if f.Size > maxJSONNumber {
		return fmt.Errorf("%w: size of %q", ErrManifest, f.Path)
	}
	plain := isDigest(f.SHA256) && f.Size >= 0 &&
		f.HeaderSHA256 == "" && f.HeaderSize == 0 && f.PayloadSHA256 == "" && f.PayloadSize == 0
	sealed := f.SHA256 == "" && isDigest(f.HeaderSHA256) && isDigest(f.PayloadSHA256) &&
		f.HeaderSize > 0 && f.HeaderSize <= MaxHeaderSize && f.PayloadSize > 0 && f.Size == f.HeaderSize+f.PayloadSize
	if _, err := PlainSize(f.PayloadSize); plain || sealed && err == nil {
		return nil
	}
	return fmt.Errorf("%w: sizes or digests of %q", ErrManifest, f.Path)
}

// canonical is CanonicalJSON, five times as fast for what is usual: the fields
// stand in order, and Go and RFC 8785 differ only where Go writes \u.
func (f ManifestFile) canonical() ([]byte, error) {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(f); err != nil || bytes.Contains(line.Bytes(), []byte(`\u`)) {
		return CanonicalJSON(f)
	}
	return bytes.TrimSuffix(line.Bytes(), []byte("\n")), nil
}

func isDigest(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == 2*sha256.Size && strings.ToLower(s) == s
}

// CheckPath refuses a path that is not relative, plain and the same on every
// system: no "..", backslash, control or invisible character, no name that
// Windows reserves; at most 1,024 bytes, 255 a name. Errors wrap ErrManifest.
func CheckPath(p string) error {
	bad := len(p) > 1024 || p == "." || path.IsAbs(p) || path.Clean(p) != p || !utf8.ValidString(p) ||
		strings.ContainsAny(p, `\:*?"<>|`) || strings.ContainsFunc(p, isInvisible)
	for name := range strings.SplitSeq(p, "/") {
		bad = bad || name == "" || name == ".." || len(name) > 255 || isReserved(name) || strings.TrimRight(name, ". ") != name
	}
	if bad {
		return fmt.Errorf("%w: unsafe path %q", ErrManifest, p[:min(len(p), 80)])
	}
	return nil
}

// isInvisible: control and format characters (right-to-left marks among them)
// and line ends.
func isInvisible(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

// isReserved: CON, NUL, COM1 and so on, with any extension.
func isReserved(name string) bool {
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch stem = strings.TrimRight(stem, " "); stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	port, found := strings.CutPrefix(stem, "COM")
	if !found {
		port, found = strings.CutPrefix(stem, "LPT")
	}
	return found && utf8.RuneCountInString(port) == 1 && strings.Contains("0123456789¹²³", port)
}

// ManifestWriter streams a manifest: canonical JSON (RFC 8785) of an object with
// two members, "about" (the head) and "files", which stand in canonical order as
// they are written, so that nothing but one file is ever held.
type ManifestWriter struct {
	w      io.Writer
	last   string
	files  int
	sha256 hash.Hash
	sha512 hash.Hash
	err    error
}

// NewManifestWriter writes the head.
func NewManifestWriter(w io.Writer, head ManifestHead) (*ManifestWriter, error) {
	m := &ManifestWriter{sha256: sha256.New(), sha512: sha512.New()}
	m.w = io.MultiWriter(w, m.sha256, m.sha512)
	head.V = manifestVersion
	head.Created, head.ValidUntil = wholeSeconds(head.Created), wholeSeconds(head.ValidUntil)
	head.Items = append([]string{}, head.Items...)
	about, err := CanonicalJSON(head)
	if err != nil {
		return nil, err
	}
	if len(about) > maxManifestHead {
		return nil, fmt.Errorf("%w: head over %d bytes", ErrManifest, maxManifestHead)
	}
	m.write(`{"about":` + string(about) + `,"files":[`)
	return m, m.err
}

func (m *ManifestWriter) write(s string) {
	if m.err == nil {
		_, m.err = io.WriteString(m.w, s)
	}
}

// File adds a file. Paths come in ascending byte order, each once.
func (m *ManifestWriter) File(f ManifestFile) error {
	if err := f.check(); err != nil {
		return err
	}
	if m.files > 0 && f.Path <= m.last {
		return fmt.Errorf("%w: %q is out of order", ErrManifest, f.Path)
	}
	line, err := f.canonical()
	if err != nil {
		return err
	}
	if len(line) > maxManifestFile {
		return fmt.Errorf("%w: entry of %q over %d bytes", ErrManifest, f.Path, maxManifestFile)
	}
	if m.files > 0 {
		m.write(",")
	}
	m.write(string(line))
	m.files, m.last = m.files+1, f.Path
	return m.err
}

// Close ends the manifest. It does not close the writer below.
func (m *ManifestWriter) Close() error {
	m.write("]}")
	return m.err
}

// SHA256 is the digest of the manifest after Close, for the ledger.
func (m *ManifestWriter) SHA256() [sha256.Size]byte { return [sha256.Size]byte(m.sha256.Sum(nil)) }

// SHA512 is the digest of the manifest after Close, for SignManifestDigest.
func (m *ManifestWriter) SHA512() [sha512.Size]byte { return [sha512.Size]byte(m.sha512.Sum(nil)) }

// ManifestReader reads a manifest as it streams by, strictly: byte for byte what
// ManifestWriter writes. Nothing it gives is trusted before the signature of
// the whole is checked.
type ManifestReader struct {
	r      *bufio.Reader
	limit  *io.LimitedReader
	head   ManifestHead
	last   string
	files  int
	sha256 hash.Hash
	sha512 hash.Hash
	err    error
}

// NewManifestReader reads the head. A manifest over maxBytes is ErrTooLarge.
func NewManifestReader(r io.Reader, maxBytes int64) (*ManifestReader, error) {
	m := &ManifestReader{sha256: sha256.New(), sha512: sha512.New()}
	m.limit = &io.LimitedReader{R: r, N: maxBytes + 1}
	m.r = bufio.NewReaderSize(io.TeeReader(m.limit, io.MultiWriter(m.sha256, m.sha512)), 64<<10)
	m.expect(`{"about":`)
	m.value(&m.head, maxManifestHead, func() ([]byte, error) { return CanonicalJSON(m.head) })
	m.expect(`,"files":[`)
	if m.err == nil && m.head.V != manifestVersion {
		m.err = fmt.Errorf("%w: version %d", ErrManifest, m.head.V)
	}
	if m.err != nil {
		return nil, m.err
	}
	return m, nil
}

// Head is the head of the manifest.
func (m *ManifestReader) Head() ManifestHead { return m.head }

// Files iterates over the files. An error ends it; only without one the manifest
// was whole.
func (m *ManifestReader) Files() iter.Seq2[ManifestFile, error] {
	return func(yield func(ManifestFile, error) bool) {
		for {
			f, err := m.Next()
			if err == io.EOF || !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// Next returns the next file, and io.EOF when the manifest ended as it must.
// Errors wrap ErrManifest or ErrTooLarge, or are *SourceError.
func (m *ManifestReader) Next() (ManifestFile, error) {
	var f ManifestFile
	switch next := m.peek(); {
	case m.err != nil:
		return f, m.err
	case next == ']':
		return f, m.end()
	case m.files > 0:
		m.expect(",")
	}
	m.value(&f, maxManifestFile, func() ([]byte, error) { return f.canonical() })
	if m.err == nil {
		m.err = f.check()
	}
	if m.err == nil && m.files > 0 && f.Path <= m.last {
		m.err = fmt.Errorf("%w: %q is out of order", ErrManifest, f.Path)
	}
	if m.err != nil {
		return ManifestFile{}, m.err
	}
	m.files, m.last = m.files+1, f.Path
	return f, nil
}

func (m *ManifestReader) end() error {
	if m.expect("]}"); m.err == nil {
		if _, err := m.r.ReadByte(); err != io.EOF || m.limit.N <= 0 {
			m.fail(err, "data after the end")
		} else {
			m.err = io.EOF
		}
	}
	return m.err
}

// SHA256 is the digest of the manifest after io.EOF.
func (m *ManifestReader) SHA256() [sha256.Size]byte { return [sha256.Size]byte(m.sha256.Sum(nil)) }

// SHA512 is the digest of the manifest after io.EOF, for VerifyManifestDigest.
func (m *ManifestReader) SHA512() [sha512.Size]byte { return [sha512.Size]byte(m.sha512.Sum(nil)) }

// fail keeps the first error and says what is to blame.
func (m *ManifestReader) fail(err error, what string) {
	switch {
	case m.err != nil:
	case m.limit.N <= 0:
		m.err = fmt.Errorf("%w: manifest", ErrTooLarge)
	case err != nil && err != io.EOF:
		m.err = &SourceError{err}
	default:
		m.err = fmt.Errorf("%w: %s after %q", ErrManifest, what, m.last)
	}
}

func (m *ManifestReader) peek() byte {
	if m.err != nil {
		return 0
	}
	b, err := m.r.Peek(1)
	if err != nil {
		m.fail(err, "cut")
		return 0
	}
	return b[0]
}

func (m *ManifestReader) expect(text string) {
	for i := 0; i < len(text) && m.err == nil; i++ {
		if b, err := m.r.ReadByte(); err != nil || b != text[i] {
			m.fail(err, "not as expected")
		}
	}
}

// value reads one object of at most limit bytes into v and compares it with its
// canonical form: that refuses unknown, misspelt, double and unsorted names.
func (m *ManifestReader) value(v any, limit int, canonical func() ([]byte, error)) {
	raw := m.object(limit)
	if m.err != nil {
		return
	}
	again, err := []byte(nil), strictJSON(raw, v)
	if err == nil {
		again, err = canonical()
	}
	if err != nil || !bytes.Equal(raw, again) {
		m.fail(nil, "an entry that is not canonical")
	}
}

// object takes the bytes of one object: up to the brace that closes the first.
func (m *ManifestReader) object(limit int) []byte {
	var raw []byte
	depth, quoted, escaped := 0, false, false
	for m.err == nil && len(raw) < limit {
		b, err := m.r.ReadByte()
		if err != nil || len(raw) == 0 && b != '{' {
			m.fail(err, "no entry")
			return nil
		}
		raw = append(raw, b)
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = b == '\\', b != '"'
		case b == '"':
			quoted = true
		case b == '{':
			depth++
		case b == '}':
			if depth--; depth == 0 {
				return raw
			}
		}
	}
	m.fail(nil, "an entry that is too long")
	return nil
}
