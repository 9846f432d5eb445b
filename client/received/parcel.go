package received

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"teikyo/client/arrival"
	"teikyo/crypto"
	"teikyo/models"
)

// Parcel is a manifest that was found genuine: signed by the issuer, and the one
// that the ledger's receipt names.
type Parcel struct {
	Proof
	Head      crypto.ManifestHead
	Documents []crypto.ManifestFile // not sealed, without manifest, signature and receipt
	Files     []arrival.File        // the data, by sealed path
}

// ReadManifest reads the manifest whose receipt was proved and checks its
// signature and everything it says. Errors are Integrity unless r fails.
func (p Proof) ReadManifest(r io.Reader, signature []byte) (*Parcel, error) {
	m, err := crypto.NewManifestReader(r, MaxManifest)
	if err != nil {
		return nil, manifestError(err)
	}
	parcel := &Parcel{Proof: p, Head: m.Head()}
	for f, err := range m.Files() {
		if err != nil {
			return nil, manifestError(err)
		}
		if err := parcel.add(f); err != nil {
			return nil, err
		}
	}
	if sum := m.SHA256(); hex.EncodeToString(sum[:]) != p.ManifestSHA256() {
		return nil, models.Errorf(models.Integrity, "the manifest is not the one that the receipt names; do not use this parcel and tell the issuer")
	}
	// The ledger's time, not the manifest's own word, says when it was signed.
	err = crypto.VerifyManifestDigest(p.Issuer, m.SHA512(), signature, p.Receipt.Time(), p.Receipt.Index())
	if err != nil {
		return nil, integrity(err, "the manifest is not signed by "+p.Issuer.Origin+"; do not use this parcel and tell the issuer")
	}
	return parcel, parcel.checkHead()
}

func manifestError(err error) error {
	if _, ok := errors.AsType[*crypto.SourceError](err); ok {
		return models.Wrap(models.Invalid, err, "the manifest cannot be read")
	}
	return integrity(err, "the manifest is malformed; do not use this parcel and tell the issuer")
}

// add sorts a file of the manifest into documents and data.
func (p *Parcel) add(f crypto.ManifestFile) error {
	inner, isData := strings.CutPrefix(f.Path, dataFolder)
	inner, sealed := strings.CutSuffix(inner, sealedSuffix)
	switch {
	case isData && sealed && f.Sealed() && crypto.CheckPath(inner) == nil:
		size, err := crypto.PlainSize(f.PayloadSize)
		if err != nil {
			return integrity(err, "the manifest names an impossible size of "+f.Path)
		}
		p.Files = append(p.Files, arrival.File{Path: inner, Size: size, Sealed: f})
	case !isData && !f.Sealed() && !reserved(f.Path):
		p.Documents = append(p.Documents, f)
	default:
		return models.Errorf(models.Integrity, "the manifest names %q, which no parcel holds in this way; tell the issuer", f.Path)
	}
	return nil
}

// reserved are the places in a received folder that a manifest must not name.
func reserved(p string) bool {
	first, _, _ := strings.Cut(fold(p), "/")
	return slices.Contains([]string{fold(arrival.StateFolder), "data", fold(ManifestPath), fold(SignaturePath), fold(ReceiptPath)}, first)
}

// fold maps paths that some file system takes for the same to the same text.
func fold(p string) string { return norm.NFC.String(models.FoldCase(norm.NFC.String(p))) }

func (p *Parcel) checkHead() error {
	ids := p.Receipt.Leaf().IDs
	switch {
	case p.Head.Issuer != p.Issuer.Origin:
		return models.Errorf(models.Integrity, "the manifest is of the issuer %q, its signature of %q; tell the issuer", p.Head.Issuer, p.Issuer.Origin)
	case ids["provision"] != p.Head.Provision:
		return models.Errorf(models.Integrity, "the receipt is for provision %s, the manifest for %q; tell the issuer", ids["provision"], p.Head.Provision)
	case ids["recipient"] != "" && ids["recipient"] != p.Head.Recipient.ID:
		return models.Errorf(models.Integrity, "the receipt is for recipient %s, the manifest for %q; tell the issuer", ids["recipient"], p.Head.Recipient.ID)
	}
	return nil
}

// CheckKey refuses an identity without the key that the parcel is sealed to.
func (p *Parcel) CheckKey(id crypto.Identity) error { return CheckKey(id, p.Head.KeyFingerprint) }

// CheckKey refuses an identity without the key of that fingerprint.
func CheckKey(id crypto.Identity, fingerprint string) error {
	var have []string
	for _, r := range id.Recipients() {
		if r.Fingerprint() == fingerprint {
			return nil
		}
		have = append(have, r.Fingerprint())
	}
	if len(have) == 0 {
		return models.Errorf(models.Invalid, "it is sealed to the key %s; give its identity file with -i", fingerprint)
	}
	return models.Errorf(models.Invalid, "it is sealed to the key %s, the identity file holds %s; give the other identity with -i",
		fingerprint, strings.Join(have, ", "))
}

