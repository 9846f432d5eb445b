package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// door stands between people and the server, at an address that stays. It can
// break connections.
type door struct {
	l net.Listener

	mu      sync.Mutex
	inside  string // address of the server; empty: nobody is there
	conns   map[net.Conn]bool
	blade   blade
	passing sync.WaitGroup
}

// blade decides about the answer to a request, given its first line: cut it
// after so many bytes of the body; negative: before the end of its header.
type blade func(request string) (after int64, cut bool)

func newDoor(t *testing.T) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{l: l, conns: map[net.Conn]bool{}}
	d.passing.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			d.passing.Go(func() { d.let(conn.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		d.shut()
		d.passing.Wait()
	})
	return d
}

func (d *door) url() string { return "http://" + d.l.Addr().String() }

// lead leads to a server from now on.
func (d *door) lead(address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside = address
}

// leadsTo is the address of the server.
func (d *door) leadsTo() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inside
}

// shut breaks every connection and takes no new ones until lead.
func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside = ""
	for conn := range d.conns {
		slam(conn)
	}
}

// sharpen sets the blade for requests that come from now on.
func (d *door) sharpen(b blade) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.blade = b
}

// slam closes a connection so that the other side sees it break.
func slam(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

func (d *door) let(client *net.TCPConn) {
	defer slam(client)
	inside := d.leadsTo()
	if inside == "" {
		return
	}
	server, err := net.Dial("tcp", inside)
	if err != nil {
		return
	}
	defer slam(server)
	if !d.know(client, server) {
		return
	}
	defer d.forget(client, server)
	p := &passage{door: d, client: client, server: server}
	d.passing.Go(func() { p.requests() })
	p.answers()
}

func (d *door) know(client, server net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns[client], d.conns[server] = true, true
	return d.inside != ""
}

func (d *door) forget(client, server net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, client)
	delete(d.conns, server)
}

// passage is one connection of HTTP/1.1, where a request comes after the answer
// to the one before it.
type passage struct {
	door           *door
	client, server net.Conn

	mu    sync.Mutex
	after *int64 // where the answer to come is to be cut
}

func (p *passage) requests() {
	buf := make([]byte, 32<<10)
	for {
		n, err := p.client.Read(buf)
		if n > 0 {
			p.look(buf[:n])
			if _, err := p.server.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil { // the client is gone, or has said all: both end it here
			slam(p.server)
			return
		}
	}
}

func (p *passage) look(head []byte) {
	line, _, ok := bytes.Cut(head, []byte("\r\n"))
	p.door.mu.Lock()
	defer p.door.mu.Unlock()
	if !ok || p.door.blade == nil || !strings.HasSuffix(string(line), " HTTP/1.1") {
		return
	}
	after, cut := p.door.blade(string(line))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.after = nil
	if cut {
		p.after = &after
	}
}

func (p *passage) armed() (int64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.after == nil {
		return 0, false
	}
	return *p.after, true
}

func (p *passage) answers() {
	buf := make([]byte, 32<<10)
	for {
		n, err := p.server.Read(buf)
		if after, cut := p.armed(); cut && n > 0 {
			p.cut(buf[:n], after)
			return
		}
		if n > 0 {
			if _, err := p.client.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut lets through what may pass of an answer that begins with text.
func (p *passage) cut(text []byte, after int64) {
	text = bytes.Clone(text)
	end := bytes.Index(text, []byte("\r\n\r\n"))
	for more := make([]byte, 4<<10); end < 0; end = bytes.Index(text, []byte("\r\n\r\n")) {
		n, err := p.server.Read(more)
		text = append(text, more[:n]...)
		if err != nil {
			return
		}
	}
	allowed := max(0, int64(end)+4+after)
	sent := text[:min(allowed, int64(len(text)))]
	if _, err := p.client.Write(sent); err == nil {
		_, _ = io.CopyN(p.client, p.server, allowed-int64(len(sent)))
	}
}

// randomText is so many random bytes in hex.
func randomText(t *testing.T, n int) string {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}
