package storagetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"teikyo/storage"
)

func cancelledBefore(t *testing.T, s storage.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	kept, never := newKey(t), newKey(t)
	put(t, s, kept, []byte("kept"))
	_, putErr := s.Put(ctx, never, strings.NewReader("x"), 1)
	_, openErr := s.Open(ctx, kept, 0, -1)
	_, statErr := s.Stat(ctx, kept)
	_, sweepErr := s.Sweep(ctx, time.Time{})
	var listErr error
	for _, err := range s.List(ctx) {
		listErr = err
	}
	for op, err := range map[string]error{
		"Put": putErr, "Open": openErr, "Stat": statErr, "Sweep": sweepErr, "List": listErr, "Delete": s.Delete(ctx, kept),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s gave %v, want context.Canceled", op, err)
		}
	}
	wantAbsent(t, s, never)
	wantBody(t, s, kept, []byte("kept"))
}

// trigger calls fire once after bytes have been read from it.
type trigger struct {
	io.Reader
	after int
	fire  func()
}

func (r *trigger) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p[:min(len(p), 4096)])
	if r.after -= n; r.after <= 0 {
		r.fire()
	}
	return n, err
}

func cancelledWhileWriting(t *testing.T, s storage.Store) {
	for _, size := range []int64{1 << 20, -1} {
		ctx, cancel := context.WithCancel(context.Background())
		key := newKey(t)
		body := &trigger{bytes.NewReader(pattern(1<<20, 7)), 300_000, cancel}
		n, err := s.Put(ctx, key, body, size)
		var source *storage.SourceError
		if n != 0 || !errors.Is(err, context.Canceled) || errors.As(err, &source) {
			t.Errorf("Put = %d, %v; want 0, context.Canceled", n, err)
		}
		wantAbsent(t, s, key)
	}
}

func cancelledWhileReading(t *testing.T, s storage.Store) {
	key := newKey(t)
	put(t, s, key, pattern(12<<20, 8))
	for _, copyAll := range []func(io.Reader) error{
		func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err },
		func(r io.Reader) error { _, err := io.Copy(struct{ io.Writer }{io.Discard}, r); return err },
		func(r io.Reader) error { _, err := io.Copy(io.Discard, struct{ io.Reader }{r}); return err },
	} {
		ctx, cancel := context.WithCancel(context.Background())
		r, err := s.Open(ctx, key, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
			t.Errorf("before the cancelling: %v", err)
		}
		cancel()
		if err := copyAll(r); !errors.Is(err, context.Canceled) {
			t.Errorf("reading on gave %v, want context.Canceled", err)
		}
		r.Close()
	}
}

func sweep(t *testing.T, s storage.Store) {
	ctx := context.Background()
	kept, running := newKey(t), newKey(t)
	put(t, s, kept, []byte("kept"))
	body := pattern(1<<20, 9)
	swept := false
	reader := &trigger{bytes.NewReader(body), 500_000, func() {
		if swept {
			return
		}
		swept = true
		if n, err := s.Sweep(ctx, time.Now().Add(-time.Hour)); n != 0 || err != nil {
			t.Errorf("Sweep of an hour ago = %d, %v; want 0, nil", n, err)
		}
	}}
	if _, err := s.Put(ctx, running, reader, -1); err != nil {
		t.Errorf("Put during a Sweep: %v", err)
	}
	if _, err := s.Sweep(ctx, time.Now().Add(time.Hour)); err != nil {
		t.Errorf("Sweep: %v", err)
	}
	wantBody(t, s, kept, []byte("kept"))
	wantBody(t, s, running, body)
}
