//go:build unix

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"teikyo/database/dbtest"
	"teikyo/storage/s3/s3test"
)

// fill uses up the disk of a folder, and returns what frees it again.
func fill(t *testing.T, folder string) (free func()) {
	t.Helper()
	name := filepath.Join(folder, "filler")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1 << 20, 4096} {
		block := make([]byte, size)
		for err = nil; err == nil; {
			_, err = f.Write(block)
		}
	}
	f.Close()
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
}

// untilRefused changes something again and again until the server has no space for
// it, and says how it put that.
func (s *survivors) untilRefused(tries int) (said string) {
	s.t.Helper()
	for range tries {
		code, _, errOut := s.alice.try("", "user", "create", "--email", "u"+randomText(s.t, 8)+"@example.jp", "--name", strings.Repeat("U", 150), "--role", "auditor")
		if code == 0 {
			continue
		}
		if !strings.Contains(errOut, "no space left on the database server; nothing was changed") && !strings.Contains(errOut, "try again") ||
			strings.Contains(errOut, "SQL") || strings.Contains(errOut, "pg_") {
			s.t.Errorf("exit %d: %s", code, errOut)
		}
		return errOut
	}
	s.t.Errorf("the disk was never full in %d changes", tries)
	return ""
}

// The disk of PostgreSQL is full, down to its log: nothing that was answered is
// lost, and when there is space again everything goes on by itself.
func TestDatabaseDiskFull(t *testing.T) {
	t.Parallel()
	postgres := dbtest.SmallCluster(t, 100<<20)
	c := newStoppedCluster(t, postgres.Database(t), s3test.Start(t))
	c.configure(reach{})
	c.people()
	s := newSurvivors(c.premises()).begun()
	s.honest = 1 // no space left
	var free func()
	var said []string
	s.withstand("database disk full", func() {
		free = fill(t, postgres.Data())
		said = append(said, s.untilRefused(2000))
	}, func() { free() }, s.registering, s.approving, s.downloading)
	t.Logf("%q", said)
	s.everythingOpens()
}

// The disk of the store is full.
func TestStoreDiskFull(t *testing.T) {
	t.Parallel()
	store := s3test.StartSmall(t, 100<<20)
	c := newStoppedCluster(t, dbtest.Postgres(t), store)
	c.configure(reach{})
	c.people()
	s := newSurvivors(c.premises()).begun()
	var free func()
	s.withstand("store disk full", func() { free = fill(t, store.Folder()) }, func() { free() }, s.registering, s.approving, s.downloading)
	s.everythingOpens()
}

// The disk of a node is full, which keeps nothing there: all goes on, and it says
// that it is not well.
func TestNodeDiskFull(t *testing.T) {
	t.Parallel()
	mayMount(t)
	c := newStoppedCluster(t, dbtest.OwnCluster(t).Database(t), s3test.Start(t))
	c.configure(reach{})
	c.folder("data")
	c.wrap = []string{"unshare", "-rm", "sh", "-c", `mount -t tmpfs -o size=8m tmpfs "$0" && chmod 700 "$0" && exec "$@"`, c.data}
	c.people()
	s := newSurvivors(c.premises()).begun()
	free := fill(t, c.at(""))
	for i := range 3 {
		a := s.attempt(i)
		code, out := a.run()
		if code != 0 {
			t.Errorf("%s: exit %d %s", a.name, code, out)
		}
		a.finish(code, out)
	}
	if isReady(t.Context(), c.door.leadsTo()) {
		t.Error("it says that it is ready")
	}
	free()
}
