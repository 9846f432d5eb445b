//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// ends are the ways in which somebody ends what a recipient may do, as a person
// does it. The link of the second argument is of the partner's provision.
func ends() map[string]func(w *world, r *partner, provision, link string) {
	return map[string]func(w *world, r *partner, provision, link string){
		"link": func(w *world, _ *partner, _, link string) { w.mori.json("link", "revoke", link) },
		"provision": func(w *world, _ *partner, prov, _ string) {
			w.mori.json("provision", "revoke", prov, "--reason", "a mistake")
		},
		"recipient": func(w *world, r *partner, _, _ string) {
			w.alice.json("recipient", "suspend", r.id, "--reason", "it lost a disk")
		},
		"key": func(w *world, r *partner, _, _ string) {
			r.user.json("recipient", "key", "revoke", r.id, r.keyID, "--reason", "a stolen laptop")
		},
		"agreement": func(w *world, r *partner, _, _ string) {
			w.mori.json("agreement", "end", r.agreement, "--reason", "the study is over")
		},
	}
}

// After the answer to a revocation a slow client gets nothing that left the
// server more than a second later, however much waits in the server's buffers.
func TestRevokedASecondAgo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.notice()
	ds := w.register("Visits", w.table("in/visits.csv", 24<<20))
	ways := ends()
	ways["destruction"] = func(w *world, _ *partner, prov, _ string) {
		shown := w.mori.json("provision", "show", prov)
		id := w.mori.json("dataset", "destroy", fmt.Sprintf("%v@%v", shown["dataset"], shown["version"]), "--reason", "the source withdrew")["id"]
		w.alice.json("disposal", "confirm", id.(string))
	}
	for name, end := range ways {
		r, ds := w.partner("R"+name), ds
		if name == "destruction" { // the others must not lose theirs
			ds = w.register("Visits to be destroyed", w.table("in/more/visits.csv", 24<<20))
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, r := r.seenBy(w.with(t))
			provision := w.provide(ds, r)
			link, url := w.link(provision, "--bind", "login")
			slow := w.slowClient(r, url)
			r.slowGet(url, func() { end(w, r, provision, link) })
			slow.late.Store(time.Now().Add(time.Second).UnixNano())
			got := <-slow.end
			// What is in this machine's own buffers had arrived before.
			if !errors.Is(got.err, syscall.ECONNRESET) || got.late > 2*slow.window || got.all == 0 {
				t.Errorf("%d bytes, %d of them late, then %v", got.all, got.late, got.err)
			}
		})
	}
}

// slowGet runs get at a low rate, ends the right while it runs, and wants it to
// stop with exit 6.
func (r *partner) slowGet(url string, end func()) {
	w := r.desk.w
	w.t.Helper()
	c := &cli{in: strings.NewReader(""), out: io.Discard, err: io.Discard, home: r.user.home}
	g, err := c.newGet(url, &getFlags{
		dir: filepath.Join(r.user.home, "slow"), identity: r.identity, rate: "3M", trustFlags: trustFlags{issuer: w.issuerFile()},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	g.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	done := make(chan int, 1)
	go func() {
		_, err := g.Run(w.t.Context())
		done <- exitCode(err)
	}()
	w.until("bytes arrive", func() bool {
		return strings.Contains(g.Progress.Current(), "visits.csv") && g.Progress.Fetched() > 100_000
	})
	end()
	select {
	case code := <-done:
		if code != 6 {
			w.t.Errorf("get ended with exit %d", code)
		}
	case <-time.After(30 * time.Second):
		w.t.Error("get goes on")
	}
}

// until polls a condition for half a minute at most.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-limit:
			w.t.Fatalf("%s: not within half a minute", what)
		case <-tick.C:
		}
	}
}

// slowClient is somebody who reads a few bytes at a time, through a small window.
type slowClient struct {
	conn   net.Conn
	window int64
	late   atomic.Int64 // when a byte is late, Unix nanoseconds; 0: not yet known
	end    chan outcome
}

// outcome is how it went: bytes, those that were late, and the end.
type outcome struct {
	all, late int64
	err       error
}

// slowClient redeems the link and begins to fetch, past the door, whose buffers
// are not the server's.
func (w *world) slowClient(r *partner, link string) *slowClient {
	w.t.Helper()
	token := link[strings.LastIndex(link, "/")+1:]
	status, answer := r.user.call("POST", "/api/v1/links/redeem", map[string]string{"Content-Type": "application/json"},
		strings.NewReader(fmt.Sprintf(`{"token":%q}`, token)))
	if status != http.StatusOK {
		w.t.Fatal(status, string(answer))
	}
	s := &slowClient{end: make(chan outcome, 1)}
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 8<<10) })
	}}
	var err error
	if s.conn, err = dialer.DialContext(w.t.Context(), "tcp", w.door.leadsTo()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { s.conn.Close() })
	raw, err := s.conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		size, _ := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
		s.window = int64(size)
	}); err != nil {
		w.t.Fatal(err)
	}
	path := document(w.t, string(answer))["session"].(string) + "data/visits.csv.age"
	if _, err := fmt.Fprintf(s.conn, "GET %s HTTP/1.1\r\nHost: teikyo\r\n\r\n", path); err != nil {
		w.t.Fatal(err)
	}
	head := make([]byte, 15)
	if _, err := io.ReadFull(s.conn, head); err != nil || string(head) != "HTTP/1.1 200 OK" {
		w.t.Fatalf("%q %v", head, err)
	}
	if err := s.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		w.t.Fatal(err)
	}
	go s.read()
	return s
}

// read takes 20 KB a second until it is late, then whatever comes.
func (s *slowClient) read() {
	var got outcome
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	buf := make([]byte, 1<<10)
	for got.err == nil {
		var n int
		n, got.err = s.conn.Read(buf)
		got.all += int64(n)
		if late := s.late.Load(); late == 0 || time.Now().UnixNano() < late {
			<-tick.C
		} else {
			got.late += int64(n)
		}
	}
	s.end <- got
}

// Everything that is asked after the answer to a revocation is refused at once.
func TestRevokedBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.notice()
	ds := w.register("Visits", w.table("in/visits.csv", 50_000))
	ways := ends()
	ways["destruction"] = func(w *world, _ *partner, prov, _ string) {
		shown := w.mori.json("provision", "show", prov)
		id := w.mori.json("dataset", "destroy", fmt.Sprintf("%v@%v", shown["dataset"], shown["version"]), "--reason", "the source withdrew")["id"]
		w.alice.json("disposal", "confirm", id.(string))
	}
	for name, end := range ways {
		r, ds := w.partner("R"+name), ds
		if name == "destruction" { // the others must not lose theirs
			ds = w.register("Visits to be destroyed", w.table("in/more/visits.csv", 24<<20))
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, r := r.seenBy(w.with(t))
			provision := w.provide(ds, r)
			link, url := w.link(provision)
			dir, _, _ := r.fetch(0, url, "early", "--list")
			end(w, r, provision, link)
			for _, folder := range []string{"early", "new"} {
				if _, out, _ := r.fetch(6, url, folder); !strings.Contains(out, `"kind": "expired"`) {
					t.Error(out)
				}
			}
			wantNoFile(t, filepath.Join(dir, "data", "visits.csv"))
			if name != "link" {
				w.mori.run(6, "", "link", "create", provision)
			}
		})
	}
}
