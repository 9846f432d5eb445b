package spill_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"teikyo/deid/spill"
)

func contents(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>9)
	}
	return b
}

func TestWhatWasWrittenIsRead(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, spill.ChunkSize - 1, spill.ChunkSize, spill.ChunkSize + 1, 5*spill.ChunkSize + 77} {
		f := create(t, t.TempDir())
		want := contents(size)
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 9973)
			if _, err := f.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if f.Size() != int64(size) {
			t.Fatalf("size %d, want %d", f.Size(), size)
		}
		got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: %v", size, err)
		}
		rng := mathrand.New(mathrand.NewPCG(1, 2))
		for range 50 {
			off := rng.IntN(size + 1)
			p := make([]byte, rng.IntN(2*spill.ChunkSize))
			n, err := f.ReadAt(p, int64(off))
			if end := min(size, off+len(p)); !bytes.Equal(p[:n], want[off:end]) || (err != nil) != (n < len(p)) {
				t.Fatalf("ReadAt(%d bytes, %d) = %d, %v", len(p), off, n, err)
			}
		}
	}
}

func create(t *testing.T, dir string) *spill.File {
	t.Helper()
	f, err := spill.Folder{Dir: dir, Rand: rand.Reader}.Create()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// Nothing of the contents is on disk, and nothing is left of the file.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := spill.Folder{Dir: dir, Rand: rand.Reader}.Create()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(bytes.Repeat([]byte("identifier"), 100_000)); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names { // none where a file without a name lives on
		text, err := os.ReadFile(name)
		if err != nil || bytes.Contains(text, []byte("identifier")) {
			t.Fatalf("%s is readable: %v", name, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Fatalf("left: %v, %v", left, err)
	}
	if _, err := (spill.Folder{Dir: filepath.Join(dir, "absent"), Rand: rand.Reader}).Create(); err == nil {
		t.Fatal("a file was made in a folder that is not there")
	}
	if _, err := (spill.Folder{Dir: dir, Rand: bytes.NewReader(nil)}).Create(); !errors.Is(err, io.EOF) {
		t.Fatalf("without randomness: %v", err)
	}
}
