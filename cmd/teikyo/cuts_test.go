package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// visits writes about so many bytes of a table that the gate lets pass.
func visits(out io.Writer, size int64) error {
	buf := bytes.NewBufferString("age_group,sex,region,visits,cost\n")
	regions := []string{"north", "east", "south", "west"}
	r := rand.New(rand.NewPCG(1, 2))
	for written := int64(0); written < size; {
		fmt.Fprintf(buf, "%d0s,%c,%s,%d,%d\n", 2+r.IntN(7), "MF"[r.IntN(2)], regions[r.IntN(4)], r.IntN(30), 100*r.IntN(9000))
		if buf.Len() >= 1<<20 || written+int64(buf.Len()) >= size {
			n, err := out.Write(buf.Bytes())
			if err != nil {
				return err
			}
			written += int64(n)
			buf.Reset()
		}
	}
	return nil
}

// table is a file of about that size for a dataset.
func (w *world) table(name string, size int64) string {
	w.t.Helper()
	f, err := os.Create(filepath.Join(w.folder(filepath.Dir(name)), filepath.Base(name)))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := visits(f, size); err != nil {
		w.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		w.t.Fatal(err)
	}
	return f.Name()
}

// patient runs get as the program does, but waits for nothing between its tries.
func (r *partner) patient(url, folder string, keepSealed bool) (dir string, err error) {
	w := r.desk.w
	w.t.Helper()
	dir = filepath.Join(r.desk.home, folder)
	c := &cli{in: strings.NewReader(""), out: io.Discard, err: io.Discard, home: r.desk.home}
	flags := &getFlags{dir: dir, identity: r.identity, keepSealed: keepSealed, trustFlags: trustFlags{issuer: w.issuerFile()}}
	g, err := c.newGet(url, flags)
	if err != nil {
		w.t.Fatal(err)
	}
	g.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	_, err = g.Run(w.t.Context())
	return dir, err
}

// cuts breaks the first answers that carry data, each at its own place.
type cuts struct {
	mu     sync.Mutex
	places []int64 // offsets in the body; negative: before the end of the answer's header
	done   int
}

func (c *cuts) next(request string) (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == len(c.places) || !strings.Contains(request, "/data/") {
		return 0, false
	}
	c.done++
	return c.places[c.done-1], true
}

func (c *cuts) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done
}

// twentyPlaces are in the header of the answer, in the header of the age file,
// in its nonce, and anywhere.
func twentyPlaces() []int64 {
	places := []int64{-rand.Int64N(300), -1, 0, 1, rand.Int64N(168), 167, 168, 168 + rand.Int64N(16), 65536 + 184}
	for len(places) < 20 {
		places = append(places, rand.Int64N(200_000))
	}
	return places
}

func TestTwentyCuts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.notice()
	file := w.table("in/visits.csv", 6<<20)
	r := w.partner("Keio")
	_, link := w.link(w.provide(w.register("Visits", file), r))

	whole, err := r.patient(link, "whole", true)
	if err != nil {
		t.Fatal(err)
	}
	sealed := sha256Of(t, filepath.Join(whole, "data", "visits.csv.age"))
	for _, test := range []struct {
		folder, path string
		keepSealed   bool
		want         string
	}{
		{"cut-sealed", "data/visits.csv.age", true, sealed},
		{"cut-opened", "data/visits.csv", false, sha256Of(t, file)},
	} {
		t.Run(test.folder, func(t *testing.T) {
			c := &cuts{places: twentyPlaces()}
			w.door.sharpen(c.next)
			dir, err := r.patient(link, test.folder, test.keepSealed)
			if err != nil || c.count() != 20 {
				t.Fatalf("after %d cuts at %v: %v", c.count(), c.places, err)
			}
			if got := sha256Of(t, filepath.Join(dir, filepath.FromSlash(test.path))); got != test.want {
				t.Errorf("another file arrived after cuts at %v", c.places)
			}
			for _, name := range listTree(t, dir) {
				if strings.Contains(name, "partial") {
					t.Errorf("%s is left", name)
				}
			}
		})
	}
	r.desk.run(0, "", "verify", whole)
	w.verifyLedger()
}

// The person who fetches may be cut off as well, and come back with the same
// command, as often as it takes; it is one use of the link.
func TestGetIsRunAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.notice()
	file := w.table("in/visits.csv", 3<<20)
	r := w.partner("Keio")
	id, link := w.link(w.provide(w.register("Visits", file), r), "--uses", "1")
	dir := filepath.Join(r.desk.home, "in")
	args := []string{"get", link, "-o", dir, "-i", r.identity, "--issuer", w.issuerFile(), "-q"}
	for range 3 {
		ctx, interrupt := context.WithCancel(t.Context())
		c := cuts{places: []int64{rand.Int64N(800_000)}}
		w.door.sharpen(func(request string) (int64, bool) {
			if c.count() == 1 { // a part has arrived, the rest is asked for
				interrupt()
			}
			return c.next(request)
		})
		if code, out, errOut := r.desk.tryUntil(ctx, "", args...); code != 130 {
			t.Fatal(code, out, errOut)
		}
		if _, err := os.Stat(filepath.Join(dir, "data", "visits.csv")); err == nil {
			t.Fatal("a cut file has its final name")
		}
	}
	w.door.sharpen(nil)
	w.stop()
	r.desk.run(8, "", append(args, "--retry-for", "1ms")...)
	w.start()
	r.desk.run(0, "", args...)
	if sha256Of(t, filepath.Join(dir, "data", "visits.csv")) != sha256Of(t, file) {
		t.Error("another file arrived")
	}
	if shown := w.mori.json("link", "show", id); shown["used"] != 1.0 {
		t.Error(shown)
	}
	r.fetch(6, link, "elsewhere") // the one use is spent
	w.verifyLedger()
}
