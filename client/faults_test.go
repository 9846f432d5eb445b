package client_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"teikyo/client/clienttest"
	"teikyo/models"
)

// TestTwentyCuts breaks the download of one file at twenty random offsets, inside
// header and nonce too. Every answer starts exactly where the last one stopped.
func TestTwentyCuts(t *testing.T) {
	t.Parallel()
	for _, sealed := range []bool{false, true} {
		w := newWorld(t, map[string][]byte{"big.bin": clienttest.Random(t, 30*chunk+5)})
		size := len(w.parcel.Tree["data/big.bin.age"])
		cuts := []int{5, 167, 168, 170, 183, 184, 185}
		for len(cuts) < 20 {
			cuts = append(cuts, 200+rand.IntN(size-200))
		}
		slices.Sort(cuts)
		at, wrong := 0, ""
		w.server.Fault = func(rw http.ResponseWriter, r *http.Request, name string) bool {
			if name != "data/big.bin.age" {
				return false
			}
			if want := rangeFrom(at); r.Header.Get("Range") != want && wrong == "" {
				wrong = fmt.Sprintf("asked for %q, want %q", r.Header.Get("Range"), want)
			}
			if len(cuts) == 0 {
				return false
			}
			n := cuts[0] - at
			at, cuts = cuts[0], cuts[1:]
			w.server.Cut(rw, r, name, n)
			return true
		}
		// The range header is closed: RFC 9110 allows it and the last byte is known.
		g := w.get()
		g.KeepSealed = sealed
		_, err := g.Run(t.Context())
		check(t, err)
		if wrong != "" {
			t.Error(wrong)
		}
		if len(cuts) > 0 {
			t.Errorf("%d cuts did not happen", len(cuts))
		}
		if sealed {
			sameTree(t, w.dir, w.parcel.Tree)
		} else {
			w.opened(t)
		}
	}
}

func rangeFrom(at int) string {
	if at == 0 {
		return ""
	}
	return fmt.Sprintf("bytes=%d-%d", at, 168+16+30*(chunk+16)+5+16-1)
}

// TestAnyCutsAndRuns: whatever is cut and however often the program is ended and
// started again, the files come out equal, and what was received is not received
// again but for a chunk a run.
func TestAnyCutsAndRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	rapid.Check(t, func(rt *rapid.T) {
		files := map[string][]byte{}
		for i := range rapid.IntRange(1, 2).Draw(rt, "files") {
			near := rapid.SampledFrom([]int{0, chunk, 2 * chunk, 16 * chunk, 17 * chunk}).Draw(rt, "near")
			files[fmt.Sprint(i)] = clienttest.Random(t, max(0, near+rapid.IntRange(-2, 2).Draw(rt, "by")))
		}
		sealed := rapid.Bool().Draw(rt, "sealed")
		w.parcel = w.issuer.Provide(t, clienttest.Content{Files: files, To: w.person.Public})
		w.dir = filepath.Join(t.TempDir(), "parcel")
		cuts := rapid.SliceOfN(rapid.IntRange(0, 6*chunk), 0, 20).Draw(rt, "cuts")
		ends := rapid.SliceOfN(rapid.Bool(), len(cuts), len(cuts)).Draw(rt, "ends")
		var end context.CancelFunc // of the run that goes on
		w.server.Change(func() {
			w.server.Parcel = w.parcel
			w.server.Fault = func(rw http.ResponseWriter, r *http.Request, name string) bool {
				if !strings.HasPrefix(name, "data/") || len(cuts) == 0 {
					return false
				}
				cut, last := cuts[0], ends[0]
				cuts, ends = cuts[1:], ends[1:]
				if last {
					defer end()
				}
				w.server.Cut(rw, r, name, cut)
				return true
			}
		})
		for run := 0; ; run++ {
			g := w.get()
			g.KeepSealed = sealed
			g.Link = w.server.Link(fmt.Sprint(w.parcel.Provision, run/3)) // sometimes a new link
			ctx, cancel := context.WithCancel(t.Context())
			w.server.Change(func() { end = cancel })
			_, err := g.Run(ctx)
			interrupted := ctx.Err() != nil
			cancel()
			if err == nil {
				break
			}
			if !interrupted || run > 30 {
				rt.Fatalf("run %d: %v", run, err)
			}
		}
		if sealed {
			sameTree(t, w.dir, w.parcel.Tree)
		} else {
			w.opened(t)
		}
	})
}

