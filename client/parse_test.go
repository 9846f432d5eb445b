package client

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"teikyo/models"
)

func TestParseLink(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]link{
		"https://data.example.jp/d/a.b-c_d":                 {"https://data.example.jp", "a.b-c_d"},
		" <https://data.example.jp:8443/d/tok> \r\n":        {"https://data.example.jp:8443", "tok"},
		"http://127.0.0.1:8080/d/tok":                       {"http://127.0.0.1:8080", "tok"},
		"https://example.jp/teikyo/d/tok":                   {"https://example.jp/teikyo", "tok"},
		"https://example.jp/d/d/tok":                        {"https://example.jp/d", "tok"},
		"https://example.jp/a%20b/d/tok":                    {"https://example.jp/a%20b", "tok"},
		"https://example.jp/d/":                             {},
		"https://example.jp/d/a b":                          {},
		"https://example.jp/d/tok/more":                     {},
		"https://example.jp/d/tok?x=1":                      {},
		"https://example.jp/d/tok#x":                        {},
		"https://user:pass@example.jp/d/tok":                {},
		"ftp://example.jp/d/tok":                            {},
		"file:///d/tok":                                     {},
		"example.jp/d/tok":                                  {},
		"":                                                  {},
		"https://example.jp/d/%2e%2e":                       {},
		"https://example.jp/d/" + strings.Repeat("a", 5000): {},
		"https://example.jp/d/" + strings.Repeat("a", 2049): {},
	} {
		got, err := parseLink(text)
		if got != want || (err == nil) != (want.token != "") || err != nil && !models.IsKind(err, models.Invalid) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "tok") {
			t.Errorf("the error repeats the link: %v", err)
		}
	}
}

func TestInClear(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]bool{
		"https://example.jp": false, "http://example.jp": true, "http://127.0.0.1:80": false, "http://[::1]:80": false,
		"http://localhost": false, "http://10.0.0.1": true, "http://127.0.0.1.example.jp": true,
	} {
		if got := (link{base: base}).inClear(); got != want {
			t.Errorf("%s: %v", base, got)
		}
	}
}

func FuzzParseLink(f *testing.F) {
	f.Add("https://data.example.jp/d/a.b-c")
	f.Add("https://data.example.jp/x/../d/%41")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parseLink(text)
		if err != nil {
			return
		}
		again, err := parseLink(l.base + "/d/" + l.token)
		if err != nil || again != l {
			t.Errorf("%q: %+v, then %+v, %v", text, l, again, err)
		}
		if strings.ContainsAny(l.token, "/?#% \n") || strings.ContainsAny(l.base, "?#\n ") {
			t.Errorf("%q: %+v", text, l)
		}
	})
}

func FuzzParseListing(f *testing.F) {
	for _, path := range []string{"data/a.age", "../etc/passwd", "/abs", `a\b`, "a\x00b", "CON", "a/./b", "a\u202eb", "~/x", "C:/x"} {
		text, _ := json.Marshal(map[string]any{"files": []listed{{Path: path, Size: 1, ETag: `"x"`}}})
		f.Add(text)
	}
	f.Add([]byte(`{"files":[{"path":"a"},{"path":"a"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		files, err := parseListing(text)
		if err != nil {
			return
		}
		for path, file := range files {
			if !filepath.IsLocal(filepath.FromSlash(path)) || strings.ContainsAny(path, "\\\x00\n:") || file.Size < 0 {
				t.Errorf("%q passed", path)
			}
			for _, part := range strings.Split((&source{path: "/dl/x/"}).at(path), "/") {
				if part == ".." {
					t.Errorf("%q leads elsewhere at the server", path)
				}
			}
		}
	})
}
