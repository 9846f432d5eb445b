package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestManPages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var out bytes.Buffer
	if code := run(t.Context(), []string{"man", "-o", dir}, strings.NewReader(""), &out, &out); code != 0 {
		t.Fatalf("exit code %d: %s", code, out.String())
	}
	page, err := os.ReadFile(filepath.Join(dir, "teikyo-dataset-register.1"))
	if err != nil || !bytes.Contains(page, []byte(`\fB--class\fP`)) {
		t.Errorf("the page of dataset register lacks its flags: %v", err)
	}
}
