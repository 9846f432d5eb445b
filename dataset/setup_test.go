package dataset_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/database"
	"teikyo/database/dbtest"
	"teikyo/dataset"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
	"teikyo/storage"
	"teikyo/storage/disk"
	"teikyo/storage/s3/s3test"
	"teikyo/storage/storagetest"
)

// segmentSize of the tests: four chunks and a bit.
const segmentSize = 4*(crypto.ChunkSize+crypto.ChunkOverhead) + 100

var (
	manager = access.Actor{UserID: "u-manager000000000", Role: models.Manager}
	second  = access.Actor{UserID: "u-second0000000000", Role: models.Administrator}
)

// people lets everybody decide but the person who asked.
type people struct{}

func (people) Pair(_ context.Context, requester, approver string) (models.Independence, error) {
	if requester == approver {
		return "", models.Errorf(models.Denied, "you asked for it yourself; another person decides")
	}
	return models.IndependenceShown, nil
}

// faultyStore fails a transaction when told to, before or after its commit.
type faultyStore struct {
	dataset.Store
	mu      sync.Mutex
	updates int
	at      int // the number of the transaction that fails, 0 none
	persist bool
}

func (f *faultyStore) Update(ctx context.Context, fn func(ctx context.Context) error) error {
	f.mu.Lock()
	f.updates++
	strike := f.at > 0 && f.updates == f.at
	f.mu.Unlock()
	if !strike {
		return f.Store.Update(ctx, fn)
	}
	injected := models.Wrap(models.Unavailable, storagetest.ErrInjected, "the database failed")
	if f.persist {
		if err := f.Store.Update(ctx, fn); err != nil {
			return err
		}
		return injected
	}
	return f.Store.Update(ctx, func(ctx context.Context) error {
		if err := fn(ctx); err != nil {
			return err
		}
		return injected
	})
}

// house is a service on a database and a folder of its own.
type house struct {
	t       testing.TB
	dir     string
	url     string // of the database
	db      *database.DB
	store   *faultyStore
	objects *storagetest.Faulty
	stored  storage.Store // nil: a folder
	kek     *crypto.FileKeyring
	s       *dataset.Service
	mu      sync.Mutex
	now     time.Time
}

func setup(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), now: time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)}
	h.url = dbtest.URL(t, h.dir)
	h.open()
	t.Cleanup(func() { h.db.Close() })
	return h
}

