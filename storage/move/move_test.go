package move_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"teikyo/storage"
	"teikyo/storage/memory"
	"teikyo/storage/move"
	"teikyo/storage/storagetest"
)

// bench is an old store with objects and a new one that can fail.
type bench struct {
	t        *testing.T
	from, to *storagetest.Faulty
	journal  string
}

func newBench(t *testing.T, objects int) *bench {
	t.Helper()
	b := &bench{
		t: t, from: storagetest.NewFaulty(memory.New(time.Now)), to: storagetest.NewFaulty(memory.New(time.Now)),
		journal: filepath.Join(t.TempDir(), "journal"),
	}
	for i := range objects {
		b.put(b.from, fmt.Sprintf("object-%02d", i), body(i))
	}
	return b
}

func body(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 1000*i) }

func (b *bench) put(s storage.Store, key string, body []byte) {
	b.t.Helper()
	if _, err := s.Put(context.Background(), key, bytes.NewReader(body), -1); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) pass() (move.Counts, error) {
	b.t.Helper()
	journal, err := move.OpenJournal(b.journal)
	if err != nil {
		b.t.Fatal(err)
	}
	defer journal.Close()
	return (&move.Pass{From: b.from, To: b.to, Journal: journal, Workers: 3}).Run(b.t.Context())
}

// wantEqual compares the two stores.
func (b *bench) wantEqual(objects int) {
	b.t.Helper()
	seen := 0
	for obj, err := range b.from.List(b.t.Context()) {
		if err != nil {
			b.t.Fatal(err)
		}
		seen++
		if !bytes.Equal(b.get(b.from, obj.Key), b.get(b.to, obj.Key)) {
			b.t.Errorf("%s differs", obj.Key)
		}
	}
	if seen != objects {
		b.t.Errorf("%d objects, want %d", seen, objects)
	}
}

func (b *bench) get(s storage.Store, key string) []byte {
	b.t.Helper()
	r, err := s.Open(b.t.Context(), key, 0, -1)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

func TestEverythingIsCopiedOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, 20)
	if n, err := b.pass(); err != nil || n.Copied != 20 || n.Objects != 20 || n.Bytes != n.CopiedBytes || n.Present != 0 {
		t.Fatalf("%+v, %v", n, err)
	}
	b.wantEqual(20)
	b.put(b.from, "written-meanwhile", []byte("x"))
	opens := b.to.Calls(storagetest.OpOpen)
	if n, err := b.pass(); err != nil || n.Copied != 1 || n.Present != 20 {
		t.Fatalf("%+v, %v", n, err)
	}
	if again := b.to.Calls(storagetest.OpOpen) - opens; again != 1 {
		t.Errorf("%d objects were read back, want the new one", again)
	}
	b.wantEqual(21)
}

// A fault at any call of either store stops the pass; the next one goes on.
func TestGoesOnAfterAnyFault(t *testing.T) {
	t.Parallel()
	for _, op := range []storagetest.Op{storagetest.OpPut, storagetest.OpOpen, storagetest.OpList} {
		for nth := 1; nth <= 4; nth++ {
			for _, flavour := range []storagetest.Flavour{storagetest.Fails, storagetest.FailsButPersists} {
				t.Run(fmt.Sprint(op, nth, flavour), func(t *testing.T) {
					t.Parallel()
					b := newBench(t, 8)
					b.to.Fail(op, nth, flavour, nil)
					if op != storagetest.OpPut {
						b.from.Fail(op, nth, flavour, nil)
					}
					passes := 0
					for passes < 10 {
						passes++
						if _, err := b.pass(); err == nil && b.to.Pending() == 0 && b.from.Pending() == 0 {
							break
						}
					}
					if n, err := b.pass(); err != nil || n.Copied != 0 || n.Present != 8 {
						t.Errorf("after %d passes: %+v, %v", passes, n, err)
					}
					b.wantEqual(8)
				})
			}
		}
	}
}

// A copy of which the journal knows nothing is believed only when it is equal.
func TestForeignCopiesAreCompared(t *testing.T) {
	t.Parallel()
	b := newBench(t, 4)
	b.put(b.to, "object-01", body(1))                          // equal
	b.put(b.to, "object-02", bytes.Repeat([]byte{9}, 2000))    // other bytes
	b.put(b.to, "object-03", []byte("another size"))           // other size
	b.put(b.to, "not-in-the-old-store", []byte("not touched")) // none of ours
	if n, err := b.pass(); err != nil || n.Copied != 3 || n.Present != 1 {
		t.Fatalf("%+v, %v", n, err)
	}
	b.wantEqual(4)
	if got := b.get(b.to, "not-in-the-old-store"); string(got) != "not touched" {
		t.Errorf("%q", got)
	}
}

// lying gives other bytes back than it was given.
type lying struct{ storage.Store }

func (l lying) Open(context.Context, string, int64, int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader([]byte("something else"))), nil
}

func TestStoreThatLiesIsNoticed(t *testing.T) {
	t.Parallel()
	b := newBench(t, 2)
	journal, err := move.OpenJournal(b.journal)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	_, err = (&move.Pass{From: b.from, To: lying{b.to}, Journal: journal, Workers: 1}).Run(t.Context())
	if !errors.Is(err, storage.ErrCorrupt) {
		t.Errorf("%v, want ErrCorrupt", err)
	}
}

// vanishing lists an object that is gone when it is opened.
type vanishing struct{ storage.Store }

func (v vanishing) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if key == "object-01" {
		return nil, storage.ErrNotExist
	}
	return v.Store.Open(ctx, key, offset, length)
}

func TestObjectsMayVanishMeanwhile(t *testing.T) {
	t.Parallel()
	b := newBench(t, 3)
	journal, err := move.OpenJournal(b.journal)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	n, err := (&move.Pass{From: vanishing{b.from}, To: b.to, Journal: journal, Workers: 1}).Run(t.Context())
	if err != nil || n.Vanished != 1 || n.Copied != 2 {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, 5)
	journal, err := move.OpenJournal(b.journal)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	heard := 0
	n, err := (&move.Pass{From: b.from, To: b.to, Journal: journal, Workers: 2, DryRun: true, Progress: func(move.Counts) { heard++ }}).Run(t.Context())
	if err != nil || n.Copied != 5 || heard != 5 || b.to.Calls(storagetest.OpPut) != 0 {
		t.Errorf("%+v, %v, heard %d times", n, err, heard)
	}
}

// A torn line of the journal neither counts nor spoils the next.
func TestTornJournal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(path, []byte("object-01 abcd"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		journal, err := move.OpenJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		if journal.Has("object-01") {
			t.Error("a torn line counts")
		}
		if err := errors.Join(journal.Add("object-02", [32]byte{1}), journal.Close()); err != nil {
			t.Fatal(err)
		}
	}
	journal, err := move.OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	if !journal.Has("object-02") {
		t.Error("a whole line after a torn one is lost")
	}
}
