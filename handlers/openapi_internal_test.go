package handlers

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"teikyo/access"
	"teikyo/models"
)

// document is what the tests look at of the OpenAPI document.
type document struct {
	OpenAPI    string                          `json:"openapi"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas map[string]struct {
			Properties map[string]struct {
				Description string `json:"description"`
			} `json:"properties"`
		} `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	ID         string           `json:"operationId"`
	Summary    string           `json:"summary"`
	Security   []map[string]any `json:"security"`
	Parameters []struct {
		Name string `json:"name"`
		In   string `json:"in"`
	} `json:"parameters"`
	Responses map[string]struct {
		Content map[string]struct {
			Schema struct {
				Ref string `json:"$ref"`
			} `json:"schema"`
		} `json:"content"`
	} `json:"responses"`
}

// newTestAPI is an API without services, for its routes alone.
func newTestAPI(t *testing.T) *api {
	t.Helper()
	a, err := newAPI(Config{Access: &access.Service{}, PublicURL: "https://data.example.jp", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *api) document(t *testing.T) document {
	t.Helper()
	w := httptest.NewRecorder()
	a.engine.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/openapi.json", nil))
	var doc document
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %v", w.Code, err)
	}
	return doc
}

// operations are the document's, written METHOD /path.
func (d document) operations() map[string]operation {
	ops := map[string]operation{}
	for path, methods := range d.Paths {
		for method, op := range methods {
			ops[strings.ToUpper(method)+" "+path] = op
		}
	}
	return ops
}

func keysOf(ops map[string]operation) []string {
	var list []string
	for name := range ops {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// The document speaks of all routes of the API and of no other.
func TestDocumentEqualsRoutes(t *testing.T) {
	t.Parallel()
	a := newTestAPI(t)
	doc := a.document(t)
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") {
		t.Errorf("OpenAPI %s", doc.OpenAPI)
	}
	parameter := regexp.MustCompile(`[:*](\w+)`)
	var live []string
	for _, r := range a.engine.Routes() {
		if strings.HasPrefix(r.Path, "/api/v1/") && !strings.HasPrefix(r.Path, "/api/v1/openapi") {
			live = append(live, r.Method+" "+parameter.ReplaceAllString(r.Path, "{$1}"))
		}
	}
	slices.Sort(live)
	described := keysOf(doc.operations())
	for _, name := range live {
		if !slices.Contains(described, name) {
			t.Errorf("%s is served but not in the document", name)
		}
	}
	for _, name := range described {
		if !slices.Contains(live, name) {
			t.Errorf("%s is in the document but not served", name)
		}
	}
	if len(live) < 60 {
		t.Errorf("only %d routes were found", len(live))
	}
}

// What the document says about an operation is enough to call it.
func TestDocumentIsComplete(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for name, op := range newTestAPI(t).document(t).operations() {
		if op.ID == "" || op.Summary == "" {
			t.Errorf("%s: no id or summary", name)
		}
		if other, twice := seen[op.ID]; twice {
			t.Errorf("%s and %s are both called %s", name, other, op.ID)
		}
		seen[op.ID] = name
		for part := range strings.SplitSeq(name, "/") {
			if inner, ok := strings.CutPrefix(part, "{"); ok && !op.has("path", strings.TrimSuffix(inner, "}")) {
				t.Errorf("%s: %s is not described", name, part)
			}
		}
		wants := strings.HasPrefix(name, "POST ") && len(op.Security) > 0 && op.ID != "objection-add" // see ownKeys
		if op.has("header", idempotencyHeader) != wants {
			t.Errorf("%s: %s is described: %v", name, idempotencyHeader, !wants)
		}
	}
}

func (o operation) has(in, name string) bool {
	for _, p := range o.Parameters {
		if p.In == in && p.Name == name {
			return true
		}
	}
	return false
}

// An answer that shows something once is never kept for a repetition.
func TestAnswersWithSecretsAreKnown(t *testing.T) {
	t.Parallel()
	doc := newTestAPI(t).document(t)
	var found []string
	for name, op := range doc.operations() {
		if strings.HasPrefix(name, "POST ") && len(op.Security) > 0 && doc.showsOnce(op) {
			found = append(found, op.ID)
		}
	}
	slices.Sort(found)
	want := append([]string{"link-revoke"}, secretAnswers...) // it has the view of a link, without its address
	slices.Sort(want)
	if !slices.Equal(found, want) {
		t.Errorf("answers that show a secret: %v, known are %v", found, want)
	}
}

func (d document) showsOnce(op operation) bool {
	for _, answer := range op.Responses {
		for _, content := range answer.Content {
			schema := d.Components.Schemas[strings.TrimPrefix(content.Schema.Ref, "#/components/schemas/")]
			for _, property := range schema.Properties {
				if strings.Contains(property.Description, "this once") {
					return true
				}
			}
		}
	}
	return false
}

// The page for programmers lists every operation and no other.
func TestPageListsEveryOperation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## All operations\n")
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z]+) (/[^` ]*)` \\| \\S").FindAllStringSubmatch(table, -1) {
		listed = append(listed, row[1]+" /api/v1"+row[2])
	}
	described := keysOf(newTestAPI(t).document(t).operations())
	for _, name := range described {
		if !slices.Contains(listed, name) {
			t.Errorf("docs/api.md lacks %s", name)
		}
	}
	for _, name := range listed {
		if !slices.Contains(described, name) {
			t.Errorf("docs/api.md lists %s, which does not exist", name)
		}
	}
}

// The page for programmers names every kind of problem with its status.
func TestPageNamesEveryProblem(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]int{}
	for _, row := range regexp.MustCompile("(?m)^\\| `urn:teikyo:problem:(\\w+)` \\| (\\d+) \\| \\S").FindAllStringSubmatch(string(text), -1) {
		listed[row[1]], err = strconv.Atoi(row[2])
		if err != nil {
			t.Error(err)
		}
	}
	kinds := []models.ErrorKind{
		models.Invalid, models.Denied, models.NotFound, models.Conflict, models.Expired, models.TooLarge,
		models.Unavailable, models.Full, models.Integrity, models.RateLimited, models.Internal,
	}
	for _, kind := range kinds {
		if status, _ := statusOf(kind); listed[string(kind)] != status {
			t.Errorf("%s: docs/api.md says %d, it is %d", kind, listed[string(kind)], status)
		}
	}
	if len(listed) != len(kinds) {
		t.Errorf("docs/api.md names %v", listed)
	}
}
