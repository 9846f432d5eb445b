package handlers_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/database"
	"teikyo/database/dbtest"
	"teikyo/handlers"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/recipient"
)

// onceServer heeds Idempotency-Key and has a clock that can be moved.
type onceServer struct {
	*accountServer
	t     *testing.T
	dir   string
	moved atomic.Int64
	token string
}

func newOnceServer(t *testing.T) *onceServer {
	t.Helper()
	s := &onceServer{accountServer: &accountServer{}, t: t, dir: t.TempDir()}
	now := func() time.Time { return time.Now().Add(time.Duration(s.moved.Load())) }
	db, err := database.Open(t.Context(), database.Options{
		URL: dbtest.URL(t, s.dir), Rand: rand.Reader,
	})
	noError(t, err)
	t.Cleanup(func() {
		ledgertest.CheckLedger(t, db, ledger.VerifyOptions{})
		db.Close()
	})
	s.access = &access.Service{Store: db, Hasher: crypto.NewPasswordHasher(rand.Reader, 2), Now: now, Rand: rand.Reader}
	s.Handler, err = handlers.New(handlers.Config{
		Access: s.access, Answers: db, Now: now, PublicURL: "https://data.example.jp", Version: "test",
		Recipients: &recipient.Service{Store: db, People: s.access, Now: now, Rand: rand.Reader, Zone: time.UTC},
		Log:        slog.New(slog.NewJSONHandler(&s.log, nil)),
	})
	noError(t, err)
	s.token = s.setup(t)
	return s
}

// post sends a request with a key and returns the answer as it came.
func (s *onceServer) post(path, key string, in any) *httptest.ResponseRecorder {
	s.t.Helper()
	text, err := json.Marshal(in)
	noError(s.t, err)
	req := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, "/api/v1"+path, bytes.NewReader(text))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.token)
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	return w
}

// wants is post, and wants that status and words of the answer.
func (s *onceServer) wants(status int, words, path, key string, in any) *httptest.ResponseRecorder {
	s.t.Helper()
	w := s.post(path, key, in)
	if w.Code != status || !strings.Contains(w.Body.String(), words) {
		s.t.Fatalf("%s %q: got %d %s, want %d with %q", path, key, w.Code, w.Body, status, words)
	}
	return w
}

func (s *onceServer) count(path string) int {
	s.t.Helper()
	items, _ := s.want(s.t, 200, "GET", path, s.token, nil).body["items"].([]any)
	return len(items)
}

func organisation(name string) fields {
	return fields{"name": name, "country": "JP", "address": "東京都文京区本郷1-1", "representative": "鈴木 一郎", "email": "data@example.ac.jp"}
}

func TestRepeatedRequestIsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	s := newOnceServer(t)
	first := s.wants(201, `"id"`, "/recipients", "k-1", organisation("東都大学"))
	again := s.wants(201, `"id"`, "/recipients", "k-1", organisation("東都大学"))
	if !bytes.Equal(first.Body.Bytes(), again.Body.Bytes()) || again.Header().Get("Content-Type") != first.Header().Get("Content-Type") {
		t.Errorf("first %s, again %s", first.Body, again.Body)
	}
	if first.Header().Get("Idempotency-Replayed") != "" || again.Header().Get("Idempotency-Replayed") != "true" {
		t.Error("the repetition is not marked")
	}
	if n := s.count("/recipients"); n != 1 {
		t.Fatalf("%d recipients", n)
	}
	s.wants(409, "another request", "/recipients", "k-1", organisation("西都大学"))
	s.wants(409, "POST /api/v1/recipients)", "/tokens", "k-1", fields{"name": "x"})
	s.wants(201, `"id"`, "/recipients", "", organisation("西都大学"))
	s.wants(201, `"id"`, "/recipients", "k-2", organisation("南都大学"))

	// An error did nothing, so that its key is free for the corrected request.
	s.wants(422, "country", "/recipients", "k-3", fields{"name": "北都大学", "country": "Japan"})
	s.wants(201, `"id"`, "/recipients", "k-3", organisation("北都大学"))
	s.wants(413, "", "/recipients", "k-4", organisation(strings.Repeat("x", 2<<20)))
	s.wants(201, `"id"`, "/recipients", "k-4", organisation("中都大学"))
	if n := s.count("/recipients"); n != 5 {
		t.Fatalf("%d recipients", n)
	}

	s.moved.Store(int64(25 * time.Hour))
	if w := s.wants(201, `"id"`, "/recipients", "k-1", organisation("東都大学")); w.Body.String() == first.Body.String() {
		t.Error("the answer was kept for more than a day")
	}
}

