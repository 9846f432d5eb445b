package handlers

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"teikyo/access"
)

// A line of the log has the fields that the page for operators explains, and no
// other.
func TestOperationsExplainsTheLog(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## The log\n")
	section, _, _ := strings.Cut(rest, "\n## ")
	var explained []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\| ").FindAllStringSubmatch(section, -1) {
		for name := range strings.SplitSeq(row[1], ", ") {
			explained = append(explained, strings.Trim(name, "`"))
		}
	}
	var log bytes.Buffer
	a, err := newAPI(Config{Access: &access.Service{}, PublicURL: "https://data.example.jp", Log: slog.New(slog.NewJSONHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/nothing/secret-path?q=secret-query", nil)
	a.engine.ServeHTTP(httptest.NewRecorder(), req)
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	var written []string
	for name := range line {
		written = append(written, name)
	}
	slices.Sort(explained)
	slices.Sort(written)
	if !slices.Equal(explained, written) {
		t.Errorf("explained %v, written %v", explained, written)
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the path is in the log: %s", log.String())
	}
}
