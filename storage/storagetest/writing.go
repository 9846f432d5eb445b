package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/iotest"

	"teikyo/storage"
)

func putAndOpen(t *testing.T, s storage.Store) {
	for _, n := range []int{0, 1, 4095, 65535, 65536, 65537, 256 << 10, 1<<20 + 1} {
		body := pattern(n, byte(n))
		for _, size := range []int64{int64(n), -1} {
			key := newKey(t)
			got, err := s.Put(context.Background(), key, bytes.NewReader(body), size)
			if err != nil || got != int64(n) {
				t.Fatalf("Put of %d bytes as %d = %d, %v", n, size, got, err)
			}
			wantBody(t, s, key, body)
		}
	}
}

// stutter gives no bytes on every other Read.
type stutter struct {
	r    io.Reader
	turn bool
}

func (s *stutter) Read(p []byte) (int, error) {
	if s.turn = !s.turn; s.turn {
		return 0, nil
	}
	return s.r.Read(p)
}

func oddReaders(t *testing.T, s storage.Store) {
	body := pattern(3000, 1)
	readers := map[string]func(io.Reader) io.Reader{
		"one byte":      iotest.OneByteReader,
		"half":          iotest.HalfReader,
		"EOF with data": iotest.DataErrReader,
		"stutter":       func(r io.Reader) io.Reader { return &stutter{r: r} },
		"only a Reader": func(r io.Reader) io.Reader { return struct{ io.Reader }{r} },
	}
	for name, odd := range readers {
		for _, size := range []int64{int64(len(body)), -1} {
			key := newKey(t)
			n, err := s.Put(context.Background(), key, odd(bytes.NewReader(body)), size)
			if err != nil || n != int64(len(body)) {
				t.Errorf("%s, size %d: Put = %d, %v", name, size, n, err)
				continue
			}
			wantBody(t, s, key, body)
		}
	}
}

func neverOverwrites(t *testing.T, s storage.Store) {
	key, first := newKey(t), pattern(1000, 1)
	put(t, s, key, first)
	for _, second := range [][]byte{first, pattern(1000, 2), {}} {
		n, err := s.Put(context.Background(), key, bytes.NewReader(second), int64(len(second)))
		if n != 0 || !errors.Is(err, storage.ErrExists) {
			t.Errorf("second Put = %d, %v; want 0, ErrExists", n, err)
		}
		wantBody(t, s, key, first)
	}
}

// gate is a body that lets nobody through before all racers have read.
type gate struct {
	io.Reader
	arrive func()
}

func (g *gate) Read(p []byte) (int, error) {
	g.arrive()
	return g.Reader.Read(p)
}

func sixteenRacers(t *testing.T, s storage.Store) {
	const racers = 16
	key := newKey(t)
	var ready, done sync.WaitGroup
	ready.Add(racers)
	errs := make([]error, racers)
	for i := range racers {
		done.Go(func() {
			arrive := sync.OnceFunc(func() { ready.Done(); ready.Wait() })
			body := &gate{bytes.NewReader(pattern(100_000, byte(i))), arrive}
			_, errs[i] = s.Put(context.Background(), key, body, -1)
		})
	}
	done.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Fatalf("racers %d and %d both won", winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, storage.ErrExists):
			t.Errorf("racer %d: %v, want ErrExists", i, err)
		}
	}
	if winner < 0 {
		t.Fatal("nobody won")
	}
	wantBody(t, s, key, pattern(100_000, byte(winner)))
}

func sourceErrors(t *testing.T, s storage.Store) {
	cause := errors.New("the client went away")
	causes := []error{
		cause, io.ErrUnexpectedEOF, io.ErrClosedPipe, io.ErrShortWrite,
		fmt.Errorf("wrapped: %w", io.EOF), storage.ErrExists, storage.ErrFull,
	}
	for _, cause := range causes {
		for _, good := range []int{0, 1, 70_000, 1 << 20} {
			for _, size := range []int64{-1, int64(good), int64(good) + 10} {
				t.Run(fmt.Sprintf("%v after %d of %d", cause, good, size), func(t *testing.T) {
					sourceError(t, s, cause, pattern(good, 3), size)
				})
			}
		}
	}
}

func sourceError(t testing.TB, s storage.Store, cause error, good []byte, size int64) {
	for _, together := range []bool{false, true} {
		body := io.MultiReader(bytes.NewReader(good), iotest.ErrReader(cause))
		if together {
			body = iotest.DataErrReader(body) // last bytes and error in one Read
		}
		key := newKey(t)
		n, err := s.Put(context.Background(), key, body, size)
		var source *storage.SourceError
		if n != 0 || !errors.As(err, &source) || !errors.Is(err, cause) {
			t.Errorf("Put = %d, %v; want 0 and a *SourceError of the cause", n, err)
		}
		wantAbsent(t, s, key)
	}
}

func sizesThatLie(t *testing.T, s storage.Store) {
	tests := []struct{ length, size int64 }{
		{0, 1}, {1, 0}, {1, 2}, {2, 1}, {65536, 65537}, {65537, 65536},
		{1 << 20, 1 << 40}, {1 << 20, 1}, {10, -2}, {0, -2},
	}
	for _, test := range tests {
		body := pattern(int(test.length), 4)
		for _, reader := range []io.Reader{bytes.NewReader(body), iotest.OneByteReader(bytes.NewReader(body))} {
			key := newKey(t)
			n, err := s.Put(context.Background(), key, reader, test.size)
			if n != 0 || !errors.Is(err, storage.ErrSize) {
				t.Errorf("%d bytes announced as %d: Put = %d, %v; want 0, ErrSize", test.length, test.size, n, err)
			}
			wantAbsent(t, s, key)
		}
	}
}

func manyAtOnce(t *testing.T, s storage.Store) {
	const workers, rounds = 8, 6
	keep := make([][]string, workers)
	var done sync.WaitGroup
	for w := range workers {
		mine := make([]string, 2*rounds)
		for i := range mine {
			mine[i] = newKey(t)
		}
		keep[w] = mine[:rounds]
		done.Go(func() { churn(t, s, mine[:rounds], mine[rounds:], byte(w)) })
	}
	done.Wait()
	want := 0
	for w, mine := range keep {
		want += len(mine)
		for _, key := range mine {
			wantBody(t, s, key, pattern(50_000, byte(w)))
		}
	}
	if got := len(keys(t, s)); got != want {
		t.Errorf("List shows %d objects, want %d", got, want)
	}
}

// churn writes keep for good and drop to delete it again, and lists meanwhile.
func churn(t *testing.T, s storage.Store, keep, drop []string, seed byte) {
	ctx, body := context.Background(), pattern(50_000, seed)
	for i := range keep {
		for _, key := range []string{keep[i], drop[i]} {
			if _, err := s.Put(ctx, key, bytes.NewReader(body), -1); err != nil {
				t.Errorf("Put: %v", err)
			}
			if got, err := get(s, key, 0, -1); err != nil || !bytes.Equal(got, body) {
				t.Errorf("read %d bytes, %v", len(got), err)
			}
		}
		if err := s.Delete(ctx, drop[i]); err != nil {
			t.Errorf("Delete: %v", err)
		}
		for _, err := range s.List(ctx) {
			if err != nil {
				t.Errorf("List: %v", err)
			}
		}
	}
}
