package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teikyo/config"
	"teikyo/internal/datadir"
	"teikyo/ledger"
	"teikyo/ledger/checkpoints"
	"teikyo/models"
)

// Not parallel: it counts the goroutines of the whole process.
func TestServerLeavesNothingBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	data := filepath.Join(t.TempDir(), "data")
	for range 2 {
		s := startServer(t, config.Config{Data: data, AdminListen: "127.0.0.1:0"})
		if status, _ := s.get("/healthz"); status != http.StatusOK {
			t.Fatal(status)
		}
		if err := s.append(); err != nil {
			t.Fatal(err)
		}
		if err := s.app.publishAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.check()
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		if err := s.app.close(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(s.said.String(), "ready "+s.URL()) {
			t.Fatal(s.said)
		}
		if _, err := os.Lstat(filepath.Join(data, datadir.AdminSocket)); err == nil {
			t.Fatal("the admin socket is left")
		}
	}
	// GORM's cache of statements has one for each pool and no way to end it.
	goleak.VerifyNone(t, before, goleak.IgnoreTopFunction("gorm.io/gorm/internal/lru.NewLRU[...].func1"))
}

func TestReadyzSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := startServer(t, config.Config{})
	failing := func() string {
		status, body := s.get("/readyz")
		var answer struct {
			Ready  bool
			Checks []struct {
				Name string
				OK   bool
			}
			Warnings []string
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err)
		}
		if answer.Ready != (status == http.StatusOK) || len(answer.Checks) < 4 {
			t.Fatal(status, body)
		}
		if len(answer.Warnings) != 1 || !strings.Contains(answer.Warnings[0], "same disk") {
			t.Fatal(body)
		}
		var names []string
		for _, c := range answer.Checks {
			if !c.OK {
				names = append(names, c.Name)
			}
		}
		return strings.Join(names, " ")
	}
	if got := failing(); got != "" {
		t.Fatal(got)
	}

	s.hands.shift(-10 * time.Minute)
	if got := failing(); got != "clock" {
		t.Fatal(got)
	}
	if err := s.append(); !models.IsKind(err, models.Unavailable) {
		t.Fatalf("a leaf was dated by a clock that was moved: %v", err)
	}
	if err := s.app.mayIssue(); err == nil {
		t.Fatal("issuing goes on")
	}
	s.hands.shift(0)

	gone := s.app.secondDir + ".gone"
	if err := os.Rename(s.app.secondDir, gone); err != nil {
		t.Fatal(err)
	}
	if status, _ := s.get("/readyz"); status != http.StatusServiceUnavailable {
		t.Fatal(status)
	}
	if err := os.Rename(gone, s.app.secondDir); err != nil {
		t.Fatal(err)
	}
	if got := failing(); got != "" {
		t.Fatal(got)
	}
	if err := s.append(); err != nil {
		t.Fatal(err)
	}
	s.check()
}

// A second place that fails for more than a minute stops issuing, and nothing
// else; when it is back, so is issuing.
func TestSecondPlaceBehindStopsIssuing(t *testing.T) {
	t.Parallel()
	s := startServer(t, config.Config{})
	gone := s.app.secondDir + ".gone"
	if err := os.Rename(s.app.secondDir, gone); err != nil {
		t.Fatal(err)
	}
	if err := s.append(); err != nil {
		t.Fatal(err)
	}
	if err := s.app.mayIssue(); err != nil {
		t.Fatal(err)
	}
	s.hands.shift(2 * time.Minute)
	if err := s.app.mayIssue(); !models.IsKind(err, models.Unavailable) {
		t.Fatal(err)
	}
	if err := s.app.gate(ledger.LinkIssued); err == nil {
		t.Fatal("links are issued")
	}
	if err := s.append(); err != nil {
		t.Fatalf("other work: %v", err)
	}
	if err := os.Rename(gone, s.app.secondDir); err != nil {
		t.Fatal(err)
	}
	if err := s.app.publishAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.app.mayIssue(); err != nil {
		t.Fatal(err)
	}
	s.check()
}

// slowHandler answers its first byte at once and the rest when it is let go.
func slowHandler(started chan<- struct{}, release <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first ")
		_ = http.NewResponseController(w).Flush()
		started <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
			return
		}
		_, _ = io.WriteString(w, "last")
	})
}

func TestTransfersEndBeforeTheServerDoes(t *testing.T) {
	t.Parallel()
	started, release := make(chan struct{}), make(chan struct{})
	s := newStopped(t, config.Config{})
	s.app.handler = slowHandler(started, release)
	s.run()
	answer := make(chan string, 1)
	go func() {
		resp, err := s.http.Get(s.URL() + "/")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		answer <- string(text) + errText(err)
	}()
	<-started
	s.end()
	for s.app.Ready(t.Context()).Ready { // it says so before it stops
	}
	close(release)
	if got := <-answer; got != "first last" {
		t.Fatal(got)
	}
	if err := <-s.done; err != nil {
		t.Fatal(err)
	}
}

