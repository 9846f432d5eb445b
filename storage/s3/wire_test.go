package s3_test

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"teikyo/storage/s3"
	"teikyo/storage/s3/s3test"
)

// wire is a connection to the server that breaks, the first two times, after so
// many bytes of either direction.
type wire struct {
	t      *testing.T
	server string
	fault  string // cut, reset or black hole
	after  int64

	mu   sync.Mutex
	left int
	end  chan struct{}
}

func newWire(t *testing.T, server, fault string, after int64) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, server: server, fault: fault, after: after, left: 2, end: make(chan struct{})}
	t.Cleanup(func() { close(w.end); l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go w.serve(conn)
		}
	}()
	return l.Addr().String()
}

func (w *wire) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", w.server)
	if err != nil {
		return
	}
	defer server.Close()
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
		go func() {
			n, _ := io.CopyN(pair[0], pair[1], w.after)
			if n == w.after && w.breaks(client) {
				done <- struct{}{}
				return
			}
			_, _ = io.Copy(pair[0], pair[1])
			done <- struct{}{}
		}()
	}
	select {
	case <-done:
	case <-w.end:
	}
}

// breaks lets the fault happen, if it is its turn.
func (w *wire) breaks(client net.Conn) bool {
	w.mu.Lock()
	mine := w.left > 0
	w.left--
	w.mu.Unlock()
	if !mine {
		return false
	}
	switch w.fault {
	case "reset":
		_ = client.(*net.TCPConn).SetLinger(0)
	case "black hole":
		<-w.end
	}
	return true
}

// The network between server and store breaks in the middle of an upload and of
// a download: both end well, because the store works.
func TestBrokenWires(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	for _, fault := range []string{"cut", "reset", "black hole"} {
		for _, after := range []int64{100, 3000, 5 * mib} {
			t.Run(fmt.Sprint(fault, after), func(t *testing.T) {
				t.Parallel()
				opts, err := s3.ParseURL(server.URLAt(newWire(t, server.Address, fault, after), fmt.Sprintf("wire/%s%d", fault[:3], after)))
				if err != nil {
					t.Fatal(err)
				}
				opts.Idle = time.Second
				store := s3test.OpenWith(t, opts)
				if err := put(store, key, 17*mib); err != nil {
					t.Fatalf("Put: %v", err)
				}
				opts.Endpoint = newWire(t, server.Address, fault, after)
				if n, err := read(s3test.OpenWith(t, opts), key, 0, -1); n != 17*mib || err != nil {
					t.Errorf("read %d bytes, %v", n, err)
				}
			})
		}
	}
}
