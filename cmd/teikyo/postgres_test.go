//go:build unix

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"teikyo/database/dbtest"
)

// postgresWorld is a world on PostgreSQL whose objects, keys and second place are
// in folders that other nodes can share.
func postgresWorld(t *testing.T) *world {
	t.Helper()
	url := dbtest.Postgres(t)
	w := strangers(t)
	config := fmt.Sprintf("database:\n  url: %q\nkeys_dir: %q\ncheckpoints_dir: %q\ndrain_timeout: 20s\n",
		url, w.folder("shared/keys"), w.folder("shared/checkpoints"))
	w.flags = []string{"--config", w.file("node.yaml", []byte(config))}
	w.shareObjects(w.data)
	w.people()
	return w
}

// shareObjects leads a data folder to the objects of all nodes.
func (w *world) shareObjects(data string) {
	w.t.Helper()
	if err := os.MkdirAll(data, 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Symlink(w.folder("shared/objects"), filepath.Join(data, "objects")); err != nil {
		w.t.Fatal(err)
	}
}

// The main job on PostgreSQL, from the first person to the verified parcel; the
// ledger is then verified and exported without a server.
func TestMainJobOnPostgres(t *testing.T) {
	t.Parallel()
	w := postgresWorld(t)
	w.notice()
	r := w.partner("Keio")
	file := w.table("source/visits.csv", 300_000)
	provision := w.provide(w.register("Visits", file), r)
	_, link := w.link(provision)
	dir, _, _ := r.fetch(0, link, "parcel")
	w.wantVerified(r, dir)
	if got := filepath.Join(dir, "data", "visits.csv"); sha256Of(t, got) != sha256Of(t, file) {
		t.Error("another file came")
	}
	receipt := filepath.Join(dir, "RECEIPT.tlog-proof")
	w.verifyLedger(append([]string{"--receipt", receipt}, w.flags...)...)
	w.alice.run(0, "", "ledger", "checkpoint")
	w.alice.run(0, "", "ledger", "proof", "3")
	w.alice.run(3, "", append([]string{"doctor", "--data", w.data}, w.flags...)...)
	w.stop()

	w.verifyLedger(append([]string{"--receipt", receipt}, w.flags...)...)
	export := filepath.Join(w.dir, "ledger.jsonl")
	w.alice.run(0, "", append([]string{"ledger", "export", "--data", w.data, "-o", export}, w.flags...)...)
	w.alice.json("ledger", "verify", "--data", export, "--issuer", w.issuerFile())
	if size, err := os.Stat(filepath.Join(w.data, "teikyo.db")); err == nil && size.Size() > 0 {
		t.Error("something was written to SQLite")
	}
}

// balancer leads connections to nodes in turn, and past those that are down.
type balancer struct {
	l net.Listener

	mu    sync.Mutex
	nodes []string
	next  int
	conns map[net.Conn]bool
}

func newBalancer(t *testing.T, nodes ...string) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{l: l, conns: map[net.Conn]bool{}}
	b.lead(nodes...)
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			passing.Go(func() { b.pass(conn.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		b.end()
		passing.Wait()
	})
	return b
}

// end breaks every connection.
func (b *balancer) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for conn := range b.conns {
		slam(conn)
	}
}

// know keeps a connection until forget is called.
func (b *balancer) know(conn net.Conn) (forget func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conns[conn] = true
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.conns, conn)
	}
}

func (b *balancer) address() string { return b.l.Addr().String() }

// lead leads to these nodes from now on.
func (b *balancer) lead(nodes ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nodes = nil
	for _, node := range nodes {
		b.nodes = append(b.nodes, strings.TrimPrefix(node, "http://"))
	}
}

func (b *balancer) dial() net.Conn {
	b.mu.Lock()
	nodes, first := b.nodes, b.next
	b.next++
	b.mu.Unlock()
	for i := range nodes {
		if conn, err := net.Dial("tcp", nodes[(first+i)%len(nodes)]); err == nil {
			return conn
		}
	}
	return nil
}

func (b *balancer) pass(client *net.TCPConn) {
	defer slam(client)
	server := b.dial()
	if server == nil {
		return
	}
	defer slam(server)
	defer b.know(client)()
	defer b.know(server)()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(server, client)
		slam(server)
	}()
	_, _ = io.Copy(client, server)
	slam(client)
	<-ended
}
