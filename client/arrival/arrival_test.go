package arrival_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"teikyo/client/arrival"
	"teikyo/client/clienttest"
	"teikyo/crypto"
	"teikyo/models"
)

const chunk = 64 << 10

// sealed is one file as the manifest has it and as the server sends it.
func sealed(t testing.TB, person clienttest.Person, plain []byte) (arrival.File, []byte) {
	t.Helper()
	s := clienttest.Seal(t, plain)
	header, err := crypto.WriteHeader(s.Key, person.Public)
	check(t, err)
	whole := append(bytes.Clone(header), s.Payload...)
	return arrival.File{Path: "dir/a.bin", Size: int64(len(plain)), SHA256: clienttest.Digest(plain), Sealed: crypto.ManifestFile{
		Path: "data/dir/a.bin.age", Size: int64(len(whole)), HeaderSize: int64(len(header)), HeaderSHA256: clienttest.Digest(header),
		PayloadSize: int64(len(s.Payload)), PayloadSHA256: clienttest.Digest(s.Payload),
	}}, whole
}

// TestArrivesInPieces: pieces of any size, closed and opened again anywhere,
// flushed or not.
func TestArrivesInPieces(t *testing.T) {
	t.Parallel()
	person := clienttest.NewPerson(t, false)
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.SampledFrom([]int{0, 1, chunk, 2 * chunk, 16 * chunk, 18 * chunk}).Draw(rt, "near") + rapid.IntRange(-1, 1).Draw(rt, "by")
		plain := clienttest.Random(t, max(0, size))
		f, whole := sealed(t, person, plain)
		keep := rapid.Bool().Draw(rt, "keep")
		tree, err := arrival.OpenTree(filepath.Join(t.TempDir(), "tree"))
		check(t, err)
		defer tree.Close()
		begin := func() (arrival.Incoming, error) {
			if keep {
				return tree.Keep(f.Sealed)
			}
			return tree.Receive(f, person.Identity)
		}
		in, err := begin()
		check(t, err)
		for {
			from, until := in.Want()
			if from >= until {
				break
			}
			n := min(until-from, int64(rapid.SampledFrom([]int{1, 100, 170, 200, chunk - 1, chunk + 16, 5 * chunk, 40 * chunk}).Draw(rt, "n")))
			_, err := in.Write(whole[from : from+n])
			check(t, err)
			switch rapid.IntRange(0, 9).Draw(rt, "then") {
			case 0:
				check(t, in.Flush())
			case 1:
				check(t, in.Close())
				in, err = begin()
				check(t, err)
			case 2:
				if rapid.IntRange(0, 9).Draw(rt, "restart") == 0 {
					check(t, in.Restart())
				}
			}
		}
		check(t, in.Flush())
		check(t, in.Finish())
		check(t, in.Close())
		name, want := f.OpenPath(), plain
		if keep {
			name, want = f.Sealed.Path, whole
		}
		if got, err := os.ReadFile(filepath.Join(tree.Name(), name)); err != nil || !bytes.Equal(got, want) {
			rt.Fatalf("%d bytes, %v; want %d", len(got), err, len(want))
		}
		if keep && !tree.Holds(f.Sealed) || !keep && !tree.HoldsOpened(f) {
			rt.Fatal("the tree does not hold it")
		}
	})
}

// TestNothingUnfinished: Finish refuses what is not whole, and wrong digests of
// any part.
func TestNothingUnfinished(t *testing.T) {
	t.Parallel()
	person := clienttest.NewPerson(t, false)
	plain := clienttest.Random(t, 2*chunk)
	for name, change := range map[string]func(*arrival.File, []byte) []byte{
		"cut":           func(_ *arrival.File, b []byte) []byte { return b[:len(b)-1] },
		"nothing":       func(*arrival.File, []byte) []byte { return nil },
		"plain digest":  func(f *arrival.File, b []byte) []byte { f.SHA256 = clienttest.Digest(nil); return b },
		"payload":       func(f *arrival.File, b []byte) []byte { f.Sealed.PayloadSHA256 = clienttest.Digest(nil); return b },
		"header":        func(f *arrival.File, b []byte) []byte { f.Sealed.HeaderSHA256 = clienttest.Digest(nil); return b },
		"one bit":       func(_ *arrival.File, b []byte) []byte { b[chunk] ^= 1; return b },
		"a byte beyond": func(_ *arrival.File, b []byte) []byte { return append(b, 0) },
	} {
		tree, err := arrival.OpenTree(filepath.Join(t.TempDir(), "tree"))
		check(t, err)
		f, whole := sealed(t, person, plain)
		whole = change(&f, whole)
		in, err := tree.Receive(f, person.Identity)
		check(t, err)
		err = arrival.Twice(in, func() error {
			if _, err := in.Write(whole); err != nil {
				return err
			}
			return in.Flush()
		})
		if !models.IsKind(err, models.Integrity) {
			t.Errorf("%s: %v", name, err)
		}
		check(t, in.Close())
		if tree.HasSize(f.OpenPath(), f.Size) || tree.PartialSize(f, false) != 0 {
			t.Errorf("%s: something of it stays", name)
		}
		tree.Close()
	}
}

func TestOneAtATime(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "tree")
	first, err := arrival.OpenTree(dir)
	check(t, err)
	if _, err := arrival.OpenTree(dir); !models.IsKind(err, models.Conflict) {
		t.Errorf("a second one: %v", err)
	}
	first.Close()
	again, err := arrival.OpenTree(dir)
	check(t, err)
	again.Close()
	other := t.TempDir()
	check(t, os.WriteFile(filepath.Join(other, "mine"), nil, 0o600))
	if _, err := arrival.OpenTree(other); !models.IsKind(err, models.Conflict) {
		t.Errorf("a folder of somebody: %v", err)
	}
	file := filepath.Join(other, "mine")
	if _, err := arrival.OpenTree(file); !models.IsKind(err, models.Invalid) {
		t.Errorf("a file: %v", err)
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	tree, err := arrival.OpenTree(filepath.Join(t.TempDir(), "tree"))
	check(t, err)
	defer tree.Close()
	if text, err := tree.State("session.json"); text != nil || err != nil {
		t.Errorf("at first: %q, %v", text, err)
	}
	for _, text := range []string{"a longer text", "short"} {
		check(t, tree.SetState("session.json", []byte(text)))
		if got, err := tree.State("session.json"); string(got) != text || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 5 << 30: "5.0 GiB", 1 << 62: "4.0 EiB"} {
		if got := arrival.Bytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkReceive decrypts, hashes twice and writes to the temporary folder.
func BenchmarkReceive(b *testing.B) {
	person := clienttest.NewPerson(b, false)
	f, whole := sealed(b, person, clienttest.Random(b, 256<<20))
	b.SetBytes(f.Size)
	for b.Loop() {
		tree, err := arrival.OpenTree(b.TempDir() + "/tree")
		check(b, err)
		in, err := tree.Receive(f, person.Identity)
		check(b, err)
		for at := 0; at < len(whole); at += chunk {
			_, err := in.Write(whole[at:min(at+chunk, len(whole))])
			check(b, err)
		}
		check(b, in.Flush())
		check(b, in.Finish())
		tree.Close()
	}
}
