package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"teikyo/delivery/sftp/sftptest"
)

// narrow is a way to a server that lets little through until it is opened, and
// says when the last byte passed.
type narrow struct {
	listener net.Listener
	mu       sync.Mutex
	slow     bool
	last     time.Time // a byte went out
}

func newNarrow(t *testing.T, to string) *narrow {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &narrow{listener: listener}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { n.carry(conn, to) })
		}
	})
	t.Cleanup(func() { listener.Close() })
	return n
}

func (n *narrow) set(slow bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.slow = slow
}

func (n *narrow) lastByte() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last
}

func (n *narrow) carry(conn net.Conn, to string) {
	defer conn.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { _, _ = io.Copy(conn, server) }()
	tick := time.NewTicker(20 * time.Millisecond) // 64 KiB each: 3 MB/s
	defer tick.Stop()
	piece := make([]byte, 64<<10)
	for {
		count, err := conn.Read(piece)
		if err != nil {
			return
		}
		if _, err := server.Write(piece[:count]); err != nil {
			return
		}
		n.mu.Lock()
		slow := n.slow
		n.last = time.Now()
		n.mu.Unlock()
		if slow {
			<-tick.C
		}
	}
}

// uploads is a story of uploads to one recipient's server.
type uploads struct {
	*world
	server  *sftptest.Server
	way     *narrow
	partner *partner
	dest    string
	dataset string
	files   map[string]string // of the dataset, by path
}

