package main

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"
)

// kills is how often the server is killed in TestKilledServer.
const kills = 15

// parts is how many files a version of survivors has.
const parts = 4

// survivors is what servers have promised by their answers.
type survivors struct {
	*premises
	r          *partner
	source     string   // folder of the files that are registered again and again
	versions   []string // ID@V of what is registered
	provisions []string
	receipts   []string // files
	honest     int      // exit code of a download that may fail so, beside 8
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
	newSurvivors(newWorld(t).premises()).surviveAll(kills)
}

func newSurvivors(p *premises) *survivors {
	p.t.Helper()
	p.notice()
	s := &survivors{premises: p, r: p.partner("Keio"), source: filepath.Join(p.dir, "source"), took: map[string]time.Duration{}}
	for i := range parts {
		p.table(fmt.Sprintf("source/part/%d.csv", i), 1<<20+int64(i)*70_000)
	}
	return s
}

func (s *survivors) surviveAll(kills int) {
	s.t.Helper()
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
		case 8, s.honest: // it gives up soon only while the server has not answered yet
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
	s.hold(s.receipts...)
	for _, version := range s.versions { // I2
		if shown := s.mori.json("dataset", "show", version); shown["state"] != "registered" || len(shown["files"].([]any)) != parts {
			s.t.Fatal(shown)
		}
	}
	for _, provision := range s.provisions {
		if shown := s.mori.json("provision", "show", provision); shown["state"] != "active" && shown["state"] != "issued" {
			s.t.Fatal(shown)
		}
	}
	s.recorded()
}

// recorded wants an entry for every provision, and one for every session that
// bytes went to (I1).
func (s *survivors) recorded() {
	s.t.Helper()
	issued, opened := s.entries("provision.issued"), s.entries("download.opened")
	for i, provision := range s.provisions {
		if issued[provision] != 1 || i < len(s.receipts) && opened[provision] == 0 {
			s.t.Errorf("%s: %d entries of its issue, %d of downloads", provision, issued[provision], opened[provision])
		}
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
