package disk

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// segmentSize is the usual size of a segment in bytes.
const segmentSize = 256 << 20

// zeros gives left bytes.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	z.left -= n
	return int(n), nil
}

// BenchmarkPut stores one segment durably.
func BenchmarkPut(b *testing.B) {
	s, err := New(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(segmentSize)
	for b.Loop() {
		if _, err := s.Put(context.Background(), key, &zeros{segmentSize}, segmentSize); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Delete(context.Background(), key); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkPlainWrite is the peer: the same bytes by io.Copy and one sync.
func BenchmarkPlainWrite(b *testing.B) {
	path := filepath.Join(b.TempDir(), "plain")
	b.SetBytes(segmentSize)
	for b.Loop() {
		if err := plainWrite(path); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := os.Remove(path); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func plainWrite(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, &zeros{segmentSize}); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// BenchmarkOpen reads one segment from the page cache.
func BenchmarkOpen(b *testing.B) {
	s, err := New(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Put(context.Background(), key, &zeros{segmentSize}, segmentSize); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(segmentSize)
	for b.Loop() {
		r, err := s.Open(context.Background(), key, 0, -1)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(struct{ io.Writer }{io.Discard}, r); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}
