package handlers_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/tlog"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/database"
	"teikyo/database/dbtest"
	"teikyo/handlers"
	"teikyo/ledger"
	"teikyo/ledger/checkpoints"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
	"teikyo/provision"
	"teikyo/storage"
	"teikyo/storage/memory"
	"teikyo/wording"
)

// Nothing of a server may go on when its test has ended. The cache of prepared
// statements has a goroutine that nobody can stop (gorm 1.31).
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("gorm.io/gorm/internal/lru.NewLRU[...].func1"))
}

const issuerOrigin = "hospital.example"

// fetchServer is a real server on loopback with a provision that can be fetched.
type fetchServer struct {
	*accountServer
	t       *testing.T
	dir     string
	url     string // of the database
	overTLS bool
	db      *database.DB
	objects *memory.Store
	kek     *crypto.FileKeyring
	keys    *crypto.SigningKeys
	svc     *provision.Service
	links   *provision.Links
	server  *httptest.Server
	stop    func() // of the loops

	token    string // of an administrator
	staff    access.Actor
	identity crypto.Identity
	prov     models.Provision
}

// twoPeople are always independent: that rule is tested in package access.
type twoPeople struct{}

// Pair implements provision.People.
func (twoPeople) Pair(context.Context, string, string) (models.Independence, error) {
	return models.IndependenceShown, nil
}

var fetchFiles = map[string]string{
	"people.csv":       "性別,生年月\nF,1980-01\n",
	"請求 一覧.csv":        strings.Repeat("1,2,3\n", 30_000),
	"a+b%20c.csv":      "plus",
	"empty.csv":        "",
	"#&/quote'; x.csv": "odd",
}

func newFetchServer(t *testing.T, overTLS bool, files map[string]string) *fetchServer {
	t.Helper()
	s := &fetchServer{
		accountServer: &accountServer{}, t: t, dir: t.TempDir(), overTLS: overTLS, objects: memory.New(time.Now),
		staff: access.Actor{UserID: "u-staff", Role: models.Administrator},
	}
	var err error
	s.kek, err = crypto.OpenFileKeyring(filepath.Join(s.dir, "kek"), rand.Reader)
	noError(t, err)
	s.keys, err = crypto.OpenSigningKeys(filepath.Join(s.dir, "keys"), issuerOrigin, rand.Reader, time.Now())
	noError(t, err)
	s.url = dbtest.URL(t, s.dir)
	s.open()
	t.Cleanup(func() { s.close() })
	s.token = s.setup(t)
	s.recipient()
	s.dataset(files)
	s.provide()
	return s
}

// open starts the server; after close it is a restart.
func (s *fetchServer) open() {
	s.t.Helper()
	var err error
	s.db, err = database.Open(context.Background(), database.Options{
		URL: s.url, Rand: rand.Reader,
	})
	noError(s.t, err)
	texts, err := wording.Load("")
	noError(s.t, err)
	s.access = &access.Service{Store: s.db, Hasher: crypto.NewPasswordHasher(rand.Reader, 2), Now: time.Now, Rand: rand.Reader}
	s.svc = &provision.Service{
		Store: s.db, Objects: s.objects, KEK: s.kek, Keys: s.keys, Receipts: s.db, Texts: texts, People: twoPeople{},
		Now: time.Now, Rand: rand.Reader, Zone: time.UTC,
	}
	s.links = &provision.Links{
		Store: s.db, Parcels: s.svc, Keys: s.keys, Texts: texts, Organisation: "Example <Hospital>", AllowUnbound: true,
		TTL: time.Hour, MaxTTL: 720 * time.Hour, Now: time.Now, Rand: rand.Reader,
	}
	s.db.OnRevoke(s.links.Wake)
	s.loops()
	s.serve()
}

