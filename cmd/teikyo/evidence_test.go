package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"teikyo/client/received"
	"teikyo/crypto"
)

// An auditor draws a sample and checks it without the server: the same seed
// gives the same sample, stock tools agree, and no file can be changed.
func TestEvidenceOfASample(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.notice()
	r := w.partner("Kyoto")
	const cell = "41,Bachelors-of-nothing"
	ds := w.register("Income", w.file("in/people.csv", []byte("age,education\n"+cell+"\n50,Masters\n38,HS-grad\n")))
	var made []string
	for range 4 {
		made = append(made, w.provide(ds, r))
	}
	_, link := w.link(made[0])
	r.fetch(0, link, "got")
	r.user.json("provision", "acknowledge", made[0])
	w.mori.json("provision", "revoke", made[1], "--reason", "a mistake")
	auditor := w.person("Aoi")
	w.invite(w.alice, auditor, "auditor")

	dir := filepath.Join(w.dir, "evidence")
	sample := []string{"audit", "sample", "--seed", "2026 Aoi", "-n", "3", "-o"}
	auditor.json(append(sample, dir)...)
	auditor.run(1, "", append(sample, dir)...)
	issuer := w.issuerFile()
	file := filepath.Join(w.dir, "again.zip")
	auditor.json(append(sample, file)...)
	first := auditor.json("audit", "verify", dir, "--issuer", issuer)
	second := auditor.json("audit", "verify", file, "--issuer", issuer)
	if first["population"] != 4.0 || len(first["provisions"].([]any)) != 3 || first["entries"].(float64) < 30 {
		t.Errorf("%v", first)
	}
	if !slices.Equal(chosenIDs(t, first), chosenIDs(t, second)) {
		t.Error("the same seed gave another sample")
	}
	r.user.run(4, "", append(sample, filepath.Join(w.dir, "foreign"))...)
	stranger := w.person("nobody")
	stranger.run(7, "", "audit", "verify", dir)
	w.stop()

	checkWithStockTools(t, dir, first["issuer"].(string))
	checkContents(t, dir, cell)
	tamperEvidence(t, auditor, dir, issuer)
	signAgain(t, auditor, w.at("keys"), dir, issuer)
}

func chosenIDs(t *testing.T, doc map[string]any) (ids []string) {
	t.Helper()
	for _, c := range doc["provisions"].([]any) {
		ids = append(ids, c.(map[string]any)["provision"].(string))
	}
	return ids
}

// checkWithStockTools runs the commands of the pack's README.txt.
func checkWithStockTools(t *testing.T, dir, origin string) {
	t.Helper()
	runs := func(in string, name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = filepath.Join(dir, filepath.Dir(in))
		text, err := os.ReadFile(filepath.Join(dir, in))
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdin = bytes.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	verify := []string{"-Y", "verify", "-I", origin, "-n", "teikyo-manifest"}
	runs("SHA256SUMS", "ssh-keygen", append(verify, "-f", "allowed_signers", "-s", "SHA256SUMS.sig")...)
	runs("SHA256SUMS", "sha256sum", "--quiet", "-c", "SHA256SUMS")
	manifests, _ := filepath.Glob(filepath.Join(dir, "*", "manifest.json"))
	if len(manifests) != 3 {
		t.Errorf("%d manifests", len(manifests))
	}
	for _, m := range manifests {
		name, _ := filepath.Rel(dir, m)
		runs(name, "ssh-keygen", append(verify, "-f", "../allowed_signers", "-s", "manifest.json.sig")...)
	}
}

// checkContents looks for what must be there, and for what must not.
func checkContents(t *testing.T, dir, plaintext string) {
	t.Helper()
	for _, name := range []string{
		"record.json", "request.json", "facts.json", "agreement.json", "agreement-document/agreement.pdf", "notice-of-that-day.txt", "gate.jsonl",
		"waivers.json", "people.json", "manifest.json", "manifest.json.sig", "NOTICE.txt", "RECEIPT.tlog-proof",
	} {
		if found, _ := filepath.Glob(filepath.Join(dir, "*", filepath.FromSlash(name))); len(found) != 3 {
			t.Errorf("%s is there %d times", name, len(found))
		}
	}
	people, _ := filepath.Glob(filepath.Join(dir, "*", "people.json"))
	for _, name := range people {
		var doc struct {
			People []struct {
				Did      string
				RoleThen string `json:"role_then"`
			}
		}
		text, err := os.ReadFile(name)
		if err != nil || json.Unmarshal(text, &doc) != nil || len(doc.People) != 2 ||
			doc.People[0].RoleThen != "manager" || doc.People[1].RoleThen != "administrator" {
			t.Errorf("%v\n%s", err, text)
		}
	}
	eachFile(t, dir, func(name string, text []byte) {
		for _, secret := range []string{plaintext, "AGE-SECRET-KEY", "PRIVATE KEY", "$argon2id$", "password"} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s holds %q", name, secret)
			}
		}
	})
}

