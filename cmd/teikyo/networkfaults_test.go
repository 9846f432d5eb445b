//go:build unix

package main

import (
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"teikyo/database/dbtest"
	"teikyo/storage/s3/s3test"
)

// faultFor is how long a fault lasts, unless what it struck ends before.
const faultFor = 1200 * time.Millisecond

// withstand lets something bad happen to each of some attempts, lifts it while the
// attempt still tries or has given up, and then wants everything in order: the
// attempt done, with the same command where it failed, every invariant held, and
// the server never gone.
func (s *survivors) withstand(name string, strike, lift func(), kinds ...func() attempt) {
	s.t.Helper()
	for _, kind := range kinds {
		a := kind()
		began := time.Now()
		strike()
		type answer struct {
			code int
			out  string
		}
		answers := make(chan answer, 1)
		go func() {
			code, out := a.run()
			answers <- answer{code, out}
		}()
		var got *answer
		select {
		case <-time.After(faultFor):
		case early := <-answers:
			got = &early
		}
		lift()
		if got == nil {
			select {
			case late := <-answers:
				got = &late
			case <-time.After(2 * time.Minute):
				s.t.Fatalf("%s of %s: it hangs", name, a.name)
			}
		}
		select {
		case err := <-s.server.ended:
			s.t.Fatalf("%s of %s: the server ended with %v\n%s", name, a.name, err, tail(s.server.said(), 4<<10))
		default:
		}
		s.until("the server is ready", func() bool { return isReady(s.t.Context(), s.door.leadsTo()) })
		a.finish(got.code, got.out)
		s.t.Logf("%s, %s: exit %d, %v", name, a.name, got.code, time.Since(began).Round(10*time.Millisecond))
	}
	s.check()
}

// begun has one of everything, unharmed, to begin with.
func (s *survivors) begun() *survivors {
	s.t.Helper()
	for i := range 3 {
		a := s.attempt(i)
		code, out := a.run()
		a.finish(code, out)
	}
	return s
}

// newPlagued is a cluster whose server reaches everything through Toxiproxy.
func newPlagued(t *testing.T) (*survivors, *toxiproxy) {
	t.Helper()
	toxi := newToxiproxy(t)
	postgres, store := dbtest.OwnCluster(t), s3test.Start(t)
	c := newStoppedCluster(t, postgres.Database(t), store)
	c.configure(reach{
		database: postgres.Through(toxi.before("database", postgres.Address()), databaseName(c.database)),
		objects:  toxi.before("objects", store.Address), second: toxi.before("second", store.Address),
	})
	c.people()
	return newSurvivors(c.premises()).begun(), toxi
}

// wantUnwell wants /readyz to say soon that it is not well without something, and
// to say so in good time even when that swallows every word; it must be well again
// by itself.
func (s *survivors) wantUnwell(toxi *toxiproxy, what string) {
	s.t.Helper()
	for _, p := range plagues(0, 0) {
		if p.name != "cut" && p.name != "black hole" {
			continue
		}
		p.strike(toxi, what)
		s.until("it is not ready without "+what, func() bool {
			began := time.Now()
			resp, err := (&http.Client{Timeout: 20 * time.Second}).Get("http://" + s.door.leadsTo() + "/readyz")
			if err != nil {
				s.t.Fatalf("%s, %s: /readyz does not answer: %v", what, p.name, err)
			}
			resp.Body.Close()
			if took := time.Since(began); took > 10*time.Second {
				s.t.Errorf("%s, %s: /readyz took %v", what, p.name, took)
			}
			return resp.StatusCode == http.StatusServiceUnavailable
		})
		toxi.heal()
		s.until("it is ready again", func() bool { return isReady(s.t.Context(), s.door.leadsTo()) })
	}
}

// A node that is cut off from the database cannot hear of a revocation at another:
// it stops sending by itself.
func TestNodeWithoutDatabaseStopsSending(t *testing.T) {
	t.Parallel()
	toxi := newToxiproxy(t)
	postgres, store := dbtest.OwnCluster(t), s3test.Start(t)
	c := newStoppedCluster(t, postgres.Database(t), store)
	c.configure(reach{database: postgres.Through(toxi.before("database", postgres.Address()), databaseName(c.database))})
	lonely := c.file("lonely.yaml", c.read(c.flags[1]))
	c.configure(reach{})
	c.people()
	n := twoNodesOn(c, "--config", lonely)
	n.notice()
	r := n.partner("Keio")
	id, link := n.link(n.provide(n.register("Visits", n.table("source/visits.csv", 8<<20)), r), "--bind", "login", "--uses", "9")
	for _, p := range plagues(0, 0) {
		if p.name != "black hole" && p.name != "mute" {
			continue
		}
		n.at(1)
		slow := n.slowClient(r, link)
		p.strike(toxi, "database")
		slow.late.Store(time.Now().Add(3 * time.Second).UnixNano())
		if p.name == "mute" { // the last round
			n.at(0)
			n.mori.run(0, "", "link", "revoke", id)
		}
		if got := <-slow.end; !errors.Is(got.err, syscall.ECONNRESET) || got.late > 2*slow.window || got.all == 0 {
			t.Errorf("%s: %d bytes, %d of them late, then %v", p.name, got.all, got.late, got.err)
		}
		toxi.heal()
		n.until("the node is ready again", func() bool { return isReady(t.Context(), n.addresses[1]) })
	}
	n.at(1)
	r.fetch(6, link, "after")
	n.lead()
	n.door.lead(n.balancer.address())
	n.wantWhole()
}

