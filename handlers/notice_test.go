package handlers_test

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"teikyo/access"
	"teikyo/database"
	"teikyo/database/dbtest"
	"teikyo/handlers"
	"teikyo/models"
	"teikyo/provision"
	"teikyo/wording"
)

// The notice is for everybody: a page without script, and JSON, no account.
func TestPublicNotice(t *testing.T) {
	t.Parallel()
	db, err := database.Open(t.Context(), database.Options{
		URL: dbtest.URL(t, t.TempDir()), Rand: rand.Reader,
	})
	noError(t, err)
	t.Cleanup(func() { db.Close() })
	texts, err := wording.Load("")
	noError(t, err)
	svc := &provision.Service{Store: db, Texts: texts, Now: time.Now, Rand: rand.Reader, Zone: time.UTC, Organisation: "Example Hospital"}
	server, err := handlers.New(handlers.Config{
		Access: &access.Service{Store: db}, Provisions: svc, PublicURL: "https://data.example.jp", Version: "test",
	})
	noError(t, err)
	fetch := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		return w
	}
	if page := fetch("/notice").Body.String(); !strings.Contains(page, "Nothing has been published yet") {
		t.Errorf("got %s", page)
	}
	for i, text := range []string{"", "<script>alert(1)</script> 公表します"} {
		_, err = svc.PublishNotice(t.Context(), access.Actor{UserID: "u-1", Role: models.Manager}, provision.NoticeDraft{
			Class: models.Anonymized, Items: []models.Item{models.Tests}, Methods: []models.Method{models.Download}, Text: text,
		})
		noError(t, err)
		page := fetch("/notice")
		if !strings.HasPrefix(page.Header().Get("Content-Type"), "text/html") || strings.Contains(page.Body.String(), "<script") {
			t.Errorf("version %d: %s", i+1, page.Body)
		}
	}
	if page := fetch("/notice").Body.String(); !strings.Contains(page, "公表します") || !strings.Contains(page, "version 2") || !strings.Contains(page, "Example Hospital") {
		t.Errorf("got %s", page)
	}
	if list := fetch("/api/v1/notices").Body.String(); strings.Count(list, `"id"`) != 2 {
		t.Errorf("got %s", list)
	}
	if list := fetch("/api/v1/notices/current").Body.String(); strings.Count(list, `"id"`) != 1 || !strings.Contains(list, `"version":2`) {
		t.Errorf("got %s", list)
	}
}