// loops runs what runs in the background.
func (s *fetchServer) loops() {
	s.t.Helper()
	signer, err := ledger.NewSigner(ledger.LogOrigin(issuerOrigin, 1), s.keys.CheckpointSecretKey())
	noError(s.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	publisher := checkpoints.NewPublisher(checkpoints.Config{
		Signer: signer, Second: &ledgertest.Place{}, Hashes: s.db.HashReader(ctx),
		Head: func(ctx context.Context) (tlog.Tree, error) {
			head, err := s.db.Head(ctx)
			return head.Tree(), err
		},
	})
	s.db.AttachPublisher(publisher)
	s.db.OnCommit(func(h ledger.Head) { publisher.Committed(h.Tree()) })
	var wg sync.WaitGroup
	wg.Go(func() { _ = publisher.Run(ctx) })
	wg.Go(func() { _ = s.links.Run(ctx) })
	s.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
}

func (s *fetchServer) serve() {
	s.t.Helper()
	s.server = httptest.NewUnstartedServer(nil)
	s.server.Config.ConnContext = handlers.ConnContext
	s.server.EnableHTTP2 = s.overTLS
	address := "http://" + s.server.Listener.Addr().String()
	if s.overTLS {
		address = "https://" + s.server.Listener.Addr().String()
	}
	s.links.PublicURL = address
	handler, err := handlers.New(handlers.Config{
		Access: s.access, Provisions: s.svc, Links: s.links, PublicURL: address,
		Log: slog.New(slog.NewJSONHandler(&s.log, nil)), Version: "test",
	})
	noError(s.t, err)
	s.Handler, s.server.Config.Handler = handler, handler
	if s.overTLS {
		s.server.StartTLS()
	} else {
		s.server.Start()
	}
}

func (s *fetchServer) close() {
	s.server.Close()
	s.stop()
	if !s.t.Failed() {
		ledgertest.CheckLedger(s.t, s.db, ledger.VerifyOptions{})
	}
	noError(s.t, s.db.Close())
}

func (s *fetchServer) restart() {
	s.close()
	s.open()
}

func (s *fetchServer) save(fn func(ctx context.Context) error) {
	s.t.Helper()
	noError(s.t, s.db.Update(context.Background(), fn))
}

func (s *fetchServer) recipient() {
	s.t.Helper()
	file, public, err := crypto.GenerateIdentity(false)
	noError(s.t, err)
	s.identity, err = crypto.ParseIdentity(strings.NewReader(file))
	noError(s.t, err)
	key, err := crypto.ParseRecipient(public)
	noError(s.t, err)
	now := time.Now()
	s.save(func(ctx context.Context) error {
		return errors.Join(
			s.db.SaveRecipient(ctx, models.Recipient{
				ID: "r-first", Name: "Institute", Country: "JP", Address: "1-1", Representative: "Sato", Email: "i@example.jp",
				State: models.RecipientApproved, ApprovedUntil: now.AddDate(2, 0, 0), AppliedAt: now, UpdatedAt: now,
			}),
			s.db.SaveAgreement(ctx, models.Agreement{
				ID: "a-aaaaaaaaaaaaaaaa", RecipientID: "r-first", Number: "C-1", DocumentSHA256: strings.Repeat("0", 64),
				Purposes: models.Purposes(), Methods: models.Methods(), Classes: models.DataClasses(),
				ValidFrom: now.AddDate(0, 0, -1), ValidUntil: now.AddDate(1, 6, 0), AddedAt: now,
			}),
			s.db.SaveRecipientKey(ctx, models.RecipientKey{
				ID: "k-first", RecipientID: "r-first", Public: public, Fingerprint: key.Fingerprint(), State: models.KeyApproved, AddedAt: now,
			}))
	})
}

func (s *fetchServer) dataset(files map[string]string) {
	s.t.Helper()
	now := time.Now()
	v := models.Version{
		DatasetID: "ds-claims", Number: 1, State: models.VersionRegistered, Items: []models.Item{models.Demographics},
		Digest: strings.Repeat("2", 64), TermsSHA256: strings.Repeat("1", 64), FileCount: len(files), TotalSize: 1234567,
		CreatedAt: now, RegisteredAt: now,
	}
	s.save(func(ctx context.Context) error {
		return errors.Join(s.db.CreateDataset(ctx, models.Dataset{
			ID: "ds-claims", Title: "Claims <請求> 2026", Class: models.Test, CreatedAt: now, Latest: 1,
		}), s.db.CreateVersion(ctx, v))
	})
	for i, path := range slices.Sorted(maps.Keys(files)) {
		s.file(i, path, files[path])
	}
}

func (s *fetchServer) file(number int, path, content string) {
	s.t.Helper()
	key, err := crypto.NewFileKey(rand.Reader)
	noError(s.t, err)
	sealer, err := crypto.NewSealer(key, rand.Reader, strings.NewReader(content))
	noError(s.t, err)
	defer sealer.Close()
	object, err := storage.NewKey(rand.Reader)
	noError(s.t, err)
	size, err := s.objects.Put(context.Background(), object, sealer.NextSegment(1<<40), -1)
	noError(s.t, err)
	payload, plain := sealer.PayloadSHA256(), sealer.PlainSHA256()
	id, err := models.NewID(rand.Reader, models.FileID)
	noError(s.t, err)
	kekID, wrapped, err := crypto.WrapFileKey(context.Background(), s.kek, key, crypto.WrapContext{
		Purpose: crypto.WrapFile, FileID: id, PayloadSHA256: payload,
	})
	noError(s.t, err)
	s.save(func(ctx context.Context) error {
		return errors.Join(s.db.SaveSealedFile(ctx, models.SealedFile{
			ID: id, State: models.SealedComplete, Size: int64(len(content)), SHA256: hex.EncodeToString(plain[:]),
			PayloadSize: size, PayloadSHA256: hex.EncodeToString(payload[:]), KEKID: kekID, WrappedKey: wrapped,
			Segments: []models.Segment{{Key: object, Size: size}},
		}), s.db.SaveFile(ctx, models.File{
			ID: id, DatasetID: "ds-claims", Version: 1, Number: number, Path: path, Items: []models.Item{models.Demographics},
			MediaType: "text/csv", SealedID: id, Size: int64(len(content)), SHA256: hex.EncodeToString(plain[:]),
		}))
	})
}

func (s *fetchServer) provide() {
	s.t.Helper()
	_, err := s.svc.PublishNotice(s.t.Context(), s.staff, provision.NoticeDraft{
		Class: models.Test, Items: models.Items(), Methods: models.Methods(),
	})
	noError(s.t, err)
	req, err := s.svc.Submit(s.t.Context(), s.staff, provision.Draft{
		DatasetID: "ds-claims", RecipientID: "r-first", Purpose: models.Research, Words: "x", Method: models.Download,
		Until: time.Now().AddDate(1, 0, 0).Format(time.DateOnly),
	})
	noError(s.t, err)
	d, err := s.svc.Approve(s.t.Context(), s.staff, req.ID, "fine")
	noError(s.t, err)
	s.prov = d.Provision
}

// client speaks the server's protocol and follows nothing.
func (s *fetchServer) client() *http.Client {
	transport := &http.Transport{ForceAttemptHTTP2: s.overTLS, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// page is an answer with its body.
type page struct {
	status int
	header http.Header
	body   []byte
}

func (p page) json(t *testing.T) map[string]any {
	t.Helper()
	v := map[string]any{}
	noError(t, json.Unmarshal(p.body, &v))
	return v
}

// ask makes a request; header holds names and values in turn.
func (s *fetchServer) ask(method, path string, body string, header ...string) page {
	s.t.Helper()
	if !strings.Contains(path, "://") {
		path = s.server.URL + path
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	noError(s.t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := s.client().Do(req)
	noError(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	noError(s.t, err)
	return page{resp.StatusCode, resp.Header, text}
}

// api calls the API as the administrator.
func (s *fetchServer) api(status int, method, path string, in any) map[string]any {
	s.t.Helper()
	text, err := json.Marshal(in)
	noError(s.t, err)
	got := s.ask(method, "/api/v1"+path, string(text), "Authorization", "Bearer "+s.token, "Content-Type", "application/json")
	if got.status != status {
		s.t.Fatalf("%s %s: %d %s", method, path, got.status, got.body)
	}
	return got.json(s.t)
}

// link makes a link over the API.
func (s *fetchServer) link(in fields) (url, id string) {
	s.t.Helper()
	in["provision_id"] = s.prov.ID
	made := s.api(201, "POST", "/links", in)
	return made["url"].(string), made["id"].(string)
}

// session redeems a new link in the page; the result ends with a slash.
func (s *fetchServer) session() (path, linkID string) {
	s.t.Helper()
	url, id := s.link(fields{"bind": "none", "uses": 1})
	got := s.ask("POST", url, "")
	if got.status != http.StatusSeeOther {
		s.t.Fatalf("%d %s", got.status, got.body)
	}
	return got.header.Get("Location"), id
}

// parcelFile reads a file of the parcel past the edge.
func (s *fetchServer) parcelFile(path string) (content []byte, etag string) {
	s.t.Helper()
	reader, err := s.svc.Parcel(s.t.Context(), s.prov)
	noError(s.t, err)
	entry, err := reader.Stat(s.t.Context(), path)
	noError(s.t, err)
	body, err := reader.Open(s.t.Context(), entry, 0, -1)
	noError(s.t, err)
	defer body.Close()
	content, err = io.ReadAll(body)
	noError(s.t, err)
	return content, entry.ETag
}

// noise is content that cannot be pressed together, of n bytes.
func noise(n int) string {
	var b bytes.Buffer
	for sum := sha256.Sum256(nil); b.Len() < n; sum = sha256.Sum256(sum[:]) {
		b.Write(sum[:])
	}
	return b.String()[:n]
}
