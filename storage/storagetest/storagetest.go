// Package storagetest holds the suite that every storage.Store passes, and a
// wrapper that lets a store fail on demand.
package storagetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"testing"

	"teikyo/storage"
)

// Run checks every promise of storage.Store but constant memory, which is
// Streaming's. newStore returns an empty store and cleans up with t.Cleanup.
func Run(t *testing.T, newStore func(t *testing.T) storage.Store) {
	t.Helper()
	suite := []struct {
		name string
		run  func(t *testing.T, s storage.Store)
	}{
		{"put and open", putAndOpen},
		{"odd readers", oddReaders},
		{"never overwrites", neverOverwrites},
		{"sixteen racers", sixteenRacers},
		{"source errors", sourceErrors},
		{"sizes that lie", sizesThatLie},
		{"invalid keys", invalidKeys},
		{"absent keys", absentKeys},
		{"ranges", ranges},
		{"ranges outside", rangesOutside},
		{"delete", deleteObject},
		{"list", list},
		{"list stops", listStops},
		{"cancelled before", cancelledBefore},
		{"cancelled while writing", cancelledWhileWriting},
		{"cancelled while reading", cancelledWhileReading},
		{"many at once", manyAtOnce},
		{"sweep", sweep},
		{"segments", segments},
		{"model", model},
	}
	for _, test := range suite {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, newStore(t))
		})
	}
}

// newKey returns a fresh key.
func newKey(t testing.TB) string {
	t.Helper()
	key, err := storage.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// pattern returns n bytes that differ from place to place and by seed.
func pattern(n int, seed byte) []byte {
	body := make([]byte, n)
	for i := range body {
		body[i] = byte(i) ^ byte(i>>8)*31 ^ byte(i>>16)*17 ^ seed
	}
	return body
}

// put stores body and fails the test unless that works.
func put(t testing.TB, s storage.Store, key string, body []byte) {
	t.Helper()
	n, err := s.Put(context.Background(), key, bytes.NewReader(body), int64(len(body)))
	if err != nil || n != int64(len(body)) {
		t.Fatalf("Put = %d, %v; want %d, nil", n, err, len(body))
	}
}

// get returns a range of an object.
func get(s storage.Store, key string, offset, length int64) ([]byte, error) {
	r, err := s.Open(context.Background(), key, offset, length)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r)
	return body, errors.Join(err, r.Close())
}

// wantBody fails the test unless the whole object is want and Stat agrees.
func wantBody(t testing.TB, s storage.Store, key string, want []byte) {
	t.Helper()
	body, err := get(s, key, 0, -1)
	if err != nil || !bytes.Equal(body, want) {
		t.Fatalf("object has %d bytes, error %v; want the %d bytes put", len(body), err, len(want))
	}
	obj, err := s.Stat(context.Background(), key)
	if err != nil || obj.Key != key || obj.Size != int64(len(want)) || obj.ModTime.IsZero() {
		t.Fatalf("Stat = %+v, %v; want key %s and size %d", obj, err, key, len(want))
	}
}

// wantAbsent fails the test when anything of key can be seen.
func wantAbsent(t testing.TB, s storage.Store, key string) {
	t.Helper()
	if _, err := s.Stat(context.Background(), key); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("Stat gave %v, want ErrNotExist", err)
	}
	if _, err := get(s, key, 0, -1); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("Open gave %v, want ErrNotExist", err)
	}
	if slices.Contains(keys(t, s), key) {
		t.Errorf("List shows %s", key)
	}
}

// keys returns the sorted keys of all objects.
func keys(t testing.TB, s storage.Store) []string {
	t.Helper()
	found := []string{}
	for obj, err := range s.List(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, obj.Key)
	}
	slices.Sort(found)
	return found
}
