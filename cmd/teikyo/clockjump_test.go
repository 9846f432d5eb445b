//go:build unix

package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"teikyo/config"
	"teikyo/database/dbtest"
	"teikyo/models"
	"teikyo/storage/s3/s3test"
)

// Clocks of two nodes jump: a node whose clock is moved by more than five minutes
// records nothing and says that it is not ready, the other goes on; smaller jumps
// are borne, and no entry is dated before the one that went before it.
func TestClocksOfTwoNodesJump(t *testing.T) {
	t.Parallel()
	store, keys := s3test.Start(t), t.TempDir()
	cfg := config.Config{
		Database: config.Database{URL: config.Secret(dbtest.Postgres(t))}, Storage: config.Storage{URL: store.URL("data/main")},
		CheckpointsURL: store.URL("second/place"), KeysDir: keys, Issuer: config.Issuer{Origin: "example.jp"},
	}
	nodes := [2]*testServer{startServer(t, cfg), startServer(t, cfg)}
	const bit, far = 4 * time.Minute, 10 * time.Minute
	for _, jump := range []struct {
		name  string
		by    [2]time.Duration
		works [2]bool
	}{
		{"none", [2]time.Duration{0, 0}, [2]bool{true, true}},
		{"one far ahead", [2]time.Duration{far, 0}, [2]bool{false, true}},
		{"one far behind", [2]time.Duration{0, -far}, [2]bool{true, false}},
		{"both, apart", [2]time.Duration{far, -far}, [2]bool{false, false}},
		{"right again", [2]time.Duration{0, 0}, [2]bool{true, true}},
		{"a bit behind", [2]time.Duration{0, -bit}, [2]bool{true, true}},
		{"a bit ahead", [2]time.Duration{bit, 0}, [2]bool{true, true}},
		// The other is now further behind the ledger than a clock may be.
		{"a bit each", [2]time.Duration{bit, -bit}, [2]bool{true, false}},
		{"right in the end", [2]time.Duration{0, 0}, [2]bool{true, true}},
	} {
		for i, node := range nodes {
			node.hands.shift(jump.by[i])
		}
		for i, node := range nodes {
			node.wantClock(jump.name, jump.works[i])
		}
	}
	for _, node := range nodes {
		node.check()
		node.datedInOrder()
	}
}

// wantClock wants the node to record and be ready, or neither.
func (s *testServer) wantClock(name string, works bool) {
	s.t.Helper()
	problem := func() string {
		_, body := s.get("/readyz")
		_, rest, _ := strings.Cut(body, `"name":"clock"`)
		said, _, _ := strings.Cut(rest, "}")
		return said
	}
	limit, tick := time.After(30*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	wrong := func() bool {
		return strings.Contains(problem(), `"ok":true`) != works || s.app.clock.Now().Before(s.newest())
	}
	for wrong() { // it hears of others' entries within a second
		select {
		case <-limit:
			s.t.Fatalf("%s: /readyz says %s; the node's time is %v, the ledger's %v", name, problem(), s.app.clock.Now(), s.newest())
		case <-tick.C:
		}
	}
	err := s.append()
	if works && err != nil || !works && !models.IsKind(err, models.Unavailable) {
		s.t.Errorf("%s: an entry: %v", name, err)
	}
}

// newest is the time of the newest entry.
func (s *testServer) newest() time.Time {
	s.t.Helper()
	head, err := s.app.db.Head(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return head.Time
}

// datedInOrder wants that no entry is dated before the one that went before it.
func (s *testServer) datedInOrder() {
	s.t.Helper()
	var last time.Time
	for rec, err := range s.app.db.Records(context.Background(), 0) {
		if err != nil {
			s.t.Fatal(err)
		}
		if rec.Time.Before(last) {
			s.t.Errorf("entry %d is of %v, the one before of %v", rec.Index, rec.Time, last)
		}
		last = rec.Time
	}
}