func TestDrainHasAnEnd(t *testing.T) {
	t.Parallel()
	started := make(chan struct{})
	s := newStopped(t, config.Config{Listen: "127.0.0.1:0", DrainTimeout: 50 * time.Millisecond})
	s.app.handler = slowHandler(started, nil)
	s.run()
	answer := make(chan error, 1)
	go func() {
		resp, err := s.http.Get(s.URL() + "/")
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		answer <- err
	}()
	<-started
	s.end()
	if err := <-s.done; err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err == nil {
		t.Fatal("a cut transfer looked whole")
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// An I/O error of the database ends the program with an error; the next start
// recovers.
func TestFatalDatabaseStopsTheServer(t *testing.T) {
	t.Parallel()
	s := startServer(t, config.Config{})
	if status, _ := s.get("/healthz"); status != http.StatusOK {
		t.Fatal(status)
	}
	broken := models.Errorf(models.Unavailable, "the disk is broken")
	s.app.fatal <- broken
	if err := <-s.done; !errors.Is(err, broken) {
		t.Fatal(err)
	}
}

func TestLoopThatFailsStopsTheServer(t *testing.T) {
	t.Parallel()
	s := newStopped(t, config.Config{Listen: "127.0.0.1:0"})
	broken := errors.New("broken")
	s.app.loops = append(s.app.loops, func(context.Context) error { return broken })
	s.run()
	if err := <-s.done; !errors.Is(err, broken) {
		t.Fatal(err)
	}
}

func TestRequestLimits(t *testing.T) {
	t.Parallel()
	s := startServer(t, config.Config{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", "bytes="+strings.Repeat("0-1,", 20_000)+"0-1")
	resp, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Fatal(resp.Status)
	}
	for path, want := range map[string]int{
		"/ledger/checkpoint": 404, "/ledger/tile/0/000": 404, "/ledger/tile/entries/000": 404, "/ledger/tile/../x": 404,
		"/.well-known/teikyo.json": 200, "/api/v1/version": 200, "/api/v1/ledger/entries": 401, "/api/v1/ledger/proofs/0": 401,
		"/metrics": 404, "/debug/pprof/": 404, "/nothing": 404,
	} {
		if status, body := s.get(path); status != want {
			t.Errorf("%s: %d, want %d: %s", path, status, want, body)
		}
	}
}

// Tiles prove that the tree that the server publishes only grew.
func TestTilesProveConsistency(t *testing.T) {
	t.Parallel()
	s := startServer(t, config.Config{})
	verifiers, err := checkpointVerifiers(s.app.keys.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	newest := func() ledger.Checkpoint {
		_, text := s.get("/ledger/checkpoint")
		c, err := ledger.OpenCheckpoint([]byte(text), verifiers...)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	grow := func(n int) ledger.Checkpoint {
		for range n {
			if err := s.append(); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.app.publishAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		return newest()
	}
	older, newer := grow(3), grow(300)
	fetch := func(_ context.Context, path string) ([]byte, error) {
		status, body := s.get("/ledger/" + path)
		if status != http.StatusOK {
			return nil, errors.New(path + ": " + body)
		}
		return []byte(body), nil
	}
	if err := checkpoints.ConsistencyFromTiles(t.Context(), fetch, older.Tree, newer.Tree); err != nil {
		t.Fatal(err)
	}
	s.check()
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := startServer(t, config.Config{})
	s.get("/dl/secret-of-somebody/x")
	s.get("/healthz")
	handler, err := s.app.metricsHandler()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/metrics": `route="/healthz"`, "/debug/pprof/goroutine?debug=1": "goroutine profile"} {
		rec := newRecorder()
		handler.ServeHTTP(rec, mustRequest(t, path))
		if !strings.Contains(rec.body.String(), want) || strings.Contains(rec.body.String(), "secret-of-somebody") {
			t.Errorf("%s: %s", path, rec.body.String())
		}
	}
	rec := newRecorder()
	handler.ServeHTTP(rec, mustRequest(t, "/metrics"))
	for _, name := range []string{"teikyo_ledger_entries 0", "teikyo_ready 1", "teikyo_data_free_bytes", "go_goroutines", "teikyo_second_place_lag_seconds 0"} {
		if !strings.Contains(rec.body.String(), name) {
			t.Errorf("no %s", name)
		}
	}
}

type recorder struct {
	header http.Header
	body   strings.Builder
}

func newRecorder() *recorder                        { return &recorder{header: http.Header{}} }
func (r *recorder) Header() http.Header             { return r.header }
func (r *recorder) WriteHeader(int)                 {}
func (r *recorder) Write(b []byte) (n int, _ error) { return r.body.Write(b) }

func mustRequest(t *testing.T, path string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// A path that no socket address holds.
func TestAdminSocketInADeepFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep", 30))
	s := startServer(t, config.Config{Data: dir})
	if status, _ := s.get("/healthz"); status != http.StatusOK {
		t.Fatal(status)
	}
	var state serverState
	running, err := callAdmin(t.Context(), dir, http.MethodGet, "/state", nil, &state)
	if err != nil || !running || !state.Ready.Ready || state.Address != s.URL() {
		t.Fatal(running, err, state)
	}
	if _, err := callAdmin(t.Context(), dir, http.MethodPost, "/issuer/rotate", map[string]string{"use": "kek"}, nil); !models.IsKind(err, models.Invalid) {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if running, err := callAdmin(t.Context(), dir, http.MethodGet, "/state", nil, &state); running || err != nil {
		t.Fatal(running, err)
	}
}

func TestTwoServersOneFolder(t *testing.T) {
	t.Parallel()
	s := startServer(t, config.Config{})
	_, err := newApp(t.Context(), config.Config{Data: s.app.folder.Root(), Listen: "127.0.0.1:0"}, s.app.system)
	if !models.IsKind(err, models.Conflict) {
		t.Fatal(err)
	}
	if status, _ := s.get("/readyz"); status != http.StatusOK {
		t.Fatal("the refused one did harm")
	}
}
