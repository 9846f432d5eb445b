package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// world is a server in a process of its own with the people of a story, who all
// use the command line. Everybody reaches the server through the door.
type world struct {
	t      *testing.T
	dir    string   // of everything that the story makes
	data   string   // folder of the server
	wrap   []string // what starts the server, if it is not started plainly
	root   string   // where the server's file system is
	flags  []string
	env    []string
	server *process
	door   *door
	said   []string // by servers that ended
	code   string   // the one-time setup code
	secret []string // passwords and invitation codes

	alice, bob *person // administrators; the second is confirmed by the first
	mori       *person // a manager, confirmed by the second administrator
}

// person is somebody with a configuration folder of their own.
type person struct {
	w               *world
	name, email, id string
	home            string
}

// partner is an organisation that may receive, with somebody who works there.
type partner struct {
	id, agreement   string
	key, keyID      string // fingerprint, id
	identity        string // file
	user            *person
	desk            *person // has no account, but the identity
	number, purpose string
}

// newWorld starts a server with the flags and lets its people in.
func newWorld(t *testing.T, flags ...string) *world {
	t.Helper()
	w := strangers(t, flags...)
	w.people()
	return w
}

// people starts the server for the first time and lets everybody in.
func (w *world) people() {
	w.t.Helper()
	w.start()
	if w.wrap != nil {
		w.root = fmt.Sprintf("/proc/%d/root", w.server.cmd.Process.Pid)
	}
	w.code = strings.TrimSpace(string(w.read(w.at("setup-code"))))
	w.alice.run(0, "", "setup", "--code-file", w.at("setup-code"), "--email", w.alice.email, "--name", w.alice.name,
		"--password-file", w.alice.passwordFile())
	w.alice.id = w.alice.json("whoami")["id"].(string)
	w.invite(w.alice, w.bob, "administrator")
	w.alice.run(0, "", "user", "confirm", w.bob.id)
	w.invite(w.alice, w.mori, "manager")
	w.bob.run(0, "", "user", "confirm", w.mori.id)
}

// strangers is a world whose server does not run yet.
func strangers(t *testing.T, flags ...string) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, dir: dir, data: filepath.Join(dir, "data"), flags: flags, door: newDoor(t)}
	w.env = append(cleanEnvironment(), "TMPDIR="+w.folder("tmp"))
	w.alice, w.bob, w.mori = w.person("Alice"), w.person("Bob"), w.person("Mori")
	t.Cleanup(func() {
		if w.server != nil {
			w.kill()
		}
		if t.Failed() {
			t.Logf("the server said:\n%s", tail(w.words(), 8<<10))
		}
	})
	return w
}

func tail(text string, n int) string { return text[max(0, len(text)-n):] }

// cleanEnvironment is that of the test without settings of this program.
func cleanEnvironment() []string {
	var env []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "TEIKYO_") && !strings.HasPrefix(entry, "TMPDIR=") {
			env = append(env, entry)
		}
	}
	return env
}