// TestWrongBytes flips one bit of one file of the parcel, in every kind of place.
func TestWrongBytes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path string
		at   int
	}{
		{"issuer.json", 40}, {"RECEIPT.tlog-proof", 80}, {"manifest.json", 60}, {"manifest.json.sig", 100},
		{"SHA256SUMS.age", 10}, {"SHA256SUMS.age", 250}, {"NOTICE.txt", 1}, {"datapackage.json", 1},
		{"data/f.age", 3}, {"data/f.age", 100}, {"data/f.age", 170}, {"data/f.age", 300}, {"data/f.age", 3 * chunk},
	} {
		for _, sealed := range []bool{false, true} {
			w := newWorld(t, map[string][]byte{"f": clienttest.Random(t, 3*chunk), "good": []byte("good")})
			body := bytes.Clone(w.parcel.Tree[c.path])
			body[c.at] ^= 1
			w.server.Parcel.Tree[c.path] = body
			g := w.get()
			g.KeepSealed = sealed
			_, err := g.Run(t.Context())
			if !models.IsKind(err, models.Integrity) {
				t.Errorf("%s at %d: %v", c.path, c.at, err)
			}
			for name, text := range tree(t, w.dir) {
				if name == c.path || name == "data/f" {
					t.Errorf("%s at %d: %s got its final name with %d bytes", c.path, c.at, name, len(text))
				}
			}
			if left, _ := filepath.Glob(filepath.Join(w.dir, ".teikyo", "partial", "*")); len(left) > 0 {
				for _, name := range left {
					if info, err := os.Stat(name); err == nil && info.Size() > 0 {
						t.Errorf("%s at %d: wrong bytes stay in %s", c.path, c.at, name)
					}
				}
			}
		}
	}
}

// TestForgedByAnotherRecipient: recipients share the file key, so a payload of
// their own opens behind another one's genuine header.
func TestForgedByAnotherRecipient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string][]byte{"f": []byte("what the issuer gave")})
	forged := clienttest.SealWith(t, w.parcel.Content.Sealed["f"].Key, []byte("what the forger says"))
	genuine := w.parcel.Tree["data/f.age"]
	w.server.Parcel.Tree["data/f.age"] = append(bytes.Clone(genuine[:168]), forged.Payload...)
	_, err := w.get().Run(t.Context())
	wantKind(t, err, models.Integrity)
	if _, ok := tree(t, w.dir)["data/f"]; ok {
		t.Error("the forged file got its final name")
	}
}

