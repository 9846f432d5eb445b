package crypto_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"filippo.io/age"

	"teikyo/crypto"
)

func TestHeader(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"X25519": 168, "hybrid": 1627} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, other := newPerson(t, name == "hybrid"), newPerson(t, name == "hybrid")
			key := newKey(t)
			header, err := crypto.WriteHeader(key, p.rcpt)
			check(t, err)
			if len(header) != size || p.rcpt.HeaderSize() != size {
				t.Errorf("%d bytes, HeaderSize %d", len(header), p.rcpt.HeaderSize())
			}
			got, err := crypto.ReadHeader(header, p.id)
			if got != key || err != nil {
				t.Errorf("read back: %v", err)
			}
			if _, err := crypto.ReadHeader(header, other.id); !errors.Is(err, crypto.ErrWrongIdentity) {
				t.Errorf("another identity: %v", err)
			}
			again, err := crypto.WriteHeader(key, p.rcpt)
			check(t, err)
			if bytes.Equal(header, again) {
				t.Error("two headers are alike")
			}
		})
	}
}

func TestHeaderNeedsARecipient(t *testing.T) {
	t.Parallel()
	if _, err := crypto.WriteHeader(newKey(t), crypto.Recipient{}); !errors.Is(err, crypto.ErrBadKey) {
		t.Error(err)
	}
	if _, err := crypto.WriteHeaders(make([]crypto.FileKey, 3), crypto.Recipient{}); !errors.Is(err, crypto.ErrBadKey) {
		t.Error(err)
	}
	if _, err := crypto.SealSmall(nil, crypto.Recipient{}); !errors.Is(err, crypto.ErrBadKey) {
		t.Error(err)
	}
}

func TestHeaderPack(t *testing.T) {
	t.Parallel()
	p := newPerson(t, false)
	keys := make([]crypto.FileKey, 37)
	for i := range keys {
		keys[i] = newKey(t)
	}
	pack, err := crypto.WriteHeaders(keys, p.rcpt)
	check(t, err)
	size := p.rcpt.HeaderSize()
	for i, want := range keys {
		if got, err := crypto.ReadHeader(pack[i*size:(i+1)*size], p.id); got != want || err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
	if empty, err := crypto.WriteHeaders(nil, p.rcpt); len(empty) != 0 || err != nil {
		t.Errorf("empty pack: %d bytes, %v", len(empty), err)
	}
}

func TestEveryHeaderByteCounts(t *testing.T) {
	t.Parallel()
	p := newPerson(t, false)
	header, err := crypto.WriteHeader(newKey(t), p.rcpt)
	check(t, err)
	for i := range header {
		bad := bytes.Clone(header)
		bad[i] ^= 1
		if _, err := crypto.ReadHeader(bad, p.id); err == nil {
			t.Errorf("byte %d may change", i)
		}
	}
	for _, bad := range [][]byte{nil, header[:len(header)-1], append(bytes.Clone(header), 0), bytes.ReplaceAll(header, []byte("\n"), []byte("\r\n"))} {
		if _, err := crypto.ReadHeader(bad, p.id); !errors.Is(err, crypto.ErrHeader) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
}

func TestSplitHeader(t *testing.T) {
	t.Parallel()
	p := newPerson(t, true)
	want, err := crypto.WriteHeader(newKey(t), p.rcpt)
	check(t, err)
	payload := randomBytes(t, 20_000)
	header, rest, err := crypto.SplitHeader(iotest.OneByteReader(io.MultiReader(bytes.NewReader(want), bytes.NewReader(payload))))
	check(t, err)
	got, err := io.ReadAll(rest)
	check(t, err)
	if !bytes.Equal(header, want) || !bytes.Equal(got, payload) {
		t.Error("split at another place")
	}
	long := "age-encryption.org/v1\n" + strings.Repeat("-> X25519 a\n\n", 2000)
	if _, _, err := crypto.SplitHeader(strings.NewReader(long)); !errors.Is(err, crypto.ErrHeader) {
		t.Errorf("endless header: %v", err)
	}
	broken := errors.New("broken")
	if _, _, err := crypto.SplitHeader(cutReader(want, 40, broken)); !errors.Is(err, broken) {
		t.Errorf("failing source: %v", err)
	}
}

// Whatever parses is exactly what stands there, so a header has one form.
func FuzzSplitHeader(f *testing.F) {
	for _, pq := range []bool{false, true} {
		header, err := crypto.WriteHeader(crypto.FileKey{1}, newPerson(f, pq).rcpt)
		check(f, err)
		f.Add(append(header, "payload"...))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		header, payload, err := crypto.SplitHeader(bytes.NewReader(file))
		if err != nil {
			return
		}
		rest, err := io.ReadAll(payload)
		check(t, err)
		if !bytes.Equal(append(bytes.Clone(header), rest...), file) || len(header) > crypto.MaxHeaderSize {
			t.Error("header and payload are not the file")
		}
		again, err := age.ExtractHeader(bytes.NewReader(header))
		if err != nil || !bytes.Equal(again, header) {
			t.Error("the header has two forms")
		}
	})
}

// The program that recipients have: Debian's age 1.1.1 knows X25519 keys.
func TestStockAge(t *testing.T) {
	t.Parallel()
	program := tool(t, "age")
	p := newPerson(t, false)
	dir := t.TempDir()
	identity := filepath.Join(dir, "identity")
	check(t, os.WriteFile(identity, []byte(p.file), 0o600))
	for _, size := range []int{0, 1, chunk, chunk + 1, 9*chunk + 5} {
		key, plain := newKey(t), randomBytes(t, size)
		header, err := crypto.WriteHeader(key, p.rcpt)
		check(t, err)
		cmd := exec.Command(program, "-d", "-i", identity)
		cmd.Stdin = io.MultiReader(bytes.NewReader(header), bytes.NewReader(seal(t, key, plain, 3*sealed)))
		got, err := cmd.Output()
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	small, err := crypto.SealSmall([]byte("digest list"), p.rcpt)
	check(t, err)
	cmd := exec.Command(program, "-d", "-i", identity)
	cmd.Stdin = bytes.NewReader(small)
	if got, err := cmd.Output(); err != nil || string(got) != "digest list" {
		t.Errorf("small: %q, %v", got, err)
	}
}

func TestAgeLibraryOpensHybrid(t *testing.T) {
	t.Parallel()
	p := newPerson(t, true)
	key, plain := newKey(t), randomBytes(t, 2*chunk+9)
	header, err := crypto.WriteHeader(key, p.rcpt)
	check(t, err)
	if !bytes.Equal(ageOpens(t, p, header, seal(t, key, plain, noLimit)), plain) {
		t.Error("other bytes")
	}
}
