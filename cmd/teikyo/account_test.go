package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/database"
	"teikyo/handlers"
)

// terminal is one person's shell: their own configuration folder.
type terminal struct {
	t      *testing.T
	dir    string
	server string
}

// accountsServer runs a server with accounts only, and returns its setup code.
func accountsServer(t *testing.T) (url, code string) {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{
		URL: "sqlite:" + filepath.Join(t.TempDir(), "teikyo.db"), Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	svc := &access.Service{Store: db, Hasher: crypto.NewPasswordHasher(rand.Reader, 2), Now: time.Now, Rand: rand.Reader}
	handler, err := handlers.New(handlers.Config{Access: svc, PublicURL: "http://127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	if code, _, err = svc.NewSetupCode(t.Context()); err != nil {
		t.Fatal(err)
	}
	return srv.URL, code
}

// run calls the program as that person and wants the exit code.
func (p terminal) run(want int, stdin string, args ...string) (stdout, stderr string) {
	p.t.Helper()
	p.t.Setenv("TEIKYO_CONFIG_DIR", p.dir)
	p.t.Setenv("TEIKYO_SERVER", p.server)
	p.t.Setenv("TEIKYO_TOKEN_FILE", "")
	var out, errOut bytes.Buffer
	if got := run(p.t.Context(), args, strings.NewReader(stdin), &out, &errOut); got != want {
		p.t.Fatalf("teikyo %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, want, &out, &errOut)
	}
	return out.String(), errOut.String()
}

// json is run with --json and exit code 0.
func (p terminal) json(stdin string, args ...string) map[string]any {
	p.t.Helper()
	out, _ := p.run(0, stdin, append(args, "--json")...)
	var v map[string]any
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		p.t.Fatalf("teikyo %s: %v in %q", strings.Join(args, " "), err, out)
	}
	return v
}

func (p terminal) file(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// The commands about accounts, as two people use them. It sets environment
// variables, so it cannot run beside other tests.
func TestAccountCommands(t *testing.T) {
	url, code := accountsServer(t)
	first := terminal{t, t.TempDir(), url}
	second := terminal{t, t.TempDir(), url}
	const password = "correct horse battery staple"
	pw := first.file("password", password+"\n")

	first.run(2, "", "setup", "--email", "first@example.jp")
	first.run(4, "", "whoami")
	first.run(4, "nonsense", "setup", "--code-file", "-", "--email", "first@example.jp", "--name", "First", "--password-file", pw)
	out, _ := first.run(0, code+"\n", "setup", "--code-file", "-", "--email", "first@example.jp", "--name", "First", "--password-file", pw)
	cred, err := os.ReadFile(filepath.Join(first.dir, "credentials.json"))
	if err != nil || !strings.Contains(string(cred), "tk_") || strings.Contains(out, "tk_") {
		t.Fatalf("%s %v %s", cred, err, out)
	}
	if info, err := os.Stat(filepath.Join(first.dir, "credentials.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if me := first.json("", "whoami"); me["email"] != "first@example.jp" || me["role"] != "administrator" {
		t.Errorf("%v", me)
	}

	user := first.json("", "user", "create", "--email", "m@example.jp", "--name", "森", "--role", "manager")
	id, _ := user["id"].(string)
	invitation, _ := user["code"].(string)
	second.run(1, password, "user", "accept", "--code-file", second.file("code", invitation), "--password-file", second.file("short", "short"))
	second.run(0, password, "user", "accept", "--code-file", second.file("code", invitation), "--password-file", "-")
	second.run(6, password, "user", "accept", "--code-file", second.file("code", invitation), "--password-file", "-")
	second.run(4, "wrong password", "login", "--email", "m@example.jp", "--password-file", "-")
	second.run(0, password, "login", "--email", "m@example.jp", "--password-file", "-")
	second.run(4, "", "user", "list")
	first.run(0, "", "user", "confirm", id)
	first.run(5, "", "user", "confirm", "u-nobody")
	if out, _ := first.run(0, "", "user", "list"); !strings.Contains(out, "m@example.jp") || !strings.Contains(out, "alone") {
		t.Error(out)
	}
	if shown := first.json("", "user", "role", id, "--role", "auditor"); shown["role"] != "auditor" {
		t.Errorf("%v", shown)
	}

	second.run(2, "", "token", "create", "--name", "nightly", "--expires", "soon")
	token := second.json("", "token", "create", "--name", "nightly", "--expires", "90d")
	if list, _ := second.run(0, "", "token", "list"); !strings.Contains(list, "nightly") {
		t.Error(list)
	}
	second.run(0, "", "token", "revoke", token["id"].(string))
	first.run(5, "", "token", "revoke", "t-nothing")

	first.run(0, "", "user", "disable", id)
	_, errOut := second.run(4, "", "whoami")
	if !strings.Contains(errOut, "teikyo login") {
		t.Error(errOut)
	}
	second.run(0, "", "logout") // its token has ended already
	first.run(0, "", "user", "enable", id)
	if reset := first.json("", "user", "reset", id); reset["code"] == "" {
		t.Errorf("%v", reset)
	}
	first.run(0, "", "logout")
	first.run(4, "", "whoami")
	if cred, err := os.ReadFile(filepath.Join(first.dir, "credentials.json")); err != nil || strings.Contains(string(cred), "tk_") {
		t.Errorf("%s %v", cred, err)
	}
}

func TestParseLife(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"90d": 90 * 24 * time.Hour, "2w": 14 * 24 * time.Hour, "12h": 12 * time.Hour, "1h30m": 90 * time.Minute,
		"": 0, "d": 0, "0d": 0, "-1d": 0, "1.5d": 0, "soon": 0, "10ms": 0, "99999999999999d": 0, "-5h": 0,
	} {
		got, ok := parseLife(text)
		if ok != (want > 0) || ok && got != want {
			t.Errorf("%q: %s, %v", text, got, ok)
		}
	}
}
