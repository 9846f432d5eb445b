package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teikyo/crypto"
)

// canary is a secret that must lie nowhere, in any spelling.
type canary struct {
	name  string
	forms [][]byte
}

// newCanary spells a secret out: as it is, in hex, and inside base64 texts,
// whatever stands before it there.
func newCanary(name string, secret []byte) canary {
	c := canary{name: name, forms: [][]byte{secret, []byte(hex.EncodeToString(secret)), []byte(strings.ToUpper(hex.EncodeToString(secret)))}}
	for shift := range 3 {
		padded := append(make([]byte, shift), secret...)
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := enc.EncodeToString(padded)
			c.forms = append(c.forms, []byte(text[(shift*8+5)/6:len(text)-1])) // without what the neighbours decide
		}
	}
	return c
}

// seek finds canaries in the files below the folders; it fails when nothing was
// looked at.
func seek(t *testing.T, canaries []canary, folders ...string) (hits []string) {
	t.Helper()
	files := 0
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files++
			hits = append(hits, sing(canaries, path, text)...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files == 0 {
		t.Fatal("no file was looked at")
	}
	return hits
}

func sing(canaries []canary, where string, text []byte) (hits []string) {
	for _, c := range canaries {
		for i, form := range c.forms {
			if bytes.Contains(text, form) || bytes.Contains([]byte(where), form) {
				hits = append(hits, fmt.Sprintf("%s (form %d) in %s", c.name, i, where))
			}
		}
	}
	return hits
}

// After the whole story no secret lies in the data folder, the logs or the
// temporary folder. The keys, the one place where keys must lie, are elsewhere.
func TestCanaries(t *testing.T) {
	t.Parallel()
	w := strangers(t)
	keys := w.folder("keys")
	w.flags = append(w.flags, "--config", w.file("teikyo.yaml", []byte("keys_dir: "+keys+"\nlog: {level: debug}\nlinks: {allow_unbound: true}\n")))
	w.people()
	w.notice()
	plain := randomText(t, 24)
	table := w.file("in/visits.csv", []byte("age_group,remark\n"+strings.Repeat("30s,"+plain+"\n", 5000)))
	ds := w.register("Visits", table)
	r := w.partner("Keio")
	provision := w.provide(ds, r)
	found := canarySet{t: t}
	found.add("plaintext", []byte(plain))

	_, link := w.link(provision, "--uses", "5")
	dir, _, _ := r.fetch(0, link, "sealed", "--keep-sealed")
	r.fetch(0, link, "opened")
	found.add("link token", []byte(token(link)))
	found.add("sealed session", found.session(filepath.Join(dir, ".teikyo", "session.json"), r.identity))
	_, key := header(t, filepath.Join(dir, "data", "visits.csv.age"), r.identity)
	found.add("file key", key[:])
	_, open := w.link(provision, "--bind", "none")
	found.add("link token for all", []byte(token(open)))
	found.add("session for all", []byte(w.redeemInClear(open)))
	w.failOnPurpose(r, link)

	for i, secret := range append(w.secret, w.code) {
		found.add(fmt.Sprintf("password or code %d", i), []byte(secret))
	}
	for _, p := range []*person{w.alice, w.bob, w.mori, r.user} {
		found.add("token of "+p.name, []byte(p.token()))
	}
	found.add("API token", []byte(w.mori.json("token", "create", "--name", "nightly")["token"].(string)))
	found.keyFiles(keys)
	found.add("identity", bytes.TrimSpace(secretLine(w.read(r.identity))))

	places := []string{w.data, filepath.Join(w.dir, "tmp")}
	w.file("tmp/here", nil) // so that there is something to look at
	for _, hit := range seek(t, found.list, places...) {
		t.Error("running: " + hit)
	}
	w.stop()
	for _, hit := range seek(t, found.list, places...) {
		t.Error("stopped: " + hit)
	}
	for _, hit := range sing(found.list, "log", []byte(w.logs())) {
		t.Error(hit)
	}
	if len(w.logs()) < 10_000 || len(found.list) < 25 {
		t.Errorf("%d bytes of log, %d canaries: the story is too short", len(w.logs()), len(found.list))
	}
	w.provesTheSearch(found.list)
}

// provesTheSearch plants every canary in every spelling and wants it found.
func (w *world) provesTheSearch(list []canary) {
	w.t.Helper()
	for _, c := range list {
		for i, form := range c.forms {
			copied := w.folder("planted")
			if err := os.WriteFile(filepath.Join(copied, "planted"), bytes.Join([][]byte{make([]byte, 100), form, make([]byte, 100)}, nil), 0o600); err != nil {
				w.t.Fatal(err)
			}
			if len(form) < 12 || len(seek(w.t, []canary{c}, copied)) == 0 {
				w.t.Errorf("%s in form %d would not be found", c.name, i)
			}
		}
	}
	plain := list[0].forms[0]
	for _, test := range [][2]string{
		{"a value of a row", fmt.Sprintf("UPDATE datasets SET description = 'so %s so'", plain)},
		{"bytes of a row", fmt.Sprintf("UPDATE dataset_versions SET terms = CAST('so %s so' AS BLOB)", base64.StdEncoding.EncodeToString(append([]byte("so "), plain...)))},
	} {
		copied := filepath.Join(w.dir, test[0])
		if err := copyFolder(w.data, copied); err != nil {
			w.t.Fatal(err)
		}
		if err := execSQL(filepath.Join(copied, "teikyo.db"), test[1]); err != nil {
			w.t.Fatal(err)
		}
		if len(seek(w.t, list, copied)) == 0 {
			w.t.Errorf("%s would not be found", test[0])
		}
	}
}

// failOnPurpose makes mistakes, since errors are what secrets leak through.
func (w *world) failOnPurpose(r *partner, link string) {
	w.t.Helper()
	w.mori.run(4, "", "login", "--email", w.mori.email, "--password-file", w.alice.passwordFile())
	w.mori.run(0, "", "login", "--email", w.mori.email, "--password-file", w.mori.passwordFile())
	body := func(v any) *bytes.Reader {
		text, err := json.Marshal(v)
		if err != nil {
			w.t.Fatal(err)
		}
		return bytes.NewReader(text)
	}
	inJSON := map[string]string{"Content-Type": "application/json"}
	secret := string(bytes.TrimSpace(secretLine(w.read(r.identity))))
	for _, c := range []struct {
		path string
		body any
		want int
	}{
		{"/api/v1/recipients/" + r.id + "/keys", map[string]string{"public": secret}, 422},
		{"/api/v1/links/redeem", map[string]string{"token": token(link) + "x"}, 404},
		{"/api/v1/setup", map[string]string{"code": w.code, "email": "x@example.jp", "name": "X", "password": secret}, 409},
		{"/api/v1/links/redeem", map[string]any{"token": []string{token(link)}}, 422},
	} {
		if status, answer := r.user.call("POST", c.path, inJSON, body(c.body)); status != c.want || bytes.Contains(answer, []byte(secret)) {
			w.t.Errorf("%s: %d %s", c.path, status, answer)
		}
	}
}

// redeemInClear redeems a link that is bound to nobody, fetches something with
// the session, and returns its secret.
func (w *world) redeemInClear(link string) string {
	w.t.Helper()
	status, answer := w.mori.call("POST", "/api/v1/links/redeem", map[string]string{"Content-Type": "application/json"},
		strings.NewReader(fmt.Sprintf(`{"token":%q}`, token(link))))
	if status != http.StatusOK {
		w.t.Fatal(status, string(answer))
	}
	path := document(w.t, string(answer))["session"].(string)
	for name, want := range map[string]int{"": 200, "NOTICE.txt": 200, "nothing": 404} {
		if status, answer := w.mori.call("GET", path+name, nil, nil); status != want {
			w.t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	return strings.Trim(strings.TrimPrefix(path, "/dl/"), "/")
}

func token(link string) string { return link[strings.LastIndex(link, "/")+1:] }

// logs is what the servers said, without the line that shows the setup code to
// the person who sets the server up.
func (w *world) logs() string {
	var kept strings.Builder
	for line := range strings.Lines(w.words()) {
		if !strings.HasPrefix(line, "setup code ") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// secretLine is the secret key of an identity file.
func secretLine(identity []byte) []byte {
	for line := range bytes.Lines(identity) {
		if bytes.HasPrefix(line, []byte("AGE-SECRET-KEY-")) {
			return line
		}
	}
	return nil
}

type canarySet struct {
	t    *testing.T
	list []canary
}

func (s *canarySet) add(name string, secret []byte) {
	s.t.Helper()
	if len(secret) < 16 {
		s.t.Fatalf("%s is no secret: %d bytes", name, len(secret))
	}
	s.list = append(s.list, newCanary(name, secret))
}

// session opens the secret of a session that is bound to a key.
func (s *canarySet) session(file, identity string) []byte {
	s.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	sealed, err := base64.StdEncoding.DecodeString(document(s.t, string(text))["sealed_session"].(string))
	if err != nil {
		s.t.Fatal(err)
	}
	secret, err := os.Open(identity)
	if err != nil {
		s.t.Fatal(err)
	}
	defer secret.Close()
	id, err := crypto.ParseIdentity(secret)
	if err != nil {
		s.t.Fatal(err)
	}
	opened, err := crypto.OpenSmall(sealed, id, 1<<10)
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(opened), "/dl/")
	return []byte(strings.Trim(rest, "/\n"))
}

// keyFiles adds the secret part of every key of the server.
func (s *canarySet) keyFiles(dir string) {
	s.t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			s.t.Fatal(err)
		}
		if strings.HasSuffix(entry.Name(), ".key") {
			fields := strings.Fields(string(text))
			secret, err := base64.StdEncoding.DecodeString(fields[len(fields)-1])
			if err != nil {
				s.t.Fatal(err)
			}
			s.add(entry.Name(), secret)
		}
	}
}
