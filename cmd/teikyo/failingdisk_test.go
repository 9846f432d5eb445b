package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// failing makes every such system call of the server end with EIO, as on a disk
// that dies, until it is called off.
func (w *world) failing(call string) (callOff func()) {
	w.t.Helper()
	pid := w.server.cmd.Process.Pid
	cmd := exec.Command("strace", "-f", "-q", "-o", os.DevNull, "-e", "trace="+call, "-e", "inject="+call+":error=EIO", "-p", fmt.Sprint(pid))
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	deadline := time.After(20 * time.Second)
	for look := time.NewTicker(10 * time.Millisecond); !traced(pid); {
		select {
		case <-look.C:
		case err := <-ended:
			if os.Getenv("CI") == "true" {
				w.t.Fatalf("this user may not trace a process, and CI=true forbids to skip: %v %s", err, said.String())
			}
			w.t.Skipf("this user may not trace a process: %v %s", err, said.String())
		case <-deadline:
			w.t.Fatal("strace does not attach: ", said.String())
		}
	}
	return func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-ended
	}
}

// traced says whether every thread of a process has a tracer.
func traced(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) == 0 {
		return false
	}
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err == nil && strings.Contains(string(text), "TracerPid:\t0\n") {
			return false
		}
	}
	return true
}

// A disk that answers EIO may make everything fail, but nothing that was
// answered is lost, nothing half done stays, and a start on a sound disk goes on.
func TestFailingDisk(t *testing.T) {
	t.Parallel()
	tools(t, "strace")
	w := newWorld(t)
	w.notice()
	r := w.partner("Keio")
	file := w.table("in/visits.csv", 300_000)
	ds := w.register("Visits", file)
	_, link := w.link(w.provide(ds, r), "--uses", "50")
	r.fetch(0, link, "before")
	for _, call := range []string{"fsync", "pwrite64", "pread64"} {
		w.whileFailing(call, ds, r)
		w.kill()
		w.start()
		w.verifyLedger()
		dir, _, _ := r.fetch(0, link, "after-"+call)
		if sha256Of(t, filepath.Join(dir, "data", "visits.csv")) != sha256Of(t, file) {
			t.Errorf("after %s another file arrived", call)
		}
		w.register("After "+call, w.table(call+"/more.csv", 300_000))
	}
}

// whileFailing does what people do all day with a disk that fails.
func (w *world) whileFailing(call, ds string, r *partner) {
	w.t.Helper()
	request := w.request(ds, r)
	more := w.table(call+"/more.csv", 300_000)
	callOff := w.failing(call)
	defer callOff()
	failed := 0
	for _, deed := range []struct {
		who  *person
		args []string
	}{
		{w.mori, []string{"dataset", "register", "--title", "During " + call, "--class", "anonymized", "--item", "demographics", more}},
		{w.alice, []string{"request", "approve", request, "--reason", "fits"}},
		{w.alice, []string{"user", "create", "--email", call + "@example.jp", "--name", "U", "--role", "auditor"}},
	} {
		code, _, errOut := deed.who.try("", deed.args...)
		if code != 0 {
			failed++
		}
		if strings.Contains(errOut, w.data) || strings.Contains(errOut, "SQL") {
			w.t.Errorf("%s shows too much: %s", call, errOut)
		}
	}
	if failed == 0 && call != "pread64" { // what is read may be in memory
		w.t.Errorf("nothing failed with %s", call)
	}
}
