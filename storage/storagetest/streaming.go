package storagetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"runtime"
	"testing"

	"teikyo/storage"
)

const (
	streamSize   = 300 << 20 // bytes
	samplesEvery = 8 << 20   // bytes between two looks at the heap
)

// Streaming writes and reads 300 MiB, with and without telling the size, and
// fails the test when the heap ever grows by more than limit bytes. The calling
// test must not run in parallel with others: they share the heap.
func Streaming(t *testing.T, s storage.Store, limit uint64) {
	t.Helper()
	for _, size := range []int64{streamSize, -1} {
		key := newKey(t)
		meter := newHeapMeter()
		wrote := sha256.New()
		body := io.TeeReader(io.TeeReader(&counter{left: streamSize}, wrote), meter)
		if n, err := s.Put(context.Background(), key, body, size); err != nil || n != streamSize {
			t.Fatalf("Put = %d, %v", n, err)
		}
		read := sha256.New()
		if err := copyOut(io.MultiWriter(read, meter), s, key); err != nil {
			t.Fatal(err)
		}
		if [32]byte(wrote.Sum(nil)) != [32]byte(read.Sum(nil)) {
			t.Error("other bytes came back")
		}
		if meter.growth() > limit {
			t.Errorf("the heap grew by %d bytes, limit %d", meter.growth(), limit)
		}
		if err := s.Delete(context.Background(), key); err != nil {
			t.Error(err)
		}
	}
}

func copyOut(w io.Writer, s storage.Store, key string) error {
	r, err := s.Open(context.Background(), key, 0, -1)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, r.Close())
}

// counter gives left bytes that differ from block to block.
type counter struct{ left, block int }

func (c *counter) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(len(p), c.left)]
	for i := range p {
		p[i] = byte(c.block)
	}
	c.left -= len(p)
	c.block++
	return len(p), nil
}

// heapMeter watches the heap while bytes are written to it.
type heapMeter struct {
	first, peak uint64
	pending     int
}

func newHeapMeter() *heapMeter {
	runtime.GC()
	m := &heapMeter{}
	m.sample()
	m.first = m.peak
	return m
}

func (m *heapMeter) sample() {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	m.peak = max(m.peak, stats.HeapAlloc)
}

func (m *heapMeter) Write(p []byte) (int, error) {
	if m.pending += len(p); m.pending >= samplesEvery {
		m.pending = 0
		m.sample()
	}
	return len(p), nil
}

func (m *heapMeter) growth() uint64 { return m.peak - m.first }
