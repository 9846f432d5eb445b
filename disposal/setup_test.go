package disposal_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/database"
	"teikyo/dataset"
	"teikyo/disposal"
	"teikyo/ledger"
	"teikyo/ledger/checkpoints"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
	"teikyo/storage"
	"teikyo/storage/disk"
	"teikyo/storage/storagetest"
)

var (
	ana  = access.Actor{UserID: "u-anaaaaaaaaaaaaaa", Name: "Ana", Role: models.Administrator}
	ben  = access.Actor{UserID: "u-benaaaaaaaaaaaaa", Name: "Ben", Role: models.Administrator}
	mia  = access.Actor{UserID: "u-miaaaaaaaaaaaaaa", Name: "Mia", Role: models.Manager}
	aud  = access.Actor{UserID: "u-audaaaaaaaaaaaaa", Role: models.Auditor}
	rcpt = access.Actor{UserID: "u-rcpaaaaaaaaaaaaa", Role: models.RecipientUser, RecipientID: "r-first"}
)

// people lets everybody decide but the person who asked.
type people struct{}

func (people) Pair(_ context.Context, requester, approver string) (models.Independence, error) {
	if requester == approver {
		return "", models.Errorf(models.Denied, "another person decides")
	}
	return models.IndependenceShown, nil
}

// failing is a store of which one transaction fails: before its commit or after.
type failing struct {
	*database.DB
	mu      sync.Mutex
	count   int
	at      int // number of the transaction that fails, 0 none
	persist bool
}

var errInjected = models.Wrap(models.Unavailable, storagetest.ErrInjected, "the database failed")

func (f *failing) Update(ctx context.Context, fn func(ctx context.Context) error) error {
	f.mu.Lock()
	f.count++
	strike := f.at > 0 && f.count == f.at
	f.mu.Unlock()
	switch {
	case !strike:
		return f.DB.Update(ctx, fn)
	case f.persist:
		return errors.Join(f.DB.Update(ctx, fn), errInjected)
	}
	return f.DB.Update(ctx, func(ctx context.Context) error { return errors.Join(fn(ctx), errInjected) })
}

// house is the service on a database and a folder of its own.
type house struct {
	t       testing.TB
	dir     string
	url     string
	db      *database.DB
	store   *failing
	objects *storagetest.Faulty
	kek     *crypto.FileKeyring
	keys    *crypto.SigningKeys
	place   *ledgertest.Place
	stop    func()
	data    *dataset.Service
	s       *disposal.Service
	mu      sync.Mutex
	now     time.Time
}

func setup(t testing.TB) *house {
	t.Helper()
	return setupOn(t, "")
}

// setupOn is setup on a database server; an empty address means SQLite.
func setupOn(t testing.TB, url string) *house {
	t.Helper()
	h := &house{t: t, url: url, dir: t.TempDir(), place: &ledgertest.Place{}, now: time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)}
	h.open()
	h.users()
	t.Cleanup(func() { h.close() })
	return h
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// pass lets years and days go by.
func (h *house) pass(years, days int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.AddDate(years, 0, days)
}

func (h *house) open() {
	h.t.Helper()
	url := h.url
	if url == "" {
		url = "sqlite:" + filepath.Join(h.dir, "teikyo.db")
	}
	db, err := database.Open(context.Background(), database.Options{
		URL: url, Rand: rand.Reader, Now: h.clock,
	})
	h.must(err)
	objects, err := disk.New(filepath.Join(h.dir, "objects"))
	h.must(err)
	h.kek, err = crypto.OpenFileKeyring(filepath.Join(h.dir, "keys"), rand.Reader)
	h.must(err)
	h.keys, err = crypto.OpenSigningKeys(filepath.Join(h.dir, "keys"), "example.jp", rand.Reader, h.clock())
	h.must(err)
	h.db, h.store, h.objects = db, &failing{DB: db}, storagetest.NewFaulty(objects)
	h.data = &dataset.Service{Store: h.db, Objects: objects, KEK: h.kek, People: people{}, Now: h.clock, Rand: rand.Reader}
	h.s = &disposal.Service{
		Store: h.store, Objects: h.objects, People: people{}, Receipts: h.db, Keys: h.keys, Organisation: "Example 株式会社",
		Now: h.clock, Rand: rand.Reader, Alone: true,
	}
	h.publish()
}

