package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"teikyo/config"
	"teikyo/database"
	"teikyo/internal/clock"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
)

// hands are the clocks of a test's server.
type hands struct {
	mu      sync.Mutex
	start   time.Time
	shifted time.Duration
}

func (h *hands) wall() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().Round(0).Add(h.shifted)
}

func (h *hands) shift(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shifted = d
}

// testServer is a server in this process.
type testServer struct {
	t     *testing.T
	app   *app
	hands *hands
	said  *words
	http  *http.Client
	end   context.CancelFunc
	done  chan error
}

// words is what a server writes for people.
type words struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ready chan struct{} // closed when it says so
}

func (w *words) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if bytes.HasPrefix(b, []byte("ready ")) {
		close(w.ready)
	}
	return w.text.Write(b)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func (s *testServer) URL() string { return s.app.address() }

// startServer serves with cfg, in a data folder of its own unless it names one.
func startServer(t *testing.T, cfg config.Config) *testServer {
	t.Helper()
	s := newStopped(t, cfg)
	s.run()
	<-s.said.ready
	return s
}

// newStopped is a server that does not serve yet.
func newStopped(t *testing.T, cfg config.Config) *testServer {
	t.Helper()
	if cfg.Data == "" {
		cfg.Data = filepath.Join(t.TempDir(), "data")
	}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	s := &testServer{t: t, hands: &hands{start: time.Now()}, said: &words{ready: make(chan struct{})}, done: make(chan error, 1)}
	var err error
	s.app, err = newApp(t.Context(), cfg, system{
		clock: clock.With(s.hands.wall, func() time.Duration { return time.Since(s.hands.start) }),
		rand:  rand.Reader, err: s.said, log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.http = &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true,
	}}
	return s
}

// run serves until the end of the test, or stop.
func (s *testServer) run() {
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	s.end = cancel
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.done <- s.app.serve(ctx)
	}()
	s.t.Cleanup(func() {
		cancel()
		<-ended
		s.http.CloseIdleConnections()
		if err := s.app.close(); err != nil {
			s.t.Error(err)
		}
	})
}

// stop ends the server and returns how serve ended.
func (s *testServer) stop() error {
	s.end()
	err := <-s.done
	s.http.CloseIdleConnections()
	return err
}

func (s *testServer) get(path string) (status int, body string) {
	s.t.Helper()
	resp, err := s.http.Get(s.URL() + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func (s *testServer) append() error {
	return s.app.db.Update(s.t.Context(), func(ctx context.Context) error {
		return s.app.db.Append(ctx, &ledger.Entry{Kind: ledger.ConfigChanged, IDs: map[string]string{"actor": "u-test"}})
	})
}

// check verifies the ledger against the second place.
func (s *testServer) check() {
	s.t.Helper()
	verifiers, err := checkpointVerifiers(s.app.keys.Issuer())
	if err != nil {
		s.t.Fatal(err)
	}
	opts := ledger.VerifyOptions{Verifiers: verifiers}
	if newest := s.app.Checkpoint(); newest != nil {
		opts.Checkpoints = [][]byte{newest}
	}
	// One state of the database: the server still appends, for example when it
	// closes a download.
	err = s.app.db.Snapshot(s.t.Context(), func(ctx context.Context) error {
		ledgertest.CheckLedger(s.t, frozenLedger{s.app.db, ctx}, opts)
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// frozenLedger reads everything in the snapshot of its context.
type frozenLedger struct {
	db       *database.DB
	snapshot context.Context
}

func (f frozenLedger) Head(context.Context) (ledger.Head, error) { return f.db.Head(f.snapshot) }

func (f frozenLedger) Records(_ context.Context, from int64) iter.Seq2[ledger.Record, error] {
	return f.db.Records(f.snapshot, from)
}

func (f frozenLedger) Hashes(context.Context) iter.Seq2[ledger.StoredHash, error] {
	return f.db.Hashes(f.snapshot)
}
