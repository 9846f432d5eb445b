package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"teikyo/access"
	"teikyo/config"
	"teikyo/crypto/transit/transittest"
	"teikyo/dataset"
	"teikyo/handlers"
	"teikyo/internal/clock"
	"teikyo/keys"
	"teikyo/models"
)

var keysManager = access.Actor{UserID: "u-manager000000000", Role: models.Manager}

// register puts a small file into a new dataset.
func (s *testServer) register() error {
	ctx := context.Background()
	v, err := s.app.datasets.Create(ctx, keysManager, dataset.New{Title: "x", Class: models.Test}, dataset.NewVersion{})
	if err != nil {
		return err
	}
	body := []byte("month,points\n2024-01,1\n2024-02,2\n")
	_, err = s.app.datasets.Put(ctx, keysManager, dataset.Upload{
		DatasetID: v.DatasetID, Version: 1, Path: "a.csv", Items: []models.Item{models.OtherItem},
		Body: bytes.NewReader(body), Length: int64(len(body)), Total: int64(len(body)),
	})
	return err
}

// moveAll rotates to the configured provider and destroys every old version.
func (s *testServer) moveAll() {
	s.t.Helper()
	ctx := context.Background()
	if _, err := s.app.rotateKEK(ctx); err != nil {
		s.t.Fatal(err)
	}
	done, err := (&cli{err: s.said, quiet: true}).driveRewrap(ctx, keyServer{s.app.rewrapStep, s.app.kekStates, s.app.destroyKEK}, true)
	if err != nil || done.Left != 0 || done.Failed != 0 || len(done.Destroyed) == 0 {
		s.t.Fatalf("%+v, %v", done, err)
	}
}

func (s *testServer) check503(want bool) {
	s.t.Helper()
	ready := s.app.Ready(s.t.Context())
	i := slices.IndexFunc(ready.Checks, func(c handlers.ReadinessCheck) bool { return c.Name == "keys" })
	if i < 0 || ready.Checks[i].OK == want {
		s.t.Fatalf("%+v", ready)
	}
}

// The key moves from a file to a transit engine, then to a file sealed by a
// passphrase; what was registered under each opens. While the engine is away the
// server says so, and goes on by itself.
func TestProvidersOfTheKEK(t *testing.T) {
	t.Parallel()
	data, vault := filepath.Join(t.TempDir(), "data"), transittest.New(t)
	secrets := t.TempDir()
	token, pass := filepath.Join(secrets, "token"), filepath.Join(secrets, "pass")
	if err := os.WriteFile(token, []byte("t-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pass, []byte("correct horse battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	engine := config.Transit{URL: vault.URL, CAFile: vault.CAFile, TokenFile: token, Networks: []string{"127.0.0.0/8"}, Timeout: 5 * time.Second}
	settings := []config.KEK{
		{}, {Provider: config.KEKTransit, Transit: engine}, {Provider: config.KEKPassphrase, PassphraseFile: pass, Transit: engine},
		{Provider: config.KEKPassphrase, PassphraseFile: pass},
	}
	for i, kek := range settings {
		s := newStopped(t, config.Config{Data: data, KEK: kek})
		if i > 0 && i < 3 {
			s.moveAll()
		}
		if err := s.register(); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			s.withoutEngine(vault)
		}
		states, err := s.app.kekStates(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range states {
			if v.Current && (v.Total != int64(i+1) || v.Provider == "") {
				t.Fatalf("step %d: %+v", i, states)
			}
		}
		if err := s.app.close(); err != nil {
			t.Fatal(err)
		}
	}
	plain, err := filepath.Glob(filepath.Join(data, "keys", "kek-*.key"))
	if err != nil || len(plain) != 0 {
		t.Fatal(plain, err)
	}
	_, err = newApp(t.Context(), config.Config{Data: data, Listen: "127.0.0.1:0"}, system{clock: clock.New(), rand: rand.Reader, err: io.Discard, log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "is not here") {
		t.Fatalf("without the passphrase: %v", err)
	}
}

func (s *testServer) withoutEngine(vault *transittest.Server) {
	s.t.Helper()
	s.check503(false)
	vault.Set(func(set *transittest.Settings) { set.Sealed = true })
	s.hands.shift(time.Minute)
	s.check503(true)
	if err := s.register(); !models.IsKind(err, models.Unavailable) {
		s.t.Fatalf("%v", err)
	}
	if _, err := s.app.keks.Rewrap(s.t.Context(), keys.Cursor{}); err != nil { // nothing to do
		s.t.Fatal(err)
	}
	vault.Set(func(set *transittest.Settings) { set.Sealed = false })
	s.check503(false)
}
