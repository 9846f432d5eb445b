package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A backup of a server that works is one moment of it: whatever goes on, it is
// restored whole, and killing the command leaves nothing that looks like one.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.notice()
	r := w.partner("Keio")
	ds := w.register("Visits", w.table("part.csv", 200_000))
	_, url := w.link(w.provide(ds, r), "--uses", "100")

	ctx, end := context.WithCancel(t.Context())
	var load sync.WaitGroup
	again := func(work func(i int)) {
		load.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				work(i)
			}
		})
	}
	again(func(i int) { w.register(fmt.Sprintf("Visits %d", i), filepath.Join(w.dir, "part.csv")) })
	again(func(int) { w.provide(ds, r) })
	again(func(i int) { r.fetch(0, url, fmt.Sprintf("fetched-%d", i)) })

	var files []string
	var took time.Duration
	for i := range 4 {
		file := filepath.Join(w.dir, fmt.Sprintf("%d.backup", i))
		began := time.Now()
		w.alice.run(0, "", "backup", "--data", w.data, "-o", file)
		took = time.Since(began)
		files = append(files, file)
	}
	for i := range 5 {
		file := filepath.Join(w.dir, fmt.Sprintf("killed-%d.backup", i))
		w.killed(rand.N(took), "backup", "--data", w.data, "-o", file)
		if _, err := os.Stat(file); err == nil { // then it is whole
			w.alice.run(0, "", "backup", "verify", file)
		}
	}
	end()
	load.Wait()
	w.verifyLedger()
	w.stop()
	for i, file := range files {
		w.restores(file, fmt.Sprintf("restored-%d", i))
	}
	last := len(files) - 1
	w.data = filepath.Join(w.dir, fmt.Sprintf("restored-%d", last)) // without a second place nothing is newer
	w.start()
	r.fetch(0, url, "from-the-restored")
	w.verifyLedger()
}

// killed runs the program in a process of its own and kills it after a while.
func (w *world) killed(after time.Duration, args ...string) {
	w.t.Helper()
	ctx, stop := context.WithTimeout(w.t.Context(), after)
	defer stop()
	cmd := exec.CommandContext(ctx, "teikyo", args...)
	cmd.Env, cmd.Dir = w.env, w.dir
	if out, err := cmd.CombinedOutput(); err != nil && ctx.Err() == nil {
		w.t.Fatalf("teikyo %s: %v\n%s", args[0], err, out)
	}
}

// cleanMachine is a new data folder with the objects and keys of the server.
func (w *world) cleanMachine(name string) string {
	w.t.Helper()
	dir := w.folder(name)
	for _, part := range []string{"objects", "keys"} {
		if out, err := exec.Command("cp", "-a", filepath.Join(w.data, part), dir).CombinedOutput(); err != nil {
			w.t.Fatalf("%v\n%s", err, out)
		}
	}
	return dir
}

// restores puts a backup in place on a clean machine; nothing is missing and the
// ledger holds.
func (w *world) restores(file, name string) {
	w.t.Helper()
	dir := w.cleanMachine(name)
	w.alice.run(0, "", "restore", file, "--data", dir)
	w.alice.run(0, "", "ledger", "verify", "--data", dir)
}

// A killed restore leaves no server behind, or a whole one; the same command
// goes on.
func TestKilledRestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.notice()
	r := w.partner("Keio")
	ds := w.register("Visits", w.table("part.csv", 20_000))
	for range 3 {
		w.provide(ds, r)
	}
	file := filepath.Join(w.dir, "one.backup")
	w.alice.run(0, "", "backup", "--data", w.data, "-o", file)
	w.stop()
	began := time.Now()
	w.restores(file, "whole")
	took := time.Since(began)
	for i := range 10 {
		dir := w.cleanMachine(fmt.Sprintf("killed-%d", i))
		w.killed(rand.N(took), "restore", file, "--data", dir)
		if _, err := os.Stat(filepath.Join(dir, "teikyo.db")); err != nil {
			w.alice.run(0, "", "restore", file, "--data", dir)
		}
		w.alice.run(0, "", "ledger", "verify", "--data", dir)
		if left, err := filepath.Glob(filepath.Join(dir, ".restore", "*")); err != nil || len(left) > 0 {
			w.alice.run(1, "", "restore", file, "--data", dir) // it is a server's folder now
		}
	}
}

// A full disk is said, and leaves neither half a backup nor half a server.
func TestRestoreOnAFullDisk(t *testing.T) {
	t.Parallel()
	mayMount(t)
	w := newWorld(t)
	w.register("Visits", w.table("part.csv", 20_000))
	file := filepath.Join(w.dir, "one.backup")
	w.alice.run(0, "", "backup", "--data", w.data, "-o", file)
	small := w.folder("small")
	for _, c := range []struct {
		size int
		args []string
	}{
		{16 << 10, []string{"backup", "--data", w.data, "-o", filepath.Join(small, "x.backup")}},
		{64 << 10, []string{"restore", file, "--data", small}},
		{600 << 10, []string{"restore", file, "--data", small}},
	} {
		script := fmt.Sprintf(`mount -t tmpfs -o size=%d tmpfs "$0" && chmod 700 "$0" && { "$@"; code=$?; ls -A "$0"; exit $code; }`, c.size)
		cmd := exec.Command("unshare", append([]string{"-rm", "sh", "-c", script, small, "teikyo"}, c.args...)...)
		cmd.Env = w.env
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "space") {
			t.Errorf("%s on %d bytes: %v\n%s", c.args[0], c.size, err, out)
		}
		for _, left := range []string{"x.backup", ".part", "teikyo.db", ".restore"} {
			if strings.Contains(string(out), "\n"+left) {
				t.Errorf("%s on %d bytes left\n%s", c.args[0], c.size, out)
			}
		}
	}
}
