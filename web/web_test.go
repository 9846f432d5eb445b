package web_test

import (
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"teikyo/web"
)

func TestEveryPageInEveryLanguage(t *testing.T) {
	t.Parallel()
	pages, err := web.Load()
	if err != nil {
		t.Fatal(err)
	}
	landing := map[string]any{
		"Title": "<T>", "Base": "", "Provider": "<P>", "Issuer": "<I>", "Dataset": "<D>", "Version": 1, "Files": 2, "Bytes": int64(3), "Ends": time.Now().UTC(),
		"UsesLeft": 1, "MaxUses": 3, "Statement": "<S>", "Rehearsal": true, "Bind": "key", "Command": "<C>", "KeyFingerprint": "SHA256:x", "Form": false,
	}
	notices := map[string]any{"Title": "<T>", "Base": "", "Provider": "<P>", "Notices": []map[string]any{{
		"Class": "test", "Name": "<N>", "Rehearsal": true, "Items": []string{"<A>"}, "Methods": []string{"<M>"},
		"Published": time.Now(), "Version": 2, "Text": "<X>",
	}}}
	variant := func(bind string, form bool) map[string]any {
		m := maps.Clone(landing)
		m["Bind"], m["Form"] = bind, form
		return m
	}
	for _, lang := range append(web.Languages(), "xx") {
		for name, data := range map[string]any{
			"landing": landing, "landing ": variant("none", true), "landing  ": variant("login", false),
			"notice": notices, "notice ": map[string]any{"Title": "<T>", "Base": "", "Provider": "<P>", "Notices": nil},
			"clients":     map[string]any{"Title": "<T>", "Base": "", "Builds": []map[string]any{{"Name": "<N>", "Size": int64(1), "SHA256": "<X>"}}},
			"message":     map[string]any{"Title": "<T>", "Base": "", "Text": "<X>", "Request": "R"},
			"listing-top": map[string]any{"Title": "<T>", "Base": "", "Ends": time.Now()},
			"listing-row": map[string]any{"Href": "./<a>", "Path": "<a>", "Size": int64(1)}, "listing-bottom": nil,
		} {
			var b strings.Builder
			if err := pages.Write(&b, lang, strings.TrimSpace(name), data); err != nil {
				t.Errorf("%s %s: %v", lang, name, err)
			}
			for _, raw := range []string{"<T>", "<P>", "<D>", "<S>", "<C>", "<X>", "<a>", "<I>", "<N>", "<A>", "<M>", "<script", " style=", "%!"} {
				if strings.Contains(b.String(), raw) {
					t.Errorf("%s %s holds %q:\n%s", lang, name, raw, b.String())
				}
			}
		}
	}
}

// Every message is there in every language, with the same verbs.
func TestMessagesMatch(t *testing.T) {
	t.Parallel()
	pages, err := web.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"title", "provides", "usesof", "listing", "not_found", "expired", "nolink", "listingtitle", "other", "noticetitle", "publishes"} {
		en, ja := pages.Word("en", key), pages.Word("ja", key)
		if en == key || ja == key || en == ja || verbs(en) != verbs(ja) {
			t.Errorf("%s: %q, %q", key, en, ja)
		}
	}
	if got := pages.Word("en", "no such"); got != "no such" {
		t.Errorf("unknown message %q", got)
	}
}

// verbs are the formatting verbs of a message, in order.
func verbs(text string) string {
	var list strings.Builder
	for _, part := range strings.Split(text, "%")[1:] {
		list.WriteString(part[:min(len(part), 1)])
	}
	return list.String()
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{
		"": "en", "ja": "ja", "ja-JP,ja;q=0.9,en;q=0.8": "ja", "de,ja;q=0.5": "ja", "EN-us": "en", "de": "en", ",;": "en", "jam": "en",
	} {
		if got := web.Language(accept); got != want {
			t.Errorf("%q: %s", accept, got)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 10 << 10: "10 KiB", 1<<20 - 1: "1.0 MiB", 5 << 30: "5.0 GiB", 123 << 40: "123 TiB",
		1<<63 - 1: "8.0 EiB",
	} {
		if got := web.Size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestStaticFilesReachNothingElse(t *testing.T) {
	t.Parallel()
	files, err := web.Static()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	err = fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if !d.IsDir() {
			names = append(names, path)
			text, readErr := fs.ReadFile(files, path)
			if readErr != nil || strings.Contains(string(text), "://") || strings.Contains(string(text), "@import") {
				t.Errorf("%s reaches outwards, %v", path, readErr)
			}
		}
		return err
	})
	if err != nil || !slices.Contains(names, "teikyo.css") {
		t.Errorf("files %v, %v", names, err)
	}
}
