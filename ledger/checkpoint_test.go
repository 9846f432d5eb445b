package ledger_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
)

func TestCheckpoint(t *testing.T) {
	t.Parallel()
	keys, log := newIssuer(t), filled(t, 5)
	text := keys.sign(t, log.Tree())
	c, err := ledger.OpenCheckpoint(text, keys.verifier)
	if err != nil {
		t.Fatal(err)
	}
	if c.Origin != "hospital.example/ledger/1" || c.Tree != log.Tree() || !bytes.Equal(c.Text, text) {
		t.Errorf("OpenCheckpoint = %+v", c)
	}
	want := "hospital.example/ledger/1\n5\n" + log.Row.Root.String() + "\n\n— hospital.example "
	if !strings.HasPrefix(string(text), want) {
		t.Errorf("checkpoint = %q, want it to start with %q", text, want)
	}
	if _, err := ledger.OpenCheckpoint(keys.sign(t, ledgertest.NewMemoryLog().Tree()), keys.verifier); err != nil {
		t.Errorf("checkpoint of an empty log: %v", err)
	}
}

func TestCheckpointRefused(t *testing.T) {
	t.Parallel()
	keys, other, log := newIssuer(t), newIssuer(t), filled(t, 5)
	text := string(keys.sign(t, log.Tree()))
	tests := map[string]string{
		"empty":               "",
		"no signature":        text[:strings.Index(text, "\n\n")+2],
		"size changed":        strings.Replace(text, "\n5\n", "\n6\n", 1),
		"size with a zero":    strings.Replace(text, "\n5\n", "\n05\n", 1),
		"size negative":       strings.Replace(text, "\n5\n", "\n-5\n", 1),
		"size absurd":         strings.Replace(text, "\n5\n", "\n9223372036854775807\n", 1),
		"other log":           strings.Replace(text, "/ledger/1", "/ledger/2", 1),
		"other key":           string(other.sign(t, log.Tree())),
		"two blank lines":     strings.Replace(text, "\n\n", "\n\n\n", 1),
		"carriage returns":    strings.ReplaceAll(text, "\n", "\r\n"),
		"too long":            text + strings.Repeat("— x aaaa\n", 4000),
		"wrong empty root":    string(keys.sign(t, tlog.Tree{N: 0, Hash: log.Row.Root})),
		"root not canonical":  strings.Replace(text, "=\n\n", "\n\n", 1),
		"signature cut short": text[:len(text)-9] + "\n",
	}
	for name, text := range tests {
		if _, err := ledger.OpenCheckpoint([]byte(text), keys.verifier); !errors.Is(err, ledger.ErrCheckpoint) {
			t.Errorf("%s: OpenCheckpoint = %v, want ErrCheckpoint", name, err)
		}
	}
	if _, err := ledger.OpenCheckpoint([]byte(text)); !errors.Is(err, ledger.ErrCheckpoint) {
		t.Errorf("without verifiers: %v", err)
	}
}

func TestCheckpointKeys(t *testing.T) {
	t.Parallel()
	keys, log := newIssuer(t), filled(t, 5)
	text := keys.sign(t, log.Tree())
	// Revoked from entry 5: the checkpoint of entries 0 to 4 still counts.
	if _, err := ledger.OpenCheckpoint(text, keys.verifier.RevokedFrom(5)); err != nil {
		t.Errorf("below the revocation: %v", err)
	}
	if _, err := ledger.OpenCheckpoint(text, keys.verifier.RevokedFrom(4)); !errors.Is(err, ledger.ErrCheckpoint) {
		t.Errorf("above the revocation: %v", err)
	}
	skey, vkey, err := ledger.GenerateKey(rand.Reader, "elsewhere.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.NewSigner(keys.signer.Origin(), skey); err == nil || strings.Contains(err.Error(), skey) {
		t.Errorf("signer of another issuer: %v", err)
	}
	if _, err := ledger.NewSigner(keys.signer.Origin(), skey[:len(skey)-2]); err == nil || strings.Contains(err.Error(), skey[20:40]) {
		t.Errorf("damaged key: %v", err)
	}
	if _, err := ledger.NewSigner(keys.signer.Origin()); err == nil {
		t.Error("a signer without a key")
	}
	// A trusted key of another issuer must not sign for this log.
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	body, _, _ := strings.Cut(string(text), "\n\n")
	foreign, err := note.Sign(&note.Note{Text: body + "\n"}, signer)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := ledger.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.OpenCheckpoint(foreign, verifier, keys.verifier); !errors.Is(err, ledger.ErrCheckpoint) {
		t.Errorf("signed by another issuer: %v", err)
	}
}

func TestCheckpointByTwoKeys(t *testing.T) {
	t.Parallel()
	origin := ledger.LogOrigin(issuer, 3)
	var skeys []string
	var verifiers []ledger.Verifier
	for range 2 {
		skey, vkey, err := ledger.GenerateKey(rand.Reader, issuer)
		if err != nil {
			t.Fatal(err)
		}
		v, err := ledger.NewVerifier(vkey)
		if err != nil {
			t.Fatal(err)
		}
		skeys, verifiers = append(skeys, skey), append(verifiers, v)
	}
	signer, err := ledger.NewSigner(origin, skeys...)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signer.Sign(filled(t, 2).Tree())
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range verifiers {
		if _, err := ledger.OpenCheckpoint(text, v); err != nil {
			t.Errorf("key %d alone: %v", i, err)
		}
	}
	if _, err := ledger.OpenCheckpoint(text, verifiers[0].RevokedFrom(0), verifiers[1]); err != nil {
		t.Errorf("old key revoked: %v", err)
	}
}

func FuzzOpenCheckpoint(f *testing.F) {
	keys := newIssuer(f)
	f.Add(keys.sign(f, filled(f, 5).Tree()))
	f.Add([]byte("o\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— o AAAAAAAA\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ledger.ParseCheckpoint(b)
		if err != nil {
			if !errors.Is(err, ledger.ErrCheckpoint) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		again, err := keys.signer.Sign(c.Tree)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitN(string(again), "\n", 4)
		if want := c.Origin + "\n" + lines[1] + "\n" + lines[2] + "\n"; !strings.HasPrefix(string(b), want) {
			t.Fatalf("accepted %q, which is not canonical: %q", b, want)
		}
	})
}
