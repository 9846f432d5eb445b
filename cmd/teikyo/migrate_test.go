//go:build unix

package main

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"teikyo/database/dbtest"
)

// A server moves from SQLite to PostgreSQL: everything is there afterwards,
// receipts hold, links go on, and the old database is refused once the new one
// has been served.
func TestMigrateToPostgres(t *testing.T) {
	t.Parallel()
	w := strangers(t)
	w.flags = []string{"--config", w.file("old.yaml", []byte("drain_timeout: 20s\n"))}
	w.people()
	w.notice()
	r := w.partner("Keio")
	ds := w.register("Visits", w.table("source/visits.csv", 100_000))
	provision := w.provide(ds, r)
	_, used := w.link(provision, "--uses", "2")
	_, waiting := w.link(provision)
	dir, _, _ := r.fetch(0, used, "before")
	receipt := filepath.Join(dir, "RECEIPT.tlog-proof")
	to := dbtest.Postgres(t)
	command := []string{"migrate", "--data", w.data, "--to", to, "--receipt", receipt, "--json"}

	if _, out, _ := w.alice.try("", command...); !strings.Contains(out, "stop it first") {
		t.Errorf("beside a server: %s", out)
	}
	w.stop()
	w.alice.run(2, "", "migrate", "--data", w.data, "--to", "postgres://u:secret@localhost/x")
	before := sha256Of(t, w.at("teikyo.db"))
	dbtest.SQL(t, to, "CREATE SCHEMA teikyo_copy", "CREATE TABLE teikyo_copy.datasets (left_by text)") // an interrupted copy
	out, _ := w.alice.run(0, "", command...)
	done := document(t, out)
	if done["rows"].(float64) < 50 || done["ledger_size"].(float64) < 10 {
		t.Error(out)
	}
	if sha256Of(t, w.at("teikyo.db")) != before {
		t.Error("the old database was changed")
	}
	if _, out, _ := w.alice.try("", command...); !strings.Contains(out, "not empty") {
		t.Errorf("a second time: %s", out)
	}

	old := w.flags
	w.flags = []string{"--config", w.file("new.yaml", []byte(fmt.Sprintf("database:\n  url: %q\n", to)))}
	w.start()
	after, _, _ := r.fetch(0, waiting, "after")
	w.wantVerified(r, after)
	r.fetch(0, used, "again")
	r.fetch(6, used, "too-often")
	w.provide(ds, r)
	w.verifyLedger(append([]string{"--receipt", receipt}, w.flags...)...)
	w.mori.run(0, "", "request", "comment", w.request(ds, r), "--text", "a row with a number of its own")
	w.stop()

	w.alice.run(7, "", append([]string{"ledger", "verify", "--data", w.data}, old...)...)
	if _, _, err := startProcess(w.command(old)); err == nil || !strings.Contains(err.Error(), "older than its last checkpoint") {
		t.Errorf("the old database: %v", err)
	}
}

// command starts a server of this world with other flags.
func (w *world) command(flags []string) *exec.Cmd {
	w.t.Helper()
	program, err := exec.LookPath("teikyo")
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(program, append([]string{"serve", "--data", w.data, "--listen", "127.0.0.1:0"}, flags...)...)
	cmd.Env, cmd.Dir = w.env, w.dir
	return cmd
}

// The password of the database comes from a file that nobody else may read, and
// shows nowhere.
func TestDatabasePassword(t *testing.T) {
	t.Parallel()
	at := dbtest.Postgres(t)
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	w := strangers(t)
	const password = "a-p4ssword-of-the-database"
	file := w.file("password", []byte(password+"\n"))
	config := w.file("node.yaml", []byte(fmt.Sprintf("database:\n  url: %q\n  password_file: %q\n", u.String(), file)))
	out, _ := w.alice.run(0, "", "config", "show", "--config", config)
	if strings.Contains(out, password) || strings.Contains(out, "sslmode") {
		t.Error(out)
	}
	w.flags = []string{"--config", config}
	w.people()
	if strings.Contains(w.words(), password) {
		t.Error("the password is in the log")
	}
	w.stop()
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := startProcess(w.command(w.flags)); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a password for everybody: %v", err)
	}
}
