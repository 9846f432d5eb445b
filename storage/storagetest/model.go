package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"teikyo/storage"
)

// model compares a store with a map over random sequences of calls.
func model(t *testing.T, s storage.Store) {
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++ // rounds share the store, so each has keys of its own
		m := &mapModel{t: t, store: s, prefix: fmt.Sprintf("round%06d", round), bodies: map[string][]byte{}}
		t.Repeat(map[string]func(*rapid.T){
			"put":    m.put,
			"broken": m.putBroken,
			"delete": m.delete,
			"open":   m.open,
			"":       m.check,
		})
		m.clear()
	})
}

type mapModel struct {
	t      *rapid.T
	store  storage.Store
	prefix string
	bodies map[string][]byte
}

func (m *mapModel) key() string {
	return m.prefix + rapid.SampledFrom([]string{"a", "b", "c"}).Draw(m.t, "key")
}

func (m *mapModel) put(t *rapid.T) {
	key, body := m.key(), rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "body")
	_, taken := m.bodies[key]
	_, err := m.store.Put(context.Background(), key, bytes.NewReader(body), -1)
	switch {
	case taken && !errors.Is(err, storage.ErrExists):
		t.Fatalf("Put over %s gave %v", key, err)
	case !taken && err != nil:
		t.Fatalf("Put gave %v", err)
	case !taken:
		m.bodies[key] = body
	}
}

func (m *mapModel) putBroken(t *rapid.T) {
	key, size := m.key(), rapid.Int64Range(0, 9).Draw(t, "size")
	if _, err := m.store.Put(context.Background(), key, bytes.NewReader(make([]byte, 10)), size); err == nil {
		t.Fatalf("a body of 10 bytes was taken for %d", size)
	}
}

func (m *mapModel) delete(t *rapid.T) {
	key := m.key()
	_, there := m.bodies[key]
	err := m.store.Delete(context.Background(), key)
	if there != (err == nil) || !there && !errors.Is(err, storage.ErrNotExist) {
		t.Fatalf("Delete gave %v; the object was there: %v", err, there)
	}
	delete(m.bodies, key)
}

func (m *mapModel) open(t *rapid.T) {
	key := m.key()
	offset := rapid.Int64Range(-1, 55).Draw(t, "offset")
	length := rapid.Int64Range(-1, 55).Draw(t, "length")
	body, there := m.bodies[key]
	got, err := get(m.store, key, offset, length)
	n, rangeErr := storage.ResolveRange(int64(len(body)), offset, length)
	switch {
	case !there && !errors.Is(err, storage.ErrNotExist):
		t.Fatalf("Open of an absent key gave %v", err)
	case there && rangeErr != nil && !errors.Is(err, storage.ErrRange):
		t.Fatalf("Open %d+%d of %d gave %v", offset, length, len(body), err)
	case there && rangeErr == nil && (err != nil || !bytes.Equal(got, body[offset:offset+n])):
		t.Fatalf("Open %d+%d of %d gave %d bytes, %v", offset, length, len(body), len(got), err)
	}
}

// check compares the listing with the map.
func (m *mapModel) check(t *rapid.T) {
	found := []string{}
	for obj, err := range m.store.List(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		if obj.Size != int64(len(m.bodies[obj.Key])) {
			t.Fatalf("List shows %+v", obj)
		}
		found = append(found, obj.Key)
	}
	slices.Sort(found)
	if want := slices.Sorted(maps.Keys(m.bodies)); !slices.Equal(found, want) {
		t.Fatalf("List shows %v, want %v", found, want)
	}
}

func (m *mapModel) clear() {
	for key := range m.bodies {
		if err := m.store.Delete(context.Background(), key); err != nil {
			m.t.Fatal(err)
		}
	}
}
