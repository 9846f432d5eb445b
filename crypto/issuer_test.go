package crypto_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"teikyo/crypto"
)

func openKeys(t testing.TB, dir string) *crypto.SigningKeys {
	t.Helper()
	k, err := crypto.OpenSigningKeys(dir, "example.org", rand.Reader, noon())
	check(t, err)
	return k
}

func day(n int) time.Time { return noon().AddDate(0, 0, n) }

func reparse(t testing.TB, i crypto.Issuer) crypto.Issuer {
	t.Helper()
	data, err := i.JSON()
	check(t, err)
	again, err := crypto.ParseIssuer(data)
	check(t, err)
	return again
}

func TestRotation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := openKeys(t, dir)
	first := keys.Issuer()
	message := "manifest of the first day"
	oldSig, err := crypto.SignManifest(keys.ManifestKey(), strings.NewReader(message))
	check(t, err)
	for n, use := range crypto.Uses() {
		if _, err := keys.Rotate(use, day(n+1), int64(10*n)); err != nil {
			t.Fatalf("%s: %v", use, err)
		}
	}
	issuer := reparse(t, keys.Issuer())
	if issuer.Fingerprint() != first.Fingerprint() || len(issuer.Changes) != 4 {
		t.Errorf("fingerprint %s, %d changes", issuer.Fingerprint(), len(issuer.Changes))
	}
	check(t, crypto.Extends(first, issuer))
	if err := crypto.Extends(issuer, first); !errors.Is(err, crypto.ErrIssuerOlder) {
		t.Errorf("older file: %v", err)
	}
	check(t, crypto.VerifyManifestSignature(issuer, strings.NewReader(message), oldSig, noon(), 3))
	if err := crypto.VerifyManifestSignature(issuer, strings.NewReader(message), oldSig, day(2), 3); !errors.Is(err, crypto.ErrUnknownSigner) {
		t.Errorf("old key after its end: %v", err)
	}
	reopened := openKeys(t, dir)
	newSig, err := crypto.SignManifest(reopened.ManifestKey(), strings.NewReader(message))
	check(t, err)
	check(t, crypto.VerifyManifestSignature(issuer, strings.NewReader(message), newSig, day(2), 30))
	if err := crypto.VerifyManifestSignature(first, strings.NewReader(message), newSig, time.Time{}, 30); !errors.Is(err, crypto.ErrUnknownSigner) {
		t.Errorf("new key in the old file: %v", err)
	}
}

func TestRevocation(t *testing.T) {
	t.Parallel()
	keys := openKeys(t, t.TempDir())
	stolen := keys.Issuer().Keys[0].Public
	sig, err := crypto.SignManifest(keys.ManifestKey(), strings.NewReader("m"))
	check(t, err)
	if _, err := keys.Revoke(crypto.UseManifest, stolen, day(1), 50); !errors.Is(err, crypto.ErrIssuer) {
		t.Errorf("revoked by itself: %v", err)
	}
	_, err = keys.Rotate(crypto.UseManifest, day(1), 60)
	check(t, err)
	_, err = keys.Revoke(crypto.UseManifest, stolen, day(1), 50)
	check(t, err)
	issuer := reparse(t, keys.Issuer())
	for index, want := range map[int64]error{0: nil, 49: nil, 50: crypto.ErrUnknownSigner, 55: crypto.ErrUnknownSigner, -1: crypto.ErrUnknownSigner} {
		if err := crypto.VerifyManifestSignature(issuer, strings.NewReader("m"), sig, noon(), index); !errors.Is(err, want) {
			t.Errorf("entry %d: %v", index, err)
		}
	}
	if err := crypto.Extends(issuer, reparse(t, withoutRevocations(issuer))); !errors.Is(err, crypto.ErrIssuerOlder) {
		t.Errorf("a file without the revocation: %v", err)
	}
}

func withoutRevocations(i crypto.Issuer) crypto.Issuer {
	i.Revocations = nil
	return i
}

