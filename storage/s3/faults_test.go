package s3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"teikyo/storage"
	"teikyo/storage/s3/s3test"
)

// What the store answers becomes a clear error, nothing is visible after it, and
// the same call works once the store is well.
func TestAnswersOfAStoreThatIsUnwell(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	tests := []struct {
		name string
		hook s3test.Hook
		want error
		text string
	}{
		{"busy", s3test.Answer(503, "SlowDown"), nil, "busy"},
		{"broken", s3test.Answer(500, "InternalError"), nil, "try again"},
		{"bad gateway", s3test.Answer(502, ""), nil, "try again"},
		{"forbidden", s3test.Answer(403, "AccessDenied"), storage.ErrDenied, ""},
		{"wrong key", s3test.Answer(403, "InvalidAccessKeyId"), storage.ErrDenied, ""},
		{"full", s3test.Answer(507, "InsufficientStorage"), storage.ErrFull, ""},
		{"quota", s3test.Answer(403, "QuotaExceeded"), storage.ErrFull, ""},
		{"no bucket", s3test.Answer(404, "NoSuchBucket"), nil, "bucket"},
		{"not S3", s3test.Answer(418, ""), nil, "418"},
	}
	for _, test := range tests {
		for _, size := range []int64{1000, 17 * mib} {
			t.Run(fmt.Sprint(test.name, size), func(t *testing.T) {
				t.Parallel()
				store, gate := gated(t, server)
				key := "k" + strings.Map(onlyKey, t.Name())
				gate.Set(test.hook)
				err := put(store, key, size)
				if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
					t.Errorf("Put gave %v, want %v, %q", err, test.want, test.text)
				}
				if n := len(gate.Requests()); n > 12 {
					t.Errorf("%d requests for one Put", n)
				}
				gate.Set(nil)
				wantAbsent(t, store, key)
				if err := put(store, key, size); err != nil {
					t.Errorf("the next Put: %v", err)
				}
				gate.Set(test.hook)
				if _, err := read(store, key, 0, -1); err == nil || test.want != nil && !errors.Is(err, test.want) {
					t.Errorf("Open gave %v", err)
				}
				for _, err := range store.List(t.Context()) {
					if err == nil {
						t.Error("List works")
					}
				}
			})
		}
	}
}

func onlyKey(r rune) rune {
	if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
		return r
	}
	return -1
}

// A store that is unwell for a moment is asked again.
func TestMomentsAreBridged(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	for name, hook := range map[string]s3test.Hook{
		"busy": s3test.Answer(503, "SlowDown"), "lost answer": s3test.LostAnswer, "short": s3test.ShortBytes,
	} {
		for _, method := range []string{http.MethodPut, http.MethodPost, http.MethodGet} {
			for _, size := range []int64{1000, 33 * mib} {
				t.Run(fmt.Sprint(name, method, size), func(t *testing.T) {
					t.Parallel()
					store, gate := gated(t, server)
					key := "k" + strings.Map(onlyKey, strings.ToLower(t.Name()))
					gate.Set(s3test.First(2, s3test.Method(method), hook))
					if err := put(store, key, size); err != nil {
						t.Errorf("Put: %v", err)
					}
					if n, err := read(store, key, 0, -1); n != size || err != nil {
						t.Errorf("read %d of %d bytes, %v", n, size, err)
					}
					if n, err := read(store, key, 10, size-20); n != size-20 || err != nil {
						t.Errorf("read %d of %d bytes, %v", n, size-20, err)
					}
				})
			}
		}
	}
}

// The answer to the last request of a Put never arrives: the object is there,
// and the Put knows that it is its own.
func TestLostAnswersOfThePublishingRequest(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	for name, match := range map[string]func(*http.Request) bool{"single": s3test.Method(http.MethodPut), "parts": isComplete} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, gate := gated(t, server)
			size := map[string]int64{"single": 1000, "parts": 17 * mib}[name]
			gate.Set(s3test.First(100, match, s3test.LostAnswer))
			if err := put(store, key+name, size); err != nil {
				t.Errorf("Put: %v", err)
			}
			if obj, err := store.Stat(t.Context(), key+name); err != nil || obj.Size != size {
				t.Errorf("Stat = %+v, %v", obj, err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			gate.Set(s3test.First(1, match, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				defer cancel()
				s3test.LostAnswer(w, r, next)
			}))
			if _, err := store.Put(ctx, key+name+"2", &zeros{size}, -1); !errors.Is(err, context.Canceled) {
				t.Errorf("Put that was cancelled: %v", err)
			}
			wantAbsent(t, store, key+name+"2")
		})
	}
}

// Bytes that change on the way never count.
func TestWrongBytes(t *testing.T) {
	t.Parallel()
	store, gate := gated(t, s3test.Start(t))
	for _, size := range []int64{1000, 17 * mib} {
		key := fmt.Sprint(key, size)
		gate.Set(s3test.First(100, s3test.Method(http.MethodPut), s3test.WrongBytes))
		if err := put(store, key, size); !errors.Is(err, storage.ErrCorrupt) {
			t.Errorf("Put gave %v, want ErrCorrupt", err)
		}
		gate.Set(nil)
		wantAbsent(t, store, key)
		if err := put(store, key, size); err != nil {
			t.Fatal(err)
		}
		gate.Set(s3test.WrongBytes)
		if n, err := read(store, key, 0, -1); !errors.Is(err, storage.ErrCorrupt) || n >= size {
			t.Errorf("read %d of %d bytes, %v; want ErrCorrupt and never all of them", n, size, err)
		}
		gate.Set(nil)
	}
}

// A store that always breaks off is given up, with an error that is not the end.
func TestShortBytesForEver(t *testing.T) {
	t.Parallel()
	store, gate := gated(t, s3test.Start(t))
	if err := put(store, key, 1000); err != nil {
		t.Fatal(err)
	}
	gate.Set(s3test.First(1000, s3test.Method(http.MethodGet), func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	n, err := read(store, key, 0, -1)
	if n != 0 || !errors.Is(err, io.ErrUnexpectedEOF) && err == nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if got := len(gate.Requests()); got > 20 {
		t.Errorf("%d requests", got)
	}
}

// A store that does not answer a range with that range is not believed.
func TestAnswersToOtherRanges(t *testing.T) {
	t.Parallel()
	store, gate := gated(t, s3test.Start(t))
	if err := put(store, key, 1000); err != nil {
		t.Fatal(err)
	}
	for name, header := range map[string]http.Header{
		"whole":    {"Content-Length": {"1000"}},
		"other":    {"Content-Length": {"10"}, "Content-Range": {"bytes 0-9/1000"}},
		"nonsense": {"Content-Length": {"10"}, "Content-Range": {"bytes 19-10/1000"}},
		"past end": {"Content-Length": {"10"}, "Content-Range": {"bytes 10-19/15"}},
	} {
		gate.Set(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			for key, values := range header {
				w.Header()[key] = values
			}
			w.Header().Set("ETag", `"x"`)
			w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(make([]byte, 1000))
		})
		if n, err := read(store, key, 10, 10); err == nil {
			t.Errorf("%s: read %d bytes", name, n)
		}
	}
}
