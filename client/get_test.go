package client_test

import (
	"context"

	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"teikyo/client"
	"teikyo/client/clienttest"
	"teikyo/client/received"
	"teikyo/crypto"
	"teikyo/models"
)

func TestGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, someFiles(t))
	g := w.get()
	g.Progress = &client.Progress{}
	summary, err := g.Run(t.Context())
	check(t, err)
	w.opened(t)
	if !summary.Opened || len(summary.Chosen) != 7 || summary.Skipped != 0 || summary.Head.Dataset.Title != "Claims, レセプト" || len(summary.Notes) != 0 {
		t.Errorf("summary %+v", summary)
	}
	if have, total := g.Progress.Bytes(); have != total || total == 0 {
		t.Errorf("%d of %d bytes counted", have, total)
	}
	if done, total := g.Progress.Files(); done != 7 || total != 7 {
		t.Errorf("%d of %d files counted", done, total)
	}
	if left, err := os.ReadDir(filepath.Join(w.dir, ".teikyo", "partial")); err != nil || len(left) > 0 {
		t.Errorf("partial files: %v, %v", left, err)
	}
	modes(t, w.dir)

	asked := len(w.server.Asked())
	summary, err = w.get().Run(t.Context())
	check(t, err)
	if summary.Skipped != 7 || w.server.Uses != 1 {
		t.Errorf("again: %d skipped, %d uses", summary.Skipped, w.server.Uses)
	}
	for _, request := range w.server.Asked()[asked:] {
		if strings.HasPrefix(request, "data/") || request == "manifest.json" {
			t.Errorf("fetched again: %s", request)
		}
	}
}

// modes wants everything readable to the user alone.
func modes(t *testing.T, dir string) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	}))
}

func TestGetHybridKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.person = clienttest.NewPerson(t, true)
	w.parcel = w.issuer.Provide(t, clienttest.Content{Files: someFiles(t), To: w.person.Public})
	w.server.Parcel = w.parcel
	_, err := w.get().Run(t.Context())
	check(t, err)
	w.opened(t)
}

func TestGetKeepsSealed(t *testing.T) {
	t.Parallel()
	for _, bind := range []models.LinkBind{models.BindKey, models.BindNone} {
		w := newWorld(t, someFiles(t))
		w.server.Bind = bind
		g := w.get()
		if g.KeepSealed = bind == models.BindKey; !g.KeepSealed {
			g.Identity = crypto.Identity{}
		}
		summary, err := g.Run(t.Context())
		check(t, err)
		sameTree(t, w.dir, w.parcel.Tree)
		if summary.Opened {
			t.Error("it says that it opened the files")
		}
		g.Identity = w.person.Identity
		g.KeepSealed = true
		if summary, err = g.Run(t.Context()); err != nil || summary.Skipped != 7 {
			t.Errorf("again: %d skipped, %v", summary.Skipped, err)
		}
	}
}

func TestGetListsAndIncludes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, someFiles(t))
	summary, err := w.get().List(t.Context())
	check(t, err)
	if len(summary.Chosen) != 7 || len(tree(t, w.dir)) != 0 {
		t.Errorf("%d files listed, %v written", len(summary.Chosen), names(tree(t, w.dir)))
	}
	g := w.get()
	g.Include = []string{"a/*", "レセプト"}
	summary, err = g.Run(t.Context())
	check(t, err)
	if len(summary.Chosen) != 3 || w.server.Uses != 1 {
		t.Errorf("%d files, %d uses", len(summary.Chosen), w.server.Uses)
	}
	if _, ok := tree(t, w.dir)["data/a/less.bin"]; !ok {
		t.Error("the chosen file is missing")
	}
	g.Include = []string{"nothing*"}
	_, err = g.Run(t.Context())
	wantKind(t, err, models.NotFound)
	g.Include = []string{"[x"}
	_, err = g.Run(t.Context())
	wantKind(t, err, models.Invalid)
	_, err = w.get().Run(t.Context())
	check(t, err)
	w.opened(t)
}

