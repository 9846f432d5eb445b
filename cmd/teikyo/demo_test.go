package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// TestDemo runs the README's first command.
func TestDemo(t *testing.T) {
	t.Parallel()
	var out, words bytes.Buffer
	keep := filepath.Join(t.TempDir(), "kept")
	if code := run(t.Context(), []string{"demo", "--json", "--keep", keep}, strings.NewReader(""), &out, &words); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), words.String())
	}
	var story struct {
		OK    bool
		Steps []demoStep
	}
	if err := json.Unmarshal(out.Bytes(), &story); err != nil {
		t.Fatal(err)
	}
	caught := 0
	for _, step := range story.Steps {
		if strings.HasPrefix(step.Result, "caught, exit code 7") {
			caught++
		}
	}
	if !story.OK || caught != 2 {
		t.Errorf("ok %v, %d forgeries caught, want 2", story.OK, caught)
	}
}
