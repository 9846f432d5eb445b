package crypto_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"teikyo/crypto"
)

func openKeyring(t *testing.T, dir string) *crypto.FileKeyring {
	t.Helper()
	k, err := crypto.OpenFileKeyring(dir, rand.Reader)
	check(t, err)
	return k
}

func TestKeyring(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "keys [1]")
	ring, key := openKeyring(t, dir), newKey(t)
	row := crypto.WrapContext{Purpose: crypto.WrapFile, FileID: "f-1", PayloadSHA256: [32]byte{1}}
	id1, wrapped, err := crypto.WrapFileKey(t.Context(), ring, key, row)
	check(t, err)
	id2, err := ring.Rotate()
	check(t, err)
	newID, again, err := crypto.WrapFileKey(t.Context(), ring, key, row)
	check(t, err)
	if id1 == id2 || newID != id2 || ring.CurrentID() != id2 || len(ring.IDs()) != 2 {
		t.Errorf("ids %s, %s, %s of %v", id1, id2, newID, ring.IDs())
	}
	reopened := openKeyring(t, dir)
	for id, w := range map[string][]byte{id1: wrapped, id2: again} {
		got, err := crypto.UnwrapFileKey(t.Context(), reopened, id, w, row)
		if got != key || err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	check1, err1 := ring.CheckValue(id1)
	check2, err2 := reopened.CheckValue(id1)
	other, err3 := ring.CheckValue(id2)
	if check1 == "" || check1 != check2 || check1 == other || errors.Join(err1, err2, err3) != nil {
		t.Errorf("check values %s, %s, %s", check1, check2, other)
	}
}

// A wrap moved to another row, or under another key's id, does not open.
func TestSwappedRowsAreDetected(t *testing.T) {
	t.Parallel()
	ring, key := openKeyring(t, t.TempDir()), newKey(t)
	row := crypto.WrapContext{Purpose: crypto.WrapFile, FileID: "f-1", PayloadSHA256: [32]byte{1}}
	id, wrapped, err := crypto.WrapFileKey(t.Context(), ring, key, row)
	check(t, err)
	otherID, err := ring.Rotate()
	check(t, err)
	altered := bytes.Clone(wrapped)
	altered[len(altered)-1] ^= 1
	for _, tt := range []struct {
		name    string
		id      string
		wrapped []byte
		row     crypto.WrapContext
	}{
		{"file", id, wrapped, crypto.WrapContext{Purpose: row.Purpose, FileID: "f-2", PayloadSHA256: row.PayloadSHA256}},
		{"payload", id, wrapped, crypto.WrapContext{Purpose: row.Purpose, FileID: row.FileID}},
		{"purpose", id, wrapped, crypto.WrapContext{Purpose: crypto.WrapDraft, FileID: row.FileID, PayloadSHA256: row.PayloadSHA256}},
		{"shifted", id, wrapped, crypto.WrapContext{Purpose: "filef-", FileID: "1", PayloadSHA256: row.PayloadSHA256}},
		{"key id", otherID, wrapped, row},
		{"altered", id, altered, row},
		{"cut", id, wrapped[:10], row},
		{"empty", id, nil, row},
	} {
		if _, err := crypto.UnwrapFileKey(t.Context(), ring, tt.id, tt.wrapped, tt.row); !errors.Is(err, crypto.ErrUnwrap) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	notAKey, wrapped, err := ring.Wrap(t.Context(), []byte("long"), row.Bytes())
	check(t, err)
	if _, err := crypto.UnwrapFileKey(t.Context(), ring, notAKey, wrapped, row); !errors.Is(err, crypto.ErrUnwrap) {
		t.Errorf("not 16 bytes: %v", err)
	}
}

func TestMissingKEK(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ring := openKeyring(t, dir)
	id, wrapped, err := ring.Wrap(t.Context(), []byte("secret"), nil)
	check(t, err)
	other := openKeyring(t, t.TempDir())
	if _, err := other.Unwrap(context.Background(), id, wrapped, nil); !errors.Is(err, crypto.ErrMissingKey) || !strings.Contains(err.Error(), id) {
		t.Errorf("unwrap: %v", err)
	}
	if _, err := other.CheckValue(id); !errors.Is(err, crypto.ErrMissingKey) {
		t.Errorf("check value: %v", err)
	}
	// Another process rotates: the keyring finds the new key by itself.
	newID, err := openKeyring(t, dir).Rotate()
	check(t, err)
	if _, err := ring.CheckValue(newID); err != nil {
		t.Errorf("key of another process: %v", err)
	}
}

func TestKeyFilesOfOthers(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no mode bits")
	}
	dir := t.TempDir()
	id := openKeyring(t, dir).CurrentID()
	path := filepath.Join(dir, id+".key")
	info, err := os.Stat(path)
	check(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("made with mode %o", info.Mode().Perm())
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660} {
		check(t, os.Chmod(path, mode))
		_, err = crypto.OpenFileKeyring(dir, rand.Reader)
		if !errors.Is(err, crypto.ErrKeyFileReadable) || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("%o: %v", mode, err)
		}
	}
	check(t, os.Chmod(path, 0o600))
	check(t, os.Chmod(dir, 0o770))
	if _, err = crypto.OpenFileKeyring(dir, rand.Reader); !errors.Is(err, crypto.ErrKeyFileReadable) || !strings.Contains(err.Error(), "chmod 700 "+dir) {
		t.Errorf("folder: %v", err)
	}
}

func TestDamagedKeyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	id := openKeyring(t, dir).CurrentID()
	path := filepath.Join(dir, id+".key")
	good, err := os.ReadFile(path)
	check(t, err)
	for name, data := range map[string][]byte{
		"empty": nil, "cut": good[:len(good)-9], "other id": bytes.Replace(good, []byte("kek-0001"), []byte("kek-0002"), 1), "text": []byte("hello"),
	} {
		check(t, os.WriteFile(path, data, 0o600))
		if _, err := crypto.OpenFileKeyring(dir, rand.Reader); !errors.Is(err, crypto.ErrKeyFile) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Keys that are sealed by a passphrase open with it alone, and with age.
func TestSealedKeyring(t *testing.T) {
	t.Parallel()
	dir, pass := t.TempDir(), "correct horse battery"
	open := func(pass string) (*crypto.FileKeyring, error) {
		return crypto.OpenSealedKEKFolder(dir, pass, 10, rand.Reader)
	}
	ring, err := open(pass)
	check(t, err)
	id, err := ring.Create(t.Context(), []string{"kek-0004-00000000"})
	check(t, err)
	if !strings.HasPrefix(id, "kek-0005-") || ring.Provider() != "passphrase" {
		t.Errorf("made %s by %s", id, ring.Provider())
	}
	wrapped, err := ring.WrapUnder(t.Context(), id, []byte("secret"), []byte("row"))
	check(t, err)
	again, err := open(pass)
	check(t, err)
	got, err := again.Unwrap(t.Context(), id, wrapped, []byte("row"))
	if err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := open("correct horse batteri"); !errors.Is(err, crypto.ErrPassphrase) || strings.Contains(err.Error(), "batteri") {
		t.Errorf("wrong passphrase: %v", err)
	}
	if _, err := open("short"); !errors.Is(err, crypto.ErrPassphrase) {
		t.Errorf("short passphrase: %v", err)
	}
	plain := openKeyring(t, t.TempDir())
	if _, err := plain.CheckValue(id); !errors.Is(err, crypto.ErrMissingKey) {
		t.Errorf("without a passphrase: %v", err)
	}
	path := filepath.Join(dir, id+".key.age")
	good, err := os.ReadFile(path)
	check(t, err)
	if bytes.Contains(good, []byte("teikyo-key")) || !bytes.HasPrefix(good, []byte("age-encryption.org/v1\n-> scrypt ")) {
		t.Errorf("%.60q", good)
	}
	check(t, os.WriteFile(path, append(good[:len(good)-1:len(good)-1], good[len(good)-1]^1), 0o600))
	if _, err := open(pass); !errors.Is(err, crypto.ErrKeyFile) {
		t.Errorf("damaged: %v", err)
	}
	check(t, os.WriteFile(path, good, 0o600))
	check(t, again.Destroy(t.Context(), id))
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("destroyed: %v", err)
	}
}

func TestReadSecretFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	path := filepath.Join(dir, "kek")
	check(t, os.WriteFile(path, []byte("s3cret\r\nmore\n"), 0o600))
	for _, name := range []string{path, "credential:kek"} {
		if got, err := crypto.ReadSecretFile(name); got != "s3cret" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	check(t, os.Chmod(path, 0o640))
	if _, err := crypto.ReadSecretFile(path); !errors.Is(err, crypto.ErrKeyFileReadable) {
		t.Errorf("readable: %v", err)
	}
	for _, name := range []string{"credential:../kek", "credential:none"} {
		if _, err := crypto.ReadSecretFile(name); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}