// start starts the server, as often as it was stopped or killed.
func (w *world) start() {
	w.t.Helper()
	program, err := exec.LookPath("teikyo")
	if err != nil {
		w.t.Fatal(err)
	}
	args := append(w.wrap, append([]string{program, "serve", "--data", w.data, "--listen", "127.0.0.1:0", "--public-url", w.door.url()}, w.flags...)...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Dir = w.env, w.dir
	p, address, err := startProcess(cmd)
	if err != nil {
		w.t.Fatal(err)
	}
	w.server = p
	w.door.lead(strings.TrimPrefix(address, "http://"))
}

// stop ends the server in order.
func (w *world) stop() {
	w.t.Helper()
	w.door.shut()
	if err := w.server.end(syscall.SIGTERM); err != nil {
		w.t.Fatalf("the server ended with %v\n%s", err, tail(w.server.said(), 4<<10))
	}
	w.ended()
}

// kill ends the server as a power cut would, the disk apart.
func (w *world) kill() {
	_ = w.server.end(os.Kill)
	w.door.shut()
	w.ended()
}

func (w *world) ended() {
	w.said = append(w.said, w.server.said())
	w.server = nil
}

// words is all that the servers wrote to standard error.
func (w *world) words() string {
	text := strings.Join(w.said, "")
	if w.server != nil {
		text += w.server.said()
	}
	return text
}

// at is where a file of the data folder is.
func (w *world) at(name string) string { return filepath.Join(w.root+w.data, name) }

func (w *world) folder(name string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(path, 0o700); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func (w *world) file(name string, text []byte) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	w.folder(filepath.Dir(name))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func (w *world) read(path string) []byte {
	w.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

func (w *world) person(name string) *person {
	return &person{w: w, name: name, email: strings.ToLower(name) + "@example.jp", home: w.folder("home-" + name)}
}

func (w *world) invite(by, who *person, role string, more ...string) {
	w.t.Helper()
	user := by.json(append([]string{"user", "create", "--email", who.email, "--name", who.name, "--role", role}, more...)...)
	who.id = user["id"].(string)
	code := user["code"].(string)
	w.secret = append(w.secret, code)
	who.run(0, code, "user", "accept", "--code-file", "-", "--password-file", who.passwordFile())
	who.run(0, "", "login", "--email", who.email, "--password-file", who.passwordFile())
}

// with is a view of the world whose failures count for a subtest.
func (w *world) with(t *testing.T) *world {
	v := *w
	v.t = t
	for _, p := range []**person{&v.alice, &v.bob, &v.mori} {
		*p = (*p).in(&v)
	}
	return &v
}

func (p *person) in(w *world) *person {
	q := *p
	q.w = w
	return &q
}

// password is long, the person's own, and nowhere else.
func (p *person) passwordFile() string {
	path := filepath.Join(p.home, "password")
	if _, err := os.Stat(path); err != nil {
		password := "correct horse " + randomText(p.w.t, 16)
		p.w.secret = append(p.w.secret, password)
		p.w.file(filepath.Join(filepath.Base(p.home), "password"), []byte(password+"\n"))
	}
	return path
}

// try runs the program as this person.
func (p *person) try(stdin string, args ...string) (code int, stdout, stderr string) {
	return p.tryUntil(p.w.t.Context(), stdin, args...)
}

// tryUntil is try that is interrupted when ctx ends.
func (p *person) tryUntil(ctx context.Context, stdin string, args ...string) (code int, stdout, stderr string) {
	var out, errOut bytes.Buffer
	c := &cli{in: strings.NewReader(stdin), out: &out, err: &errOut, home: p.home}
	code = c.run(ctx, append(args, "--server", p.w.door.url()))
	return code, out.String(), errOut.String()
}

// run wants the exit code.
func (p *person) run(want int, stdin string, args ...string) (stdout, stderr string) {
	p.w.t.Helper()
	code, stdout, stderr := p.try(stdin, args...)
	if code != want {
		p.w.t.Fatalf("%s: teikyo %s: exit %d, want %d\n%s%s", p.name, strings.Join(args, " "), code, want, stdout, stderr)
	}
	return stdout, stderr
}

// json runs with --json and wants exit code 0.
func (p *person) json(args ...string) map[string]any {
	p.w.t.Helper()
	out, _ := p.run(0, "", append(args, "--json")...)
	return document(p.w.t, out)
}

func document(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return v
}

// token is the person's API token.
func (p *person) token() string {
	var cred credentials
	if err := json.Unmarshal(p.w.read(filepath.Join(p.home, "credentials.json")), &cred); err != nil {
		p.w.t.Fatal(err)
	}
	return cred.Token
}

// day is a date so many days from today, as people write it.
func day(days int) string { return time.Now().AddDate(0, 0, days).Format(time.DateOnly) }

// partner takes an organisation from its application to an approved key.
func (w *world) partner(name string) *partner {
	w.t.Helper()
	r := &partner{number: "A-" + name, purpose: "research"}
	r.id = w.mori.json("recipient", "apply", "--name", name+" University", "--country", "JP", "--address", "1-2-3 Hongo, Tokyo",
		"--representative", "Sato", "--email", "office@"+strings.ToLower(name)+".example")["id"].(string)
	w.alice.json("recipient", "approve", r.id, "--until", day(300), "--reason", "a partner of many years")
	r.agreement = w.mori.json("agreement", "add", r.id, "--number", r.number, "--document", w.file(name+"/contract.pdf", []byte("%PDF-1.7 the contract with "+name)),
		"--purpose", r.purpose, "--method", "download", "--class", "anonymized", "--from", day(-1), "--until", day(200),
		"--handler", "Sato", "--place", "Tokyo")["id"].(string)
	r.user, r.desk = w.person(name), w.person(name+"-desk")
	w.invite(w.alice, r.user, "recipient", "--recipient", r.id)
	r.newKey("identity.txt")
	return r
}

// newKey makes, enters, proves and has approved another key.
func (r *partner) newKey(name string, more ...string) {
	w := r.user.w
	w.t.Helper()
	r.identity = filepath.Join(r.user.home, name)
	made := r.user.json(append([]string{"keygen", "-o", r.identity}, more...)...)
	public := w.file(filepath.Join(filepath.Base(r.user.home), name+".pub"), []byte(made["public"].(string)))
	key := r.user.json("recipient", "key", "add", r.id, "--public-file", public, "--holder", r.user.name, "--expires", day(100))
	r.keyID, r.key = key["id"].(string), key["fingerprint"].(string)
	if r.key != made["fingerprint"] {
		w.t.Fatalf("keygen says %v, the server %v", made["fingerprint"], r.key)
	}
	r.user.json("recipient", "key", "prove", r.id, r.keyID, "-i", r.identity)
	w.alice.json("recipient", "key", "approve", r.id, r.keyID)
}

// notice publishes what the stories need.
func (w *world) notice() {
	w.t.Helper()
	w.mori.json("notice", "publish", "--class", "anonymized", "--item", "demographics", "--item", "checkups", "--method", "download")
}

// register brings files into a new dataset and returns its name, ID@V.
func (w *world) register(title string, files ...string) string {
	w.t.Helper()
	ds := w.mori.json(append([]string{"dataset", "register", "--title", title, "--class", "anonymized", "--item", "demographics"}, files...)...)
	return fmt.Sprintf("%s@%v", ds["id"], ds["version"])
}

// request asks for the dataset and returns the request.
func (w *world) request(ds string, r *partner, more ...string) string {
	w.t.Helper()
	return w.mori.json(append([]string{"request", "create", "--dataset", ds, "--recipient", r.id, "--agreement", r.number, "--purpose", r.purpose,
		"--words", "a study of income and work", "--method", "download", "--key", r.key, "--until", day(90)}, more...)...)["id"].(string)
}

// provide asks, has it approved by a second person, and returns the provision.
func (w *world) provide(ds string, r *partner, more ...string) string {
	w.t.Helper()
	answer := w.alice.json("request", "approve", w.request(ds, r, more...), "--reason", "fits the agreement")
	return answer["provision"].(map[string]any)["id"].(string)
}

// link makes a link of the provision and returns its id and URL.
func (w *world) link(provision string, more ...string) (id, url string) {
	w.t.Helper()
	l := w.mori.json(append([]string{"link", "create", provision}, more...)...)
	return l["id"].(string), l["url"].(string)
}

// issuerFile is the issuer file, as it is given to people out of band.
func (w *world) issuerFile() string {
	w.t.Helper()
	path := filepath.Join(w.dir, "issuer.json")
	if _, err := os.Stat(path); err != nil {
		w.alice.run(0, "", "issuer", "show", "--data", w.at(""), "-o", path)
	}
	return path
}

// fetch is get with the partner's identity into a folder of that name.
func (r *partner) fetch(want int, url, folder string, more ...string) (dir, stdout, stderr string) {
	w := r.user.w
	w.t.Helper()
	dir = filepath.Join(r.user.home, folder)
	stdout, stderr = r.desk.run(want, "", append([]string{"get", url, "-o", dir, "-i", r.identity, "--issuer", w.issuerFile(), "--json"}, more...)...)
	return dir, stdout, stderr
}

// verifyLedger checks the whole ledger of a stopped or running server.
func (w *world) verifyLedger(more ...string) map[string]any {
	w.t.Helper()
	args := append([]string{"ledger", "verify", "--data", w.data}, more...)
	var report map[string]any
	if w.root == "" {
		report = w.alice.json(args...)
	} else {
		report = document(w.t, w.inside(append(append([]string{"teikyo"}, args...), "--json")...))
	}
	if report["ok"] != true {
		w.t.Fatal(report)
	}
	return report
}

func sha256Of(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// call is a request of the API as this person, with a body of bytes.
func (p *person) call(method, path string, header map[string]string, body io.Reader) (status int, answer []byte) {
	p.w.t.Helper()
	req, err := http.NewRequestWithContext(p.w.t.Context(), method, p.w.door.url()+path, body)
	if err != nil {
		p.w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token())
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		p.w.t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(resp.Body); err != nil {
		p.w.t.Fatal(err)
	}
	return resp.StatusCode, answer
}
