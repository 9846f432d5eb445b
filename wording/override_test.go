package wording

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// folder writes files and returns their folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for path, text := range files {
		full := filepath.Join(dir, filepath.FromSlash(path))
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o700), os.WriteFile(full, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	texts := load(t, folder(t, map[string]string{
		"en/class/anonymized.txt": "\ufeffOur own words.\r\nTwo lines.\r\n\r\n",
		"ja/names.json":           `{"item": {"checkups": "特定健診の情報"}}`,
		"ja/public.txt":           "公表 {{.Issuer}}{{range .Items}}\n{{.}}{{end}}{{range .Methods}}\n{{.}}{{end}}",
		".hidden":                 "left alone",
	}))
	if got := texts.ClassStatement("anonymized", English); got != "Our own words.\nTwo lines.\n" {
		t.Errorf("statement %q", got)
	}
	if got := texts.Item("checkups", Japanese); got != "特定健診の情報" {
		t.Errorf("item %q", got)
	}
	standard := load(t, "")
	if texts.Item("care", Japanese) != standard.Item("care", Japanese) ||
		texts.ClassStatement("anonymized", Japanese) != standard.ClassStatement("anonymized", Japanese) {
		t.Error("what is not overridden changed")
	}
	text, err := texts.Notice(notice())
	if err != nil || !strings.Contains(text, "Our own words.\nTwo lines.\n") || !strings.Contains(text, "特定健診の情報") {
		t.Errorf("the notice keeps the old words: %v", err)
	}
	text, err = texts.PublicNotice(public(), Japanese)
	if err != nil || !strings.HasPrefix(text, "公表 Example Hospital") {
		t.Errorf("the public notice keeps the old words: %v\n%s", err, text)
	}
}

func TestBadOverrides(t *testing.T) {
	t.Parallel()
	items := "{{range .Items}}{{.}}{{end}}{{range .Methods}}{{.}}{{end}}"
	tests := map[string]struct{ path, text, told string }{
		"misspelt file":        {"en/notices.txt", "x", "en/notices.txt"},
		"unknown language":     {"fr/notice.txt", "x", "fr/notice.txt"},
		"unknown class":        {"en/class/secret.txt", "x", "secret.txt"},
		"empty":                {"en/notice.txt", " \n", "empty"},
		"Shift_JIS":            {"ja/class/anonymized.txt", "\x93\xbd\x96\xbc", "UTF-8"},
		"huge":                 {"en/notice.txt", strings.Repeat("x", maxTextSize+1), "larger"},
		"no template":          {"en/notice.txt", "{{.Statement", "notice.txt"},
		"unknown field":        {"en/notice.txt", "{{.Statement}}{{.Password}}", "Password"},
		"no statement":         {"ja/notice.txt", "{{.Class}}", "Statement"},
		"no items":             {"en/public.txt", "{{.Class}}", "items"},
		"unknown public field": {"en/public.txt", items + "{{.Price}}", "Price"},
		"missing commands":     {"commands.txt", `{{define "teikyo"}}x{{end}}`, "posix"},
		"names: no JSON":       {"en/names.json", "{", "names.json"},
		"names: two objects":   {"en/names.json", "{}{}", "names.json"},
		"names: bad kind":      {"en/names.json", `{"colour": {"x": "y"}}`, "colour"},
		"names: bad code":      {"en/names.json", `{"item": {"x": "y"}}`, `"x"`},
		"names: empty":         {"en/names.json", `{"item": {"care": ""}}`, "care"},
		"names: two lines":     {"en/names.json", `{"item": {"care": "a\nb"}}`, "care"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(folder(t, map[string]string{test.path: test.text}))
			if !errors.Is(err, ErrOverride) || !strings.Contains(err.Error(), test.told) {
				t.Errorf("%v, want ErrOverride that tells %q", err, test.told)
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, ErrOverride) {
		t.Errorf("an absent folder gave %v", err)
	}
}
