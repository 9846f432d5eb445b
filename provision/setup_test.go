package provision_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/database"
	"teikyo/database/dbtest"
	"teikyo/ledger"
	"teikyo/ledger/checkpoints"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
	"teikyo/provision"
	"teikyo/storage"
	"teikyo/storage/memory"
	"teikyo/storage/s3/s3test"
	"teikyo/storage/storagetest"
	"teikyo/wording"
)

const origin = "hospital.example"

// monday is when every test begins.
var monday = time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)

// clock is a wall clock that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// world is one server's use cases of provisions on a real database, with the
// people, a recipient, its agreement and key, and the objects of its datasets.
type world struct {
	t       testing.TB
	dir     string
	url     string // of the database
	clock   *clock
	db      *database.DB
	objects *storagetest.Faulty
	place   *ledgertest.Place
	kek     *crypto.FileKeyring
	keys    *crypto.SigningKeys
	svc     *provision.Service
	stop    func()

	mia, ana, ben, rex access.Actor // manager, two administrators, the recipient's person
	identity           crypto.Identity
	rcpt               models.Recipient
	agreement          models.Agreement
	key                models.RecipientKey
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), clock: &clock{at: monday}, place: &ledgertest.Place{}}
	w.objects = storagetest.NewFaulty(memory.New(w.clock.now))
	var err error
	w.kek, err = crypto.OpenFileKeyring(filepath.Join(w.dir, "kek"), rand.Reader)
	w.must(err)
	w.keys, err = crypto.OpenSigningKeys(filepath.Join(w.dir, "keys"), origin, rand.Reader, monday.Add(-time.Hour))
	w.must(err)
	w.url = dbtest.URL(t, w.dir)
	w.open()
	t.Cleanup(func() { w.close() })
	w.people()
	w.recipient()
	return w
}