func eachFile(t *testing.T, dir string, each func(name string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		each(name, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tamperEvidence changes every file of one provision and at the top, one at a
// time; removes some; adds one; and even mends the list of digests.
func tamperEvidence(t *testing.T, who *person, dir, issuer string) {
	t.Helper()
	detected := func(what string) {
		t.Helper()
		code, out, said := who.try("", "audit", "verify", dir, "--issuer", issuer)
		if code != 7 {
			t.Errorf("%s: exit %d\n%s%s", what, code, out, said)
		}
	}
	folder, seen := "", 0
	eachFile(t, dir, func(name string, text []byte) {
		top, _, nested := strings.Cut(filepath.ToSlash(name), "/")
		if nested && folder == "" {
			folder = top
		}
		if nested && top != folder || strings.HasSuffix(name, ".tlog-proof") && seen > 60 {
			return
		}
		seen++
		path := filepath.Join(dir, name)
		changed := append([]byte{}, text...)
		changed[len(changed)/2] ^= 1
		write(t, path, changed)
		detected(name)
		write(t, path, text)
	})
	extra := filepath.Join(dir, folder, "extra.txt")
	write(t, extra, []byte("x"))
	detected("a file more")
	if err := os.Remove(extra); err != nil {
		t.Fatal(err)
	}
	mendDigests(t, dir, folder, detected)
	if code, _, said := who.try("", "audit", "verify", dir, "--issuer", issuer); code != 0 {
		t.Errorf("the pack as it was: %s", said)
	}
}

// mendDigests replaces a document and its digest in SHA256SUMS: the signature
// does not hold any more.
func mendDigests(t *testing.T, dir, folder string, detected func(string)) {
	t.Helper()
	sumsPath, path := filepath.Join(dir, "SHA256SUMS"), filepath.Join(dir, folder, "request.json")
	sums, err1 := os.ReadFile(sumsPath)
	text, err2 := os.ReadFile(path)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	before := sha256Of(t, path)
	write(t, path, append(text, '\n'))
	write(t, sumsPath, bytes.ReplaceAll(sums, []byte(before), []byte(sha256Of(t, path))))
	detected("a document with its digest")
	write(t, path, text)
	write(t, sumsPath, sums)
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// signAgain is an insider with the issuer's manifest key: another document with
// a good signature still is not the one that the ledger vouches for.
func signAgain(t *testing.T, who *person, keysDir, dir, issuer string) {
	t.Helper()
	known, err := received.ReadIssuer(issuer)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := crypto.OpenSigningKeys(keysDir, known.Origin, rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	sumsPath := filepath.Join(dir, "SHA256SUMS")
	sums, err1 := os.ReadFile(sumsPath)
	signature, err2 := os.ReadFile(sumsPath + ".sig")
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	for _, pattern := range []string{
		"*/facts.json", "*/record.json", "*/agreement-document/*", "*/notice-of-that-day.txt", "*/NOTICE.txt", "*/manifest.json",
		"*/manifest.json.sig", "*/RECEIPT.tlog-proof", "*/ledger/*.json", "*/ledger/*.leaf", "checkpoint",
	} {
		names, _ := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		if len(names) == 0 {
			t.Fatalf("no %s", pattern)
		}
		text, err := os.ReadFile(names[0])
		if err != nil {
			t.Fatal(err)
		}
		before := sha256Of(t, names[0])
		write(t, names[0], bytes.Replace(text, []byte("a"), []byte("b"), 1))
		forged := bytes.ReplaceAll(sums, []byte(before), []byte(sha256Of(t, names[0])))
		write(t, sumsPath, forged)
		resigned, err := crypto.SignManifest(keys.ManifestKey(), bytes.NewReader(forged))
		if err != nil {
			t.Fatal(err)
		}
		write(t, sumsPath+".sig", resigned)
		if code, _, said := who.try("", "audit", "verify", dir, "--issuer", issuer); code != 7 {
			t.Errorf("%s with a good signature: exit %d\n%s", pattern, code, said)
		}
		write(t, names[0], text)
	}
	write(t, sumsPath, sums)
	write(t, sumsPath+".sig", signature)
}
