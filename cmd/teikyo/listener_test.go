package main

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"os"
)

// listener is a server of somebody who is told of provisions by webhook.
type listener struct {
	*httptest.Server

	mu    sync.Mutex
	heard map[string]int // provisions
}

func newListener(t *testing.T) *listener {
	t.Helper()
	l := &listener{heard: map[string]int{}}
	l.Server = httptest.NewTLSServer(http.HandlerFunc(l.hear))
	t.Cleanup(l.Close)
	return l
}

func (l *listener) hear(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	var message struct {
		Data struct {
			IDs map[string]string `json:"ids"`
		} `json:"data"`
	}
	if err == nil {
		err = json.Unmarshal(text, &message)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard[message.Data.IDs["provision"]]++
	w.WriteHeader(http.StatusNoContent)
}

// settings let servers of a test reach it.
func (l *listener) settings(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "listener.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("egress:\n  allow_private: [127.0.0.0/8]\nwebhooks:\n  ca_file: %q\n", file)
}

// wantAll waits until it was told of all provisions and of no other. What a dead
// node was about to tell waits for the end of its lease, a minute.
func (l *listener) wantAll(w *world, provisions []string) {
	w.t.Helper()
	missing := func() (list []string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, id := range provisions {
			if l.heard[id] == 0 {
				list = append(list, id)
			}
		}
		return list
	}
	limit := time.After(2 * time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for len(missing()) > 0 {
		select {
		case <-limit:
			w.t.Fatalf("nobody was told of %v", missing())
		case <-tick.C:
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.heard) != len(provisions) {
		w.t.Errorf("%d provisions were told of, there are %d", len(l.heard), len(provisions))
	}
}
