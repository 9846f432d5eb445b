//go:build unix

package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// probe asks nodes whether they are ready and leads people to those that are, as
// a load balancer does, until the test ends.
func (b *balancer) probe(t *testing.T, nodes func() []string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			b.lead(slices.DeleteFunc(nodes(), func(node string) bool { return !isReady(ctx, node) })...)
		}
	}()
	t.Cleanup(func() { stop(); <-done })
}

// isReady asks /readyz of a server.
func isReady(ctx context.Context, node string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+strings.TrimPrefix(node, "http://")+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (b *balancer) leadsToAll(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.nodes) == n
}

// Nodes are restarted one after the other under load, behind a balancer that asks
// /readyz: no download fails. Those that last longer than the node waits for are
// cut and go on at the other.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	n := newTwoNodes(t, "drain_delay: 3s\ndrain_timeout: 1s\n")
	n.notice()
	r := n.partner("Keio")
	_, link := n.link(n.provide(n.register("Visits", n.table("source/visits.csv", 4<<20)), r), "--uses", "1000")
	issuer := n.issuerFile()
	var nodes [2]atomic.Pointer[string]
	nodes[0].Store(&n.addresses[0])
	second := n.addresses[1]
	nodes[1].Store(&second)
	n.balancer.probe(t, func() []string { return []string{*nodes[0].Load(), *nodes[1].Load()} })
	get := func(i int, more ...string) {
		dir := filepath.Join(r.user.home, fmt.Sprintf("parcel-%d", i))
		args := append([]string{"get", link, "-o", dir, "-i", r.identity, "--issuer", issuer, "--json"}, more...)
		if code, out, errOut := r.desk.try("", args...); code != 0 {
			t.Errorf("download %d: exit %d\n%s%s", i, code, out, errOut)
			return
		}
		n.wantVerified(r, dir)
	}
	restarted := make(chan struct{})
	go func() {
		defer close(restarted)
		if err := n.second.end(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		p, address, err := startProcess(n.secondCommand())
		if err != nil {
			t.Error(err)
			return
		}
		n.second = p
		nodes[1].Store(&address)
		n.until("the balancer leads to both", func() bool { return n.balancer.leadsToAll(2) })
		if err := n.server.end(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		n.start() // leads the door to the first node alone
		first := n.door.leadsTo()
		nodes[0].Store(&first)
		n.door.lead(n.balancer.address())
	}()
	var count atomic.Int64
	many(4, 4, func(worker int) {
		if worker == 0 { // lasts longer than both restarts
			get(0, "--limit-rate", "400K")
			return
		}
		for {
			get(int(count.Add(1)))
			select {
			case <-restarted:
				return
			default:
			}
		}
	})
	<-restarted
	t.Logf("%d downloads", count.Load()+1)
	n.wantWhole()
}
