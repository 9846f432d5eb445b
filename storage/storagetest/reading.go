package storagetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"teikyo/storage"
)

func invalidKeys(t *testing.T, s storage.Store) {
	ctx := context.Background()
	bad := []string{
		"", "a", "abcdefg", strings.Repeat("a", 129), "Abcdefgh", "abcdefgH", "-abcdefgh", "_abcdefgh",
		".abcdefgh", "abcdefg.", "abc/defgh", `abc\defgh`, "../../../etc/passwd", "abcdefgh\x00", "abcdefgh\n",
		"abcdefgh ", "abcdefg:", "日本語日本語日本語", "abcdefg\u0301", "abcdefgh%2f",
	}
	for _, key := range bad {
		_, putErr := s.Put(ctx, key, strings.NewReader("x"), 1)
		_, openErr := s.Open(ctx, key, 0, -1)
		_, statErr := s.Stat(ctx, key)
		for op, err := range map[string]error{"Put": putErr, "Open": openErr, "Stat": statErr, "Delete": s.Delete(ctx, key)} {
			if !errors.Is(err, storage.ErrInvalidKey) {
				t.Errorf("%s(%q) gave %v, want ErrInvalidKey", op, key, err)
			}
		}
	}
	for _, key := range []string{"abcdefgh", strings.Repeat("z", 128), "0_-_-_-_", "a-------", "nul00000"} {
		put(t, s, key, []byte(key))
		wantBody(t, s, key, []byte(key))
	}
}

func absentKeys(t *testing.T, s storage.Store) {
	if got := keys(t, s); len(got) != 0 {
		t.Fatalf("a new store lists %v", got)
	}
	put(t, s, "abcdefgh", nil)
	for _, key := range []string{"abcdefghi", "abcdefg0", "bbcdefgh"} {
		wantAbsent(t, s, key)
		if err := s.Delete(context.Background(), key); !errors.Is(err, storage.ErrNotExist) {
			t.Errorf("Delete gave %v, want ErrNotExist", err)
		}
	}
	wantBody(t, s, "abcdefgh", nil)
}

func ranges(t *testing.T, s storage.Store) {
	const size = 200_000
	body, key := pattern(size, 5), newKey(t)
	put(t, s, key, body)
	tests := []struct{ offset, length int64 }{
		{0, -1}, {0, 0}, {0, 1}, {0, size}, {1, -1}, {1, size - 1}, {65535, 2}, {65536, 65536},
		{size - 1, 1}, {size - 1, -1}, {size, 0}, {size, -1}, {100, 0},
	}
	for _, test := range tests {
		end := int64(size)
		if test.length >= 0 {
			end = test.offset + test.length
		}
		want := body[test.offset:end]
		r, err := s.Open(context.Background(), key, test.offset, test.length)
		if err != nil {
			t.Errorf("Open %+v: %v", test, err)
			continue
		}
		if err := iotest.TestReader(r, want); err != nil {
			t.Errorf("range %+v: %v", test, err)
		}
		r.Close()
		wantCopies(t, s, key, test.offset, test.length, want)
	}
}

// wantCopies reads a range by io.Copy, which takes the reader's WriterTo, into a
// writer with and one without ReaderFrom.
func wantCopies(t *testing.T, s storage.Store, key string, offset, length int64, want []byte) {
	t.Helper()
	var buffer, plain bytes.Buffer
	for _, w := range []io.Writer{&buffer, struct{ io.Writer }{&plain}} {
		r, err := s.Open(context.Background(), key, offset, length)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(w, r); err != nil || n != int64(len(want)) {
			t.Errorf("io.Copy of %d+%d = %d, %v", offset, length, n, err)
		}
		r.Close()
	}
	if !bytes.Equal(buffer.Bytes(), want) || !bytes.Equal(plain.Bytes(), want) {
		t.Errorf("io.Copy of %d+%d copied other bytes", offset, length)
	}
}

func rangesOutside(t *testing.T, s storage.Store) {
	full, empty := newKey(t), newKey(t)
	put(t, s, full, pattern(100, 6))
	put(t, s, empty, nil)
	tests := []struct {
		key            string
		offset, length int64
	}{
		{full, 0, 101}, {full, 1, 100}, {full, 100, 1}, {full, 101, 0}, {full, 101, -1}, {full, -1, -1}, {full, -1, 1},
		{full, 0, -2}, {full, 1, math.MaxInt64}, {full, math.MaxInt64, math.MaxInt64}, {full, math.MaxInt64, -1},
		{full, math.MinInt64, 1}, {empty, 0, 1}, {empty, 1, 0}, {empty, 1, -1},
	}
	for _, test := range tests {
		r, err := s.Open(context.Background(), test.key, test.offset, test.length)
		if !errors.Is(err, storage.ErrRange) {
			t.Errorf("Open %d+%d gave %v, want ErrRange", test.offset, test.length, err)
		}
		if err == nil {
			r.Close()
		}
	}
}

func deleteObject(t *testing.T, s storage.Store) {
	ctx, gone, kept := context.Background(), newKey(t), newKey(t)
	put(t, s, gone, pattern(10, 1))
	put(t, s, kept, pattern(10, 2))
	if err := s.Delete(ctx, gone); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, s, gone)
	if err := s.Delete(ctx, gone); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("second Delete gave %v, want ErrNotExist", err)
	}
	wantBody(t, s, kept, pattern(10, 2))
}

func list(t *testing.T, s storage.Store) {
	want := map[string]int64{}
	for i := range 60 {
		key := newKey(t)
		put(t, s, key, pattern(i, 0))
		want[key] = int64(i)
	}
	for obj, err := range s.List(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		size, ok := want[obj.Key]
		if !ok || obj.Size != size || obj.ModTime.IsZero() {
			t.Errorf("List shows %+v, want size %d", obj, size)
		}
		delete(want, obj.Key)
	}
	if len(want) != 0 {
		t.Errorf("List leaves out or repeats %d objects", len(want))
	}
}

func listStops(t *testing.T, s storage.Store) {
	for range 5 {
		put(t, s, newKey(t), nil)
	}
	seen := 0
	for range s.List(context.Background()) {
		if seen++; seen == 2 {
			break
		}
	}
	if seen != 2 {
		t.Errorf("saw %d objects, want 2", seen)
	}
}

func segments(t *testing.T, s storage.Store) {
	var segs []storage.Segment
	var whole []byte
	for i, n := range []int{65536, 1, 0, 30_000, 65536} {
		seg := storage.Segment{Key: newKey(t), Size: int64(n)}
		body := pattern(n, byte(i))
		put(t, s, seg.Key, body)
		segs, whole = append(segs, seg), append(whole, body...)
	}
	cuts := []int64{0, 1, 65535, 65536, 65537, 95_536, 95_537, int64(len(whole))}
	for i, from := range cuts {
		for _, to := range cuts[i:] {
			r := storage.OpenSegments(context.Background(), s, segs, from, to-from)
			body, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(body, whole[from:to]) {
				t.Errorf("segments %d to %d: %d bytes, %v", from, to, len(body), err)
			}
			r.Close()
		}
	}
}
