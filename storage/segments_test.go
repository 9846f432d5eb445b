package storage_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"teikyo/storage"
	"teikyo/storage/memory"
	"teikyo/storage/storagetest"
)

// setup stores three segments, "abc", "defg" and "hi", in a store that can fail.
func setup(t *testing.T) (*storagetest.Faulty, []storage.Segment) {
	t.Helper()
	s := storagetest.NewFaulty(memory.New(time.Now))
	var segs []storage.Segment
	for key, body := range map[string]string{"segment-1": "abc", "segment-2": "defg", "segment-3": "hi"} {
		if _, err := s.Put(context.Background(), key, strings.NewReader(body), -1); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"segment-1", "segment-2", "segment-3"} {
		obj, err := s.Stat(context.Background(), key)
		if err != nil {
			t.Fatal(err)
		}
		segs = append(segs, storage.Segment{Key: key, Size: obj.Size})
	}
	return s, segs
}

func TestOpenSegmentsOpensWhatItNeeds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		offset, length int64
		want           string
		opens          int
	}{
		{0, -1, "abcdefghi", 3},
		{0, 3, "abc", 1},
		{3, 4, "defg", 1},
		{2, 2, "cd", 2},
		{7, -1, "hi", 1},
		{9, -1, "", 0},
		{0, 0, "", 0},
	}
	for _, test := range tests {
		s, segs := setup(t)
		r := storage.OpenSegments(context.Background(), s, segs, test.offset, test.length)
		body, err := io.ReadAll(r)
		if err != nil || string(body) != test.want || s.Calls(storagetest.OpOpen) != test.opens {
			t.Errorf("%d+%d = %q, %v after %d opens; want %q after %d", test.offset, test.length,
				body, err, s.Calls(storagetest.OpOpen), test.want, test.opens)
		}
	}
}

func TestOpenSegmentsRefusesRanges(t *testing.T) {
	t.Parallel()
	s, segs := setup(t)
	for _, r := range [][2]int64{{-1, 1}, {0, 10}, {9, 1}, {10, -1}, {10, 0}, {0, -2}, {1, math.MaxInt64}} {
		body, err := io.ReadAll(storage.OpenSegments(context.Background(), s, segs, r[0], r[1]))
		if len(body) != 0 || !errors.Is(err, storage.ErrRange) {
			t.Errorf("%v = %q, %v; want ErrRange", r, body, err)
		}
	}
	huge := []storage.Segment{{Key: "segment-1", Size: math.MaxInt64}, {Key: "segment-2", Size: math.MaxInt64}}
	if _, err := io.ReadAll(storage.OpenSegments(context.Background(), s, huge, 0, 1)); !errors.Is(err, storage.ErrRange) {
		t.Errorf("sizes beyond int64 gave %v, want ErrRange", err)
	}
}

// copiers are the ways in which a reader is emptied.
var copiers = map[string]func(*bytes.Buffer, io.Reader) error{
	"Read":    func(w *bytes.Buffer, r io.Reader) error { _, err := w.ReadFrom(struct{ io.Reader }{r}); return err },
	"WriteTo": func(w *bytes.Buffer, r io.Reader) error { _, err := r.(io.WriterTo).WriteTo(w); return err },
}

func TestOpenSegmentsTellsWhatIsBroken(t *testing.T) {
	t.Parallel()
	for name, copyAll := range copiers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, segs := setup(t)
			segs[1].Size = 3 // as if the object had one byte more than the row says
			var body bytes.Buffer
			if err := copyAll(&body, storage.OpenSegments(context.Background(), s, segs, 0, -1)); err != nil || body.String() != "abcdefhi" {
				t.Errorf("longer object: %q, %v", body.String(), err)
			}
			segs[1].Size = 5
			body.Reset()
			err := copyAll(&body, storage.OpenSegments(context.Background(), s, segs, 0, -1))
			if !errors.Is(err, storage.ErrRange) || body.String() != "abc" {
				t.Errorf("shorter object: %q, %v; want ErrRange", body.String(), err)
			}
			segs[1] = storage.Segment{Key: "segment-9", Size: 4}
			body.Reset()
			err = copyAll(&body, storage.OpenSegments(context.Background(), s, segs, 0, -1))
			if !errors.Is(err, storage.ErrNotExist) || !strings.Contains(err.Error(), "segment-9") {
				t.Errorf("missing object: %v; want ErrNotExist with the key", err)
			}
		})
	}
}

// cutStore gives readers that end early without an error.
type cutStore struct{ storage.Store }

func (c cutStore) Open(context.Context, string, int64, int64) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("a")), nil
}

func TestOpenSegmentsNeverEndsEarlyInSilence(t *testing.T) {
	t.Parallel()
	for name, copyAll := range copiers {
		var body bytes.Buffer
		segs := []storage.Segment{{Key: "segment-1", Size: 3}}
		err := copyAll(&body, storage.OpenSegments(context.Background(), cutStore{}, segs, 0, -1))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s gave %q, %v; want io.ErrUnexpectedEOF", name, body.String(), err)
		}
	}
}

func TestOpenSegmentsPassesFaultsOn(t *testing.T) {
	t.Parallel()
	for name, copyAll := range copiers {
		for _, flavour := range []storagetest.Flavour{storagetest.Fails, storagetest.FailsButPersists} {
			s, segs := setup(t)
			s.Fail(storagetest.OpOpen, 2, flavour, nil)
			r := storage.OpenSegments(context.Background(), s, segs, 0, -1)
			var body bytes.Buffer
			if err := copyAll(&body, r); !errors.Is(err, storagetest.ErrInjected) {
				t.Errorf("%s, flavour %d: %v", name, flavour, err)
			}
			if !strings.HasPrefix("abcde", body.String()) {
				t.Errorf("%s, flavour %d: gave %q", name, flavour, body.String())
			}
			if err := r.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if _, err := r.Read(make([]byte, 1)); err == nil || err == io.EOF {
				t.Errorf("Read after Close gave %v", err)
			}
		}
	}
}

// Property: any range of any segmentation equals the same range of the whole.
func TestOpenSegmentsEqualsTheWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := memory.New(time.Now)
		var segs []storage.Segment
		var whole []byte
		for _, body := range rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 20), 0, 6).Draw(t, "segments") {
			key := strings.Repeat("s", 8+len(segs))
			if _, err := s.Put(context.Background(), key, bytes.NewReader(body), -1); err != nil {
				t.Fatal(err)
			}
			segs = append(segs, storage.Segment{Key: key, Size: int64(len(body))})
			whole = append(whole, body...)
		}
		from := rapid.IntRange(0, len(whole)).Draw(t, "from")
		to := rapid.IntRange(from, len(whole)).Draw(t, "to")
		for name, copyAll := range copiers {
			var got bytes.Buffer
			r := storage.OpenSegments(context.Background(), s, segs, int64(from), int64(to-from))
			if err := copyAll(&got, r); err != nil || !bytes.Equal(got.Bytes(), whole[from:to]) {
				t.Fatalf("%s: %q, %v; want %q", name, got.Bytes(), err, whole[from:to])
			}
		}
	})
}