// Between the server and its object store everything that a network can do is
// done to registrations, approvals and downloads.
func TestPlagueBeforeTheStore(t *testing.T) {
	t.Parallel()
	s, toxi := newPlagued(t)
	s.wantUnwell(toxi, "objects")
	for _, p := range plagues(200_000, 100_000) {
		s.withstand("objects "+p.name, func() { p.strike(toxi, "objects") }, toxi.heal, s.registering, s.approving, s.downloading)
	}
	s.everythingOpens()
}

// The same between the server and its database.
func TestPlagueBeforeTheDatabase(t *testing.T) {
	t.Parallel()
	s, toxi := newPlagued(t)
	s.wantUnwell(toxi, "database")
	for _, p := range plagues(4_000, 4_000) {
		s.withstand("database "+p.name, func() { p.strike(toxi, "database") }, toxi.heal, s.registering, s.approving, s.downloading)
	}
	s.everythingOpens()
}

// The same between the server and the second place, where every checkpoint goes
// before a byte of data leaves.
func TestPlagueBeforeTheSecondPlace(t *testing.T) {
	t.Parallel()
	s, toxi := newPlagued(t)
	s.wantUnwell(toxi, "second")
	for _, p := range plagues(2_000, 2_000) {
		s.withstand("second place "+p.name, func() { p.strike(toxi, "second") }, toxi.heal, s.approving, s.downloading)
	}
	s.everythingOpens()
}

// A store answers what it should not, to everything, for a while: nothing wrong is
// taken, nothing wrong is given, and afterwards all is well.
func TestStoreThatAnswersWrongly(t *testing.T) {
	t.Parallel()
	store := s3test.Start(t)
	gate := store.Gate(t)
	c := newStoppedCluster(t, dbtest.Postgres(t), store)
	c.configure(reach{objects: gate.Address})
	c.people()
	s := newSurvivors(c.premises()).begun()
	for name, hook := range map[string]s3test.Hook{
		"503": s3test.Answer(http.StatusServiceUnavailable, "SlowDown"), "500": s3test.Answer(http.StatusInternalServerError, "InternalError"),
		"403": s3test.Answer(http.StatusForbidden, "AccessDenied"), "wrong bytes": s3test.WrongBytes,
		"short bytes": s3test.ShortBytes, "lost answer": s3test.LostAnswer,
	} {
		s.honest = map[string]int{"wrong bytes": 7}[name] // who fetches notices
		s.withstand(name, func() { gate.Set(hook) }, func() { gate.Set(nil) }, s.registering, s.approving, s.downloading)
	}
	s.everythingOpens()
}

// PostgreSQL dies and comes back, as at a failover, in the middle of everything.
func TestDatabaseRestarts(t *testing.T) {
	t.Parallel()
	postgres := dbtest.OwnCluster(t)
	c := newStoppedCluster(t, postgres.Database(t), s3test.Start(t))
	c.configure(reach{})
	c.people()
	s := newSurvivors(c.premises()).begun()
	for _, moment := range []time.Duration{0, 20 * time.Millisecond, 60 * time.Millisecond} {
		stopped := make(chan struct{})
		s.withstand(fmt.Sprintf("stop after %v", moment), func() {
			time.AfterFunc(moment, func() { postgres.Stop(t); stopped <- struct{}{} })
		}, func() { <-stopped; postgres.Start(t) }, s.registering, s.approving, s.downloading)
	}
	s.everythingOpens()
}

// The connection breaks at any COMMIT of registrations, approvals and downloads,
// before it or after it: what came of it is found out.
func TestCommitsOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	postgres := dbtest.OwnCluster(t)
	cutter := dbtest.NewCutter(t, postgres.Address())
	c := newStoppedCluster(t, postgres.Database(t), s3test.Start(t))
	c.configure(reach{database: postgres.Through(cutter.Address(), databaseName(c.database))})
	c.people()
	s := newSurvivors(c.premises()).begun()
	struck := 0
	for skip := range 5 {
		for _, when := range []dbtest.When{dbtest.Before, dbtest.After} {
			s.withstand(fmt.Sprintf("commit %d, cut %s", skip, when), func() { cutter.Arm(when, skip, false) }, func() {
				if cutter.HasCut() {
					struck++
				}
				cutter.Arm("", 0, false)
			}, s.registering, s.approving, s.downloading)
		}
	}
	if struck < 6 { // how many commits each takes is not this test's business; each has some
		t.Errorf("only %d commits were cut", struck)
	}
	s.everythingOpens()
}
