package handlers_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"teikyo/models"
)

// slowRate is how fast the slow client reads: 100 KB a second.
const (
	slowChunk = 10_000
	slowPause = 100 * time.Millisecond

	slowBuffer = 16 << 10
)

// slowConn is a connection whose owner reads slowly. It notes when bytes came.
type slowConn struct {
	net.Conn
	pace *time.Ticker

	mu   sync.Mutex
	read int64
	last time.Time
	err  error
}

// Read gives a little, at its pace.
func (c *slowConn) Read(p []byte) (int, error) {
	<-c.pace.C
	n, err := c.Conn.Read(p[:min(len(p), slowChunk)])
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 {
		c.read += int64(n)
		c.last = time.Now()
	}
	if err != nil && c.err == nil {
		c.err = err
	}
	return n, err
}

func (c *slowConn) so() (read int64, last time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read, c.last, c.err
}

// slowFetch fetches a file over a slow connection until it ends.
type slowFetch struct {
	conn  *slowConn
	proto string
	done  chan error
}

func (s *fetchServer) slowFetch(path string) *slowFetch {
	s.t.Helper()
	f := &slowFetch{done: make(chan error, 1)}
	dialed := make(chan *slowConn, 1)
	transport := &http.Transport{
		ForceAttemptHTTP2: s.overTLS, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			// What waits in the client's own system has arrived already: keep it
			// small, so that reading it does not look like bytes that come late.
			if err := conn.(*net.TCPConn).SetReadBuffer(slowBuffer); err != nil {
				return nil, err
			}
			c := &slowConn{Conn: conn, pace: time.NewTicker(slowPause)}
			dialed <- c
			return c, nil
		},
	}
	s.t.Cleanup(transport.CloseIdleConnections)
	req, err := http.NewRequestWithContext(s.t.Context(), "GET", s.server.URL+path, nil)
	noError(s.t, err)
	resp, err := transport.RoundTrip(req)
	noError(s.t, err)
	f.conn, f.proto = <-dialed, resp.Proto
	go func() {
		_, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		f.done <- err
	}()
	return f
}

// awaitBytes waits until the client has read so much.
func (f *slowFetch) awaitBytes(t *testing.T, n int64) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		read, _, err := f.conn.so()
		if read >= n {
			return
		}
		if err != nil {
			t.Fatalf("it ended after %d bytes: %v", read, err)
		}
	}
}

// endsWithin checks that no byte comes later than a second after the answer.
func (f *slowFetch) endsWithin(t *testing.T, answered time.Time, size int64) {
	t.Helper()
	select {
	case err := <-f.done:
		if err == nil {
			t.Error("the download ended well")
		}
	case <-time.After(5 * time.Second):
		t.Error("the download goes on")
	}
	read, last, err := f.conn.so()
	if late := last.Sub(answered); late > time.Second || read >= size {
		t.Errorf("the last of %d bytes came %s after the answer", read, late)
	}
	t.Logf("%s: %d bytes, the last %s after the answer; %v", f.proto, read, last.Sub(answered).Round(time.Millisecond), err)
}

const slowSize = 24 << 20

// Revoking ends a slow client's download within a second, whatever the system
// has buffered.
func TestRevocationReachesSlowClients(t *testing.T) {
	t.Parallel()
	for _, over := range []struct {
		name string
		tls  bool
	}{{"HTTP 1", false}, {"HTTP 2", true}} {
		t.Run(over.name, func(t *testing.T) {
			t.Parallel()
			s := newFetchServer(t, over.tls, map[string]string{"big.bin": noise(slowSize)})
			s.slowly(t, true, func(id string) { s.api(200, "POST", "/links/"+id+"/revoke", nil) })
			s.slowly(t, false, func(string) {
				_, err := s.svc.Revoke(t.Context(), s.staff, s.prov.ID, "wrong data")
				noError(t, err)
			})
		})
	}
}

// slowly revokes while one slow client fetches through the link and another one
// through another link, which is spared or not.
func (s *fetchServer) slowly(t *testing.T, spares bool, revoke func(linkID string)) {
	t.Helper()
	session, id := s.session()
	other, _ := s.session()
	slow, spared := s.slowFetch(session+"data/big.bin.age"), s.slowFetch(other+"data/big.bin.age")
	slow.awaitBytes(t, 100_000)
	revoke(id)
	answered := time.Now()
	slow.endsWithin(t, answered, slowSize)
	if got := s.ask("GET", session+"manifest.json", ""); got.status != http.StatusGone {
		t.Errorf("the next request: %d", got.status)
	}
	if spares {
		read, _, _ := spared.conn.so()
		spared.awaitBytes(t, read+20_000)
	}
	spared.conn.Close()
	<-spared.done
}

// The end of a link is an end for running transfers, without anybody's act.
func TestTheEndReachesSlowClients(t *testing.T) {
	t.Parallel()
	for _, overTLS := range []bool{false, true} {
		s := newFetchServer(t, overTLS, map[string]string{"big.bin": noise(slowSize)})
		link, id := s.link(fields{"bind": "none", "uses": 1, "expires_in": 3})
		session := s.ask("POST", link, "").header.Get("Location")
		l, err := s.db.Link(t.Context(), id)
		noError(t, err)
		slow := s.slowFetch(session + "data/big.bin.age")
		slow.endsWithin(t, l.ExpiresAt, slowSize)
	}
}

// A client that goes away is no error of ours and leaves nothing running.
func TestAClientThatGoesAway(t *testing.T) {
	t.Parallel()
	s := newFetchServer(t, false, map[string]string{"big.bin": noise(slowSize)})
	session, _ := s.session()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", s.server.URL+session+"data/big.bin.age", nil)
	noError(t, err)
	resp, err := s.client().Do(req)
	noError(t, err)
	_, err = io.CopyN(io.Discard, resp.Body, 100_000)
	noError(t, err)
	cancel()
	resp.Body.Close()
	s.server.Close() // waits for the handler
	s.stop()
	var bytes int64
	sessions, err := s.db.OpenDownloadSessions(context.Background(), time.Time{}, models.Page{})
	noError(t, err)
	for tr, err := range s.db.Transfers(context.Background(), sessions[0].ID) {
		noError(t, err)
		bytes += tr.Bytes
	}
	if bytes < 100_000 || bytes >= slowSize {
		t.Errorf("%d bytes are recorded", bytes)
	}
}

// The names of the files go out as long as there is a right to the files.
func TestRevocationReachesSlowListings(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	folder := strings.Repeat(strings.Repeat("x", 200)+"/", 4)
	for i := range 6000 {
		files[fmt.Sprintf("%s%04d.csv", folder, i)] = "1"
	}
	s := newFetchServer(t, false, files)
	session, id := s.session()
	slow := s.slowFetch(session)
	slow.awaitBytes(t, 100_000)
	s.api(200, "POST", "/links/"+id+"/revoke", nil)
	slow.endsWithin(t, time.Now(), 6<<20)
}