// TestSecretsStayOut looks for the session and the link in the folder and in
// every error.
func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string][]byte{"a": []byte("canary of the plaintext"), "b": []byte("b")})
	w.server.Fault = func(rw http.ResponseWriter, _ *http.Request, name string) bool {
		if name != "data/b.age" {
			return false
		}
		clienttest.Problem(rw, http.StatusGone, models.Expired, "the link has ended")
		return true
	}
	_, err := w.get().Run(t.Context())
	wantKind(t, err, models.Expired)
	secret := "AQEBAQEBAQEB" // of session number one
	check(t, filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), secret) || strings.Contains(string(text), "eyJ.one") {
			t.Errorf("%s holds the session or the link", path)
		}
		return err
	}))
	w.server.Close()
	for _, err := range []error{err, func() error { _, err := w.get().Run(t.Context()); return err }()} {
		if err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "eyJ.") {
			t.Errorf("error %v", err)
		}
	}
}

func TestUnknownIssuer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		ask  func(string, string) (bool, error)
		file bool
		want models.ErrorKind
	}{
		{"nobody to ask", nil, false, models.Integrity},
		{"no", func(string, string) (bool, error) { return false, nil }, false, models.Integrity},
		{"yes", func(string, string) (bool, error) { return true, nil }, false, ""},
		{"given file", nil, true, ""},
	} {
		w := newWorld(t, map[string][]byte{"a": []byte("b")})
		w.config = t.TempDir()
		g := w.get()
		g.Trust.Ask = c.ask
		if c.file {
			issuer, err := received.ReadIssuer(w.issuer.File(t))
			check(t, err)
			g.Trust.Given = &issuer
		}
		_, err := g.Run(t.Context())
		if models.KindOf(err) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.want != "" && (w.server.Uses != 0 || len(w.server.Asked()) != 0) {
			t.Errorf("%s: a use was spent before the issuer was known", c.name)
		}
		_, pinned, err := w.pins().Load("hospital.example")
		if err != nil || pinned != (c.want == "") {
			t.Errorf("%s: pinned %v, %v", c.name, pinned, err)
		}
	}
}

// TestOtherIssuer: somebody who took over the host name has other keys.
func TestOtherIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string][]byte{"a": []byte("b")})
	w.server.Issuer = clienttest.NewIssuer(t, "hospital.example")
	_, err := w.get().Run(t.Context())
	wantKind(t, err, models.Integrity)
	if w.server.Uses != 0 {
		t.Error("a use was spent")
	}
}

func TestIssuerRotates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string][]byte{"a": []byte("b")})
	for _, use := range []crypto.Use{crypto.UseManifest, crypto.UseCheckpoint} {
		_, err := w.issuer.Keys.Rotate(use, clienttest.Noon().Add(time.Minute), w.issuer.Log.Row.Size)
		check(t, err)
	}
	_, err := w.get().Run(t.Context()) // the parcel was made with the keys before
	check(t, err)
	w.opened(t)
	pinned, _, err := w.pins().Load("hospital.example")
	check(t, err)
	if len(pinned.Changes) != 2 {
		t.Errorf("%d changes are pinned", len(pinned.Changes))
	}
	w.parcel = w.issuer.Provide(t, clienttest.Content{Files: someFiles(t), To: w.person.Public})
	w.server.Change(func() { w.server.Parcel = w.parcel })
	w.dir += "-2"
	_, err = w.get().Run(t.Context())
	check(t, err)
	w.opened(t)
}

