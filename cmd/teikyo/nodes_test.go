//go:build unix

package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// twoNodes is a world of two servers on one PostgreSQL and one S3 store behind a
// balancer.
type twoNodes struct {
	*cluster
	balancer  *balancer
	addresses [2]string
	second    *process
}

func newTwoNodes(t *testing.T, more string) *twoNodes {
	t.Helper()
	return twoNodesOn(newCluster(t, more))
}

// twoNodesOn starts a second node beside the first; more are flags for it alone.
func twoNodesOn(c *cluster, more ...string) *twoNodes {
	t := c.t
	t.Helper()
	n := &twoNodes{cluster: c, addresses: [2]string{c.door.leadsTo(), ""}}
	n.balancer = newBalancer(t)
	n.startSecond(more...)
	c.door.lead(n.balancer.address())
	t.Cleanup(func() {
		if n.second != nil {
			_ = n.second.end(os.Kill)
		}
	})
	return n
}

func (n *twoNodes) secondData() string { return filepath.Join(n.dir, "data-2") }

func (n *twoNodes) startSecond(more ...string) {
	n.t.Helper()
	p, address, err := startProcess(n.secondCommand(more...))
	if err != nil {
		n.t.Fatal(err)
	}
	n.second, n.addresses[1] = p, address
	n.lead()
}

func (n *twoNodes) secondCommand(more ...string) *exec.Cmd {
	n.t.Helper()
	program, err := exec.LookPath("teikyo")
	if err != nil {
		n.t.Fatal(err)
	}
	args := append([]string{"serve", "--data", n.secondData(), "--listen", "127.0.0.1:0", "--public-url", n.door.url()}, n.flags...)
	cmd := exec.Command(program, append(args, more...)...)
	cmd.Env, cmd.Dir = n.env, n.dir
	return cmd
}

// lead leads people to both nodes.
func (n *twoNodes) lead() { n.balancer.lead(n.addresses[0], n.addresses[1]) }

// at leads people to one node, without the balancer.
func (n *twoNodes) at(node int) { n.door.lead(strings.TrimPrefix(n.addresses[node], "http://")) }

// many does something that many times, so many at once.
func many(count, atOnce int, do func(i int)) {
	var all sync.WaitGroup
	turn := make(chan struct{}, atOnce)
	for i := range count {
		all.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			do(i)
		})
	}
	all.Wait()
}

// Two nodes serve 100 provisions and 200 downloads at once. One is killed
// meanwhile: nothing that was answered is lost, downloads go on at the other, the
// ledger is one chain without a gap, every object that a row names is there, and
// who is told of provisions hears of each.
func TestTwoNodesOneIsKilled(t *testing.T) {
	t.Parallel()
	provisions, downloads := 100, 200
	if testing.Short() {
		provisions, downloads = 10, 20
	}
	told := newListener(t)
	n := newTwoNodes(t, told.settings(t))
	n.notice()
	r := n.partner("Keio")
	n.alice.run(0, "", "webhook", "add", "--url", told.URL, "--kind", "provision.issued")
	ds := n.register("Visits", n.table("source/visits.csv", 200_000))
	issuer := n.issuerFile()
	ids := make([]string, provisions)
	many(provisions, 16, func(i int) {
		request := n.mustRetry(n.mori, "request", "create", "--dataset", ds, "--recipient", r.id, "--agreement", r.number, "--purpose", r.purpose,
			"--words", fmt.Sprintf("study number %d", i), "--method", "download", "--key", r.key, "--until", day(90))["id"].(string)
		answer := n.mustRetry(n.alice, "request", "approve", request, "--reason", "fits the agreement")
		if p, ok := answer["provision"].(map[string]any); ok {
			ids[i] = p["id"].(string)
		}
	})
	links := make([]string, downloads)
	many(downloads, 8, func(i int) {
		_, links[i] = n.link(ids[i%provisions])
	})
	var once sync.Once
	many(downloads, 16, func(i int) {
		if i >= downloads/3 {
			once.Do(func() { _ = n.second.end(os.Kill) })
		}
		dir := filepath.Join(r.user.home, fmt.Sprintf("parcel-%d", i))
		args := []string{"get", links[i], "-o", dir, "-i", r.identity, "--issuer", issuer, "--json"}
		code, out, errOut := r.desk.try("", args...)
		for range 60 { // one address is admitted five times a second
			if code != 8 {
				break
			}
			<-time.After(time.Second)
			code, out, errOut = r.desk.try("", args...)
		}
		if code != 0 {
			t.Errorf("download %d: exit %d\n%s%s", i, code, out, errOut)
			return
		}
		n.wantVerified(r, dir)
	})
	n.second = nil
	n.oneChain(ids, downloads)
	told.wantAll(n.world, ids)

	n.startSecond() // and with both again, everything is there
	for _, id := range ids[:3] {
		n.mori.json("provision", "show", id)
	}
	n.oneChain(ids, downloads)
}

