package dbtest

import (
	"bytes"
	"net"
	"sync"
	"testing"
)

// When a Cutter breaks the connection of a COMMIT.
type When string

// Before: the server does not get the COMMIT. After: it does, and its answer is
// lost.
const (
	Before When = "before"
	After  When = "after"
)

// Cutter stands between a database and PostgreSQL. Once armed, it breaks the
// connection of one COMMIT.
type Cutter struct {
	l      net.Listener
	server string

	mu    sync.Mutex
	armed When
	skip  int  // how many COMMITs pass first
	deaf  bool // takes no connections once it has cut
	cut   bool
}

// NewCutter leads to the server at HOST:PORT until the end of the test.
func NewCutter(tb testing.TB, server string) *Cutter {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	c := &Cutter{l: l, server: server}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { c.serve(conn) })
		}
	})
	tb.Cleanup(func() {
		l.Close()
		conns.Wait()
	})
	return c
}

// Address is where it listens, HOST:PORT.
func (c *Cutter) Address() string { return c.l.Addr().String() }

// Arm cuts one COMMIT, after that many others. A deaf cutter takes no connections
// from then on until it is armed again.
func (c *Cutter) Arm(when When, skip int, deaf bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed, c.skip, c.deaf, c.cut = when, skip, deaf, false
}

// HasCut reports whether it has cut since it was armed.
func (c *Cutter) HasCut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut
}

// commit is told of a COMMIT and says where to cut it, "" for not at all.
func (c *Cutter) commit() When {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.armed != "" && c.skip > 0 {
		c.skip--
		return ""
	}
	when := c.armed
	c.armed, c.cut = "", c.cut || when != ""
	return when
}

func (c *Cutter) closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut && c.deaf
}

func (c *Cutter) serve(client net.Conn) {
	defer client.Close()
	if c.closed() {
		return
	}
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		return
	}
	p := &passage{client: client, server: server}
	answers := make(chan struct{})
	go func() {
		defer close(answers)
		p.answers()
	}()
	c.requests(p, answers)
	server.Close()
	<-answers
}

// requests passes what the client sends until it is cut, or ends.
func (c *Cutter) requests(p *passage, answers <-chan struct{}) {
	buf := make([]byte, 32<<10)
	for {
		n, err := p.client.Read(buf)
		var when When
		if bytes.Contains(buf[:n], []byte("commit\x00")) {
			when = c.commit()
		}
		if err != nil || when == Before {
			return
		}
		p.mute(when == After)
		if _, err := p.server.Write(buf[:n]); err != nil {
			return
		}
		if when == After {
			<-answers
		}
	}
}

// passage is one connection through a cutter.
type passage struct {
	client, server net.Conn

	mu    sync.Mutex
	muted bool
}

func (p *passage) mute(muted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.muted = p.muted || muted
}

// answers passes what the server answers; when it is muted, the next answer ends
// the connection.
func (p *passage) answers() {
	defer p.client.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := p.server.Read(buf)
		p.mu.Lock()
		quiet := p.muted
		p.mu.Unlock()
		if err != nil || quiet {
			return
		}
		if _, err := p.client.Write(buf[:n]); err != nil {
			return
		}
	}
}
