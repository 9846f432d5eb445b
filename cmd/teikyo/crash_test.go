package main

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// kills is how often the server is killed in TestKilledServer.
const kills = 15

// survivors is what servers have promised by their answers.
type survivors struct {
	*world
	r          *partner
	source     string   // folder of the files that are registered again and again
	versions   []string // ID@V of what is registered
	provisions []string
	receipts   []string // files
	size       float64  // of the ledger, the last time somebody looked
	took       map[string]time.Duration
}

// attempt is something that people do while the server dies. It runs until it
// has its answer; finish makes sure that it is done, after a restart.
type attempt struct {
	name   string
	run    func() (code int, out string)
	finish func(code int, out string)
}

// The server is killed at any moment of registrations, approvals and downloads;
// after each restart everything that DESIGN.md 5 promises must hold.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.notice()
	s := &survivors{world: w, r: w.partner("Keio"), source: filepath.Join(w.dir, "source"), took: map[string]time.Duration{}}
	for i := range 4 {
		w.table(fmt.Sprintf("source/part/%d.csv", i), 1<<20+int64(i)*70_000)
	}
	for i := range 3 { // unharmed, to know how long each takes
		a := s.attempt(i)
		began := time.Now()
		code, out := a.run()
		s.took[a.name] = time.Since(began)
		a.finish(code, out)
	}
	for i := range kills {
		s.survive(s.attempt(i))
		s.check()
	}
	s.everythingOpens()
}

// attempt is the i-th, of each kind in turn.
func (s *survivors) attempt(i int) attempt {
	switch i % 3 {
	case 0:
		return s.registering()
	case 1:
		return s.approving()
	default:
		return s.downloading()
	}
}

// survive kills the server at a moment of the attempt, or just after it.
func (s *survivors) survive(a attempt) {
	s.t.Helper()
	type answer struct {
		code int
		out  string
	}
	answers := make(chan answer, 1)
	go func() {
		code, out := a.run()
		answers <- answer{code, out}
	}()
	moment := time.NewTimer(rand.N(s.took[a.name] * 5 / 4))
	var got *answer
	select {
	case <-moment.C:
	case early := <-answers:
		got = &early
	}
	s.kill()
	s.start() // I10: with nothing but a start
	if got == nil {
		late := <-answers
		got = &late
	}
	a.finish(got.code, got.out)
}

func (s *survivors) registering() attempt {
	args := []string{"dataset", "register", "--title", fmt.Sprintf("Visits %d", len(s.versions)), "--class", "anonymized",
		"--item", "demographics", s.source, "--json"}
	run := func() (int, string) {
		code, out, _ := s.mori.try("", args...)
		return code, out
	}
	return attempt{name: "register", run: run, finish: func(code int, out string) {
		if code != 0 { // the same command goes on
			out, _ = s.mori.run(0, "", args...)
		}
		ds := document(s.t, out)
		s.versions = append(s.versions, fmt.Sprintf("%s@%v", ds["id"], ds["version"]))
	}}
}

func (s *survivors) approving() attempt {
	request := s.request(s.versions[len(s.versions)-1], s.r)
	run := func() (int, string) {
		code, out, _ := s.alice.try("", "request", "approve", request, "--reason", "fits", "--json")
		return code, out
	}
	return attempt{name: "approve", run: run, finish: func(code int, out string) {
		shown := s.alice.json("request", "show", request)
		if shown["state"] == "submitted" {
			if code == 0 {
				s.t.Fatalf("an approval was answered and is gone: %s", out)
			}
			s.alice.json("request", "approve", request, "--reason", "fits")
			shown = s.alice.json("request", "show", request)
		}
		provision, _ := shown["provision_id"].(string)
		if shown["state"] != "approved" || provision == "" {
			s.t.Fatal(shown)
		}
		if code == 0 && document(s.t, out)["provision"].(map[string]any)["id"] != provision {
			s.t.Fatalf("another provision than %s", out)
		}
		s.provisions = append(s.provisions, provision)
	}}
}

func (s *survivors) downloading() attempt {
	_, link := s.link(s.provisions[len(s.provisions)-1], "--uses", "10")
	dir := filepath.Join(s.r.desk.home, fmt.Sprintf("parcel-%d", len(s.receipts)))
	args := []string{"get", link, "-o", dir, "-i", s.r.identity, "--issuer", s.issuerFile(), "--json"}
	run := func() (int, string) {
		code, out, errOut := s.r.desk.try("", args...)
		return code, out + errOut
	}
	return attempt{name: "download", run: run, finish: func(code int, out string) {
		switch code {
		case 0:
		case 8: // it gives up soon only while the server has not answered yet
			s.r.desk.run(0, "", args...)
		default:
			s.t.Fatalf("get: exit %d\n%s", code, out)
		}
		s.wantVerified(s.r, dir) // I7
		s.receipts = append(s.receipts, filepath.Join(dir, "RECEIPT.tlog-proof"))
	}}
}

