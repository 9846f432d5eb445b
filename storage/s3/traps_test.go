package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/minio/minio-go/v7"

	"teikyo/storage"
	"teikyo/storage/s3/s3test"
)

// The client library takes io.ErrUnexpectedEOF of a body of unknown size for its
// end: it would store a truncated object.
func TestClientThatDisconnectsStoresNothing(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	store, core := server.Open(t, ""), raw(t, server)
	for _, good := range []int64{12, 12 * mib, 33 * mib} {
		for _, cause := range []error{io.ErrUnexpectedEOF, io.ErrClosedPipe} {
			for _, size := range []int64{-1, 100 * mib} {
				body := io.MultiReader(&zeros{good}, iotest.ErrReader(cause))
				n, err := store.Put(t.Context(), key, body, size)
				var source *storage.SourceError
				if n != 0 || !errors.As(err, &source) || !errors.Is(err, cause) {
					t.Errorf("Put = %d, %v; want a *SourceError", n, err)
				}
				wantAbsent(t, store, key)
			}
		}
	}
	if n := uploads(t, core); n != 0 {
		t.Errorf("%d unfinished uploads are left", n)
	}
}

// Not parallel: it watches what the process allocates. The library takes 528 MiB
// for 4 bytes of unknown size.
func TestSmallBodiesTakeLittleMemory(t *testing.T) {
	server := s3test.Start(t)
	store := server.Open(t, "")
	if err := put(store, "warm-up-", 4); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := put(store, key, 4); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 2*mib {
		t.Errorf("4 bytes took %d bytes of memory", grown)
	}
}

// Eight uploads in parts under one key: the library drops the condition when
// an upload completes, and all of them win.
func TestRacersInParts(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	const racers = 8
	var ready, done sync.WaitGroup
	ready.Add(racers)
	store := server.Open(t, "")
	errs := make([]error, racers)
	for i := range racers {
		done.Go(func() {
			arrive := sync.OnceFunc(func() { ready.Done(); ready.Wait() })
			body := io.MultiReader(&zeros{16 * mib}, readFunc(func(p []byte) (int, error) { arrive(); return 0, io.EOF }))
			_, errs[i] = store.Put(t.Context(), key, body, -1)
		})
	}
	done.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, storage.ErrExists) {
			t.Errorf("%v, want ErrExists", err)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d won", won, racers)
	}
	if _, err := store.Put(t.Context(), key, &zeros{17 * mib}, 17*mib); !errors.Is(err, storage.ErrExists) {
		t.Errorf("a later upload in parts gave %v, want ErrExists", err)
	}
	if n, err := read(store, key, 0, -1); n != 16*mib || err != nil {
		t.Errorf("the object has %d bytes, %v", n, err)
	}
	if n := uploads(t, raw(t, server)); n != 0 {
		t.Errorf("%d unfinished uploads are left", n)
	}
}

type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// What a crash left is listed and aborted when it is old, and nothing else: not
// a young upload, which another node may be at, and nothing beside the prefix.
func TestSweepAbortsOldUploads(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	core, store := raw(t, server), server.Open(t, "data")
	for _, name := range []string{"data/objects/" + key, "data/objects/" + key, "data/objects/x.y", "data/other", "objects/" + key} {
		id, err := core.NewMultipartUpload(t.Context(), s3test.Bucket, name, minio.PutObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = core.PutObjectPart(t.Context(), s3test.Bucket, name, id, 1, bytes.NewReader([]byte("left over")), 9, minio.PutObjectPartOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n, err := store.Sweep(t.Context(), time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Errorf("Sweep of an hour ago = %d, %v", n, err)
	}
	if n, err := store.Sweep(t.Context(), time.Now().Add(time.Hour)); n != 2 || err != nil {
		t.Errorf("Sweep = %d, %v; want 2", n, err)
	}
	if n := uploads(t, core); n != 3 {
		t.Errorf("%d uploads of others are left, want 3", n)
	}
	if err := put(store, key, 17*mib); err != nil {
		t.Errorf("Put after the sweep: %v", err)
	}
}

// More left-overs than one page of the listing has.
func TestSweepTurnsPages(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	core, store := raw(t, server), server.Open(t, "")
	const left = 1010
	for range left {
		if _, err := core.NewMultipartUpload(t.Context(), s3test.Bucket, "objects/"+key, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := store.Sweep(t.Context(), time.Now().Add(time.Hour)); n != left || err != nil {
		t.Errorf("Sweep = %d, %v; want %d", n, err, left)
	}
}

// A sweep takes an upload away from under a Put that is older than it may be.
func TestPutThatWasSwept(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	store := server.Open(t, "")
	swept := io.MultiReader(&zeros{17 * mib}, readFunc(func([]byte) (int, error) {
		if _, err := store.Sweep(context.Background(), time.Now().Add(time.Hour)); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}))
	n, err := store.Put(t.Context(), key, swept, -1)
	if n != 0 || err == nil || errors.Is(err, storage.ErrNotExist) {
		t.Errorf("Put = %d, %v; want an error that does not read as if the key were absent", n, err)
	}
	wantAbsent(t, store, key)
	if err := put(store, key, 17*mib); err != nil {
		t.Errorf("the next Put: %v", err)
	}
}

// The folder backend refuses a/b when a exists.
func TestPrefixThatIsAnObject(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	if _, err := raw(t, server).PutObject(t.Context(), s3test.Bucket, "data", strings.NewReader("x"), 1, "", "", minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	err := put(server.Open(t, "data"), key, 10)
	if err == nil || !strings.Contains(err.Error(), "choose another prefix") {
		t.Errorf("Put gave %v, want a word about the prefix", err)
	}
}

// Keys next to each other in every way: none is a folder of another.
func TestKeysThatBeginAlike(t *testing.T) {
	t.Parallel()
	store := s3test.Start(t).Open(t, "a/b")
	keys := []string{"abcdefgh", "abcdefgh0", "abcdefgh-s", "abcdefgh_"}
	for i, key := range keys {
		if err := put(store, key, int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	for i, key := range keys {
		if obj, err := store.Stat(t.Context(), key); err != nil || obj.Size != int64(i) {
			t.Errorf("%s: %+v, %v", key, obj, err)
		}
	}
}

// A range is one GET and nothing before it.
func TestRangeIsOneRequest(t *testing.T) {
	t.Parallel()
	store, gate := gated(t, s3test.Start(t))
	if err := put(store, key, 100_000); err != nil {
		t.Fatal(err)
	}
	for _, r := range [][2]int64{{0, -1}, {0, 100_000}, {0, 10}, {99_999, 1}, {500, -1}} {
		gate.Requests()
		if _, err := read(store, key, r[0], r[1]); err != nil {
			t.Error(err)
		}
		if got := gate.Requests(); !slices.Equal(got, []string{"GET /" + s3test.Bucket + "/gated/objects/" + key}) {
			t.Errorf("range %v: %q", r, got)
		}
	}
}

// Somebody changes an object in the store's own folder: a whole read does not
// end as if nothing had happened.
func TestChangedObjectIsNoticed(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	store := server.Open(t, "data")
	for _, size := range []int64{1000, 33 * mib} {
		key := key + strings.Repeat("x", int(size/mib))
		if err := put(store, key, size); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(server.Path("data", key), os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt([]byte{1}, size/2)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := read(store, key, 0, -1); !errors.Is(err, storage.ErrCorrupt) {
			t.Errorf("%d bytes with one changed: %v, want ErrCorrupt", size, err)
		}
	}
}