// publish brings checkpoints to a second place.
func (h *house) publish() {
	h.t.Helper()
	signer, err := ledger.NewSigner(ledger.LogOrigin("example.jp", 1), h.keys.CheckpointSecretKey())
	h.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	p := checkpoints.NewPublisher(checkpoints.Config{
		Signer: signer, Second: h.place, Hashes: h.db.HashReader(ctx), Now: h.clock,
		Head: func(ctx context.Context) (tlog.Tree, error) {
			head, err := h.db.Head(ctx)
			return head.Tree(), err
		},
	})
	h.db.AttachPublisher(p)
	h.db.OnCommit(func(head ledger.Head) { p.Committed(head.Tree()) })
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Run(ctx) }()
	h.stop = func() { cancel(); <-done }
}

func (h *house) close() {
	h.stop()
	h.db.Close()
}

// reopen is a restart: nothing in memory survives.
func (h *house) reopen() {
	h.t.Helper()
	h.close()
	h.open()
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) save(fn func(ctx context.Context) error) {
	h.t.Helper()
	h.must(h.db.Update(context.Background(), fn))
}

func (h *house) users() {
	h.t.Helper()
	for _, u := range []access.Actor{ana, ben, mia} {
		h.save(func(ctx context.Context) error {
			return h.db.AddUser(ctx, models.User{ID: u.UserID, Email: u.Name + "@example.jp", Name: u.Name, Role: u.Role, State: models.UserActive, CreatedAt: h.clock()})
		})
	}
}

// register makes a version of a dataset (a new one when id is empty) of files.
func (h *house) register(id string, files map[string]string) models.Version {
	h.t.Helper()
	var v models.Version
	var err error
	if id == "" {
		v, err = h.data.Create(h.t.Context(), mia, dataset.New{Title: "Claims", Class: models.Anonymized}, dataset.NewVersion{})
	} else {
		v, err = h.data.AddVersion(h.t.Context(), mia, id, dataset.NewVersion{})
	}
	h.must(err)
	for path, body := range files {
		_, err := h.data.Put(h.t.Context(), mia, dataset.Upload{
			DatasetID: v.DatasetID, Version: v.Number, Path: path, Items: []models.Item{models.ClaimsMedical},
			Body: strings.NewReader(body), Length: int64(len(body)), Total: int64(len(body)), SHA256: digest(body),
		})
		h.must(err)
	}
	v, err = h.data.Register(h.t.Context(), mia, v.DatasetID, v.Number)
	h.must(err)
	return v
}

// claims is a table that the gate lets pass.
func claims(seed int) string {
	var b strings.Builder
	b.WriteString("受診年月,年齢階級,点数\n")
	for i := range 200 {
		fmt.Fprintf(&b, "2024-%02d,%d代,%d\n", i%12+1, i%9*10, i*7+seed)
	}
	return b.String()
}

// docs is what stands in the pack of a provision beside its headers.
const docs = `{"manifest":"what was given"}`

// provide makes the rows and the pack of a provision of a version.
func (h *house) provide(v models.Version, n int) models.Provision {
	h.t.Helper()
	id := func(prefix string) string {
		id, err := models.NewID(rand.Reader, prefix)
		h.must(err)
		return id
	}
	headers := bytes.Repeat([]byte("header"), 28*v.FileCount)
	key, err := storage.NewKey(rand.Reader)
	h.must(err)
	key += "-pack"
	body := append(bytes.Clone(headers), docs...)
	_, err = h.objects.Store.Put(context.Background(), key, bytes.NewReader(body), -1)
	h.must(err)
	p := models.Provision{
		ID: id(models.ProvisionID), Number: fmt.Sprintf("2026-%04d", n), RequestID: id(models.RequestID), DatasetID: v.DatasetID,
		Version: v.Number, RecipientID: "r-first", AgreementID: "a-first", KeyID: "k-first", Method: models.Download, Class: models.Anonymized,
		Until: h.clock().AddDate(0, 6, 0), State: models.ProvisionIssued, FileCount: v.FileCount, PackKey: key, PackSHA256: digest(string(body)),
		HeaderSize: 168, Documents: []models.Document{{Path: "manifest.json", Offset: int64(len(headers)), Size: int64(len(docs)), SHA256: digest(docs)}},
		ManifestSHA256: digest(docs), EntryIndex: -1, IssuedBy: ben.UserID, IssuedAt: h.clock().Add(time.Duration(n) * time.Second),
		Record: []byte(`{"recipient_representative":"Sato"}`),
	}
	h.save(func(ctx context.Context) error {
		notice := models.Notice{ID: id(models.NoticeID), Class: models.Anonymized, Version: n, PublishedAt: h.clock()}
		return errors.Join(h.db.SaveNotice(ctx, notice), h.db.SaveRequest(ctx, models.Request{
			ID: p.RequestID, State: models.RequestApproved, DatasetID: v.DatasetID, Version: v.Number, RecipientID: "r-first", NoticeID: notice.ID,
			Words: "a study by Dr. Tanaka", ProvisionID: p.ID, RequestedAt: h.clock(), Facts: []byte("{}"),
		}), h.db.SaveProvision(ctx, p), h.db.Append(ctx, &ledger.Entry{
			Kind: ledger.ProvisionIssued, IDs: map[string]string{"provision": p.ID}, ManifestSHA256: p.ManifestSHA256,
			Details: map[string]string{"representative": "Sato"}, Retain: p.Until.AddDate(6, 0, 0),
		}))
	})
	return p
}

