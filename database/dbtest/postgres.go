//go:build unix

package dbtest

import (
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Postgres is the URL of a new, empty database in a PostgreSQL cluster that all
// tests of the process share; it is dropped at the end of the test. Without
// PostgreSQL the test skips; with CI=true it fails.
func Postgres(t testing.TB) string {
	t.Helper()
	return newDatabase(t, func(name string) string { return address(shared(t), name) })
}

// Database is the URL of a new, empty database in the cluster.
func (c *Cluster) Database(t testing.TB) string {
	t.Helper()
	return newDatabase(t, c.URL)
}

func newDatabase(t testing.TB, url func(name string) string) string {
	t.Helper()
	name := "t" + strings.ToLower(rand.Text())
	SQL(t, url("postgres"), "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8'")
	t.Cleanup(func() { SQL(t, url("postgres"), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	return url(name)
}

// SQL runs statements of an administrator at the database of url, each by
// itself, and returns what they print.
func SQL(t testing.TB, url string, statements ...string) string {
	t.Helper()
	args := []string{"-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", url}
	for _, s := range statements {
		args = append(args, "-c", s)
	}
	program := filepath.Join(binaries(t), "psql")
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("psql: %v\n%s", err, lines(out))
	}
	return lines(out)
}

// shared is the folder of the socket of the process's cluster.
func shared(t testing.TB) string {
	t.Helper()
	if given := os.Getenv(clusterVariable); given != "" {
		return given
	}
	binaries(t)
	c, err := ofProcess()
	if err != nil {
		t.Fatal(err)
	}
	return c.dir
}

// ofProcess is the cluster that the tests of a process share: to start one for
// each of them would take longer than they do.
var ofProcess = sync.OnceValues(func() (*Cluster, error) {
	bin, _ := newestBinaries()
	return newCluster(bin, "", false, 0)
})

// OwnCluster is a cluster of this test alone, with a TCP port on the loopback. It
// ends with the test.
func OwnCluster(t testing.TB) *Cluster {
	t.Helper()
	return ownCluster(t, false, 0)
}

// LastingCluster is OwnCluster for measurements: every commit is synced.
func LastingCluster(t testing.TB) *Cluster {
	t.Helper()
	return ownCluster(t, true, 0)
}

// SmallCluster is OwnCluster with its data on a disk of so many bytes, which only
// root can make: without, the test skips, and with CI=true it fails. It cannot be
// stopped; when its server dies it is started again by itself.
func SmallCluster(t testing.TB, disk int64) *Cluster {
	t.Helper()
	if os.Geteuid() != 0 {
		const why = "a disk of its own for PostgreSQL takes root"
		if os.Getenv("CI") == "true" {
			t.Fatal(why + ", and CI=true forbids to skip")
		}
		t.Skip(why)
	}
	return ownCluster(t, false, disk)
}

func ownCluster(t testing.TB, lasting bool, disk int64) *Cluster {
	t.Helper()
	bin := binaries(t)
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	c, err := newCluster(bin, port, lasting, disk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.end(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Stop ends the server at once, as a crash does; the data stays.
func (c *Cluster) Stop(t testing.TB) {
	t.Helper()
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
}

// Start starts it again.
func (c *Cluster) Start(t testing.TB) {
	t.Helper()
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
}

// binaries is the folder of the newest installed version.
func binaries(t testing.TB) string {
	t.Helper()
	bin, found := newestBinaries()
	if !found {
		if os.Getenv("CI") == "true" {
			t.Fatal("PostgreSQL is not installed, and CI=true forbids to skip")
		}
		t.Skip("PostgreSQL is not installed; scripts/check.sh does")
	}
	return bin
}

func newestBinaries() (string, bool) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if path, err := exec.LookPath("initdb"); err == nil && len(found) == 0 {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		return "", false
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), true
}
