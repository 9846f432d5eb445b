package spill_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"teikyo/deid/spill"
)

// TestSpace: the bound is that of all files together, and a closed one gives back
// what it held.
func TestSpace(t *testing.T) {
	t.Parallel()
	space := spill.NewSpace(300_000)
	folder := spill.Folder{Dir: t.TempDir(), Rand: rand.Reader, Space: space}
	write := func(n int) (*spill.File, error) {
		f, err := folder.Create()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		_, err = f.Write(contents(n))
		return f, err
	}
	a, err := write(200_000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := write(200_000); !errors.Is(err, spill.ErrFull) {
		t.Errorf("beyond the bound: %v", err)
	}
	if err := errors.Join(a.Close(), a.Close()); err != nil || space.Used() != 0 {
		t.Errorf("close: %v, %d bytes used", err, space.Used())
	}
	if _, err := a.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write to a closed file: %v", err)
	}
	if _, err := write(200_000); err != nil {
		t.Errorf("after the first was closed: %v", err)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Now()
	for name, old := range map[string]bool{".teikyo-spill-1": true, ".teikyo-spill-2": false, "other": true} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if old {
			if err := os.Chtimes(file, now, now.Add(-2*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
	}
	n, err := spill.Folder{Dir: dir}.Sweep(now)
	left, readErr := os.ReadDir(dir)
	if n != 1 || err != nil || readErr != nil || len(left) != 2 {
		t.Errorf("swept %d, %v; left %v", n, err, left)
	}
}

func TestBuffer(t *testing.T) {
	t.Parallel()
	b := &spill.Buffer{File: create(t, t.TempDir())}
	want := contents(6*spill.ChunkSize + 7)
	if _, err := b.Write(want); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Write([]byte("x")); err == nil {
		t.Error("a write in the middle went through")
	}
	if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if err := iotest.TestReader(io.NewSectionReader(b, 0, b.Size()), want); err != nil {
		t.Error(err)
	}
	if _, err := b.Seek(-1, io.SeekStart); err == nil {
		t.Error("a seek before the beginning went through")
	}
}