// check holds the invariants: every row's objects are there in full (I4), every
// version that is not destroyed opens (I3), the ledger holds (I5).
func (h *house) check() {
	h.t.Helper()
	ctx := context.Background()
	list, err := h.db.Datasets(ctx, models.DatasetQuery{}, models.Page{})
	h.must(err)
	for _, ds := range list {
		versions, err := h.db.Versions(ctx, ds.ID, models.Page{})
		h.must(err)
		for _, v := range versions {
			h.checkVersion(v)
		}
	}
	provs, err := h.db.ProvisionList(ctx, models.ProvisionFilter{}, models.Page{})
	h.must(err)
	for _, p := range provs {
		body, err := h.objects.Store.Open(ctx, p.PackKey, 0, -1)
		h.must(err)
		var all bytes.Buffer
		_, err = all.ReadFrom(body)
		h.must(errors.Join(err, body.Close()))
		if doc := p.Documents[0]; digest(all.String()) != p.PackSHA256 || string(all.Bytes()[doc.Offset:doc.Offset+doc.Size]) != docs {
			h.t.Errorf("the pack of %s is not what its row says", p.ID)
		}
	}
	ledgertest.CheckLedger(h.t, h.db, ledger.VerifyOptions{})
}

func (h *house) checkVersion(v models.Version) {
	h.t.Helper()
	sealed, err := h.db.SealedFilesOf(context.Background(), v.DatasetID, v.Number, "", models.MaxPage)
	h.must(err)
	for _, f := range sealed {
		for _, seg := range f.Segments {
			if obj, err := h.objects.Store.Stat(context.Background(), seg.Key); err != nil || obj.Size != seg.Size {
				h.t.Fatalf("segment %s: %v", seg.Key, err)
			}
		}
		if v.State != models.VersionRegistered {
			continue
		}
		sum, err := hex.DecodeString(f.PayloadSHA256)
		h.must(err)
		bound := crypto.WrapContext{Purpose: crypto.WrapFile, FileID: f.ID, PayloadSHA256: [sha256.Size]byte(sum)}
		if _, err := crypto.UnwrapFileKey(context.Background(), h.kek, f.KEKID, f.WrappedKey, bound); err != nil || len(f.Segments) == 0 {
			h.t.Fatalf("%s of %s@%d does not open: %v", f.ID, v.DatasetID, v.Number, err)
		}
	}
}

// objectKeys are the keys of every stored object.
func (h *house) objectKeys() map[string]bool {
	keys := map[string]bool{}
	for obj, err := range h.objects.Store.List(context.Background()) {
		h.must(err)
		keys[obj.Key] = true
	}
	return keys
}

func digest(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

func wantKind(t testing.TB, err error, kind models.ErrorKind, words string) {
	t.Helper()
	if !models.IsKind(err, kind) || !strings.Contains(err.Error(), words) {
		t.Fatalf("got %v of kind %q, want %q of kind %q", err, models.KindOf(err), words, kind)
	}
}

// checkLedger verifies the ledger and the manifests in it.
func (h *house) checkLedger() {
	h.t.Helper()
	ledgertest.CheckLedger(h.t, h.db, ledger.VerifyOptions{Manifest: h.db.ManifestOf, Verifiers: h.verifiers()})
}
