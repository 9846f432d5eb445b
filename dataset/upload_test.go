package dataset_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"teikyo/crypto"
	"teikyo/dataset"
	"teikyo/models"
	"teikyo/storage"
	"teikyo/storage/storagetest"
)

// breaking is a client that goes away after some bytes.
type breaking struct {
	body  io.Reader
	after int
	err   error // nil: io.ErrUnexpectedEOF, as net/http gives it
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.after == 0 {
		if b.err != nil {
			return 0, b.err
		}
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.body.Read(p[:min(len(p), b.after)])
	b.after -= n
	return n, err
}

func TestUploadGoesOnWhereItBroke(t *testing.T) {
	t.Parallel()
	const chunk = crypto.ChunkSize
	body := claims(3*segmentSize + 1000)
	for _, cut := range []int{1, chunk - 1, chunk, chunk + 1, 3 * chunk, segmentSize, segmentSize + 7, 2*segmentSize + chunk, len(body) - 1} {
		t.Run(strconv.Itoa(cut), func(t *testing.T) {
			t.Parallel()
			h := setup(t)
			v := h.draft("x")
			up := uploadOf(v, "a.csv", body)
			up.Body = &breaking{body: bytes.NewReader(body), after: cut}
			_, err := h.s.Put(t.Context(), manager, up)
			wantKind(t, err, models.Unavailable, "bytes are kept")
			if cut%2 == 0 {
				h.reopen()
			}
			h.check()
			p, err := h.s.File(t.Context(), manager, v.DatasetID, 1, "a.csv")
			if err != nil || p.Complete || p.Offset != int64(max(0, cut-1)/chunk*chunk) {
				t.Fatalf("cut at %d: %+v, %v", cut, p, err)
			}
			up = uploadOf(v, "a.csv", body)
			up.Offset, up.Body, up.Length = p.Offset, bytes.NewReader(body[p.Offset:]), int64(len(body))-p.Offset
			done, err := h.s.Put(t.Context(), manager, up)
			if err != nil || !done.Complete || done.File.SHA256 != digest(body) {
				t.Fatalf("cut at %d: %+v, %v", cut, done, err)
			}
			h.register(v)
		})
	}
}

func TestUploadInParts(t *testing.T) {
	t.Parallel()
	h := setup(t)
	v := h.draft("x")
	body := claims(2 * segmentSize)
	offset := int64(0)
	for n := 0; ; n++ {
		up := uploadOf(v, "a.csv", body)
		end := min(offset+200_000, int64(len(body)))
		up.Offset, up.Length, up.Body = offset, end-offset, bytes.NewReader(body[offset:end])
		p, err := h.s.Put(t.Context(), manager, up)
		h.must(err)
		if p.Complete {
			break
		}
		if p.Offset <= offset {
			t.Fatalf("no progress at %d", offset)
		}
		offset = p.Offset
	}
	h.register(v)
	v = h.draft("y")
	small := uploadOf(v, "a.csv", body)
	small.Length, small.Body = 1000, bytes.NewReader(body[:1000])
	_, err := h.s.Put(t.Context(), manager, small)
	wantKind(t, err, models.Invalid, "too small")
}

func TestUploadRefuses(t *testing.T) {
	t.Parallel()
	body := claims(2 * segmentSize)
	tests := map[string]struct {
		change func(*dataset.Upload)
		kind   models.ErrorKind
		words  string
	}{
		"digest":            {func(u *dataset.Upload) { u.SHA256 = digest(nil) }, models.Integrity, "not the announced"},
		"longer than said":  {func(u *dataset.Upload) { u.Length, u.Total, u.SHA256 = 70_000, 70_000, "" }, models.Invalid, "more bytes"},
		"shorter than said": {func(u *dataset.Upload) { u.Length++; u.Total++ }, models.Unavailable, "connection broke"},
		"reset":             {func(u *dataset.Upload) { u.Body = &breaking{body: u.Body, after: 9, err: errors.New("reset")} }, models.Unavailable, "0 bytes"},
		"empty":             {func(u *dataset.Upload) { u.Length, u.Total, u.SHA256, u.Body = -1, -1, "", strings.NewReader("") }, models.Invalid, "is empty"},
		"announced empty":   {func(u *dataset.Upload) { u.Length, u.Total = 0, 0 }, models.Invalid, "is empty"},
		"no items":          {func(u *dataset.Upload) { u.Items = nil }, models.Invalid, "no item given"},
		"unknown item":      {func(u *dataset.Upload) { u.Items = []models.Item{"blood"} }, models.Invalid, "unknown item"},
		"path":              {func(u *dataset.Upload) { u.Path = "../a" }, models.Invalid, "leads elsewhere"},
		"NFD":               {func(u *dataset.Upload) { u.Path = "か\u3099" }, models.Invalid, "NFC"},
		"offset of nothing": {func(u *dataset.Upload) { u.Offset, u.Total = 65536, 2<<20; u.Length = u.Total - u.Offset }, models.Conflict, "nothing of"},
		"offset outside":    {func(u *dataset.Upload) { u.Offset = u.Total }, models.Invalid, "outside"},
		"too large":         {func(u *dataset.Upload) { u.Total = 1 << 40 }, models.TooLarge, "split"},
		"too large, unsaid": {func(u *dataset.Upload) { u.Total, u.Length, u.Body = -1, -1, io.LimitReader(zeros{}, 300<<20) }, models.TooLarge, "larger than"},
		"absent version":    {func(u *dataset.Upload) { u.Version = 7 }, models.NotFound, "not found"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := setup(t)
			v := h.draft("x")
			up := uploadOf(v, "a.csv", body)
			test.change(&up)
			_, err := h.s.Put(t.Context(), manager, up)
			wantKind(t, err, test.kind, test.words)
			_, err = h.s.Register(t.Context(), manager, v.DatasetID, 1)
			wantKind(t, err, models.Conflict, "")
			h.check()
			if test.kind == models.Unavailable {
				return // what arrived is kept for the next attempt
			}
			_, err = h.s.File(t.Context(), manager, v.DatasetID, 1, up.Path)
			wantKind(t, err, models.NotFound, "not found")
			_, err = h.s.SweepAtStart(t.Context())
			h.must(err)
			if n := h.objectCount(); n != 0 {
				t.Fatalf("%d objects are left", n)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestPathsThatCannotStandTogether(t *testing.T) {
	t.Parallel()
	h := setup(t)
	v := h.draft("x")
	h.put(v, "Data/A.csv", claims(1))
	for _, path := range []string{"data/a.csv", "Data", "DATA/a.CSV/b", "Data/A.csv/b"} {
		_, err := h.s.Put(t.Context(), manager, uploadOf(v, path, claims(1)))
		wantKind(t, err, models.Conflict, "cannot stand beside")
	}
	for _, path := range []string{"Data/B.csv", "Data.csv", "Data0/x", "data/c.csv"} {
		h.put(v, path, claims(1))
	}
	h.check()
}

func TestTooManyFiles(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.s.Limits.MaxFiles = 2
	v := h.draft("x")
	h.put(v, "a.csv", claims(1))
	h.put(v, "b.csv", claims(1))
	h.put(v, "a.csv", claims(2)) // a new content of the same file
	_, err := h.s.Put(t.Context(), manager, uploadOf(v, "c.csv", claims(1)))
	wantKind(t, err, models.TooLarge, "tar -cf")
}

func TestSendingAgain(t *testing.T) {
	t.Parallel()
	h := setup(t)
	v := h.draft("x")
	first := h.put(v, "a.csv", claims(100))
	up := uploadOf(v, "a.csv", claims(100))
	up.Body = &breaking{} // the same digest: the body is not read
	up.Items = []models.Item{models.Checkups}
	p, err := h.s.Put(t.Context(), manager, up)
	if err != nil || !p.Complete || p.File.SealedID != first.File.SealedID || p.File.Items[0] != models.Checkups {
		t.Fatalf("%+v, %v", p, err)
	}
	p = h.put(v, "a.csv", claims(200_000))
	if p.File.ID != first.File.ID || p.File.SealedID == first.File.SealedID || h.objectCount() != 1 {
		t.Fatalf("%+v, %d objects", p, h.objectCount())
	}
	late := uploadOf(v, "a.csv", claims(300_000))
	late.Offset, late.Length = 65536, late.Length-65536
	_, err = h.s.Put(t.Context(), manager, late)
	wantKind(t, err, models.Conflict, "is complete")
	h.must(h.s.Remove(t.Context(), manager, v.DatasetID, 1, "a.csv"))
	if h.objectCount() != 0 {
		t.Fatal("the removed file's objects stay")
	}
	h.must(h.s.Discard(t.Context(), manager, v.DatasetID, 1))
	_, err = h.s.Get(t.Context(), manager, v.DatasetID)
	wantKind(t, err, models.NotFound, "")
}

func TestAbandonedDraftsGo(t *testing.T) {
	t.Parallel()
	h := setup(t)
	stale, kept := h.draft("stale"), h.draft("kept")
	h.put(stale, "a.csv", claims(1))
	h.put(kept, "a.csv", claims(1))
	h.register(kept)
	next, err := h.s.AddVersion(t.Context(), manager, kept.DatasetID, dataset.NewVersion{})
	h.must(err)
	h.wait(13 * 24 * time.Hour)
	h.put(next, "a.csv", claims(2))
	h.wait(2 * 24 * time.Hour)
	swept, err := h.s.Sweep(t.Context())
	if err != nil || swept.Drafts != 1 {
		t.Fatalf("%+v, %v", swept, err)
	}
	_, err = h.s.Get(t.Context(), manager, stale.DatasetID)
	wantKind(t, err, models.NotFound, "")
	if h.objectCount() != 2 {
		t.Fatalf("%d objects", h.objectCount())
	}
	h.check()
}

func TestConcurrentUploadsOfOneFile(t *testing.T) {
	t.Parallel()
	h := setup(t)
	v := h.draft("x")
	bodies := [][]byte{claims(2 * segmentSize), claims(3 * segmentSize), claims(segmentSize), claims(10)}
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := map[string]bool{}
	for range 3 {
		for _, body := range bodies {
			wg.Go(func() {
				p, err := h.s.Put(t.Context(), manager, uploadOf(v, "a.csv", body))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && p.File.SHA256 == digest(body):
					won[digest(body)] = true
				case err == nil:
					t.Errorf("the answer is of another upload: %+v", p)
				case !models.IsKind(err, models.Conflict):
					t.Errorf("%v", err)
				}
			})
		}
	}
	wg.Wait()
	f, err := h.db.File(t.Context(), v.DatasetID, 1, "a.csv")
	if err != nil || !won[f.SHA256] {
		t.Fatalf("%+v, %v, winners %v", f, err, won)
	}
	_, err = h.s.SweepAtStart(t.Context())
	h.must(err)
	h.register(v)
	sealed, err := h.db.SealedFile(t.Context(), f.SealedID)
	if err != nil || h.objectCount() != len(sealed.Segments) {
		t.Fatalf("%d objects, %d segments", h.objectCount(), len(sealed.Segments))
	}
}

// An attempt that was overtaken loses its right to save, and its segment goes.
func TestStaleAttemptMayNotSave(t *testing.T) {
	t.Parallel()
	h := setup(t)
	v := h.draft("x")
	body := claims(3 * segmentSize)
	first := make(chan error, 1)
	gate, entered := make(chan struct{}), make(chan struct{})
	up := uploadOf(v, "a.csv", body)
	up.Body = io.MultiReader(bytes.NewReader(body[:segmentSize+10]), &blocking{entered: entered, gate: gate}, bytes.NewReader(body[segmentSize+10:]))
	go func() {
		_, err := h.s.Put(context.Background(), manager, up)
		first <- err
	}()
	<-entered
	h.put(v, "a.csv", body)
	close(gate)
	wantKind(t, <-first, models.Conflict, "taken over")
	h.register(v)
	_, err := h.s.SweepAtStart(t.Context())
	h.must(err)
	h.check()
}

// blocking waits in its first Read.
type blocking struct {
	once          sync.Once
	entered, gate chan struct{}
}

func (b *blocking) Read([]byte) (int, error) {
	b.once.Do(func() { close(b.entered) })
	<-b.gate
	return 0, io.EOF
}

func TestStreamingKeepsMemoryFlat(t *testing.T) {
	h := setup(t)
	h.s.Limits.SegmentSize = 16 << 20
	v := h.draft("x")
	const size = 100 << 20
	var peak uint64
	watched := &watching{left: size, line: []byte("2024-01,30代,1,420\n"), sample: func() {
		runtime.GC() // what is held, not what was
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
	}}
	p, err := h.s.Put(t.Context(), manager, dataset.Upload{
		DatasetID: v.DatasetID, Version: 1, Path: "big.csv", Items: []models.Item{models.OtherItem},
		Body: watched, Length: -1, Total: -1,
	})
	if err != nil || p.File.Size != size {
		t.Fatalf("%+v, %v", p, err)
	}
	if peak > 64<<20 {
		t.Errorf("%d MiB in use while streaming %d", peak>>20, size>>20)
	}
	sealed, err := h.db.SealedFile(t.Context(), p.File.SealedID)
	if err != nil || len(sealed.Segments) != 7 || sealed.PayloadSize != crypto.PayloadSize(size) {
		t.Fatalf("%d segments, %d bytes, %v", len(sealed.Segments), sealed.PayloadSize, err)
	}
}

// watching makes a CSV and looks at the memory now and then.
type watching struct {
	left, n int
	line    []byte
	sample  func()
}

func (w *watching) Read(p []byte) (int, error) {
	if w.left == 0 {
		return 0, io.EOF
	}
	if w.n%(8<<20) < len(p) {
		w.sample()
	}
	n := min(len(p), w.left)
	for i := range n {
		p[i] = w.line[(w.n+i)%len(w.line)]
	}
	w.n, w.left = w.n+n, w.left-n
	return n, nil
}

// sweeping is a store that is swept whenever the gate reads a file again.
type sweeping struct {
	storage.Store
	sweep func()
}

func (s *sweeping) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	s.sweep()
	return s.Store.Open(ctx, key, offset, length)
}

// Reading a large file again takes hours: a sweep must not take its last segment,
// which has no row yet.
func TestSweepSparesTheLastSegment(t *testing.T) {
	t.Parallel()
	h := setup(t)
	v := h.draft("x")
	body := claims(2*segmentSize + 1000)
	up := uploadOf(v, "a.csv", body)
	up.Body = &breaking{body: bytes.NewReader(body), after: segmentSize + 1}
	_, err := h.s.Put(t.Context(), manager, up)
	wantKind(t, err, models.Unavailable, "bytes are kept")
	p, err := h.s.File(t.Context(), manager, v.DatasetID, 1, "a.csv")
	h.must(err)
	swept := 0
	h.s.Objects = &sweeping{h.s.Objects, func() {
		swept++
		_, err := h.s.SweepAtStart(t.Context()) // whatever the age
		h.must(err)
	}}
	up = uploadOf(v, "a.csv", body)
	up.Offset, up.Length, up.Body = p.Offset, int64(len(body))-p.Offset, bytes.NewReader(body[p.Offset:])
	_, err = h.s.Put(t.Context(), manager, up)
	h.must(err)
	if swept == 0 {
		t.Fatal("nothing was read again")
	}
	h.check() // no row names a missing object
	if removed, err := h.s.SweepAtStart(t.Context()); err != nil || removed.Objects != 0 {
		t.Errorf("%+v, %v", removed, err)
	}
}

// What a broken attempt wrote and did not keep is gone before anything is sealed
// for the same place again: two contents under one nonce would reveal each other.
func TestLeftSegmentGoesBeforeItsPlaceIsSealedAgain(t *testing.T) {
	t.Parallel()
	h := setup(t)
	v := h.draft("x")
	body := claims(5 * segmentSize)
	up := uploadOf(v, "a.csv", body)
	h.store.updates, h.store.at = 0, 3 // begin, first segment, second segment
	_, err := h.s.Put(t.Context(), manager, up)
	wantKind(t, err, models.Unavailable, "the database failed")
	h.store.at = 0
	if n := h.objectCount(); n != 2 {
		t.Fatalf("%d objects: one that is kept and one that is not", n)
	}
	p, err := h.s.File(t.Context(), manager, v.DatasetID, 1, "a.csv")
	h.must(err)

	// A store that does not delete keeps the upload from going on.
	rest := func() dataset.Upload {
		up := uploadOf(v, "a.csv", body)
		up.Offset, up.Body, up.Length = p.Offset, bytes.NewReader(body[p.Offset:]), int64(len(body))-p.Offset
		return up
	}
	h.objects.Fail(storagetest.OpDelete, 1, storagetest.Fails, nil)
	_, err = h.s.Put(t.Context(), manager, rest())
	wantKind(t, err, models.Unavailable, "the object store failed")
	_, err = h.s.Put(t.Context(), manager, rest())
	h.must(err)
	h.register(v)
	sealed, err := h.db.SealedFilesOf(t.Context(), v.DatasetID, 1, "", 10)
	h.must(err)
	if n := h.objectCount(); n != len(sealed[0].Segments) {
		t.Fatalf("%d objects, %d segments", n, len(sealed[0].Segments))
	}
}