func TestKeysBelongToTheirAccount(t *testing.T) {
	t.Parallel()
	s := newOnceServer(t)
	s.wants(201, `"id"`, "/recipients", "k", organisation("東都大学"))
	code := s.want(t, 201, "POST", "/users", s.token, fields{"email": "m@example.jp", "name": "森", "role": "manager"}).text("code")
	s.want(t, 200, "POST", "/users/accept", "", fields{"code": code, "password": accountPassword})
	s.token = s.signIn(t, "m@example.jp").text("token")
	if w := s.wants(201, `"id"`, "/recipients", "k", organisation("東都大学")); w.Header().Get("Idempotency-Replayed") != "" {
		t.Error("an account got the answer of another one")
	}
}

// A secret is shown once and not kept, not even for the same person.
func TestSecretsAreNotKept(t *testing.T) {
	t.Parallel()
	s := newOnceServer(t)
	var made struct{ Token string }
	noError(t, json.Unmarshal(s.wants(201, "tk_", "/tokens", "k", fields{"name": "job"}).Body.Bytes(), &made))
	s.wants(409, "shown only once", "/tokens", "k", fields{"name": "job"})
	if n := s.count("/tokens"); n != 2 {
		t.Errorf("%d tokens", n)
	}
	if dbtest.OnPostgres() {
		return // the rows are the same, and the files are another program's
	}
	found := 0
	noError(t, filepath.WalkDir(s.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(made.Token)) {
			t.Errorf("%s holds the token", entry.Name())
		}
		if bytes.Contains(text, []byte("POST /api/v1/tokens")) {
			found++
		}
		return err
	}))
	if found == 0 {
		t.Error("the request was not found, so that nothing was looked at")
	}
}

func TestKeyMustBeReadable(t *testing.T) {
	t.Parallel()
	s := newOnceServer(t)
	for _, key := range []string{strings.Repeat("k", 201), "k\x01", "鍵"} {
		s.wants(422, "Idempotency-Key", "/recipients", key, organisation("東都大学"))
	}
	if n := s.count("/recipients"); n != 0 {
		t.Errorf("%d recipients", n)
	}
}

func TestParallelRepetitions(t *testing.T) {
	t.Parallel()
	s := newOnceServer(t)
	var wg sync.WaitGroup
	var carriedOut atomic.Int64
	for range 40 {
		wg.Go(func() {
			w := s.post("/recipients", "k", organisation("東都大学"))
			switch {
			case w.Code == 201 && w.Header().Get("Idempotency-Replayed") == "":
				carriedOut.Add(1)
			case w.Code != 201 && w.Code != 409:
				t.Errorf("got %d %s", w.Code, w.Body)
			}
		})
	}
	wg.Wait()
	if carriedOut.Load() != 1 || s.count("/recipients") != 1 {
		t.Errorf("carried out %d times, %d recipients", carriedOut.Load(), s.count("/recipients"))
	}
}

// Nobody knows how far a request came that broke in the middle, so its key does
// not start it again.
func TestBrokenRequestIsNotRepeated(t *testing.T) {
	t.Parallel()
	s := newOnceServer(t)
	draft := fields{"class": "anonymized", "items": []string{"tests"}, "methods": []string{"download"}}
	s.wants(500, "internal", "/notices", "k", draft) // this server has no provisions
	w := s.wants(409, "begun", "/notices", "k", draft)
	if w.Header().Get("Retry-After") != "1" {
		t.Errorf("%v", w.Header())
	}
}