// TestOddServers: answers that are wrong or late in every way, and how it ends.
func TestOddServers(t *testing.T) {
	t.Parallel()
	const name = "data/f.age"
	problem := func(status int, kind models.ErrorKind) func(*world, http.ResponseWriter, *http.Request, int) bool {
		return func(_ *world, rw http.ResponseWriter, _ *http.Request, _ int) bool {
			clienttest.Problem(rw, status, kind, "no")
			return true
		}
	}
	first := func(times int, fault func(*world, http.ResponseWriter, *http.Request, int) bool) func(*world, http.ResponseWriter, *http.Request, int) bool {
		return func(w *world, rw http.ResponseWriter, r *http.Request, n int) bool {
			return n <= times && fault(w, rw, r, n)
		}
	}
	cut := func(at int) func(*world, http.ResponseWriter, *http.Request, int) bool {
		return func(w *world, rw http.ResponseWriter, r *http.Request, _ int) bool {
			w.server.Cut(rw, r, name, at)
			return true
		}
	}
	for _, c := range []struct {
		name  string
		fault func(w *world, rw http.ResponseWriter, r *http.Request, n int) bool
		want  models.ErrorKind
	}{
		{"ended", problem(http.StatusGone, models.Expired), models.Expired},
		{"ended in the middle", func(w *world, rw http.ResponseWriter, r *http.Request, n int) bool {
			if n == 1 {
				w.server.Cut(rw, r, name, 2*chunk)
			}
			clienttest.Problem(rw, http.StatusGone, models.Expired, "the link has ended")
			return true
		}, models.Expired},
		{"not found", problem(http.StatusNotFound, models.NotFound), models.NotFound},
		{"unavailable for a while", first(5, problem(http.StatusServiceUnavailable, models.Unavailable)), ""},
		{"no problem document", first(2, func(_ *world, rw http.ResponseWriter, _ *http.Request, _ int) bool {
			http.Error(rw, "bad gateway", http.StatusBadGateway)
			return true
		}), ""},
		{"too many requests", first(1, problem(http.StatusTooManyRequests, models.RateLimited)), ""},
		{"never available", problem(http.StatusServiceUnavailable, models.Unavailable), models.Expired},
		{"redirect", func(_ *world, rw http.ResponseWriter, r *http.Request, _ int) bool {
			http.Redirect(rw, r, "https://evil.example/", http.StatusFound)
			return true
		}, models.Invalid},
		{"cut before the first byte", first(3, cut(0)), ""},
		{"no ranges", func(w *world, rw http.ResponseWriter, r *http.Request, n int) bool {
			r.Header.Del("Range")
			if n < 4 {
				w.server.Cut(rw, r, name, n*chunk)
			}
			return false
		}, ""},
		{"range refused", func(w *world, rw http.ResponseWriter, r *http.Request, n int) bool {
			if n == 1 {
				w.server.Cut(rw, r, name, chunk+500)
			}
			if r.Header.Get("Range") == "" {
				return false
			}
			rw.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return true
		}, ""},
		{"tag changes", func(w *world, rw http.ResponseWriter, r *http.Request, n int) bool {
			if n == 1 {
				w.server.Cut(rw, r, name, chunk+500)
			}
			w.server.ETag = func(string, []byte) string { return `"other"` }
			return false
		}, ""},
		{"tag and bytes change", func(w *world, rw http.ResponseWriter, r *http.Request, n int) bool {
			if n == 1 {
				w.server.Cut(rw, r, name, chunk+500)
			}
			w.server.ETag = func(string, []byte) string { return `"other"` }
			w.server.Parcel.Tree[name] = bytes.Repeat([]byte{7}, len(w.server.Parcel.Tree[name]))
			return false
		}, models.Integrity},
		{"another part", first(3, func(w *world, rw http.ResponseWriter, r *http.Request, n int) bool {
			if n == 1 {
				w.server.Cut(rw, r, name, chunk+500)
			}
			size := len(w.server.Parcel.Tree[name])
			rw.Header().Set("Content-Range", fmt.Sprintf("bytes 1-%d/%d", size-1, size))
			rw.WriteHeader(http.StatusPartialContent)
			_, _ = rw.Write(w.server.Parcel.Tree[name])
			return true
		}), models.Integrity},
		{"shorter than the manifest says", func(w *world, rw http.ResponseWriter, _ *http.Request, _ int) bool {
			_, _ = rw.Write(w.server.Parcel.Tree[name][:1000])
			return true
		}, models.Integrity},
		{"longer than the manifest says", func(w *world, rw http.ResponseWriter, _ *http.Request, _ int) bool {
			rw.Header().Set("Content-Length", fmt.Sprint(len(w.server.Parcel.Tree[name])+4))
			_, _ = rw.Write(append(bytes.Clone(w.server.Parcel.Tree[name]), "more"...))
			return true
		}, models.Integrity},
		{"short ranges", func(w *world, rw http.ResponseWriter, r *http.Request, n int) bool {
			if n == 1 {
				w.server.Cut(rw, r, name, chunk+500)
			}
			var from int
			_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
			body := w.server.Parcel.Tree[name]
			to := min(len(body), from+20_000)
			rw.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(body)))
			rw.WriteHeader(http.StatusPartialContent)
			_, _ = rw.Write(body[from:to])
			return true
		}, ""},
		{"short bodies of unknown length", func(w *world, rw http.ResponseWriter, r *http.Request, n int) bool {
			if n > 3 {
				return false
			}
			rw.Header().Set("Transfer-Encoding", "chunked")
			var from int
			_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
			body := w.server.Parcel.Tree[name]
			if from > 0 {
				rw.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(body)-1, len(body)))
				rw.WriteHeader(http.StatusPartialContent)
			}
			_, _ = rw.Write(body[from : from+30_000])
			return true
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string][]byte{"f": clienttest.Random(t, 5*chunk+9)})
			n := 0
			w.server.Fault = func(rw http.ResponseWriter, r *http.Request, path string) bool {
				if path != name {
					return false
				}
				n++
				return c.fault(w, rw, r, n)
			}
			_, err := w.get().Run(t.Context())
			if models.KindOf(err) != c.want {
				t.Fatalf("after %d requests: %v (%s), want %q", n, err, models.KindOf(err), c.want)
			}
			if c.want == "" {
				w.opened(t)
			} else if _, ok := tree(t, w.dir)["data/f"]; ok {
				t.Error("the file got its final name")
			}
		})
	}
}

