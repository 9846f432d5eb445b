package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What is destroyed cannot be fetched any more: neither by a new session nor by
// one that is open; and the server killed right after the confirmation comes back
// to the same state.
func TestDestroyedDataIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.notice()
	ds := w.register("Visits", w.table("in/visits.csv", 200_000))
	r := w.partner("Keio")
	provision := w.provide(ds, r)
	_, link := w.link(provision, "--uses", "5")
	dir, _, _ := r.fetch(0, link, "before", "--keep-sealed")
	head, _ := header(t, filepath.Join(dir, "data", "visits.csv.age"), r.identity)
	payload := w.read(filepath.Join(dir, "data", "visits.csv.age"))[len(head):]
	secrets := []canary{newCanary("payload", payload[1000:1032]), newCanary("header", head[len(head)-32:])}
	if hits := seek(t, secrets, w.data); len(hits) < 2 {
		t.Fatalf("the search finds only %v", hits)
	}
	d := w.mori.json("dataset", "destroy", ds, "--reason", "the source withdrew")
	if impact := d["impact"].(map[string]any); impact["provisions"] != 1.0 {
		t.Error(impact)
	}
	id := d["id"].(string)
	w.mori.run(4, "", "disposal", "confirm", id)
	w.alice.json("disposal", "confirm", id, "--reason", "seen")
	w.kill()
	w.start()
	w.until("the disposal is done", func() bool { return w.alice.json("disposal", "show", id)["state"] == "done" })
	if state := w.alice.json("dataset", "show", ds)["state"]; state != "destroyed" {
		t.Error(state)
	}
	if shown := w.alice.json("provision", "show", provision); shown["state"] != "revoked" {
		t.Error(shown)
	}
	r.fetch(6, link, "after")
	status, answer := w.mori.call("POST", "/api/v1/links/redeem", map[string]string{"Content-Type": "application/json"},
		strings.NewReader(`{"token":"`+token(link)+`"}`))
	if status != 410 || !bytes.Contains(answer, []byte("the data was destroyed")) {
		t.Errorf("%d %s", status, answer)
	}
	w.mori.run(0, "", "provision", "manifest", provision) // the evidence stays
	w.mori.run(1, "", "request", "create", "--dataset", ds, "--recipient", r.id, "--agreement", r.number, "--purpose", r.purpose,
		"--words", "again", "--method", "download", "--key", r.key, "--until", day(90))
	if hits := seek(t, secrets, w.data); len(hits) > 0 {
		t.Errorf("left: %v", hits)
	}
	w.verifyLedger()
	w.certified(id)
}

// certified checks the certificate with the tools of others.
func (w *world) certified(id string) {
	w.t.Helper()
	tools(w.t, "ssh-keygen")
	file := filepath.Join(w.dir, "certificate.json")
	w.alice.run(0, "", "disposal", "certificate", id, "-o", file)
	w.verifyLedger("--receipt", file+".tlog-proof")
	readme := string(w.read(filepath.Join(w.dir, "home-Keio", "before", "README.txt")))
	_, rest, found := strings.Cut(readme, `printf '%s\n' '`)
	line, _, _ := strings.Cut(rest, "'")
	signers := strings.ReplaceAll(line, "teikyo-manifest", "teikyo-certificate")
	if !found {
		w.t.Fatal("the README shows no allowed signers")
	}
	allowed := w.file("allowed_signers", []byte(signers+"\n"))
	name, _, _ := strings.Cut(signers, " ")
	cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", allowed, "-I", name, "-n", "teikyo-certificate", "-s", file+".sig")
	cmd.Stdin = bytes.NewReader(w.read(file))
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Errorf("%v\n%s\n%s", err, out, signers)
	}
}

// The server is killed at any moment of a confirmed destruction: after the next start
// it was either never confirmed or it completes, and nothing of the version is left.
func TestKilledWhileDestroying(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.notice()
	r := w.partner("Keio")
	shared := w.table("in/shared.csv", 90_000)
	var took time.Duration
	for i := range 6 {
		ds := w.register(fmt.Sprintf("Visits %d", i), w.table(fmt.Sprintf("in/visits-%d.csv", i), 200_000+int64(i)), shared)
		provision := w.provide(ds, r)
		_, link := w.link(provision, "--uses", "5")
		dir, _, _ := r.fetch(0, link, fmt.Sprintf("before-%d", i), "--keep-sealed")
		sealed := w.read(filepath.Join(dir, "data", fmt.Sprintf("visits-%d.csv.age", i)))
		secrets := []canary{newCanary("payload", sealed[1000:1032])}
		id := w.mori.json("dataset", "destroy", ds, "--reason", "the source withdrew")["id"].(string)
		answered := make(chan int, 1)
		began := time.Now()
		go func() {
			code, _, _ := w.alice.try("", "disposal", "confirm", id)
			answered <- code
		}()
		code := -1
		if i == 0 { // unharmed, to know how long it takes
			code = <-answered
			took = time.Since(began)
		} else {
			moment := time.NewTimer(rand.N(took * 5 / 4))
			<-moment.C
		}
		w.kill()
		w.start()
		if code < 0 {
			code = <-answered
		}
		w.settled(id, ds, code == 0)
		if hits := seek(t, secrets, w.data); len(hits) > 0 {
			t.Errorf("left: %v", hits)
		}
		r.fetch(6, link, fmt.Sprintf("after-%d", i))
		w.verifyLedger()
		w.premises().noDanglingPacks()
	}
}

// settled waits until the disposal is done, and confirms it when the confirmation
// did not arrive.
func (w *world) settled(id, ds string, answered bool) {
	w.t.Helper()
	if w.alice.json("disposal", "show", id)["state"] == "proposed" {
		if answered {
			w.t.Fatal("a confirmation was answered and is gone")
		}
		w.alice.json("disposal", "confirm", id)
	}
	w.until("the disposal is done", func() bool { return w.alice.json("disposal", "show", id)["state"] == "done" })
	if state := w.alice.json("dataset", "show", ds)["state"]; state != "destroyed" {
		w.t.Fatal(state)
	}
}

// noDanglingPacks wants that what rows name is there, whole, and nothing of destroyed
// versions beside it.
func (p *premises) noDanglingPacks() {
	p.t.Helper()
	p.noDanglingRows()
	named := map[string]bool{}
	for _, row := range p.rows("SELECT pack_key FROM provisions") {
		named[row[0]] = true
	}
	for _, name := range listTree(p.t, p.stored) {
		if !named[filepath.Base(name)] {
			p.t.Errorf("%s is left though everything is destroyed", name)
		}
	}
}