func TestAnswersOfAnotherLink(t *testing.T) {
	t.Parallel()
	otherKey := clienttest.NewPerson(t, false)
	for name, c := range map[string]struct {
		change func(map[string]any)
		want   models.ErrorKind
	}{
		"issuer": {func(a map[string]any) { a["issuer"] = map[string]string{"origin": "other.example"} }, models.Integrity},
		"fingerprint": {func(a map[string]any) {
			a["issuer"] = map[string]string{"origin": "hospital.example", "fingerprint": "x"}
		}, models.Integrity},
		"provision":       {func(a map[string]any) { a["provision"] = "p-bbbbbbbbbbbbbbbb" }, models.Integrity},
		"malformed id":    {func(a map[string]any) { a["provision"] = "../x" }, models.Unavailable},
		"link":            {func(a map[string]any) { a["link"] = "l-bbbbbbbbbbbbbbbb" }, models.Integrity},
		"no session":      {func(a map[string]any) { a["sealed_session"] = "" }, models.Integrity},
		"not base64":      {func(a map[string]any) { a["sealed_session"] = "*" }, models.Unavailable},
		"other key":       {func(a map[string]any) { a["key_fingerprint"] = otherKey.Public.Fingerprint() }, models.Invalid},
		"path elsewhere":  {func(a map[string]any) { a["bind"], a["session"] = "none", "/api/v1/users/" }, models.Unavailable},
		"path with dots":  {func(a map[string]any) { a["bind"], a["session"] = "none", "/dl/../x/" }, models.Unavailable},
		"other host":      {func(a map[string]any) { a["bind"], a["session"] = "none", "//evil.example/" }, models.Unavailable},
		"key not the one": {func(a map[string]any) { a["bind"], a["session"], a["key_fingerprint"] = "none", "/dl/AA/", "zzz" }, models.Integrity},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string][]byte{"a": []byte("b")})
			w.server.Answer = c.change
			_, err := w.get().Run(t.Context())
			wantKind(t, err, c.want)
			if have := tree(t, w.dir); len(have) > 0 {
				t.Errorf("written: %s", names(have))
			}
		})
	}
}

func TestFolderRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string][]byte{"a": []byte("b")})
	check(t, os.MkdirAll(w.dir, 0o700))
	check(t, os.WriteFile(filepath.Join(w.dir, "README.txt"), []byte("mine"), 0o600))
	_, err := w.get().Run(t.Context())
	wantKind(t, err, models.Conflict)
	sameTree(t, w.dir, map[string][]byte{"README.txt": []byte("mine")})
	check(t, os.Remove(filepath.Join(w.dir, "README.txt")))
	_, err = w.get().Run(t.Context())
	check(t, err)

	w.parcel = w.issuer.Provide(t, clienttest.Content{Dataset: "ds-bbbbbbbbbbbbbbbb", Files: map[string][]byte{"c": {}}, To: w.person.Public})
	w.server.Change(func() { w.server.Parcel = w.parcel })
	g := w.get()
	g.Link = w.server.Link("another dataset")
	_, err = g.Run(t.Context())
	wantKind(t, err, models.Invalid) // a space is no part of a link
	g.Link = w.server.Link("another")
	_, err = g.Run(t.Context())
	wantKind(t, err, models.Conflict)
	if _, ok := tree(t, w.dir)["data/a"]; !ok {
		t.Error("the first parcel is gone")
	}
}

// TestNewVersionKeepsPayloads: what did not change is not fetched again.
func TestNewVersionKeepsPayloads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, someFiles(t))
	_, err := w.get().Run(t.Context())
	check(t, err)
	files := w.parcel.Content.Files
	files["a-b"] = []byte("new")
	sealed := w.parcel.Content.Sealed
	delete(sealed, "a-b")
	w.person = clienttest.NewPerson(t, false) // reissued to another key, too
	w.parcel = w.issuer.Provide(t, clienttest.Content{Files: files, Sealed: sealed, To: w.person.Public})
	w.server.Change(func() { w.server.Parcel, w.server.Requests = w.parcel, nil })
	g := w.get()
	g.Link = w.server.Link("second")
	summary, err := g.Run(t.Context())
	check(t, err)
	w.opened(t)
	data := slices.DeleteFunc(w.server.Asked(), func(r string) bool { return !strings.HasPrefix(r, "data/") })
	if summary.Skipped != 6 || !slices.Equal(data, []string{"data/a-b.age"}) {
		t.Errorf("%d skipped, fetched %v", summary.Skipped, data)
	}
}

func TestLinksOutOfTheFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string][]byte{"a": []byte("plain"), "sub/b": []byte("plain")})
	_, err := w.get().List(t.Context())
	check(t, err)
	outside := t.TempDir()
	check(t, os.Symlink(outside, filepath.Join(w.dir, "data")))
	_, err = w.get().Run(t.Context())
	if err == nil {
		t.Error("a link out of the folder was followed")
	}
	if have := tree(t, outside); len(have) > 0 {
		t.Errorf("written outside: %s", names(have))
	}
	check(t, os.Remove(filepath.Join(w.dir, "data")))
	check(t, os.Mkdir(filepath.Join(w.dir, "data"), 0o700))
	target := filepath.Join(outside, "target")
	check(t, os.WriteFile(target, []byte("stays"), 0o600))
	check(t, os.Symlink(target, filepath.Join(w.dir, "data", "a")))
	_, err = w.get().Run(t.Context())
	check(t, err)
	w.opened(t)
	sameTree(t, outside, map[string][]byte{"target": []byte("stays")})
}

