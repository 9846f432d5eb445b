package handlers

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teikyo/access"
)

// clientsAPI is an API that offers the files of a folder.
func clientsAPI(t *testing.T, dir string) *api {
	t.Helper()
	a, err := newAPI(Config{Access: &access.Service{}, PublicURL: "https://data.example.jp", ClientsDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *api) fetch(t *testing.T, path, accept string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Accept", accept)
	a.engine.ServeHTTP(w, r)
	return w
}

func TestClients(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := filepath.Join(dir, "teikyo-1.0-linux-amd64")
	write(build, "program")
	write(filepath.Join(dir, "notes.txt"), "internal")
	write(outside, "secret")
	if err := os.Symlink(outside, filepath.Join(dir, "teikyo-link")); err != nil {
		t.Fatal(err)
	}
	a := clientsAPI(t, dir)
	digest := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	sums := a.fetch(t, "/clients/SHA256SUMS", "*/*").Body.String()
	if want := digest("program") + "  teikyo-1.0-linux-amd64\n"; sums != want {
		t.Errorf("SHA256SUMS is %q, want %q", sums, want)
	}
	got := a.fetch(t, "/clients/teikyo-1.0-linux-amd64", "*/*")
	if got.Code != http.StatusOK || got.Body.String() != "program" || got.Header().Get("ETag") != `"`+digest("program")+`"` ||
		!strings.HasPrefix(got.Header().Get("Content-Disposition"), "attachment") {
		t.Errorf("%d %q %v", got.Code, got.Body.String(), got.Header())
	}
	if page := a.fetch(t, "/clients/", "text/html").Body.String(); !strings.Contains(page, digest("program")) || strings.Contains(page, "notes") {
		t.Errorf("the page is %s", page)
	}
	if list := a.fetch(t, "/clients/", "application/json").Body.String(); !strings.Contains(list, `"sha256":"`+digest("program")) {
		t.Errorf("the list is %s", list)
	}
	for _, path := range []string{"/clients/notes.txt", "/clients/teikyo-link", "/clients/teikyo-none", "/clients/..%2fsecret", "/clients/teikyo-..%2f..%2fsecret"} {
		if got := a.fetch(t, path, "*/*"); got.Code != http.StatusNotFound || strings.Contains(got.Body.String(), "secret") {
			t.Errorf("%s: %d %s", path, got.Code, got.Body.String())
		}
	}
	write(build, "another program")
	if sums := a.fetch(t, "/clients/SHA256SUMS", "*/*").Body.String(); !strings.HasPrefix(sums, digest("another program")) {
		t.Errorf("after a change SHA256SUMS is %q", sums)
	}
	if got := clientsAPI(t, "").fetch(t, "/clients/", "*/*"); got.Code != http.StatusNotFound {
		t.Errorf("without a folder: %d", got.Code)
	}
}
