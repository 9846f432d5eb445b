package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"teikyo/storage/s3/s3test"
)

// bucketWorld is a world whose objects and checkpoints are in buckets.
type bucketWorld struct {
	*world
	store  *s3test.Server
	config string
}

// newBucketWorld starts with storage.url at that address, which may be one of
// something that stands before the store.
func newBucketWorld(t *testing.T, store *s3test.Server, address string) *bucketWorld {
	t.Helper()
	w := &bucketWorld{world: strangers(t), store: store}
	w.configure(store.URLAt(address, "data/main"))
	w.people()
	return w
}

// configure writes the settings that the next start reads.
func (w *bucketWorld) configure(url string) {
	w.t.Helper()
	text := fmt.Sprintf("storage:\n  url: %q\n", url)
	if url == "" {
		text = ""
	}
	text += fmt.Sprintf("checkpoints_url: %q\n", w.store.URL("second/place"))
	w.config = w.file("teikyo.yaml", []byte(text))
	w.flags = []string{"--config", w.config}
}

// wantWhole wants the invariants of the store and the ledger: nothing that a row
// names is missing or short (I4), and the ledger holds (I5).
func (w *bucketWorld) wantWhole() {
	w.t.Helper()
	w.verifyLedger("--config", w.config)
	if report := w.alice.json("storage", "check", "--data", w.data, "--config", w.config); report["ok"] != true {
		w.t.Fatal(report)
	}
}

// objects are the names in the bucket of the store.
func (w *bucketWorld) objects() []string {
	w.t.Helper()
	names := listTree(w.t, filepath.Join(w.store.Dir, s3test.Bucket, "data/main/objects"))
	for i := range names {
		names[i] = strings.TrimPrefix(names[i], "/")
	}
	return names
}

// leftovers are the unfinished uploads that the store keeps.
func (w *bucketWorld) leftovers() []string {
	w.t.Helper()
	found, err := filepath.Glob(filepath.Join(w.store.Dir, s3test.Bucket, ".sgwtmp/multipart/*/*"))
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// The main job with objects and checkpoints in a bucket: register, provide, get
// with cuts, verify; then the same in another order of accidents.
func TestMainJobOnABucket(t *testing.T) {
	t.Parallel()
	store := s3test.Start(t)
	w := newBucketWorld(t, store, store.Address)
	w.notice()
	r := w.partner("Keio")
	file := w.table("in/visits.csv", 20<<20) // more than one part
	provision := w.provide(w.register("Visits", file), r)
	_, link := w.link(provision)
	c := &cuts{places: []int64{-1, 100, 70_000, 5 << 20}}
	w.door.sharpen(c.next)
	dir, err := r.patient(link, "cut", false)
	if err != nil || c.count() != 4 {
		t.Fatalf("after %d cuts: %v", c.count(), err)
	}
	if sha256Of(t, filepath.Join(dir, "data", "visits.csv")) != sha256Of(t, file) {
		t.Error("another file arrived")
	}
	w.wantWhole()
	if _, err := os.Stat(filepath.Join(w.data, "objects")); !os.IsNotExist(err) {
		t.Errorf("there is a folder of objects on the machine: %v", err)
	}
	if _, err := os.Stat(filepath.Join(w.data, "checkpoints")); !os.IsNotExist(err) {
		t.Errorf("there is a folder of checkpoints on the machine: %v", err)
	}
	w.noSecrets()
	w.restoredDatabaseIsRefused(provision)
}

// noSecrets looks for the store's secret key where nobody should find it.
func (w *bucketWorld) noSecrets() {
	w.t.Helper()
	out, _ := w.alice.run(0, "", "config", "show", "--config", w.config)
	for name, text := range map[string]string{"config show": out, "the log": w.words()} {
		if strings.Contains(text, s3test.SecretKey) {
			w.t.Errorf("%s shows the secret key", name)
		}
	}
}

// restoredDatabaseIsRefused puts an older database back: the bucket with the
// checkpoints knows better.
func (w *bucketWorld) restoredDatabaseIsRefused(provision string) {
	w.t.Helper()
	w.stop()
	older, newer := filepath.Join(w.dir, "older"), filepath.Join(w.dir, "newer")
	put := func(from, to string) {
		w.t.Helper()
		if err := errors.Join(os.RemoveAll(to), copyFolder(from, to)); err != nil {
			w.t.Fatal(err)
		}
	}
	put(w.data, older)
	w.start()
	w.link(provision)
	w.stop()
	put(w.data, newer)
	put(older, w.data)
	if said := w.wantRefused(7); !strings.Contains(said, "older than its last checkpoint") {
		w.t.Errorf("it said %s", said)
	}
	put(newer, w.data)
	w.start()
	w.wantWhole()
}

// wantRefused wants that the server does not start, and returns what it says.
func (w *bucketWorld) wantRefused(code int) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	got, _, said := w.alice.tryUntil(ctx, "", "serve", "--data", w.data, "--listen", "127.0.0.1:0", "--config", w.config)
	if got != code || ctx.Err() != nil {
		w.t.Fatalf("serve: exit %d, want %d: %s", got, code, said)
	}
	return said
}

