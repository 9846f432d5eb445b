// Package clienttest makes genuine parcels, and a server that gives them out in
// the worst ways, for tests of the recipient's side.
package clienttest

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
)

// Noon is when everything happens.
func Noon() time.Time { return time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC) }

// Person is a recipient with a key.
type Person struct {
	File     string // the text of the identity file
	Identity crypto.Identity
	Public   crypto.Recipient
}

// NewPerson makes a key pair.
func NewPerson(t testing.TB, pq bool) Person {
	t.Helper()
	file, public, err := crypto.GenerateIdentity(pq)
	check(t, err)
	id, err := crypto.ParseIdentity(strings.NewReader(file))
	check(t, err)
	rcpt, err := crypto.ParseRecipient(public)
	check(t, err)
	return Person{File: file, Identity: id, Public: rcpt}
}

// Issuer is an organisation with signing keys and a ledger.
type Issuer struct {
	Keys *crypto.SigningKeys
	Log  *ledgertest.MemoryLog
	// Sign signs manifests in place of the issuer's key; nil: that one.
	Sign *crypto.SigningKey
}

// NewIssuer makes an issuer with new keys and a few entries in its ledger.
func NewIssuer(t testing.TB, origin string) *Issuer {
	t.Helper()
	keys, err := crypto.OpenSigningKeys(t.TempDir(), origin, rand.Reader, Noon())
	check(t, err)
	i := &Issuer{Keys: keys, Log: ledgertest.NewMemoryLog()}
	check(t, i.Log.Fill(3, Noon().Add(-time.Hour)))
	return i
}

// File writes the issuer file and returns its path.
func (i *Issuer) File(t testing.TB) string {
	t.Helper()
	text, err := i.Keys.Issuer().JSON()
	check(t, err)
	path := filepath.Join(t.TempDir(), "issuer.json")
	check(t, os.WriteFile(path, text, 0o600))
	return path
}

// Checkpoint signs the ledger as it stands.
func (i *Issuer) Checkpoint(t testing.TB) []byte {
	t.Helper()
	signer, err := ledger.NewSigner(ledger.LogOrigin(i.Keys.Issuer().Origin, 1), i.Keys.CheckpointSecretKey())
	check(t, err)
	text, err := signer.Sign(i.Log.Tree())
	check(t, err)
	return text
}

// Content is what a parcel is made of.
type Content struct {
	Provision string // default: a new one
	Dataset   string // default: ds-aaaaaaaaaaaaaaaa
	Files     map[string][]byte
	To        crypto.Recipient
	// Sealed are files sealed before, as another recipient got them.
	Sealed map[string]Sealed
	// Head changes the manifest before it is signed.
	Head func(*crypto.ManifestHead)
}

// Sealed is one sealed file.
type Sealed struct {
	Key     crypto.FileKey
	Payload []byte
}

// Parcel is a parcel with everything that made it.
type Parcel struct {
	Tree      map[string][]byte // by path in the parcel
	Content   Content
	Provision string
}

// Seal seals a content.
func Seal(t testing.TB, plain []byte) Sealed {
	t.Helper()
	key, err := crypto.NewFileKey(rand.Reader)
	check(t, err)
	return SealWith(t, key, plain)
}

// SealWith seals a content under a key that is given.
func SealWith(t testing.TB, key crypto.FileKey, plain []byte) Sealed {
	t.Helper()
	s, err := crypto.NewSealer(key, rand.Reader, bytes.NewReader(plain))
	check(t, err)
	defer s.Close()
	payload, err := io.ReadAll(s.NextSegment(crypto.PayloadSize(int64(len(plain)) + 2*crypto.ChunkSize)))
	check(t, err)
	check(t, s.Err())
	if !s.Done() {
		t.Fatal("the payload is not whole")
	}
	return Sealed{Key: key, Payload: payload}
}

// Provide makes a parcel and records it in the ledger.
func (i *Issuer) Provide(t testing.TB, c Content) Parcel {
	t.Helper()
	if c.Provision == "" {
		id, err := models.NewID(rand.Reader, models.ProvisionID)
		check(t, err)
		c.Provision = id
	}
	if c.Dataset == "" {
		c.Dataset = "ds-aaaaaaaaaaaaaaaa"
	}
	c.Sealed = maps.Clone(c.Sealed)
	if c.Sealed == nil {
		c.Sealed = map[string]Sealed{}
	}
	p := Parcel{Tree: map[string][]byte{}, Content: c, Provision: c.Provision}
	files := p.seal(t)
	i.documents(t, p, files)
	i.sign(t, p, files)
	i.record(t, p)
	return p
}

