//go:build unix

// Package dbtest starts throw-away databases for tests.
package dbtest

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
)

// Postgres starts a PostgreSQL cluster of the installed version in a temporary
// folder, without a TCP port, stops it at the end of the test and returns its
// URL. Without PostgreSQL the test skips; with CI=true it fails.
func Postgres(t testing.TB) string {
	t.Helper()
	bin := binaries(t)
	dir, err := os.MkdirTemp("", "teikyo-pg-") // short: a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	owner := unprivileged(t, dir)
	data := filepath.Join(dir, "data")
	run(t, owner, filepath.Join(bin, "initdb"), "-D", data, "-U", "teikyo", "--auth=trust", "--no-sync")
	run(t, owner, filepath.Join(bin, "pg_ctl"), "-D", data, "-w", "-l", filepath.Join(dir, "log"),
		"-o", "-c listen_addresses= -c unix_socket_directories="+dir+" -c fsync=off", "start")
	t.Cleanup(func() { run(t, owner, filepath.Join(bin, "pg_ctl"), "-D", data, "-m", "immediate", "stop") })
	query := url.Values{"host": {dir}, "user": {"teikyo"}, "sslmode": {"disable"}}
	return "postgres:///postgres?" + query.Encode()
}

// binaries is the folder of the newest installed version.
func binaries(t testing.TB) string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, path)
	}
	if len(found) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("PostgreSQL is not installed, and CI=true forbids to skip")
		}
		t.Skip("PostgreSQL is not installed; scripts/check.sh does")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1])
}

// unprivileged gives the folder to the account postgres when the tests run as
// root, because PostgreSQL refuses to.
func unprivileged(t testing.TB, dir string) *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, err1 := strconv.ParseUint(account.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(account.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func run(t testing.TB, owner *syscall.Credential, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), program, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	log, err := os.CreateTemp("", "teikyo-pg-run-") // a pipe would stay open with the server
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(log.Name())
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("%s: %v\n%s", filepath.Base(program), err, text)
	}
}