// newBucketWorld is newWorld with its objects in a bucket, where there is one.
func newBucketWorld(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	if bucket := s3test.Borrowed(t); bucket != nil {
		w.objects = storagetest.NewFaulty(bucket)
		w.restart()
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// open starts the server's parts; after close it is a restart.
func (w *world) open() {
	w.t.Helper()
	var err error
	w.db, err = database.Open(context.Background(), database.Options{
		URL: w.url, Rand: rand.Reader, Now: w.clock.now,
	})
	w.must(err)
	signer, err := ledger.NewSigner(ledger.LogOrigin(origin, 1), w.keys.CheckpointSecretKey())
	w.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	publisher := checkpoints.NewPublisher(checkpoints.Config{
		Signer: signer, Second: w.place, Hashes: w.db.HashReader(ctx), Now: w.clock.now,
		Head: func(ctx context.Context) (tlog.Tree, error) {
			head, err := w.db.Head(ctx)
			return head.Tree(), err
		},
	})
	w.db.AttachPublisher(publisher)
	w.db.OnCommit(func(h ledger.Head) { publisher.Committed(h.Tree()) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = publisher.Run(ctx)
	}()
	w.stop = func() { cancel(); <-done }
	texts, err := wording.Load("")
	w.must(err)
	w.svc = &provision.Service{
		Store: w.db, Objects: w.objects, KEK: w.kek, Keys: w.keys, Receipts: w.db, Texts: texts,
		People: &access.Service{Store: w.db, Now: w.clock.now, Rand: rand.Reader},
		Now:    w.clock.now, Rand: rand.Reader, Zone: time.FixedZone("JST", 9*3600),
		Organisation: "Example Hospital", Contact: "privacy@hospital.example",
	}
}

func (w *world) close() {
	w.svc.Finish()
	w.stop()
	w.must(w.db.Close())
}

// restart is what a crash and a new start look like to the use cases.
func (w *world) restart() {
	w.t.Helper()
	w.close()
	w.open()
}

// check re-verifies the whole ledger, and that the manifests in it are those of
// the rows (an older one was superseded by a reissue).
func (w *world) check() {
	w.t.Helper()
	newest := map[string]int64{}
	for rec, err := range w.db.Records(context.Background(), 0) {
		w.must(err)
		if rec.ManifestSHA256 != "" {
			newest[rec.IDs["provision"]] = rec.Index
		}
	}
	ledgertest.CheckLedger(w.t, w.db, ledger.VerifyOptions{Manifest: func(ctx context.Context, e ledger.Record) (string, error) {
		prov, err := w.db.Provision(ctx, e.IDs["provision"])
		if err == nil && newest[prov.ID] != e.Index {
			return e.ManifestSHA256, nil
		}
		return prov.ManifestSHA256, err
	}})
}

func (w *world) save(fn func(ctx context.Context) error) {
	w.t.Helper()
	w.must(w.db.Update(context.Background(), fn))
}

func (w *world) people() {
	w.t.Helper()
	add := func(id string, role models.Role, recipient string) access.Actor {
		w.save(func(ctx context.Context) error {
			return w.db.AddUser(ctx, models.User{
				ID: id, Email: id + "@hospital.example", Name: id, Role: role, State: models.UserActive, RecipientID: recipient,
				InvitedBy: "u-root", ConfirmedBy: "u-other", ConfirmedAt: monday, CreatedAt: monday,
			})
		})
		return access.Actor{UserID: id, Name: id, Role: role, RecipientID: recipient}
	}
	w.ana, w.ben = add("u-ana", models.Administrator, ""), add("u-ben", models.Administrator, "")
	add("u-cleo", models.Administrator, "")
	w.mia = add("u-mia", models.Manager, "")
	w.rex = add("u-rex", models.RecipientUser, "r-first")
}

func (w *world) recipient() {
	w.t.Helper()
	w.rcpt = models.Recipient{
		ID: "r-first", Name: "Institute 研究所", Country: "JP", Address: "1-1 Chiyoda", Representative: "Sato", Email: "i@example.jp",
		State: models.RecipientApproved, ApprovedUntil: monday.AddDate(2, 0, 0), AppliedBy: "u-mia", AppliedAt: monday, UpdatedAt: monday,
	}
	w.agreement = models.Agreement{
		ID: "a-aaaaaaaaaaaaaaaa", RecipientID: w.rcpt.ID, Number: "C-2026/1", DocumentName: "c.pdf", DocumentSHA256: strings.Repeat("0", 64),
		Purposes: []models.Purpose{models.Research, models.Statistics}, Methods: models.Methods(), Classes: models.DataClasses(),
		ValidFrom: monday.AddDate(0, 0, -1), ValidUntil: monday.AddDate(1, 6, 0), AddedBy: "u-mia", AddedAt: monday,
	}
	w.save(func(ctx context.Context) error {
		return errors.Join(w.db.SaveRecipient(ctx, w.rcpt), w.db.SaveAgreement(ctx, w.agreement))
	})
	w.key, w.identity = w.addKey("k-first", false)
}

// addKey gives the recipient an approved key.
func (w *world) addKey(id string, pq bool) (models.RecipientKey, crypto.Identity) {
	w.t.Helper()
	file, public, err := crypto.GenerateIdentity(pq)
	w.must(err)
	identity, err := crypto.ParseIdentity(strings.NewReader(file))
	w.must(err)
	r, err := crypto.ParseRecipient(public)
	w.must(err)
	k := models.RecipientKey{
		ID: id, RecipientID: w.rcpt.ID, Public: public, Fingerprint: r.Fingerprint(), PostQuantum: pq, Holder: "Sato",
		State: models.KeyApproved, AddedBy: "u-rex", AddedAt: monday, ProvedAt: monday, ApprovedBy: "u-ben", ApprovedAt: monday,
		ExpiresAt: monday.AddDate(1, 0, 0),
	}
	w.save(func(ctx context.Context) error { return w.db.SaveRecipientKey(ctx, k) })
	return k, identity
}

// dataset registers a dataset of that class whose one version has these files;
// files under tests/ hold tests, the others demographics.
func (w *world) dataset(id string, class models.DataClass, files map[string]string) models.Version {
	w.t.Helper()
	v := models.Version{
		DatasetID: id, Number: 1, State: models.VersionRegistered, Items: []models.Item{models.Demographics, models.Tests},
		Terms: "No re-identification.", TermsSHA256: strings.Repeat("1", 64), FileCount: len(files),
		Schema:    `{"resources":[{"path":"people.csv","schema":{"fields":[{"name":"性別"}]}}]}`,
		CreatedBy: "u-mia", CreatedAt: monday, RegisteredBy: "u-mia", RegisteredAt: monday,
	}
	digest := sha256.New()
	paths := slices.Sorted(maps.Keys(files))
	for _, path := range paths {
		v.TotalSize += int64(len(files[path]))
		digest.Write([]byte(path + files[path]))
	}
	v.Digest = hex.EncodeToString(digest.Sum(nil))
	w.save(func(ctx context.Context) error {
		return errors.Join(w.db.CreateDataset(ctx, models.Dataset{
			ID: id, Title: "Claims 請求 2026", Class: class, SourceKind: "hospital", Language: "ja", CreatedBy: "u-mia", CreatedAt: monday, Latest: 1,
		}), w.db.CreateVersion(ctx, v))
	})
	for i, path := range paths {
		w.file(v, i, path, files[path])
	}
	return v
}

func (w *world) file(v models.Version, number int, path, content string) {
	w.t.Helper()
	key, err := crypto.NewFileKey(rand.Reader)
	w.must(err)
	sealer, err := crypto.NewSealer(key, rand.Reader, strings.NewReader(content))
	w.must(err)
	defer sealer.Close()
	object, err := storage.NewKey(rand.Reader)
	w.must(err)
	size, err := w.objects.Put(context.Background(), object, sealer.NextSegment(1<<30), -1)
	w.must(err)
	payload, plain := sealer.PayloadSHA256(), sealer.PlainSHA256()
	id, err := models.NewID(rand.Reader, models.FileID)
	w.must(err)
	kekID, wrapped, err := crypto.WrapFileKey(context.Background(), w.kek, key, crypto.WrapContext{
		Purpose: crypto.WrapFile, FileID: id, PayloadSHA256: payload,
	})
	w.must(err)
	item := models.Demographics
	if strings.HasPrefix(path, "tests/") {
		item = models.Tests
	}
	w.save(func(ctx context.Context) error {
		return errors.Join(w.db.SaveSealedFile(ctx, models.SealedFile{
			ID: id, State: models.SealedComplete, Size: int64(len(content)), SHA256: hex.EncodeToString(plain[:]),
			PayloadSize: size, PayloadSHA256: hex.EncodeToString(payload[:]), KEKID: kekID, WrappedKey: wrapped,
			Segments: []models.Segment{{Key: object, Size: size}}, CreatedAt: monday, UpdatedAt: monday,
		}), w.db.SaveFile(ctx, models.File{
			ID: id, DatasetID: v.DatasetID, Version: v.Number, Number: number, Path: path, Items: []models.Item{item},
			MediaType: "text/csv", SealedID: id, Size: int64(len(content)), SHA256: hex.EncodeToString(plain[:]), CreatedAt: monday,
		}))
	})
}

// notice publishes one that covers everything.
func (w *world) notice(class models.DataClass) models.Notice {
	w.t.Helper()
	n, err := w.svc.PublishNotice(w.t.Context(), w.mia, provision.NoticeDraft{Class: class, Items: models.Items(), Methods: models.Methods()})
	w.must(err)
	return n
}

// draft asks for the whole first version of a dataset.
func (w *world) draft(dataset string) provision.Draft {
	return provision.Draft{
		DatasetID: dataset, RecipientID: w.rcpt.ID, Purpose: models.Research, Words: "治療の効果を比べる",
		Method: models.Download, Until: "2027-05-31", DUO: []string{"DUO:0000042"},
		References: []models.Reference{{Name: "contract", Value: "C-2026/1"}},
	}
}

var claims = map[string]string{
	"people.csv":       "性別,生年月\nF,1980-01\n",
	"people.csv-notes": "see people.csv",
	"empty.csv":        "",
	"tests/blood.csv":  strings.Repeat("1,2,3\n", 30_000),
	"tests/data.a":     "a",
	"tests/data":       "b",
}

// submitted is a request for the claims of a class.
func (w *world) submitted(class models.DataClass) models.Request {
	w.t.Helper()
	w.dataset("ds-claims", class, claims)
	w.notice(class)
	req, err := w.svc.Submit(w.t.Context(), w.mia, w.draft("ds-claims"))
	w.must(err)
	return req
}

// provided is an approved request.
func (w *world) provided() provision.Decision {
	w.t.Helper()
	d, err := w.svc.Approve(w.t.Context(), w.ben, w.submitted(models.Anonymized).ID, "fine")
	w.must(err)
	return d
}

// wantError checks kind and message of a refusal.
func wantError(t testing.TB, err error, kind models.ErrorKind, part string) {
	t.Helper()
	var known *models.Error
	if !errors.As(err, &known) || known.Kind != kind || !strings.Contains(known.Msg, part) {
		t.Errorf("got %v %v\nwant %s: …%s…", models.KindOf(err), err, kind, part)
	}
}

func readAll(t testing.TB, body io.ReadCloser) []byte {
	t.Helper()
	defer body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
