// Package wording holds the words that people get: what class of information a
// parcel is and what the recipient must do (class statements), NOTICE.txt and
// README.txt of a parcel, the public notice, and the names of codes, each in
// English and Japanese. The texts are embedded; an operator overrides single
// files from a folder of the same layout as texts/.
//
// Values that users wrote are cleaned before they enter a text, so that none of
// them can forge a line of it. Codes are plain strings here; their meaning is in
// package models.
package wording

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"text/template"
	"unicode/utf8"
)

// The languages of every text.
const (
	English  = "en"
	Japanese = "ja"
)

var (
	// ErrOverride means that the operator's folder holds something unusable; the
	// error names the file.
	ErrOverride = errors.New("wording: bad override")
	// ErrData means that a value for a text is missing, unknown or unusable.
	ErrData = errors.New("wording: bad value")
)

// maxTextSize bounds an overriding file, in bytes.
const maxTextSize = 1 << 20

//go:embed texts
var embedded embed.FS

// Texts are the texts in force. Safe for concurrent use. Make it with Load.
type Texts struct {
	languages map[string]*language
}

// language is what one language holds.
type language struct {
	names      names
	statements map[string]string             // by data class
	templates  map[string]*template.Template // by file: notice.txt, public.txt, readme.txt
}

// Languages lists the languages in the order in which texts show them.
func Languages() []string { return []string{English, Japanese} }

// Load returns the embedded texts, with the files of overrideDir in place of
// those of the same name; names.json adds to the embedded one name by name. An
// empty overrideDir overrides nothing. Every text is tried once, so that a bad
// override (ErrOverride) is found now and not when a parcel is made.
func Load(overrideDir string) (*Texts, error) {
	files, err := embeddedFiles()
	if err != nil {
		return nil, err
	}
	over, err := readOverrides(overrideDir, files)
	if err != nil {
		return nil, err
	}
	t := &Texts{languages: map[string]*language{}}
	for _, lang := range Languages() {
		if t.languages[lang], err = parseLanguage(lang, files, over); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrOverride, err)
		}
	}
	if err := t.tryAll(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOverride, err)
	}
	return t, nil
}

// embeddedFiles returns the embedded texts by their path under texts/.
func embeddedFiles() (map[string]string, error) {
	root, err := fs.Sub(embedded, "texts")
	if err != nil {
		return nil, err
	}
	return readFiles(root)
}

// readOverrides returns the operator's files. Each must have the name of an
// embedded one: a misspelt name would silently change nothing.
func readOverrides(dir string, known map[string]string) (map[string]string, error) {
	if dir == "" {
		return nil, nil
	}
	files, err := readFiles(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOverride, err)
	}
	for path := range files {
		if _, ok := known[path]; !ok {
			return nil, fmt.Errorf("%w: %s is no known text; known are %s", ErrOverride, path,
				strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	return files, nil
}

// readFiles returns all files of a tree as text, but for those whose name
// begins with a dot.
func readFiles(root fs.FS) (map[string]string, error) {
	files := map[string]string{}
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			return err
		}
		files[path], err = readText(root, path)
		return err
	})
	return files, err
}

// readText returns a file as UTF-8 with plain line ends and one at the end.
func readText(root fs.FS, path string) (string, error) {
	info, err := fs.Stat(root, path)
	if err != nil {
		return "", err
	}
	if info.Size() > maxTextSize {
		return "", fmt.Errorf("%s is larger than %d bytes", path, maxTextSize)
	}
	data, err := fs.ReadFile(root, path)
	if err != nil {
		return "", err
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return "", fmt.Errorf("%s is not UTF-8: save it as UTF-8", path)
	}
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	if strings.TrimSpace(text) == "" {
		return "", fmt.Errorf("%s is empty: delete it to use the text that comes with the program", path)
	}
	return strings.TrimRight(text, "\n") + "\n", nil
}

// parseLanguage builds one language from the files, those in over first.
func parseLanguage(lang string, files, over map[string]string) (*language, error) {
	pick := func(path string) string {
		if text, ok := over[path]; ok {
			return text
		}
		return files[path]
	}
	l := &language{statements: map[string]string{}, templates: map[string]*template.Template{}}
	var err error
	if l.names, err = parseNames(lang, files[lang+"/names.json"], over[lang+"/names.json"]); err != nil {
		return nil, fmt.Errorf("%s/names.json: %w", lang, err)
	}
	for _, class := range codes[kindClass] {
		l.statements[class] = pick(lang + "/class/" + class + ".txt")
	}
	for _, name := range []string{noticeFile, publicFile, readmeFile} {
		tmpl, err := template.New("commands.txt").Option("missingkey=error").Parse(pick("commands.txt"))
		if err == nil {
			tmpl, err = tmpl.New(lang + "/" + name).Parse(pick(lang + "/" + name))
		}
		if err != nil {
			return nil, err
		}
		l.templates[name] = tmpl
	}
	return l, nil
}

// render executes a template of one language.
func (t *Texts) render(lang, file string, view any) (string, error) {
	var b strings.Builder
	if err := t.languages[lang].templates[file].Execute(&b, view); err != nil {
		return "", fmt.Errorf("wording: %w", err)
	}
	return b.String(), nil
}

// separator stands between the languages of a text that has both.
const separator = "\n------------------------------------------------------------------------\n\n"

// renderAll executes a template in every language, one after the other.
func (t *Texts) renderAll(file string, view func(lang string) any) (string, error) {
	var parts []string
	for _, lang := range Languages() {
		text, err := t.render(lang, file, view(lang))
		if err != nil {
			return "", err
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, separator), nil
}