// Document finds a document of the manifest.
func (p *Parcel) Document(name string) (crypto.ManifestFile, error) {
	for _, d := range p.Documents {
		if d.Path == name {
			return d, nil
		}
	}
	return crypto.ManifestFile{}, models.Errorf(models.Integrity, "the manifest names no %s; tell the issuer", name)
}

// OpenSums opens SHA256SUMS.age, whose own digest was checked before, and gives
// every file the digest of its plaintext.
func (p *Parcel) OpenSums(sealed []byte, id crypto.Identity) error {
	text, err := crypto.OpenSmall(sealed, id, MaxManifest)
	if errors.Is(err, crypto.ErrWrongIdentity) {
		return models.Wrap(models.Invalid, err, "this identity does not open the parcel; it is sealed to the key "+p.Head.KeyFingerprint)
	}
	if err != nil {
		return integrity(err, SumsPath+" cannot be opened; tell the issuer")
	}
	sums, err := parseSums(text)
	if err != nil {
		return err
	}
	for i, f := range p.Files {
		if p.Files[i].SHA256 = sums[f.Path]; sums[f.Path] == "" {
			return models.Errorf(models.Integrity, "%s has no digest for %s; tell the issuer", SumsPath, f.Path)
		}
	}
	return nil
}

// parseSums reads the output of sha256sum: digest, two spaces, path.
func parseSums(text []byte) (map[string]string, error) {
	sums := map[string]string{}
	for line := range bytes.Lines(text) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(string(line), "\n"), "  ")
		raw, err := hex.DecodeString(sum)
		if !ok || err != nil || len(raw) != 32 || sum != strings.ToLower(sum) || crypto.CheckPath(name) != nil || sums[name] != "" {
			return nil, models.Errorf(models.Integrity, "%s is malformed; tell the issuer", SumsPath)
		}
		sums[name] = sum
	}
	return sums, nil
}

// Select returns the files that one of the patterns names, all without patterns.
func (p *Parcel) Select(patterns []string) ([]arrival.File, error) {
	for _, glob := range patterns {
		for part := range strings.SplitSeq(glob, "/") {
			if _, err := path.Match(part, ""); err != nil {
				return nil, models.Wrap(models.Invalid, err, "the pattern "+glob+" is not valid; write it like 2024/*.csv or claims/**")
			}
		}
	}
	if len(patterns) == 0 {
		return p.Files, nil
	}
	var chosen []arrival.File
	for _, f := range p.Files {
		if slices.ContainsFunc(patterns, func(glob string) bool { return matches(glob, f.Path) }) {
			chosen = append(chosen, f)
		}
	}
	if len(chosen) == 0 {
		return nil, models.Errorf(models.NotFound, "no file of the parcel matches %s; --list shows them", strings.Join(patterns, ", "))
	}
	return chosen, nil
}

// matches tells whether a pattern chooses a path, as in teikyo request create
// --path: parts between slashes match by path.Match, ** stands for any number of
// folders, and the name of a folder for all in it.
func matches(glob, name string) bool {
	pattern := strings.Split(strings.Trim(norm.NFC.String(glob), "/"), "/")
	possible := map[int]bool{0: true}
	for part := range strings.SplitSeq(name, "/") {
		next := map[int]bool{}
		for at := range withoutStars(pattern, possible) {
			if at == len(pattern) {
				return true
			}
			if pattern[at] == "**" {
				next[at] = true
			} else if ok, _ := path.Match(pattern[at], part); ok {
				next[at+1] = true
			}
		}
		possible = next
	}
	return withoutStars(pattern, possible)[len(pattern)]
}

// withoutStars adds the positions behind every ** that stands for nothing.
func withoutStars(pattern []string, possible map[int]bool) map[int]bool {
	all := map[int]bool{}
	for at := range possible {
		for all[at] = true; at < len(pattern) && pattern[at] == "**"; at++ {
			all[at+1] = true
		}
	}
	return all
}

// CheckClashes refuses files that cannot stand beside each other: a file that is
// also a folder, and on a file system without regard to case (folds) names that
// differ in nothing else.
func CheckClashes(files []arrival.File, folds bool) error {
	key := func(p string) string { return p }
	if folds {
		key = fold
	}
	seen := make(map[string]string, len(files))
	for _, f := range files {
		k := key(f.Path)
		if other, ok := seen[k]; ok {
			return models.Errorf(models.Conflict, "this file system does not tell %q from %q; choose a folder on another one", other, f.Path)
		}
		seen[k] = f.Path
	}
	for _, f := range files {
		for dir := path.Dir(key(f.Path)); dir != "."; dir = path.Dir(dir) {
			if other, ok := seen[dir]; ok {
				return models.Errorf(models.Conflict, "%q is a file and %q lies in it; fetch them apart with --include", other, f.Path)
			}
		}
	}
	return nil
}