func TestFreeSpace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string][]byte{"a": clienttest.Random(t, 1<<20)})
	g := w.get()
	g.Free = func(string) (uint64, error) { return 700 << 10, nil }
	_, err := g.Run(t.Context())
	wantKind(t, err, models.Full)
	if !strings.Contains(err.Error(), "1.0 MiB") || !strings.Contains(err.Error(), "700.0 KiB") {
		t.Errorf("no figures: %v", err)
	}
	g.Free = func(string) (uint64, error) { return 1 << 20, nil }
	_, err = g.Run(t.Context())
	check(t, err)
	g.Free = func(string) (uint64, error) { return 0, nil } // nothing is needed now
	_, err = g.Run(t.Context())
	check(t, err)
}

func TestRewrittenLedger(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string][]byte{"a": []byte("b")})
	_, err := w.get().Run(t.Context())
	check(t, err)
	next := func(name string) error {
		w.parcel = w.issuer.Provide(t, clienttest.Content{Files: map[string][]byte{"a": []byte("c")}, To: w.person.Public})
		w.server.Change(func() { w.server.Parcel = w.parcel })
		w.dir = filepath.Join(t.TempDir(), "next")
		g := w.get()
		g.Link = w.server.Link(name)
		_, err := g.Run(t.Context())
		return err
	}
	check(t, w.issuer.Log.Fill(300, clienttest.Noon().Add(time.Second)))
	check(t, next("grown"))
	w.issuer.Log.Rows = w.issuer.Log.Rows[1:] // an entry is taken out, all is signed anew
	for i := range w.issuer.Log.Rows {
		w.issuer.Log.Rows[i].Index = int64(i)
	}
	check(t, w.issuer.Log.Rebuild())
	check(t, w.issuer.Log.Fill(10, clienttest.Noon().Add(time.Hour)))
	wantKind(t, next("rewritten"), models.Integrity)
	if have := tree(t, w.dir); len(have) > 0 {
		t.Errorf("written: %s", names(have))
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, someFiles(t))
	ctx, cancel := context.WithCancel(t.Context())
	w.server.Fault = func(http.ResponseWriter, *http.Request, string) bool {
		if len(w.server.Requests) == 12 {
			cancel()
		}
		return false
	}
	_, err := w.get().Run(ctx)
	if ctx.Err() == nil || err == nil {
		t.Fatalf("not interrupted: %v", err)
	}
	_, err = w.get().Run(t.Context())
	check(t, err)
	w.opened(t)
	if w.server.Uses != 1 {
		t.Errorf("%d uses", w.server.Uses)
	}
}

func TestLoginLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string][]byte{"a": []byte("b")})
	w.server.Bind = models.BindLogin
	g := w.get()
	var sent []string
	g.HTTP = &http.Client{Transport: watched{w.server.Client().Transport, func(r *http.Request) {
		sent = append(sent, r.URL.Path+" "+r.Header.Get("Authorization"))
	}}}
	g.Token = func(base string) string {
		if base != w.server.URL {
			t.Errorf("asked for a token for %s", base)
		}
		return "secret"
	}
	_, err := g.List(t.Context())
	check(t, err)
	for _, s := range sent {
		if strings.HasSuffix(s, "Bearer secret") != strings.HasPrefix(s, "/api/v1/links/redeem") {
			t.Errorf("token sent, or not: %s", s)
		}
	}
}

type watched struct {
	http.RoundTripper
	see func(*http.Request)
}

func (w watched) RoundTrip(r *http.Request) (*http.Response, error) {
	w.see(r)
	return w.RoundTripper.RoundTrip(r)
}

func TestRate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string][]byte{"a": clienttest.Random(t, 300_000)})
	g := w.get()
	g.Rate = 2 << 20
	began := time.Now()
	_, err := g.Run(t.Context())
	check(t, err)
	// The first 64 KiB are free.
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("300 kB at 2 MiB/s took %s", took)
	}
}
