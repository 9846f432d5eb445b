//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teikyo/database/dbtest"
)

// After a loss on PostgreSQL there is an older state alone: a backup, restored into
// a new database, or the database as its own tools brought it back. Either is
// refused as it is; two administrators begin the next log on it, and what was
// given out before still holds.
func TestForcedRestoreOnPostgres(t *testing.T) {
	t.Parallel()
	for name, inPlace := range map[string]bool{"from a backup": false, "in place": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forcedRestore(t, inPlace)
		})
	}
}

func forcedRestore(t *testing.T, inPlace bool) {
	w := postgresWorld(t)
	w.notice()
	r := w.partner("Keio")
	ds := w.register("Visits", w.table("source/visits.csv", 20_000))
	provision := w.provide(ds, r)
	_, link := w.link(provision)
	dir, _, _ := r.fetch(0, link, "parcel")
	backup := filepath.Join(w.dir, "old.backup")
	w.alice.run(0, "", append([]string{"backup", "--data", w.data, "-o", backup}, w.flags...)...)
	url := dbtest.Postgres(t)
	if inPlace {
		w.stop() // or PostgreSQL does not copy the database
		url = copyDatabase(t, w, url)
		w.start()
	}
	w.alice.run(0, "", "provision", "revoke", provision, "--reason", "lost with the disk")
	w.stop()

	w.onDatabase(url)
	if !inPlace {
		w.data = filepath.Join(w.dir, "restored")
		w.shareObjects(w.data)
	}
	args := append([]string{"restore", "--data", w.data}, w.flags...)
	if inPlace {
		if _, _, err := startProcess(w.command(w.flags)); err == nil {
			t.Error("a server starts on a database that is older than the second place")
		}
		args = append(args, "--in-place")
	} else {
		w.alice.run(7, "", append(args, backup)...)
		w.onDatabase(dbtest.Postgres(t)) // the other one was filled
		args = append([]string{"restore", backup, "--data", w.data}, w.flags...)
	}
	args = append(args, "--force", "--reason", "the disk failed", "--by", w.alice.email+"="+w.alice.passwordFile(),
		"--by", w.bob.email+"="+w.bob.passwordFile())
	restored := w.alice.json(args...)
	if origin := fmt.Sprint(restored["origin"]); !strings.HasSuffix(origin, "/ledger/2") {
		t.Errorf("the log is %s", origin)
	}
	receipt := append([]string{"--receipt", filepath.Join(dir, "RECEIPT.tlog-proof")}, w.flags...)
	w.verifyLedger(receipt...)
	w.start()
	w.alice.run(0, "", "login", "--email", w.alice.email, "--password-file", w.alice.passwordFile())
	if shown := w.alice.json("provision", "show", provision); shown["state"] != "suspended" {
		t.Errorf("the provision is %v", shown["state"])
	}
	if old := w.alice.json("ledger", "list", "--log", "1", "--noun", "recipient", "--id", r.id, "--kind", "provision.issued"); len(old["items"].([]any)) != 1 {
		t.Errorf("the closed log: %v", old)
	}
	r.fetch(6, link, "again")
	w.verifyLedger(receipt...)
}

// copyDatabase is the state of the world's database, of a moment in which nobody
// uses it, in a database of its own.
func copyDatabase(t *testing.T, w *world, url string) string {
	t.Helper()
	config := string(w.read(w.flags[1]))
	_, from, _ := strings.Cut(config, "url: \"")
	from, _, _ = strings.Cut(from, "\"")
	administrator := strings.Replace(url, databaseName(url), "postgres", 1)
	dbtest.SQL(t, administrator, "DROP DATABASE "+databaseName(url), "CREATE DATABASE "+databaseName(url)+" TEMPLATE "+databaseName(from))
	return url
}

// databaseName is the path of the URL of a database.
func databaseName(url string) string {
	name, _, _ := strings.Cut(url[strings.LastIndex(url[:strings.IndexByte(url+"?", '?')], "/")+1:], "?")
	return name
}

// onDatabase gives the server of the world another database.
func (w *world) onDatabase(url string) {
	w.t.Helper()
	config := string(w.read(w.flags[1]))
	before, rest, _ := strings.Cut(config, "url: \"")
	_, after, _ := strings.Cut(rest, "\"")
	if err := os.WriteFile(w.flags[1], []byte(before+"url: \""+url+"\""+after), 0o600); err != nil {
		w.t.Fatal(err)
	}
}