// TestWaits: the waits grow up to a minute, the server's own wish counts, and a
// server that never comes back is given up when the link ends or when told.
func TestWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string][]byte{"f": []byte("f")})
	w.server.Fault = func(rw http.ResponseWriter, _ *http.Request, path string) bool {
		if path != "data/f.age" {
			return false
		}
		rw.Header().Set("Retry-After", "7")
		clienttest.Problem(rw, http.StatusServiceUnavailable, models.Unavailable, "later")
		return true
	}
	g := w.get()
	var news []string
	g.Say = func(format string, args ...any) { news = append(news, fmt.Sprintf(format, args...)) }
	g.RetryFor = 2 * time.Hour
	_, err := g.Run(t.Context())
	wantKind(t, err, models.Unavailable)
	for i, want := range []time.Duration{7, 7, 7, 8, 16, 32, 60, 60} {
		if w.clock.slept[i] != want*time.Second {
			t.Errorf("wait %d is %s, want %ds", i, w.clock.slept[i], want)
		}
	}
	if took := w.clock.Now().Sub(clienttest.Noon()); took < 2*time.Hour || took > 2*time.Hour+time.Minute {
		t.Errorf("given up after %s", took)
	}
	if len(news) == 0 || len(news) > 200 {
		t.Errorf("%d lines of news", len(news))
	}
	g.RetryFor = 0
	_, err = g.Run(t.Context())
	wantKind(t, err, models.Expired)
	if took := w.clock.Now(); !took.Equal(w.server.Ends) {
		t.Errorf("given up at %s, the link ends %s", took, w.server.Ends)
	}
}

// TestSilentServer: a connection on which nothing comes is begun anew.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string][]byte{"f": clienttest.Random(t, 3*chunk)})
	n, gone := 0, make(chan struct{})
	t.Cleanup(func() { close(gone) })
	w.server.Fault = func(rw http.ResponseWriter, r *http.Request, path string) bool {
		if n++; path != "data/f.age" || strings.Contains(r.Header.Get("Range"), "bytes=70000-") {
			return false
		}
		body := w.server.Parcel.Tree[path]
		rw.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = rw.Write(body[:70_000])
		rw.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-gone:
		}
		return true
	}
	g := w.get()
	g.Stall = 50 * time.Millisecond
	_, err := g.Run(t.Context())
	check(t, err)
	w.opened(t)
}

// TestFirstContact: a server that never answered is not tried for days.
func TestFirstContact(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string][]byte{"f": []byte("f")})
	w.server.Close()
	_, err := w.get().Run(t.Context())
	wantKind(t, err, models.Unavailable)
	if len(w.clock.slept) != 2 {
		t.Errorf("waited %v", w.clock.slept)
	}
}

// TestDamagedPartial: what an earlier run left is not believed.
func TestDamagedPartial(t *testing.T) {
	t.Parallel()
	for _, sealed := range []bool{false, true} {
		for _, damage := range []func([]byte) []byte{
			func(b []byte) []byte { b[chunk+3] ^= 1; return b },
			func(b []byte) []byte { return append(b, bytes.Repeat([]byte{1}, 20*chunk)...) },
			func(b []byte) []byte { return b[:chunk+7] },
			func([]byte) []byte { return nil },
		} {
			w := newWorld(t, map[string][]byte{"f": clienttest.Random(t, 5*chunk)})
			ctx, cancel := context.WithCancel(t.Context())
			n := 0
			w.server.Fault = func(rw http.ResponseWriter, r *http.Request, name string) bool {
				if name != "data/f.age" {
					return false
				}
				if n++; n == 1 {
					w.server.Cut(rw, r, name, 3*chunk)
				}
				cancel() // what came before has been taken in
				panic(http.ErrAbortHandler)
			}
			g := w.get()
			g.KeepSealed = sealed
			_, err := g.Run(ctx)
			if err == nil {
				t.Fatal("not interrupted")
			}
			left, _ := filepath.Glob(filepath.Join(w.dir, ".teikyo", "partial", "*"))
			if len(left) != 1 {
				t.Fatalf("partial files: %v", left)
			}
			text, err := os.ReadFile(left[0])
			check(t, err)
			if len(text) < 2*chunk {
				t.Errorf("%d bytes were kept", len(text))
			}
			check(t, os.WriteFile(left[0], damage(text), 0o600))
			w.server.Change(func() { w.server.Fault = nil })
			_, err = g.Run(t.Context())
			check(t, err)
			if sealed {
				sameTree(t, w.dir, w.parcel.Tree)
			} else {
				w.opened(t)
			}
		}
	}
}
