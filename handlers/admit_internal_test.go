package handlers

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"teikyo/models"
)

func TestReadJSON(t *testing.T) {
	t.Parallel()
	many := "[" + strings.Repeat("{},", maxValues/2) + "{}]"
	words := `{"words":"` + strings.Repeat(`, [ { \" `, maxValues) + `"}`
	tests := []struct {
		name, body string
		limit      int64
		want       models.ErrorKind
	}{
		{"none", "", 10, ""},
		{"whole", `{"a":1}`, 7, ""},
		{"too long", `{"a":1} `, 7, models.TooLarge},
		{"many values", many, 16 << 20, models.TooLarge},
		{"signs in strings are no values", words, 16 << 20, ""},
		{"an escaped backslash ends no escape", `["\\",` + many, 16 << 20, models.TooLarge},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			body, err := readJSON(strings.NewReader(test.body), test.limit)
			if test.want != "" {
				if models.KindOf(err) != test.want {
					t.Errorf("got %v, want %s", err, test.want)
				}
				return
			}
			if err != nil || string(body) != test.body {
				t.Errorf("got %d bytes, %v", len(body), err)
			}
		})
	}
	if _, err := readJSON(io.MultiReader(strings.NewReader("{"), brokenBody{}), 10); models.KindOf(err) != models.Invalid {
		t.Errorf("broken body: %v", err)
	}
}

type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// untouched is a body that must not be read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestBodiesOfStrangersAreNotRead(t *testing.T) {
	t.Parallel()
	handler, err := New(Config{PublicURL: "https://data.example.jp"})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/requests/batch", "/datasets", "/agreements", "/users", "/links"} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, filepath.Join("/api/v1", path), untouched{t})
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		var p Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusUnauthorized || p.Request == "" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