func TestRevokedLinkAndCheckpointKeys(t *testing.T) {
	t.Parallel()
	keys := openKeys(t, t.TempDir())
	for _, use := range []crypto.Use{crypto.UseLink, crypto.UseCheckpoint} {
		change, err := keys.Rotate(use, day(1), 7)
		check(t, err)
		_, err = keys.Revoke(use, change.Old, day(1), 5)
		check(t, err)
	}
	issuer := reparse(t, keys.Issuer())
	if links := issuer.LinkKeys(); len(links) != 1 || !links[0].Equal(keys.LinkKey().Public()) {
		t.Errorf("%d link keys", len(links))
	}
	points := issuer.CheckpointKeys()
	if len(points) != 2 || points[0].RevokedFrom != 5 || points[1].RevokedFrom != -1 {
		t.Errorf("checkpoint keys %+v", points)
	}
}

func TestCheckpointKeyFitsItsVerifier(t *testing.T) {
	t.Parallel()
	keys := openKeys(t, t.TempDir())
	signer, err := note.NewSigner(keys.CheckpointSecretKey())
	check(t, err)
	verifier, err := note.NewVerifier(keys.Issuer().CheckpointKeys()[0].Verifier)
	check(t, err)
	text, err := note.Sign(&note.Note{Text: "example.org/ledger/1\n0\nAAAA\n"}, signer)
	check(t, err)
	if _, err := note.Open(text, note.VerifierList(verifier)); err != nil || signer.Name() != "example.org" {
		t.Errorf("%s: %v", signer.Name(), err)
	}
}

