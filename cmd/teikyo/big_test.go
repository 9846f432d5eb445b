//go:build linux && !race

// Memory is read from /proc, and the race detector takes several times as much.

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// maxMemory is how many bytes the server may have resident at any time.
const maxMemory = 256 << 20

// bigSize is taken from the environment before anything else runs: the program
// refuses a TEIKYO_ variable that is no setting.
var bigSize = takeBigSize()

// takeBigSize is 512 MiB, or 10 GiB with TEIKYO_TEST_BIG=1.
func takeBigSize() int64 {
	const name = "TEIKYO_TEST_BIG"
	if os.Getenv(name) == "" {
		return 512 << 20
	}
	_ = os.Unsetenv(name)
	return 10 << 30
}

// A large file is registered and served at constant memory of the server.
func TestMemoryOfTheServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.notice()
	file := w.table("big.csv", bigSize)
	r := w.partner("Keio")
	ds := w.register("Big", file)
	registered := w.peak()
	_, link := w.link(w.provide(ds, r))
	dir, _, _ := r.fetch(0, link, "parcel", "--keep-sealed")
	served := w.peak()
	t.Logf("%d MiB: peak of the server %d MiB after registering, %d MiB after serving", bigSize>>20, registered>>20, served>>20)
	if served > maxMemory {
		t.Errorf("the server had %d MiB resident", served>>20)
	}
	r.desk.json("open", dir, "-o", filepath.Join(r.desk.home, "opened"), "-i", r.identity)
	if sha256Of(t, filepath.Join(r.desk.home, "opened", "data", "big.csv")) != sha256Of(t, file) {
		t.Error("another file arrived")
	}
}

// peak is the most memory that the server ever had resident, in bytes.
func (w *world) peak() int64 {
	w.t.Helper()
	status := w.read(fmt.Sprintf("/proc/%d/status", w.server.cmd.Process.Pid))
	for line := range bytes.Lines(status) {
		if text, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kib, err := strconv.ParseInt(string(bytes.Fields(text)[0]), 10, 64)
			if err != nil {
				w.t.Fatal(err)
			}
			return kib << 10
		}
	}
	w.t.Fatal("no VmHWM")
	return 0
}