// mustRetry runs a command and repeats it while the server is out of reach.
func (n *twoNodes) mustRetry(p *person, args ...string) map[string]any {
	n.t.Helper()
	for range 5 {
		code, out, errOut := p.try("", append(args, "--json")...)
		switch code {
		case 0:
			return document(n.t, out)
		case 8:
		default:
			n.t.Errorf("teikyo %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errOut)
			return nil
		}
	}
	n.t.Errorf("teikyo %s: no answer", strings.Join(args, " "))
	return nil
}

// oneChain verifies the ledger and looks for an entry of each provision, and of
// at least so many downloads.
func (n *twoNodes) oneChain(provisions []string, downloads int) {
	n.t.Helper()
	n.wantWhole()
	issued := n.entries("provision.issued")
	numbers := map[any]bool{}
	for _, id := range provisions {
		if issued[id] != 1 {
			n.t.Errorf("%s has %d entries", id, issued[id])
		}
		numbers[n.mori.json("provision", "show", id)["number"]] = true
	}
	if len(issued) != len(provisions) || len(numbers) != len(provisions) {
		n.t.Errorf("%d entries, %d numbers for %d provisions", len(issued), len(numbers), len(provisions))
	}
	opened := 0
	for _, count := range n.entries("download.opened") {
		opened += count
	}
	if opened < downloads {
		n.t.Errorf("%d sessions are recorded for %d downloads", opened, downloads)
	}
}

// entries counts the entries of a kind by their provision.
func (w *world) entries(kind string) map[string]int {
	w.t.Helper()
	found, after := map[string]int{}, ""
	for {
		args := []string{"ledger", "list", "--kind", kind, "--limit", "200"}
		if after != "" {
			args = append(args, "--after", after)
		}
		list := w.alice.json(args...)
		for _, item := range list["items"].([]any) {
			found[item.(map[string]any)["ids"].(map[string]any)["provision"].(string)]++
		}
		next, _ := list["next"].(string)
		if next == "" {
			return found
		}
		after = next
	}
}

// What ends at one node ends at the other within a second, and counts there: use
// limits, sessions of people, the delay after wrong passwords.
func TestTwoNodesShareWhatTheyKnow(t *testing.T) {
	t.Parallel()
	n := newTwoNodes(t, "")
	n.notice()
	r := n.partner("Keio")
	provision := n.provide(n.register("Visits", n.table("source/visits.csv", 8<<20)), r)

	n.at(0)
	_, once := n.link(provision, "--uses", "1")
	n.at(1)
	r.fetch(0, once, "first")
	n.at(0)
	r.fetch(6, once, "second") // its one use was at the other node
	n.racedUses(provision)

	id, link := n.link(provision, "--bind", "login")
	n.at(1)
	slow := n.slowClient(r, link)
	n.at(0)
	n.mori.run(0, "", "link", "revoke", id)
	slow.late.Store(time.Now().Add(time.Second).UnixNano())
	if got := <-slow.end; !errors.Is(got.err, syscall.ECONNRESET) || got.late > 2*slow.window || got.all == 0 {
		t.Errorf("%d bytes, %d of them late, then %v", got.all, got.late, got.err)
	}

	n.alice.run(0, "", "user", "disable", r.user.id)
	n.at(1)
	r.user.run(4, "", "whoami")

	body := `{"email":"nobody@example.jp","password":"a wrong password"}`
	var answers []int
	for i := range 8 { // five are free, wherever they come
		n.at(i % 2)
		status, _ := n.mori.call("POST", "/api/v1/sessions", map[string]string{"Content-Type": "application/json"}, strings.NewReader(body))
		answers = append(answers, status)
	}
	if slices.Contains(answers[:5], http.StatusTooManyRequests) || slices.Contains(answers[6:], http.StatusUnauthorized) {
		t.Errorf("answers to wrong passwords: %v", answers)
	}
}

// racedUses redeems a link of five uses at both nodes at once.
func (n *twoNodes) racedUses(provision string) {
	n.t.Helper()
	const uses, tries = 5, 24
	id, link := n.link(provision, "--uses", fmt.Sprint(uses))
	var opened, refused atomic.Int64
	many(tries, tries, func(i int) {
		switch status := n.redeem(i%2, link); status {
		case http.StatusOK:
			opened.Add(1)
		case http.StatusGone:
			refused.Add(1)
		default:
			n.t.Errorf("redeeming: %d", status)
		}
	})
	if opened.Load() != uses || refused.Load() != tries-uses {
		n.t.Errorf("%d sessions, %d refusals of a link with %d uses", opened.Load(), refused.Load(), uses)
	}
	if shown := n.mori.json("link", "show", id); shown["used"] != float64(uses) {
		n.t.Error(shown)
	}
}

// redeem asks a node for a session and returns the status of its answer.
func (n *twoNodes) redeem(node int, link string) int {
	n.t.Helper()
	token := link[strings.LastIndex(link, "/")+1:]
	resp, err := http.Post("http://"+strings.TrimPrefix(n.addresses[node], "http://")+"/api/v1/links/redeem", "application/json", strings.NewReader(`{"token":"`+token+`"}`))
	if err != nil {
		n.t.Error(err)
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// Attempts at links from one address count once, whichever node they reach.
func TestTwoNodesLimitAttemptsTogether(t *testing.T) {
	t.Parallel()
	n := newTwoNodes(t, "")
	began := time.Now()
	const tries = 300
	var through, refused atomic.Int64
	many(tries, 16, func(i int) {
		switch status := n.redeem(i%2, "http://x/d/no-token"); status {
		case http.StatusNotFound:
			through.Add(1)
		case http.StatusTooManyRequests:
			refused.Add(1)
		default:
			t.Errorf("redeeming: %d", status)
		}
	})
	most := 100 + 5*int64(time.Since(began)/time.Second+1) // a hundred at once, five a second
	if through.Load() < 100 || through.Load() > most || refused.Load() != tries-through.Load() {
		t.Errorf("%d of %d went through, %d were refused; at most %d may", through.Load(), tries, refused.Load(), most)
	}
}

// A node without the keys, or with others, does not start.
func TestNodeWithoutKeysDoesNotStart(t *testing.T) {
	t.Parallel()
	n := newTwoNodes(t, "")
	if err := n.second.end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	n.second = nil
	alone := strangers(t) // keys of another server
	alone.start()
	alone.stop()
	for name, keys := range map[string]string{"none": n.folder("no-keys"), "others": filepath.Join(alone.data, "keys")} {
		cmd := n.secondCommand("--config", n.file("node-"+name+".yaml", []byte(
			strings.ReplaceAll(string(n.read(n.flags[1])), filepath.Join(n.dir, "shared/keys"), keys))))
		if p, _, err := startProcess(cmd); err == nil {
			t.Errorf("%s: it started", name)
			_ = p.end(os.Kill)
		} else if !strings.Contains(err.Error(), "key") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A signing key that one node replaces reaches the others by their next start,
// which they ask for themselves.
func TestSigningKeyReplacedAtOneNode(t *testing.T) {
	t.Parallel()
	n := newTwoNodes(t, "")
	n.alice.run(0, "", append([]string{"issuer", "rotate", "checkpoint", "--data", n.data}, n.flags...)...)
	select {
	case err := <-n.second.ended:
		if said := n.second.said(); err == nil || !strings.Contains(said, "a signing key: this one stops") {
			t.Errorf("the other node ended with %v\n%s", err, said)
		}
	case <-time.After(time.Minute):
		t.Fatal("the other node goes on")
	}
	n.second = nil
	n.startSecond()
	n.at(1)
	n.notice()
	n.at(0)
	n.partner("Keio")
	n.verifyLedger(n.flags...)
}