// Every lie about the history is refused.
func TestForgedIssuerFile(t *testing.T) {
	t.Parallel()
	keys, foreign := openKeys(t, t.TempDir()), openKeys(t, t.TempDir())
	_, err := keys.Rotate(crypto.UseManifest, day(1), 5)
	check(t, err)
	change, err := keys.Rotate(crypto.UseManifest, day(2), 9)
	check(t, err)
	_, err = keys.Revoke(crypto.UseManifest, change.Old, day(2), 7)
	check(t, err)
	stranger := foreign.Issuer().Keys[0].Public
	for name, forge := range map[string]func(*crypto.Issuer){
		"version":                func(i *crypto.Issuer) { i.V = 2 },
		"origin":                 func(i *crypto.Issuer) { i.Origin = "example.com" },
		"odd origin":             func(i *crypto.Issuer) { i.Origin = "Example Org" },
		"first key":              func(i *crypto.Issuer) { i.Keys[0].Public = stranger },
		"first key twice":        func(i *crypto.Issuer) { i.Keys[1].Public = i.Keys[0].Public },
		"key missing":            func(i *crypto.Issuer) { i.Keys = i.Keys[:3] },
		"key more":               func(i *crypto.Issuer) { i.Keys = append(i.Keys, i.Keys[0]) },
		"new key of a stranger":  func(i *crypto.Issuer) { i.Changes[1].New = stranger },
		"time of a change":       func(i *crypto.Issuer) { i.Changes[1].At = day(9) },
		"time zone":              func(i *crypto.Issuer) { i.Changes[1].At = day(2).In(time.FixedZone("", 9*3600)) },
		"ledger index":           func(i *crypto.Issuer) { i.Changes[1].LedgerIndex++ },
		"signature":              func(i *crypto.Issuer) { i.Changes[0].Signature = i.Changes[1].Signature },
		"change left out":        func(i *crypto.Issuer) { i.Changes = i.Changes[1:] },
		"changes swapped":        func(i *crypto.Issuer) { i.Changes[0], i.Changes[1] = i.Changes[1], i.Changes[0] },
		"last change cut":        func(i *crypto.Issuer) { i.Changes = i.Changes[:1] },
		"index of a revocation":  func(i *crypto.Issuer) { i.Revocations[0].LedgerIndex = 99 },
		"another key revoked":    func(i *crypto.Issuer) { i.Revocations[0].Key = i.Keys[0].Public },
		"revoked by an old key":  func(i *crypto.Issuer) { i.Revocations[0].By = i.Keys[0].Public },
		"revocation of no use":   func(i *crypto.Issuer) { i.Revocations[0].Use = "other" },
		"change of no known use": func(i *crypto.Issuer) { i.Changes[0].Use = "other" },
	} {
		forged := reparse(t, keys.Issuer())
		forge(&forged)
		data, err := forged.JSON()
		check(t, err)
		if _, err := crypto.ParseIssuer(data); !errors.Is(err, crypto.ErrIssuer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseIssuerIsStrict(t *testing.T) {
	t.Parallel()
	good, err := openKeys(t, t.TempDir()).Issuer().JSON()
	check(t, err)
	text := string(good)
	for name, bad := range map[string]string{
		"empty":         "",
		"null":          "null",
		"white space":   text + "\n",
		"unknown field": strings.Replace(text, `{"allowed`, `{"a":1,"allowed`, 1),
		"twice":         strings.Replace(text, `"v":1}`, `"v":1,"v":1}`, 1),
		"capital":       strings.Replace(text, `"v":1}`, `"V":1}`, 1),
		"signer lines":  strings.Replace(text, "ssh-ed25519 ", "ssh-ed25519  ", 1),
		"verifier":      strings.Replace(text, "example.org+", "example.com+", 1),
		"more":          text + "]",
		"long":          text + strings.Repeat(" ", 1<<20),
	} {
		if _, err := crypto.ParseIssuer([]byte(bad)); !errors.Is(err, crypto.ErrIssuer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A parsed file has one form and is consistent.
func FuzzParseIssuer(f *testing.F) {
	keys := openKeys(f, f.TempDir())
	_, err := keys.Rotate(crypto.UseManifest, day(1), 5)
	check(f, err)
	good, err := keys.Issuer().JSON()
	check(f, err)
	f.Add(good)
	f.Fuzz(func(t *testing.T, data []byte) {
		i, err := crypto.ParseIssuer(data)
		if err != nil {
			return
		}
		again, err := i.JSON()
		if err != nil || !bytes.Equal(again, data) || i.Verify() != nil {
			t.Errorf("%q: %v", data, err)
		}
	})
}

func TestExtendsRefusesAnotherIssuer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ours := openKeys(t, dir)
	pinned := ours.Issuer()
	other := openKeys(t, t.TempDir()).Issuer()
	if err := crypto.Extends(pinned, other); !errors.Is(err, crypto.ErrIssuerChanged) {
		t.Errorf("other keys: %v", err)
	}
	copyFolder(t, dir, filepath.Join(t.TempDir(), "fork"), func(fork string) {
		_, err := ours.Rotate(crypto.UseLink, day(1), 5)
		check(t, err)
		forked := openKeys(t, fork)
		_, err = forked.Rotate(crypto.UseLink, day(1), 5)
		check(t, err)
		if err := crypto.Extends(ours.Issuer(), forked.Issuer()); !errors.Is(err, crypto.ErrIssuerChanged) {
			t.Errorf("forked history: %v", err)
		}
	})
}

func copyFolder(t *testing.T, from, to string, use func(string)) {
	t.Helper()
	check(t, os.CopyFS(to, os.DirFS(from)))
	check(t, os.Chmod(to, 0o700))
	names, err := os.ReadDir(to)
	check(t, err)
	for _, n := range names {
		check(t, os.Chmod(filepath.Join(to, n.Name()), 0o600))
	}
	use(to)
}

func TestOpenSigningKeysRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	openKeys(t, dir)
	if _, err := crypto.OpenSigningKeys(dir, "example.com", rand.Reader, noon()); !errors.Is(err, crypto.ErrOrigin) {
		t.Errorf("another origin: %v", err)
	}
	for _, origin := range []string{"", "x", "Example.org", "example org", "example.org/", "a..b", "-ab", "a+b", "a,b", "提供", strings.Repeat("a", 101)} {
		if _, err := crypto.OpenSigningKeys(t.TempDir(), origin, rand.Reader, noon()); !errors.Is(err, crypto.ErrOrigin) {
			t.Errorf("origin %q: %v", origin, err)
		}
	}
	links, err := filepath.Glob(filepath.Join(dir, "link-*.key"))
	check(t, err)
	check(t, os.Remove(links[0]))
	if _, err := crypto.OpenSigningKeys(dir, "example.org", rand.Reader, noon()); !errors.Is(err, crypto.ErrMissingKey) {
		t.Errorf("a key file is gone: %v", err)
	}
}

func TestUnknownUse(t *testing.T) {
	t.Parallel()
	keys := openKeys(t, t.TempDir())
	if _, err := keys.Rotate("other", noon(), 1); !errors.Is(err, crypto.ErrIssuer) {
		t.Error(err)
	}
	if _, err := keys.Rotate(crypto.UseLink, noon().AddDate(0, 0, -1), 1); !errors.Is(err, crypto.ErrIssuer) {
		t.Errorf("change before the first key: %v", err)
	}
	check(t, keys.Issuer().Verify())
}

func TestManifestKeyAt(t *testing.T) {
	t.Parallel()
	keys := openKeys(t, t.TempDir())
	old := keys.ManifestKey().Public().(ed25519.PublicKey)
	_, err := keys.Rotate(crypto.UseManifest, day(1), 5)
	check(t, err)
	if k, ok := keys.Issuer().ManifestKeyAt(noon()); !ok || !k.Equal(old) {
		t.Error("the first day has another key")
	}
	if k, ok := keys.Issuer().ManifestKeyAt(time.Time{}); !ok || !k.Equal(keys.ManifestKey().Public()) {
		t.Error("now has another key")
	}
	if _, ok := keys.Issuer().ManifestKeyAt(day(-1)); ok {
		t.Error("a key before the first")
	}
}

// The stock program checks our signature with our allowed_signers lines, before
// and after a key change.
func TestStockSSHKeygen(t *testing.T) {
	t.Parallel()
	program := tool(t, "ssh-keygen")
	keys := openKeys(t, t.TempDir())
	dir := t.TempDir()
	message := strings.Repeat("a manifest ", 1000)
	sig, err := crypto.SignManifest(keys.ManifestKey(), strings.NewReader(message))
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "sig"), sig, 0o600))
	verify := func(message string, more ...string) error {
		check(t, os.WriteFile(filepath.Join(dir, "signers"), []byte(keys.Issuer().AllowedSigners()), 0o600))
		cmd := exec.Command(program, append([]string{"-Y", "verify", "-f", "signers", "-I", "example.org", "-n", "teikyo-manifest", "-s", "sig"}, more...)...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(message)
		return cmd.Run()
	}
	if err := verify(message); err != nil {
		t.Errorf("genuine: %v", err)
	}
	if verify(message+"x") == nil {
		t.Error("another message is accepted")
	}
	_, err = keys.Rotate(crypto.UseManifest, day(1), 5)
	check(t, err)
	if err := verify(message, "-Overify-time=20260401120000Z"); err != nil {
		t.Errorf("on its day, after a key change: %v", err)
	}
	if verify(message, "-Overify-time=20260501120000Z") == nil {
		t.Error("the old key counts after its end")
	}
}

func TestForgedSignature(t *testing.T) {
	t.Parallel()
	keys := openKeys(t, t.TempDir())
	sig, err := crypto.SignManifest(keys.ManifestKey(), strings.NewReader("m"))
	check(t, err)
	for i := range sig {
		bad := bytes.Clone(sig)
		bad[i] ^= 2
		err := crypto.VerifyManifestSignature(keys.Issuer(), strings.NewReader("m"), bad, time.Time{}, 0)
		if !errors.Is(err, crypto.ErrSignature) && !errors.Is(err, crypto.ErrUnknownSigner) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	for name, bad := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "long": bytes.Repeat(sig, 20), "cut": sig[:100],
		"other armour": bytes.ReplaceAll(sig, []byte("SSH SIG"), []byte("PGP SIG")),
	} {
		if err := crypto.VerifyManifestSignature(keys.Issuer(), strings.NewReader("m"), bad, time.Time{}, 0); !errors.Is(err, crypto.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := openKeys(t, t.TempDir())
	sig, err = crypto.SignManifest(other.ManifestKey(), strings.NewReader("m"))
	check(t, err)
	if err := crypto.VerifyManifestSignature(keys.Issuer(), strings.NewReader("m"), sig, time.Time{}, 0); !errors.Is(err, crypto.ErrUnknownSigner) {
		t.Errorf("another issuer: %v", err)
	}
}

func TestCanonicalJSON(t *testing.T) {
	t.Parallel()
	got, err := crypto.CanonicalJSON(map[string]any{"b": 1, "a": "<é\u2028>", "ア": nil, "n": json.Number("10.0")})
	check(t, err)
	if want := "{\"a\":\"<é\u2028>\",\"b\":1,\"n\":10,\"ア\":null}"; string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, err := crypto.CanonicalJSON(func() {}); err == nil {
		t.Error("a function has a form")
	}
}
