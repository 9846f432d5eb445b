// Package dbtest gives tests throw-away databases: of SQLite, and of a real
// PostgreSQL that it starts itself.
package dbtest

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Variables that tell a test program to use PostgreSQL, and which.
const (
	dialectVariable = "TEST_DATABASE" // "postgres"
	clusterVariable = "TEST_POSTGRES" // folder of the cluster's socket
)

// OnPostgres reports whether the tests of this process use PostgreSQL.
func OnPostgres() bool { return os.Getenv(dialectVariable) == "postgres" }

// URL is that of a new, empty database: of SQLite in the folder dir, or, when
// OnPostgres, of PostgreSQL.
func URL(t testing.TB, dir string) string {
	t.Helper()
	if OnPostgres() {
		return Postgres(t)
	}
	return "sqlite:" + filepath.Join(dir, "teikyo.db")
}

// Again runs all tests of the calling test's program once more, in another
// process with more in its environment and on PostgreSQL. It does nothing there.
func Again(t *testing.T, more ...string) {
	t.Helper()
	if OnPostgres() {
		return
	}
	cluster := shared(t)
	cmd := exec.Command(os.Args[0], "-test.short="+flagShort(), "-test.parallel=4", "-test.timeout=10m")
	cmd.Env = append(append(os.Environ(), more...), dialectVariable+"=postgres", clusterVariable+"="+cluster)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("on PostgreSQL: %v\n%s", err, tail(string(out)))
	}
}

func flagShort() string {
	if testing.Short() {
		return "true"
	}
	return "false"
}

func tail(text string) string { return text[max(0, len(text)-16<<10):] }

// address is the URL of a database behind the socket in a folder.
func address(socket, name string) string {
	query := url.Values{"host": {socket}, "user": {"teikyo"}, "sslmode": {"disable"}}
	return "postgres:///" + name + "?" + query.Encode()
}

// lines is text for a message.
func lines(text []byte) string { return strings.TrimSpace(string(text)) }
