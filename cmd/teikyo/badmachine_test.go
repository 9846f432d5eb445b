package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallDisk is a world whose data folder is a disk of so many bytes, in a name
// space of file systems that is the server's own.
func smallDisk(t *testing.T, size int64) *world {
	t.Helper()
	mayMount(t)
	w := strangers(t)
	w.folder("data")
	w.wrap = []string{"unshare", "-rm", "sh", "-c", fmt.Sprintf(`mount -t tmpfs -o size=%d tmpfs "$0" && chmod 700 "$0" && exec "$@"`, size), w.data}
	w.people()
	return w
}

// mayMount skips the test where a user cannot make disks for it.
func mayMount(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs name spaces of Linux")
	}
	tools(t, "unshare", "nsenter", "mount")
	if out, err := exec.Command("unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", t.TempDir()).CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("this user may not mount, even in a name space, and CI=true forbids to skip: %v %s", err, out)
		}
		t.Skipf("this user may not mount, even in a name space: %v %s", err, out)
	}
}

// inside runs a command in the server's name space.
func (w *world) inside(args ...string) (stdout string) {
	w.t.Helper()
	pid := fmt.Sprint(w.server.cmd.Process.Pid)
	out, err := exec.Command("nsenter", append([]string{"-t", pid, "-U", "-m", "--preserve-credentials", "--"}, args...)...).Output()
	if err != nil {
		w.t.Fatalf("%v: %v %s", args, err, out)
	}
	return string(out)
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	w := smallDisk(t, 24<<20)
	big := w.table("big.csv", 40<<20)
	register := []string{"dataset", "register", "--title", "Big", "--class", "anonymized", "--item", "demographics", big}
	_, errOut := w.mori.run(1, "", register...)
	if !strings.Contains(errOut, "no space left") {
		t.Error(errOut)
	}
	w.discardDrafts()
	ds := w.register("Small", w.table("small.csv", 100_000))

	filler, err := os.Create(w.at("filler"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = filler.Write(make([]byte, 4096))
	}
	filler.Close()
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	size := w.verifyLedger()["size"].(float64)
	failed := 0
	for i := range 200 { // until what the log of the database has set aside is used up
		code, _, errOut := w.alice.try("", "user", "create", "--email", fmt.Sprintf("u%d@example.jp", i), "--name", "U", "--role", "auditor")
		if code == 0 {
			size++
			continue
		}
		if failed++; code != 1 || !strings.Contains(errOut, "no space left on the server's disk; nothing was changed") {
			t.Fatalf("exit %d: %s", code, errOut)
		}
		if failed == 3 {
			break
		}
	}
	if failed == 0 {
		t.Error("the disk was never full")
	}
	w.mori.json("dataset", "show", ds) // reading goes on
	if err := os.Remove(w.at("filler")); err != nil {
		t.Fatal(err)
	}
	w.alice.json("user", "create", "--email", "after@example.jp", "--name", "U", "--role", "auditor")
	if after := w.verifyLedger()["size"].(float64); after != size+1 {
		t.Errorf("%v entries, want %v", after, size+1)
	}
}

// discardDrafts drops the drafts of all datasets, as the person who gave up on a
// registration does.
func (w *world) discardDrafts() {
	w.t.Helper()
	for _, item := range w.mori.json("dataset", "list")["items"].([]any) {
		id := item.(map[string]any)["id"].(string)
		if status, answer := w.mori.call("DELETE", "/api/v1/datasets/"+id+"/versions/1", nil, nil); status != 204 {
			w.t.Fatal(status, string(answer))
		}
	}
	if left := listTree(w.t, w.at("objects")); len(left) != 0 {
		w.t.Errorf("%v is left of drafts", left)
	}
}

// A server does not start on a folder that it cannot write, and says so.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	mayMount(t)
	w := newWorld(t)
	size := w.verifyLedger()["size"]
	w.stop()
	program, err := exec.LookPath("teikyo")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "-rm", "sh", "-c", `mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"`, w.data,
		program, "serve", "--data", w.data, "--listen", "127.0.0.1:0")
	cmd.Env = w.env
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 && exit.ExitCode() != 8 || !strings.Contains(string(out), "read-only") {
		t.Errorf("%v: %s", err, out)
	}
	w.start()
	if w.verifyLedger()["size"] != size {
		t.Error("something was recorded")
	}
}

func TestLockedDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db, err := sql.Open("sqlite", "file:"+w.at("teikyo.db")+"?_txlock=immediate&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil) // another program holds the lock
	if err != nil {
		t.Fatal(err)
	}
	_, errOut := w.alice.run(8, "", "user", "create", "--email", "u@example.jp", "--name", "U", "--role", "auditor")
	if !strings.Contains(errOut, "try again") {
		t.Error(errOut)
	}
	w.alice.json("user", "list")
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	w.alice.json("user", "create", "--email", "u@example.jp", "--name", "U", "--role", "auditor")
	w.verifyLedger()
}

// While the second place is gone no byte of data leaves; when it is back, what
// waits goes on.
func TestSecondPlaceGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.notice()
	r := w.partner("Keio")
	file := w.table("in/visits.csv", 100_000)
	_, link := w.link(w.provide(w.register("Visits", file), r))
	issuer := w.issuerFile()
	if err := os.Rename(w.at("checkpoints"), w.at("gone")); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(r.desk.home, "parcel")
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	served := 0
	w.door.sharpen(func(request string) (int64, bool) {
		if strings.Contains(request, "/data/") {
			served++
		}
		return 0, false
	})
	done := make(chan int, 1)
	go func() {
		code, _, _ := r.desk.tryUntil(ctx, "", "get", link, "-o", dir, "-i", r.identity, "--issuer", issuer, "-q")
		done <- code
	}()
	select {
	case code := <-done:
		if code != 8 {
			t.Errorf("exit %d", code)
		}
	case <-time.After(3 * time.Second): // it waits for the second place
	}
	w.door.sharpen(nil)
	if served > 0 {
		t.Error("data were asked for before the record was safe")
	}
	wantNoFile(t, filepath.Join(dir, "manifest.json"))
	if err := os.Rename(w.at("gone"), w.at("checkpoints")); err != nil {
		t.Fatal(err)
	}
	select {
	case code := <-done:
		if code != 0 {
			t.Logf("it gave up with exit %d; again", code)
			r.desk.run(0, "", "get", link, "-o", dir, "-i", r.identity, "--issuer", issuer, "-q")
		}
	case <-time.After(time.Minute):
		t.Fatal("get does not go on")
	}
	if sha256Of(t, filepath.Join(dir, "data", "visits.csv")) != sha256Of(t, file) {
		t.Error("another file arrived")
	}
	w.verifyLedger()
}