func newUploads(t *testing.T) *uploads {
	t.Helper()
	server := sftptest.Start(t, sftptest.Options{})
	config := filepath.Join(t.TempDir(), "teikyo.yaml")
	if err := os.WriteFile(config, []byte("egress:\n  allow_private: [127.0.0.0/8]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u := &uploads{world: newWorld(t, "--config", config), server: server, way: newNarrow(t, server.Address)}
	u.partner = u.world.partner("Keio")
	u.mori.json("agreement", "add", u.partner.id, "--number", "U-1", "--document", u.file("contract-u.pdf", []byte("%PDF-1.7 uploads")),
		"--purpose", "research", "--method", "upload", "--class", "anonymized", "--from", day(-1), "--until", day(200))
	u.partner.number = "U-1"
	u.mori.json("notice", "publish", "--class", "anonymized", "--item", "demographics", "--method", "upload")
	var table bytes.Buffer
	table.WriteString("age,income\n")
	for table.Len() < 12<<20 {
		table.WriteString("40-44,4000000-5000000\n")
	}
	u.files = map[string]string{"income.csv": u.file("income.csv", table.Bytes()), "small.csv": u.file("small.csv", []byte("age,income\n40-44,1\n"))}
	u.dataset = u.register("Income", u.files["income.csv"], u.files["small.csv"])
	return u
}

// address is the recipient's server by the narrow way.
func (u *uploads) address() string {
	return strings.Replace(u.server.URL(), u.server.Address, u.way.listener.Addr().String(), 1)
}

func (u *uploads) asked() []string {
	return []string{"--method", "upload", "--destination", u.dest}
}

// delivery is the newest of a provision.
func (u *uploads) delivery(provision string) map[string]any {
	u.t.Helper()
	items := u.mori.json("delivery", "list", "--provision", provision)["items"].([]any)
	return u.mori.json("delivery", "show", items[0].(map[string]any)["id"].(string))
}

// until waits until a delivery is so.
func (u *uploads) until(provision, what string, so func(d map[string]any) bool) map[string]any {
	u.t.Helper()
	limit := time.After(2 * time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		d := u.delivery(provision)
		if so(d) {
			return d
		}
		select {
		case <-limit:
			u.t.Fatalf("the delivery is not %s: %v", what, d)
		case <-tick.C:
		}
	}
}

func state(want string) func(d map[string]any) bool {
	return func(d map[string]any) bool { return d["state"] == want }
}

func under(d map[string]any) bool { return d["state"] == "sending" && d["bytes_done"].(float64) > 0 }

// opened wants the parcel at the recipient to be whole: by our own program and by
// the stock age.
func (u *uploads) opened(provision string) {
	u.t.Helper()
	folder, out := filepath.Join(u.server.Folder, provision), filepath.Join(u.dir, "opened-"+provision)
	u.partner.desk.run(0, "", "open", folder, "-o", out, "-i", u.partner.identity, "--issuer", u.issuerFile())
	for name, original := range u.files {
		if sha256Of(u.t, filepath.Join(out, "data", name)) != sha256Of(u.t, original) {
			u.t.Errorf("%s was opened to something else", name)
		}
		age, err := exec.LookPath("age")
		if err != nil {
			if os.Getenv("CI") == "true" {
				u.t.Fatal(err)
			}
			continue
		}
		plain, err := exec.Command(age, "-d", "-i", u.partner.identity, filepath.Join(folder, "data", name+".age")).Output()
		if err != nil || !bytes.Equal(plain, u.read(original)) {
			u.t.Errorf("age opens %s to %d bytes; %v", name, len(plain), err)
		}
	}
}

// kinds are the kinds of ledger entries about a provision's delivery.
func (u *uploads) kinds(provision string) (kinds []string) {
	u.t.Helper()
	for _, item := range u.mori.json("events", "list", "--kind", "delivery.")["items"].([]any) {
		event := item.(map[string]any)
		if event["ids"].(map[string]any)["provision"] == provision {
			kinds = append(kinds, event["kind"].(string))
		}
	}
	return kinds
}

// What a provision by upload goes through, on a real server and a real sshd.
func TestUploads(t *testing.T) {
	t.Parallel()
	u := newUploads(t)
	u.approveDestination()

	first := u.provide(u.dataset, u.partner, u.asked()...)
	d := u.until(first, "confirmed", state("confirmed"))
	if d["files_done"] != d["files"] || d["bytes_done"] != d["bytes"] || d["attempts"].(float64) != 1 {
		t.Errorf("%v", d)
	}
	u.opened(first)
	if got := strings.Join(u.kinds(first), " "); got != "delivery.queued delivery.started delivery.sent delivery.confirmed" {
		t.Errorf("the ledger says %s", got)
	}
	u.mori.run(1, "", "delivery", "retry", d["id"].(string))

	u.interrupted()
	u.ended()
	u.verifyLedger()
	u.stop()
}

// approveDestination enters a destination; nothing can be asked for before a
// second person has approved what they see.
func (u *uploads) approveDestination() {
	t := u.t
	keys := u.file("host-keys", []byte("# by phone\n"+u.server.HostKey+"\n"))
	_, stderr := u.mori.run(1, "", "recipient", "destination", "add", u.partner.id, "--url", "sftp://a:secret@b.example/c", "--host-key-file", keys, "--make-key")
	if strings.Contains(stderr, "secret") {
		t.Error(stderr)
	}
	u.mori.run(2, "", "recipient", "destination", "add", u.partner.id, "--url", u.address(), "--host-key-file", keys)
	d := u.mori.json("recipient", "destination", "add", u.partner.id, "--url", u.address(), "--host-key-file", keys, "--make-key")
	u.dest = d["id"].(string)
	u.server.Authorize(t, d["public_key"].(string))
	u.mori.run(1, "", "recipient", "destination", "add", u.partner.id, "--url", u.address(), "--host-key-file", keys, "--make-key")

	ask := []string{"request", "create", "--dataset", u.dataset, "--recipient", u.partner.id, "--purpose", "research", "--words", "w",
		"--method", "upload", "--destination", u.dest, "--until", day(90)}
	if _, stderr := u.mori.run(1, "", ask...); !strings.Contains(stderr, "is not approved yet") {
		t.Error(stderr)
	}
	u.mori.run(4, "", "recipient", "destination", "approve", u.partner.id, u.dest)
	u.bob.run(1, "", "recipient", "destination", "approve", u.partner.id, u.dest, "--config-sha256", "00")
	if _, stderr := u.bob.run(0, "", "recipient", "destination", "approve", u.partner.id, u.dest); !strings.Contains(stderr, u.server.HostKey) {
		t.Errorf("the approver does not see where it goes: %s", stderr)
	}
	u.partner.user.json("recipient", "destination", "show", u.partner.id, u.dest)
	u.partner.user.run(5, "", "recipient", "destination", "show", "r-aaaaaaaaaaaaaaaa", u.dest)
	u.partner.user.run(4, "", "recipient", "destination", "revoke", u.partner.id, u.dest, "--reason", "not ours")
}

// interrupted kills the server while it sends, pauses and resumes: the parcel
// arrives whole, and goes on where it stopped.
func (u *uploads) interrupted() {
	u.way.set(true)
	killed := u.provide(u.dataset, u.partner, u.asked()...)
	u.until(killed, "under way", under)
	u.kill()
	u.start()
	u.until(killed, "under way again", func(d map[string]any) bool { return under(d) && d["attempts"].(float64) > 1 })
	id := u.delivery(killed)["id"].(string)
	u.mori.json("delivery", "pause", id)
	u.still("a paused delivery")
	if d := u.delivery(killed); d["paused"] != true || d["state"] != "queued" {
		u.t.Errorf("paused: %v", d)
	}
	u.mori.run(1, "", "delivery", "retry", id)
	u.way.set(false)
	u.mori.json("delivery", "resume", id)
	u.until(killed, "confirmed", state("confirmed"))
	u.opened(killed)
}

// ended: a revoked provision, a cancelled delivery and a revoked destination send
// no byte more than a second later.
func (u *uploads) ended() {
	u.way.set(true)
	revoked := u.provide(u.dataset, u.partner, u.asked()...)
	u.until(revoked, "under way", under)
	u.mori.json("provision", "revoke", revoked, "--reason", "asked by mistake")
	u.still("a revoked provision")
	d := u.until(revoked, "cancelled", state("cancelled"))
	if !strings.Contains(d["last_error"].(string), "the provision is revoked") {
		u.t.Errorf("%v", d)
	}
	u.mori.run(6, "", "delivery", "retry", d["id"].(string))

	cancelled := u.provide(u.dataset, u.partner, u.asked()...)
	u.until(cancelled, "under way", under)
	id := u.delivery(cancelled)["id"].(string)
	u.mori.json("delivery", "cancel", id, "--reason", "the partner moves house")
	u.still("a cancelled delivery")
	u.mori.json("delivery", "retry", id)
	u.until(cancelled, "under way again", under)
	u.mori.json("recipient", "destination", "revoke", u.partner.id, u.dest, "--reason", "the partner moved house")
	u.still("a revoked destination")
	u.until(cancelled, "cancelled", state("cancelled"))
	want := "delivery.queued delivery.started delivery.cancelled delivery.queued delivery.started delivery.cancelled"
	if got := strings.Join(u.kinds(cancelled), " "); got != want {
		u.t.Errorf("the ledger says %s", got)
	}
}

// still wants no byte to go out later than a second from now.
func (u *uploads) still(what string) {
	u.t.Helper()
	answered := time.Now()
	<-time.After(2 * time.Second)
	if late := u.way.lastByte().Sub(answered); late > time.Second {
		u.t.Errorf("%s sends %v after the answer", what, late)
	}
}