// The server is killed while it sends parts of a segment, and the store while it
// takes them. Nothing names what is not there, the same command goes on, and the
// sweep removes what was left once it is old.
func TestKilledWhileTheBucketFills(t *testing.T) {
	t.Parallel()
	store := s3test.Start(t)
	w := newBucketWorld(t, store, store.Address)
	w.notice()
	file := w.table("in/visits.csv", 60<<20)
	args := []string{"dataset", "register", "--title", "Visits", "--class", "anonymized", "--item", "demographics", file, "--json"}
	for _, kill := range []func(){w.kill, store.Stop} {
		done := make(chan int, 1)
		go func() {
			code, _, _ := w.mori.try("", args...)
			done <- code
		}()
		w.until("parts are on their way", func() bool { return len(w.leftovers()) > 0 })
		kill()
		if w.server == nil {
			w.start()
		} else {
			store.Restart()
		}
		<-done
		w.wantWhole()
		w.mori.run(0, "", args...)
		w.wantWhole()
		args[3] += "+"
	}
	w.sweptWhenOld()
}

// sweptWhenOld makes everything old: unfinished uploads go at the next start,
// what rows name stays.
func (w *bucketWorld) sweptWhenOld() {
	w.t.Helper()
	if len(w.leftovers()) == 0 {
		w.t.Log("no unfinished upload was left")
	}
	w.stop()
	before := w.objects()
	old := time.Now().Add(-48 * time.Hour)
	for _, path := range w.leftovers() {
		if err := os.Chtimes(path, old, old); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, name := range before {
		if err := os.Chtimes(filepath.Join(w.store.Dir, s3test.Bucket, "data/main/objects", name), old, old); err != nil {
			w.t.Fatal(err)
		}
	}
	w.start()
	if left := w.leftovers(); len(left) > 0 {
		w.t.Errorf("left: %q", left)
	}
	w.wantWhole()
}

// A folder store moves to a bucket while the server works: the copy breaks in
// the middle and goes on, what is registered meanwhile comes along, and a server
// that was switched too early refuses to start.
func TestFolderMovesToABucket(t *testing.T) {
	t.Parallel()
	store := s3test.Start(t)
	gate := store.Gate(t)
	w := &bucketWorld{world: strangers(t), store: store}
	w.configure("")
	w.people()
	w.notice()
	r := w.partner("Keio")
	first := w.table("in/first.csv", 3<<20)
	provision := w.provide(w.register("First", first), r)
	to := []string{"storage", "copy", "--data", w.data, "--config", w.config, "--to", store.URLAt(gate.Address, "data/main")}

	dry := w.alice.json(append(to, "--dry-run")...)
	if dry["objects"] != 2. || dry["copied"] != 2. || len(w.listBucket()) != 0 {
		t.Fatal(dry, w.listBucket())
	}
	gate.Set(s3test.First(100, s3test.Method("PUT"), s3test.First(1, func(*http.Request) bool { return true }, s3test.Answer(403, "AccessDenied"))))
	w.alice.run(8, "", to...)
	gate.Set(nil)
	if n := w.alice.json(to...); n["objects"] != 2. || n["final"] != false || !strings.Contains(n["next"].(string), "run this command again") {
		t.Fatal(n)
	}
	second := w.table("in/second.csv", 2<<20)
	version := w.register("Second", second)
	w.stop()

	w.configure(store.URL("data/main"))
	if said := w.wantRefused(1); !strings.Contains(said, "storage copy") {
		t.Errorf("it said %s", said)
	}
	w.configure("")
	if n := w.alice.json(to...); n["copied"] != 1. || n["present"] != 2. || n["final"] != true {
		t.Fatal(n)
	}
	w.configure(store.URL("data/main"))
	if err := os.RemoveAll(filepath.Join(w.data, "objects")); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.wantWhole()
	for i, got := range []struct{ provision, file string }{{provision, first}, {w.provide(version, r), second}} {
		_, link := w.link(got.provision)
		dir, _, _ := r.fetch(0, link, fmt.Sprintf("parcel-%d", i))
		if sha256Of(t, filepath.Join(dir, "data", filepath.Base(got.file))) != sha256Of(t, got.file) {
			t.Errorf("%s is another file", got.file)
		}
	}
}

// listBucket is everything in the bucket that is no checkpoint.
func (w *bucketWorld) listBucket() []string {
	w.t.Helper()
	all := listTree(w.t, filepath.Join(w.store.Dir, s3test.Bucket))
	return slices.DeleteFunc(all, func(name string) bool { return strings.HasPrefix(name, "/second/") || strings.HasPrefix(name, "/.") })
}

// A missing object is named.
func TestStorageCheckNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	store := s3test.Start(t)
	w := newBucketWorld(t, store, store.Address)
	w.register("Visits", w.table("in/visits.csv", 1<<20))
	names := w.objects()
	if err := os.Remove(filepath.Join(store.Dir, s3test.Bucket, "data/main/objects", names[0])); err != nil {
		t.Fatal(err)
	}
	out, _ := w.alice.run(7, "", "storage", "check", "--data", w.data, "--config", w.config, "--json")
	var report storeReport
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.OK || report.Count != 1 || !slices.Equal(report.Missing, names[:1]) {
		t.Fatal(out, err)
	}
}
