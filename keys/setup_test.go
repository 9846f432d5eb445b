package keys_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/database"
	"teikyo/dataset"
	"teikyo/dataset/intake"
	"teikyo/keys"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
	"teikyo/recipient"
	"teikyo/storage"
	"teikyo/storage/disk"
)

var manager = access.Actor{UserID: "u-manager000000000", Role: models.Manager}

// people lets everybody decide.
type people struct{}

func (people) Pair(context.Context, string, string) (models.Independence, error) {
	return models.IndependenceShown, nil
}

// node is a process with a keys folder of its own.
type node struct {
	t        testing.TB
	dir      string // of the keys
	db       *database.DB
	store    *faulty
	objects  storage.Store
	ring     *crypto.Keyring
	keys     *keys.Service
	datasets *dataset.Service
	partners *recipient.Service
}

// faulty fails a transaction when told to, before or after its commit.
type faulty struct {
	keys.Store
	updates, at int
	persist     bool
}

var errInjected = models.Errorf(models.Unavailable, "injected")

func (f *faulty) Update(ctx context.Context, fn func(ctx context.Context) error) error {
	if f.updates++; f.updates != f.at {
		return f.Store.Update(ctx, fn)
	}
	if f.persist {
		if err := f.Store.Update(ctx, fn); err != nil {
			return err
		}
		return errInjected
	}
	return f.Store.Update(ctx, func(ctx context.Context) error {
		if err := fn(ctx); err != nil {
			return err
		}
		return errInjected
	})
}

// segmentSize of the tests: two chunks and a bit.
const segmentSize = 2*(crypto.ChunkSize+crypto.ChunkOverhead) + 100

// newNode starts a node on a database; an empty url is SQLite in dir.
func newNode(t testing.TB, dir, url, keysDir string) *node {
	t.Helper()
	n := &node{t: t, dir: keysDir}
	if url == "" {
		url = "sqlite:" + filepath.Join(dir, "teikyo.db")
	}
	var err error
	n.db, err = database.Open(context.Background(), database.Options{URL: url, Rand: rand.Reader})
	n.must(err)
	t.Cleanup(func() { n.db.Close() })
	n.objects, err = disk.New(filepath.Join(dir, "objects"))
	n.must(err)
	files, err := crypto.OpenKEKFolder(keysDir, rand.Reader)
	n.must(err)
	n.ring, n.store = crypto.NewKeyring(files), &faulty{Store: n.db}
	n.keys = &keys.Service{
		Store: n.store, Ring: n.ring, Contexts: contexts(), Read: n.read, Now: time.Now, Node: filepath.Base(keysDir),
		Name: "the node " + filepath.Base(keysDir), Wait: time.Millisecond, Log: slog.New(slog.DiscardHandler),
	}
	if n.db.Shared() {
		n.keys.Nodes = n.db
	}
	n.datasets = &dataset.Service{
		Store: n.db, Objects: n.objects, KEK: n.ring, People: people{}, Now: time.Now, Rand: rand.Reader,
		Limits: dataset.Limits{SegmentSize: segmentSize},
	}
	n.partners = &recipient.Service{
		Store: n.db, People: people{}, KEK: n.ring, Now: time.Now, Rand: rand.Reader, Zone: time.UTC,
		Issuer: func() (string, string) { return "data.example.jp", "SHA256:issuer" },
	}
	return n
}

func contexts() map[models.WrapShelf]func(models.Wrapped) ([]byte, error) {
	return map[models.WrapShelf]func(models.Wrapped) ([]byte, error){
		models.ShelfSealedFiles: func(w models.Wrapped) ([]byte, error) {
			c, err := intake.WrapContext(models.SealedFile{ID: w.ID, State: w.State, PayloadSHA256: w.PayloadSHA256})
			return c.Bytes(), err
		},
		models.ShelfDocuments:    func(w models.Wrapped) ([]byte, error) { return recipient.DocumentContext(w.ID), nil },
		models.ShelfChallenges:   func(w models.Wrapped) ([]byte, error) { return recipient.ChallengeContext(w.ID), nil },
		models.ShelfWebhooks:     func(w models.Wrapped) ([]byte, error) { return models.WebhookContext(w.ID), nil },
		models.ShelfDeidKeys:     func(w models.Wrapped) ([]byte, error) { return models.DeidKeyContext(w.ID), nil },
		models.ShelfDestinations: func(w models.Wrapped) ([]byte, error) { return models.DestinationContext(w.ID), nil },
	}
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func wantKind(t testing.TB, err error, kind models.ErrorKind, words string) {
	t.Helper()
	if !models.IsKind(err, kind) || !strings.Contains(err.Error(), words) {
		t.Fatalf("got %v of kind %q, want %q of kind %q", err, models.KindOf(err), words, kind)
	}
}

// alone is a node on SQLite that is open.
func alone(t testing.TB) (*node, string) {
	t.Helper()
	dir := t.TempDir()
	n := newNode(t, dir, "", filepath.Join(dir, "keys"))
	n.must(n.keys.Open(t.Context()))
	return n, dir
}

// restart is a new process on the same folders.
func (n *node) restart(dir string) *node {
	n.t.Helper()
	n.must(n.db.Close())
	again := newNode(n.t, dir, "", n.dir)
	n.must(again.keys.Open(context.Background()))
	return again
}

func (n *node) read(ctx context.Context, id string, key crypto.FileKey) error {
	f, err := n.db.SealedFile(ctx, id)
	if err != nil {
		return err
	}
	payload := storage.OpenSegments(ctx, n.objects, segmentsOf(f), 0, -1)
	defer payload.Close()
	plain, err := crypto.NewOpener(key, payload)
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, plain); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.SHA256 {
		return fmt.Errorf("contents %s, want %s", got, f.SHA256)
	}
	return nil
}