func (p Parcel) seal(t testing.TB) map[string]crypto.ManifestFile {
	t.Helper()
	files := map[string]crypto.ManifestFile{}
	for name, plain := range p.Content.Files {
		if _, ok := p.Content.Sealed[name]; !ok {
			p.Content.Sealed[name] = Seal(t, plain)
		}
		s := p.Content.Sealed[name]
		header, err := crypto.WriteHeader(s.Key, p.Content.To)
		check(t, err)
		path := "data/" + name + ".age"
		p.Tree[path] = append(slices.Clone(header), s.Payload...)
		files[path] = crypto.ManifestFile{
			Path: path, Size: int64(len(p.Tree[path])), Items: []string{"demographics"},
			HeaderSize: int64(len(header)), HeaderSHA256: Digest(header),
			PayloadSize: int64(len(s.Payload)), PayloadSHA256: Digest(s.Payload),
		}
	}
	return files
}

func (i *Issuer) documents(t testing.TB, p Parcel, files map[string]crypto.ManifestFile) {
	t.Helper()
	var sums strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p.Content.Files)) {
		sums.WriteString(Digest(p.Content.Files[name]) + "  " + name + "\n")
	}
	sealed, err := crypto.SealSmall([]byte(sums.String()), p.Content.To)
	check(t, err)
	issuer, err := i.Keys.Issuer().JSON()
	check(t, err)
	for name, text := range map[string][]byte{
		"SHA256SUMS.age": sealed, "issuer.json": issuer, "README.txt": []byte("read me\n"),
		"NOTICE.txt": []byte("notice, お知らせ\n"), "datapackage.json": []byte("{}\n"),
	} {
		p.Tree[name] = text
		files[name] = crypto.ManifestFile{Path: name, Size: int64(len(text)), SHA256: Digest(text)}
	}
}

func (i *Issuer) sign(t testing.TB, p Parcel, files map[string]crypto.ManifestFile) {
	t.Helper()
	head := crypto.ManifestHead{
		Issuer: i.Keys.Issuer().Origin, Provision: p.Provision, Number: "2026-0001", Created: Noon(),
		Recipient:      crypto.ManifestRecipient{ID: "r-aaaaaaaaaaaaaaaa", Name: "University, 大学"},
		KeyFingerprint: p.Content.To.Fingerprint(), Purpose: crypto.ManifestPurpose{Code: "research", Words: "prescriptions"},
		Method: "download", Basis: "third_party",
		Dataset:        crypto.ManifestDataset{ID: p.Content.Dataset, Version: 1, Title: "Claims, レセプト", Class: "anonymized"},
		ClassStatement: map[string]string{"en": "This is anonymously processed information.", "ja": "これは匿名加工情報です。"},
		Items:          []string{"demographics"}, TermsSHA256: Digest(nil), ValidUntil: Noon().AddDate(1, 0, 0),
	}
	if p.Content.Head != nil {
		p.Content.Head(&head)
	}
	var text bytes.Buffer
	m, err := crypto.NewManifestWriter(&text, head)
	check(t, err)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		check(t, m.File(files[path]))
	}
	check(t, m.Close())
	p.Tree["manifest.json"] = text.Bytes()
	key := i.Keys.ManifestKey()
	if i.Sign != nil {
		key = *i.Sign
	}
	p.Tree["manifest.json.sig"], err = crypto.SignManifestDigest(key, m.SHA512())
	check(t, err)
}

// record appends the entry and makes the receipt.
func (i *Issuer) record(t testing.TB, p Parcel) {
	t.Helper()
	at := Noon()
	if last := i.Log.Row.Time.Add(time.Millisecond); last.After(at) {
		at = last
	}
	rec, err := i.Log.Append(ledger.Entry{
		Kind:           ledger.ProvisionIssued,
		IDs:            map[string]string{"provision": p.Provision, "recipient": "r-aaaaaaaaaaaaaaaa", "dataset": p.Content.Dataset},
		ManifestSHA256: Digest(p.Tree["manifest.json"]),
	}, at)
	check(t, err)
	p.Tree["RECEIPT.tlog-proof"], err = ledger.WriteReceipt(rec.Index, rec.Leaf, i.Log, i.Checkpoint(t))
	check(t, err)
}

// Write lays the parcel out in a folder.
func (p Parcel) Write(t testing.TB, dir string) {
	t.Helper()
	for name, text := range p.Tree {
		path := filepath.Join(dir, filepath.FromSlash(name))
		check(t, os.MkdirAll(filepath.Dir(path), 0o700))
		check(t, os.WriteFile(path, text, 0o600))
	}
}

// Digest is a SHA-256 in hex.
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Random are n bytes that do not compress.
func Random(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	_, err := rand.Read(b)
	check(t, err)
	return b
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