// setupBucket is setup with the objects in a bucket, where there is one.
func setupBucket(t testing.TB) *house {
	t.Helper()
	h := setup(t)
	if bucket := s3test.Borrowed(t); bucket != nil {
		h.stored = bucket
		h.reopen()
	}
	return h
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) wait(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// open starts the service on what stands in the folder.
func (h *house) open() {
	h.t.Helper()
	db, err := database.Open(context.Background(), database.Options{
		URL: h.url, Rand: rand.Reader, Now: h.clock,
	})
	h.must(err)
	objects := h.stored
	if objects == nil {
		objects, err = disk.New(filepath.Join(h.dir, "objects"))
		h.must(err)
	}
	h.kek, err = crypto.OpenFileKeyring(filepath.Join(h.dir, "keys"), rand.Reader)
	h.must(err)
	h.db, h.store, h.objects = db, &faultyStore{Store: db}, storagetest.NewFaulty(objects)
	h.s = &dataset.Service{
		Store: h.store, Objects: h.objects, KEK: h.kek, People: people{}, Now: h.clock, Rand: rand.Reader,
		Limits: dataset.Limits{SegmentSize: segmentSize, MaxFiles: 20, MaxFile: 200 << 20},
	}
}

// reopen is a restart: nothing in memory survives.
func (h *house) reopen() {
	h.t.Helper()
	h.must(h.db.Close())
	h.open()
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) draft(title string) models.Version {
	h.t.Helper()
	v, err := h.s.Create(h.t.Context(), manager, dataset.New{Title: title, Class: models.Anonymized}, dataset.NewVersion{})
	h.must(err)
	return v
}

func uploadOf(v models.Version, path string, body []byte) dataset.Upload {
	return dataset.Upload{
		DatasetID: v.DatasetID, Version: v.Number, Path: path, Items: []models.Item{models.ClaimsMedical},
		Body: bytes.NewReader(body), Length: int64(len(body)), Total: int64(len(body)), SHA256: digest(body),
	}
}

func (h *house) put(v models.Version, path string, body []byte) dataset.Progress {
	h.t.Helper()
	p, err := h.s.Put(h.t.Context(), manager, uploadOf(v, path, body))
	h.must(err)
	return p
}

func (h *house) register(v models.Version) models.Version {
	h.t.Helper()
	got, err := h.s.Register(h.t.Context(), manager, v.DatasetID, v.Number)
	h.must(err)
	h.check()
	return got
}

// contents opens a registered file as a fresh recipient would, from its rows.
func (h *house) contents(sealed models.SealedFile) []byte {
	h.t.Helper()
	var sum [32]byte
	raw, err := hex.DecodeString(sealed.PayloadSHA256)
	h.must(err)
	copy(sum[:], raw)
	key, err := crypto.UnwrapFileKey(h.t.Context(), h.kek, sealed.KEKID, sealed.WrappedKey,
		crypto.WrapContext{Purpose: crypto.WrapFile, FileID: sealed.ID, PayloadSHA256: sum})
	h.must(err)
	var segments []storage.Segment
	for _, s := range sealed.Segments {
		segments = append(segments, storage.Segment{Key: s.Key, Size: s.Size})
	}
	payload, err := io.ReadAll(storage.OpenSegments(context.Background(), h.objects, segments, 0, -1))
	h.must(err)
	if got := sha256.Sum256(payload); got != sum || int64(len(payload)) != sealed.PayloadSize {
		h.t.Fatalf("the payload of %s is not that of its row", sealed.ID)
	}
	plain, err := crypto.NewOpener(key, bytes.NewReader(payload))
	h.must(err)
	body, err := io.ReadAll(plain)
	h.must(err)
	return body
}

// check holds the invariants: every row's objects are there in full (I4), every
// registered file opens to its digest (I3), the ledger holds (I5).
func (h *house) check() {
	h.t.Helper()
	ctx := context.Background()
	list, err := h.db.Datasets(ctx, models.DatasetQuery{}, models.Page{Limit: models.MaxPage})
	h.must(err)
	for _, ds := range list {
		versions, err := h.db.Versions(ctx, ds.ID, models.Page{})
		h.must(err)
		for _, v := range versions {
			h.checkVersion(v)
		}
	}
	ledgertest.CheckLedger(h.t, h.db, ledger.VerifyOptions{})
}

func (h *house) checkVersion(v models.Version) {
	h.t.Helper()
	files, err := h.db.Files(context.Background(), v.DatasetID, v.Number, "", models.MaxPage)
	h.must(err)
	sealed, err := h.db.SealedFilesOf(context.Background(), v.DatasetID, v.Number, "", models.MaxPage)
	h.must(err)
	if len(sealed) != len(files) {
		h.t.Fatalf("%d files, %d sealed files", len(files), len(sealed))
	}
	for i, f := range files {
		for _, seg := range sealed[i].Segments {
			obj, err := h.objects.Store.Stat(context.Background(), seg.Key)
			if err != nil || obj.Size != seg.Size {
				h.t.Fatalf("%s: segment %s: %v, %d bytes of %d", f.Path, seg.Key, err, obj.Size, seg.Size)
			}
		}
		if v.State == models.VersionRegistered && (f.SHA256 == "" || f.Number != i) {
			h.t.Fatalf("registered with %q incomplete or out of number: %d", f.Path, f.Number)
		}
		if f.SHA256 == "" {
			continue
		}
		if body := h.contents(sealed[i]); digest(body) != f.SHA256 || int64(len(body)) != f.Size {
			h.t.Fatalf("%s does not open to its digest", f.Path)
		}
	}
}

// objectCount is the number of stored objects.
func (h *house) objectCount() int {
	n := 0
	for _, err := range h.objects.Store.List(context.Background()) {
		h.must(err)
		n++
	}
	return n
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// claims is a CSV of about size bytes that the gate lets pass.
func claims(size int) []byte {
	var b strings.Builder
	b.WriteString("受診年月,年齢階級,性別,点数\n")
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "2024-%02d,%d代,%d,%d\n", i%12+1, i%9*10, i%2+1, i*7%90000)
	}
	return []byte(b.String())
}

// names is a CSV that the gate blocks.
func names() []byte {
	var b strings.Builder
	b.WriteString("氏名,点数\n")
	for i := range 40 {
		fmt.Fprintf(&b, "山田%c,%d\n", rune('一'+i), i)
	}
	return []byte(b.String())
}

func wantKind(t testing.TB, err error, kind models.ErrorKind, words string) {
	t.Helper()
	if !models.IsKind(err, kind) || !strings.Contains(err.Error(), words) {
		t.Fatalf("got %q of kind %q, want %q of kind %q", err, models.KindOf(err), words, kind)
	}
}