func segmentsOf(f models.SealedFile) []storage.Segment {
	list := make([]storage.Segment, len(f.Segments))
	for i, s := range f.Segments {
		list[i] = storage.Segment{Key: s.Key, Size: s.Size}
	}
	return list
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

func (n *node) draft() models.Version {
	n.t.Helper()
	v, err := n.datasets.Create(context.Background(), manager, dataset.New{Title: "x", Class: models.Anonymized}, dataset.NewVersion{})
	n.must(err)
	return v
}

func uploadOf(v models.Version, path string, body []byte) dataset.Upload {
	sum := sha256.Sum256(body)
	return dataset.Upload{
		DatasetID: v.DatasetID, Version: v.Number, Path: path, Items: []models.Item{models.ClaimsMedical},
		Body: bytes.NewReader(body), Length: int64(len(body)), Total: int64(len(body)), SHA256: hex.EncodeToString(sum[:]),
	}
}

func (n *node) put(v models.Version, path string, size int) {
	n.t.Helper()
	_, err := n.datasets.Put(context.Background(), manager, uploadOf(v, path, claims(size)))
	n.must(err)
}

// full is something on every shelf: n files, a broken upload, a document, an
// open challenge.
func (n *node) full(files int) (broken models.Version, agreement string) {
	n.t.Helper()
	ctx := context.Background()
	v := n.draft()
	for i := range files {
		n.put(v, fmt.Sprintf("part/%03d.csv", i), 3000+i)
	}
	_, err := n.datasets.Register(ctx, manager, v.DatasetID, v.Number)
	n.must(err)
	broken = n.draft()
	up := uploadOf(broken, "big.csv", claims(5*segmentSize))
	up.Body = io.LimitReader(up.Body, 2*segmentSize)
	if _, err := n.datasets.Put(ctx, manager, up); err == nil {
		n.t.Fatal("a broken upload went through")
	}
	return broken, n.partner()
}

func (n *node) partner() (agreement string) {
	n.t.Helper()
	ctx := context.Background()
	rcpt, err := n.partners.Apply(ctx, manager, recipient.Profile{
		Name: "東都大学", Country: "JP", Address: "東京都文京区1-1", Representative: "山田 花子", Email: "data@example.ac.jp",
	})
	n.must(err)
	now := time.Now().UTC()
	a, err := n.partners.AddAgreement(ctx, manager, recipient.AgreementInput{
		RecipientID: rcpt.ID, Number: "A-1", DocumentName: "a.pdf", Document: []byte("%PDF-1.7 the agreement"),
		Purposes: []models.Purpose{models.Research}, Methods: []models.Method{models.Download}, Classes: []models.DataClass{models.Anonymized},
		From: now.Format(time.DateOnly), Until: now.AddDate(1, 0, 0).Format(time.DateOnly),
	})
	n.must(err)
	_, public, err := crypto.GenerateIdentity(false)
	n.must(err)
	_, _, err = n.partners.AddKey(ctx, manager, recipient.KeyInput{RecipientID: rcpt.ID, Public: public, Holder: "Suzuki"})
	n.must(err)
	return a.ID
}

// rewrap goes over everything once and wants nothing to be left.
func (n *node) rewrap() keys.Step {
	n.t.Helper()
	total := keys.Step{}
	for from := (keys.Cursor{}); !from.Done; {
		step, err := n.keys.Rewrap(context.Background(), from)
		n.must(err)
		total.Changed, total.Failed, total.Left, from = total.Changed+step.Changed, total.Failed+step.Failed, step.Left, step.Next
	}
	return total
}

// opens wants everything that is wrapped to open, payloads to their digests, and
// the ledger to hold.
func (n *node) opens() {
	n.t.Helper()
	ctx := context.Background()
	for _, shelf := range models.WrapShelves() {
		list, err := n.db.WrapsNotUnder(ctx, shelf, "", "", 10_000)
		n.must(err)
		for _, w := range list {
			bound, err := contexts()[shelf](w)
			n.must(err)
			secret, err := n.ring.Unwrap(ctx, w.KEKID, w.Bytes, bound)
			if err != nil {
				n.t.Fatalf("%s %s under %s: %v", shelf, w.ID, w.KEKID, err)
			}
			if w.State == models.SealedComplete {
				n.must(n.read(ctx, w.ID, crypto.FileKey(secret)))
			}
		}
	}
	ledgertest.CheckLedger(n.t, n.db, ledger.VerifyOptions{})
}

// objectDigests are the digests of all stored objects, by key.
func (n *node) objectDigests() map[string]string {
	n.t.Helper()
	sums := map[string]string{}
	for obj, err := range n.objects.List(context.Background()) {
		n.must(err)
		r, err := n.objects.Open(context.Background(), obj.Key, 0, -1)
		n.must(err)
		sum := sha256.New()
		_, err = io.Copy(sum, r)
		n.must(err)
		r.Close()
		sums[obj.Key] = hex.EncodeToString(sum.Sum(nil))
	}
	return sums
}

// keyFiles are the names of the keys in the folder.
func (n *node) keyFiles() []string {
	n.t.Helper()
	paths, err := filepath.Glob(filepath.Join(n.dir, "kek-*"))
	n.must(err)
	for i := range paths {
		paths[i] = filepath.Base(paths[i])
	}
	return paths
}

func copyKey(t testing.TB, from, to *node, id string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(from.dir, id+".key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(to.dir, id+".key"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}