// check holds what was promised against the restarted server.
func (s *survivors) check() {
	s.t.Helper()
	report := s.verifyLedger() // I5
	if size := report["size"].(float64); size < s.size {
		s.t.Fatalf("the ledger shrank from %v to %v", s.size, size)
	} else {
		s.size = size
	}
	for _, receipt := range s.receipts {
		s.verifyLedger("--receipt", receipt)
	}
	for _, version := range s.versions { // I2
		if shown := s.mori.json("dataset", "show", version); shown["state"] != "registered" || len(shown["files"].([]any)) != 4 {
			s.t.Fatal(shown)
		}
	}
	for _, provision := range s.provisions {
		if shown := s.mori.json("provision", "show", provision); shown["state"] != "active" && shown["state"] != "issued" {
			s.t.Fatal(shown)
		}
	}
	s.recorded()
	s.noDanglingRows()
}

// recorded wants an entry for every provision, and one for every session that
// bytes went to (I1).
func (s *survivors) recorded() {
	s.t.Helper()
	opened := map[any]bool{}
	for _, kind := range []string{"provision.issued", "download.opened"} {
		list := s.alice.json("ledger", "list", "--kind", kind, "--limit", "200")
		for _, item := range list["items"].([]any) {
			ids := item.(map[string]any)["ids"].(map[string]any)
			opened[kind+ids["provision"].(string)] = true
		}
	}
	for i, provision := range s.provisions {
		if !opened["provision.issued"+provision] || i < len(s.receipts) && !opened["download.opened"+provision] {
			s.t.Errorf("%s has no entry: %v", provision, opened)
		}
	}
}

// noDanglingRows looks into the tables: what a row names is there, whole (I4).
func (s *survivors) noDanglingRows() {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.data, "teikyo.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	s.rows(db, "SELECT object_key, '', size FROM sealed_segments", func(key, _ string, size int64) {
		if info, err := os.Stat(s.object(key)); err != nil || info.Size() != size {
			s.t.Errorf("segment %s: %v, %v, want %d bytes", key, info, err, size)
		}
	})
	s.rows(db, "SELECT pack_key, pack_sha256, 0 FROM provisions", func(key, digest string, _ int64) {
		if sum := sha256.Sum256(s.read(s.object(key))); hex.EncodeToString(sum[:]) != digest {
			s.t.Errorf("pack %s has another digest", key)
		}
	})
	s.rows(db, `SELECT f.path, '', (SELECT coalesce(sum(size), 0) FROM sealed_segments WHERE sealed_id = s.id) - s.payload_size
		FROM dataset_files f JOIN sealed_files s ON s.id = f.sealed_id
		JOIN dataset_versions v ON v.dataset_id = f.dataset_id AND v.number = f.version WHERE v.state = 'registered'`, func(path, _ string, missing int64) {
		if missing != 0 {
			s.t.Errorf("%s: %d bytes of its segments are missing", path, missing)
		}
	})
}

func (s *survivors) object(key string) string {
	return filepath.Join(s.data, "objects", key[:2], key)
}

// rows gives every row of a query of two texts and a number; there must be some.
func (s *survivors) rows(db *sql.DB, query string, each func(a, b string, n int64)) {
	s.t.Helper()
	rows, err := db.QueryContext(s.t.Context(), query)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	count := 0
	for rows.Next() {
		var a, b string
		var n int64
		if err := rows.Scan(&a, &b, &n); err != nil {
			s.t.Fatal(err)
		}
		each(a, b, n)
		count++
	}
	if err := rows.Err(); err != nil || count == 0 {
		s.t.Fatalf("%d rows of %s: %v", count, query, err)
	}
}

// everythingOpens provides every version to somebody new, who opens it (I3).
func (s *survivors) everythingOpens() {
	s.t.Helper()
	fresh := s.partner("Fresh")
	for i, version := range s.versions {
		_, link := s.link(s.provide(version, fresh))
		dir, _, _ := fresh.fetch(0, link, fmt.Sprintf("parcel-%d", i))
		for _, name := range listTree(s.t, s.source) {
			if sha256Of(s.t, filepath.Join(dir, "data", name)) != sha256Of(s.t, filepath.Join(s.source, name)) {
				s.t.Errorf("%s of %s is another file", name, version)
			}
		}
	}
	s.noOrphans()
}

// noOrphans wants nothing in the store that no row names, once a start has swept
// what the killed servers left; young packs may be of an approval under way.
func (s *survivors) noOrphans() {
	s.t.Helper()
	s.stop()
	old := time.Now().Add(-2 * time.Hour)
	objects := filepath.Join(s.data, "objects")
	for _, name := range listTree(s.t, objects) {
		if err := os.Chtimes(filepath.Join(objects, name), old, old); err != nil {
			s.t.Fatal(err)
		}
	}
	s.start()
	known := map[string]bool{}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.data, "teikyo.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	s.rows(db, "SELECT object_key, '', 0 FROM sealed_segments UNION ALL SELECT pack_key, '', 0 FROM provisions", func(key, _ string, _ int64) {
		known[key] = true
	})
	s.until("orphans are swept", func() bool {
		left := listTree(s.t, objects)
		return !slices.ContainsFunc(left, func(name string) bool { return !known[filepath.Base(name)] }) && len(left) == len(known)
	})
}
