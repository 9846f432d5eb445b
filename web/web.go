// Package web holds the pages that browsers get: templates, the style sheet and
// the words in English and Japanese, all embedded. The pages work without
// script. What they show comes from package handlers.
package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"slices"
	"strings"
)

//go:embed templates static messages
var files embed.FS

// Languages lists the languages of the pages, the one for everybody else first.
func Languages() []string { return []string{"en", "ja"} }

// Pages are the templates in every language. Safe for concurrent use.
type Pages struct {
	languages map[string]*template.Template
	words     map[string]map[string]string // by language and key
}

// Load parses the embedded pages.
func Load() (*Pages, error) {
	p := &Pages{languages: map[string]*template.Template{}, words: map[string]map[string]string{}}
	for _, lang := range Languages() {
		words, err := messages(lang)
		if err != nil {
			return nil, err
		}
		tmpl, err := template.New("").Option("missingkey=error").Funcs(functions(lang, words)).ParseFS(files, "templates/*.html")
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		p.languages[lang], p.words[lang] = tmpl, words
	}
	return p, nil
}

func messages(lang string) (map[string]string, error) {
	text, err := files.ReadFile("messages/" + lang + ".json")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	words := map[string]string{}
	if err := json.Unmarshal(text, &words); err != nil {
		return nil, fmt.Errorf("web: messages/%s.json: %w", lang, err)
	}
	return words, nil
}

// functions are what templates can call: t looks a message up, with arguments
// for its verbs.
func functions(lang string, words map[string]string) template.FuncMap {
	return template.FuncMap{
		"lang": func() string { return lang },
		"size": Size,
		"t": func(key string, args ...any) (string, error) {
			text, ok := words[key]
			if !ok {
				return "", fmt.Errorf("web: no message %q in %s", key, lang)
			}
			if len(args) == 0 {
				return text, nil
			}
			return fmt.Sprintf(text, args...), nil
		},
	}
}

// Write renders a template by name in a language (English when it is unknown).
func (p *Pages) Write(w io.Writer, lang, name string, data any) error {
	return p.languages[known(lang)].ExecuteTemplate(w, name, data)
}

// Word is a message without arguments; the key itself when there is none.
func (p *Pages) Word(lang, key string) string {
	if text, ok := p.words[known(lang)][key]; ok {
		return text
	}
	return key
}

func known(lang string) string {
	if slices.Contains(Languages(), lang) {
		return lang
	}
	return Languages()[0]
}

// Static is the files that are served as they are.
func Static() (fs.FS, error) { return fs.Sub(files, "static") }

// Language picks the language of a page for an Accept-Language header (RFC 9110,
// 12.5.4): the first known one, whatever its weight, since browsers send them in
// order.
func Language(accept string) string {
	for part := range strings.SplitSeq(accept, ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		base, _, _ := strings.Cut(strings.ToLower(tag), "-")
		for _, lang := range Languages() {
			if base == lang {
				return lang
			}
		}
	}
	return Languages()[0]
}

// Size writes a number of bytes for people: three digits and a binary unit.
func Size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"} {
		if value /= 1024; value < 999.5 {
			break
		}
	}
	digits := 0
	if value < 9.95 {
		digits = 1
	}
	return fmt.Sprintf("%.*f %s", digits, value, unit)
}
