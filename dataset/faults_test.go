package dataset_test

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"teikyo/dataset"
	"teikyo/models"
	"teikyo/storage"
	"teikyo/storage/storagetest"
)

// Every step of an upload and a registration fails, or fails but persists; after
// a restart nothing dangles, nothing half done counts, and doing it again works.
func TestFaults(t *testing.T) {
	t.Parallel()
	body := claims(2*segmentSize + 5000)
	story := func(h *house) error {
		v, err := h.s.Create(h.t.Context(), manager, dataset.New{Title: "x", Class: models.Test}, dataset.NewVersion{Key: "k"})
		if err != nil {
			return err
		}
		p, err := h.s.File(h.t.Context(), manager, v.DatasetID, v.Number, "a.csv")
		if err == nil && !p.Complete || models.IsKind(err, models.NotFound) {
			up := uploadOf(v, "a.csv", body)
			up.Offset, up.Body, up.Length = p.Offset, bytes.NewReader(body[p.Offset:]), int64(len(body))-p.Offset
			_, err = h.s.Put(h.t.Context(), manager, up)
		}
		if err != nil {
			return err
		}
		_, err = h.s.Register(h.t.Context(), manager, v.DatasetID, v.Number)
		return err
	}
	count := setupBucket(t)
	count.must(story(count))
	updates, puts := count.store.updates, count.objects.Calls(storagetest.OpPut)
	if updates < 6 || puts != 3 {
		t.Fatalf("the story has %d transactions and %d segments", updates, puts)
	}
	try := func(name string, arm func(h *house, flavour storagetest.Flavour)) {
		for _, flavour := range []storagetest.Flavour{storagetest.Fails, storagetest.FailsButPersists} {
			t.Run(fmt.Sprintf("%s flavour %d", name, flavour), func(t *testing.T) {
				t.Parallel()
				h := setupBucket(t)
				arm(h, flavour)
				if err := story(h); err == nil {
					t.Fatal("no error")
				}
				h.check()
				h.reopen()
				h.must(err2(h.s.SweepAtStart(t.Context())))
				h.check()
				if err := story(h); err != nil {
					t.Fatalf("again: %v", err)
				}
				h.must(err2(h.s.SweepAtStart(t.Context())))
				h.check()
				if n := h.objectCount(); n != 3 {
					t.Fatalf("%d objects", n)
				}
			})
		}
	}
	for n := 1; n <= updates; n++ {
		try("transaction "+strconv.Itoa(n), func(h *house, flavour storagetest.Flavour) {
			h.store.at, h.store.persist = n, flavour == storagetest.FailsButPersists
		})
	}
	for n := 1; n <= puts; n++ {
		try("segment "+strconv.Itoa(n), func(h *house, flavour storagetest.Flavour) { h.objects.Fail(storagetest.OpPut, n, flavour, nil) })
	}
}

func TestFullStore(t *testing.T) {
	t.Parallel()
	h := setup(t)
	v := h.draft("x")
	h.objects.Fail(storagetest.OpPut, 2, storagetest.Fails, storage.ErrFull)
	body := claims(2 * segmentSize)
	_, err := h.s.Put(t.Context(), manager, uploadOf(v, "a.csv", body))
	wantKind(t, err, models.Full, "no space left")
	p, err := h.s.File(t.Context(), manager, v.DatasetID, 1, "a.csv")
	if err != nil || p.Offset == 0 {
		t.Fatalf("the first segment is lost: %+v, %v", p, err)
	}
	h.check()
}

func TestDeleteFailuresLeaveOrphansForTheSweep(t *testing.T) {
	t.Parallel()
	h := setup(t)
	v := h.draft("x")
	h.put(v, "a.csv", claims(1))
	h.objects.Fail(storagetest.OpDelete, 1, storagetest.Fails, nil)
	h.must(h.s.Remove(t.Context(), manager, v.DatasetID, 1, "a.csv"))
	foreign := "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
	_, err := h.objects.Put(t.Context(), foreign, strings.NewReader("a parcel pack"), -1)
	h.must(err)
	if h.objectCount() != 2 {
		t.Fatalf("%d objects", h.objectCount())
	}
	h.mu.Lock()
	h.now = time.Now() // the folder dates its objects by the real clock
	h.mu.Unlock()
	swept, err := h.s.SweepNow(t.Context(), second)
	if err != nil || swept.Objects != 0 {
		t.Fatalf("young objects: %+v, %v", swept, err)
	}
	h.wait(2 * time.Hour)
	swept, err = h.s.Sweep(t.Context())
	if err != nil || swept.Objects != 1 || swept.Drafts != 0 {
		t.Fatalf("%+v, %v", swept, err)
	}
	if _, err := h.objects.Stat(t.Context(), foreign); err != nil {
		t.Fatal("the sweep deleted what is not its own")
	}
	_, err = h.s.SweepNow(t.Context(), manager)
	wantKind(t, err, models.Denied, "operate")
}
