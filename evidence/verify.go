package evidence

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
)

// Limits of what is read at once, in bytes.
const (
	maxSums  = 16 << 20
	maxSmall = 32 << 20
)

// Result is what was checked.
type Result struct {
	Sample  Sample
	Issuer  crypto.Issuer
	Files   int
	Entries int // ledger entries with their proofs
}

// Verify checks a pack. accept says whether the issuer file in it is believed,
// and gives the one that is; see client/received.Trust. The error is Integrity,
// with one finding for each file that does not hold.
func Verify(pack fs.FS, accept func(crypto.Issuer) (crypto.Issuer, error)) (Result, error) {
	v := &verifier{pack: pack}
	if err := v.open(accept); err != nil {
		return v.result, err
	}
	v.checkFiles()
	v.checkSelection()
	for _, c := range v.result.Sample.Chosen {
		v.checkProvision(c)
	}
	if len(v.findings) > 0 {
		err := models.Errorf(models.Integrity, "the evidence does not hold: %d problems; do not rely on it, and ask for it again", len(v.findings))
		err.Findings = v.findings[:min(len(v.findings), 100)]
		return v.result, err
	}
	return v.result, nil
}

type verifier struct {
	pack      fs.FS
	result    Result
	sums      map[string]string
	verifiers []ledger.Verifier
	findings  []models.Finding
}

func (v *verifier) wrong(name, msg string) {
	v.findings = append(v.findings, models.Finding{Location: name, Rule: "evidence", Msg: msg})
}

func bad(err error, msg string) error { return models.Wrap(models.Integrity, err, msg) }

// open reads who made the pack and checks the signature over its list of files.
func (v *verifier) open(accept func(crypto.Issuer) (crypto.Issuer, error)) error {
	text, err := v.read(IssuerFile, 1<<20)
	if err != nil {
		return bad(err, "this is no evidence pack: issuer.json cannot be read")
	}
	offered, err := crypto.ParseIssuer(text)
	if err != nil {
		return bad(err, "issuer.json is not an issuer file, or was altered")
	}
	if v.result.Issuer, err = accept(offered); err != nil {
		return err
	}
	sums, err1 := v.read(SumsFile, maxSums)
	signature, err2 := v.read(SignatureFile, 1<<16)
	sample, err3 := v.read(SampleFile, maxSmall)
	if err := errors.Join(err1, err2, err3); err != nil {
		return bad(err, "SHA256SUMS, its signature or SAMPLE.json cannot be read")
	}
	if v.sums, err = parseSums(sums); err != nil {
		return err
	}
	if digest(sample) != v.sums[SampleFile] || json.Unmarshal(sample, &v.result.Sample) != nil || v.result.Sample.V != 1 {
		return models.Errorf(models.Integrity, "SAMPLE.json was altered")
	}
	s := v.result.Sample
	if err := crypto.VerifyManifestSignature(v.result.Issuer, bytes.NewReader(sums), signature, s.MadeAt, s.LedgerSize-1); err != nil {
		return bad(err, "the issuer did not sign this list of files (SHA256SUMS)")
	}
	return v.openLedger()
}

func (v *verifier) openLedger() error {
	for _, key := range v.result.Issuer.CheckpointKeys() {
		verifier, err := ledger.NewVerifier(key.Verifier)
		if err != nil {
			return bad(err, "a checkpoint key in the issuer file is malformed")
		}
		if key.RevokedFrom >= 0 {
			verifier = verifier.RevokedFrom(key.RevokedFrom)
		}
		v.verifiers = append(v.verifiers, verifier)
	}
	text, err := v.read(CheckpointFile, 1<<16)
	if err != nil {
		return bad(err, "the checkpoint cannot be read")
	}
	checkpoint, err := ledger.OpenCheckpoint(text, v.verifiers...)
	if err != nil || checkpoint.Tree.N != v.result.Sample.LedgerSize || v.result.Sample.Issuer != v.result.Issuer.Origin {
		return bad(err, "the checkpoint is not the issuer's, or not the one of this sample")
	}
	return nil
}

// parseSums reads the lines of sha256sum.
func parseSums(text []byte) (map[string]string, error) {
	sums := map[string]string{}
	for line := range strings.Lines(string(text)) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		_, err := hex.DecodeString(sum)
		if !ok || err != nil || len(sum) != 2*sha256.Size || !fs.ValidPath(name) || sums[name] != "" || name == SumsFile || name == SignatureFile {
			return nil, models.Errorf(models.Integrity, "SHA256SUMS holds a line that does not belong there")
		}
		sums[name] = sum
	}
	return sums, nil
}

// checkFiles compares every file with the list, and finds those that are not on
// it.
func (v *verifier) checkFiles() {
	seen := map[string]bool{}
	err := fs.WalkDir(v.pack, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if name == SumsFile || name == SignatureFile {
			return nil
		}
		seen[name] = true
		switch sum, err := v.digestOf(name, entry); {
		case v.sums[name] == "":
			v.wrong(name, "is not part of the pack")
		case err != nil:
			v.wrong(name, "cannot be read")
		case sum != v.sums[name]:
			v.wrong(name, "was altered")
		}
		v.result.Files++
		return nil
	})
	if err != nil {
		v.wrong(".", "the folder cannot be read")
	}
	for name := range v.sums {
		if !seen[name] {
			v.wrong(name, "is missing")
		}
	}
}

func (v *verifier) digestOf(name string, entry fs.DirEntry) (string, error) {
	if !entry.Type().IsRegular() {
		return "", errors.New("no plain file")
	}
	f, err := v.pack.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}

// checkSelection draws the sample again.
func (v *verifier) checkSelection() {
	s := v.result.Sample
	text, err := v.read(PopulationFile, maxSmall)
	if err != nil {
		v.wrong(PopulationFile, "cannot be read")
		return
	}
	var ranks []string
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		ranks = append(ranks, Rank(s.Seed, lines.Text()))
	}
	if len(ranks) != s.Population {
		v.wrong(PopulationFile, "does not hold the provisions that the sample was drawn from")
	}
	slices.Sort(ranks)
	want := ranks[:min(len(ranks), s.N)]
	var got []string
	for _, c := range s.Chosen {
		got = append(got, c.Rank)
		if c.Rank != Rank(s.Seed, c.Provision) {
			v.wrong(SampleFile, "the rank of "+c.Provision+" is not that of the seed")
		}
	}
	if !slices.Equal(got, want) {
		v.wrong(SampleFile, "the sample is not the one that the seed gives")
	}
}

// read reads a small file.
func (v *verifier) read(name string, limit int64) ([]byte, error) {
	f, err := v.pack.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = errors.New(path.Base(name) + " is too long")
	}
	return text, err
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
