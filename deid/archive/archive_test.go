package archive_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/xuri/excelize/v2"

	"teikyo/deid"
	"teikyo/deid/source"
	"teikyo/models"
)

const (
	clean = "code,sex,age\n" + "A,M,30\nB,F,31\nC,M,32\nD,F,33\n"
	named = "氏名,code\n山田太郎,A\n佐藤花子,B\n鈴木一郎,C\n"
)

type file struct{ name, body string }

func zipOf(t testing.TB, files ...file) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		e, err := w.Create(f.name)
		if err == nil {
			_, err = io.WriteString(e, f.body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func tarOf(t testing.TB, headers ...tar.Header) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		body := h.Linkname
		if h.Typeflag == tar.TypeReg {
			h.Linkname, h.Size = "", int64(len(body))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, body); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// entry is a file of a tar archive.
func entry(name, body string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Linkname: body, Mode: 0o600}
}

func gz(body string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, body)
	_ = w.Close()
	return b.String()
}

func zst(body string) string {
	var b bytes.Buffer
	w, _ := zstd.NewWriter(&b)
	_, _ = io.WriteString(w, body)
	_ = w.Close()
	return b.String()
}

func workbook(t testing.TB) string {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	for i, name := range []string{"氏名", "山田太郎", "佐藤花子"} {
		if err := f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &[]any{name, "x"}); err != nil {
			t.Fatal(err)
		}
	}
	b, err := f.WriteToBuffer()
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func check(t testing.TB, contents string, limits source.Limits) deid.Report {
	t.Helper()
	r, err := deid.Gate{Limits: limits}.Check(t.Context(), "data.bin", strings.NewReader(contents), deid.DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// found is the rules of the blocking findings with their places.
func found(r deid.Report) []string {
	var out []string
	for _, f := range r.Blocking() {
		out = append(out, f.Rule+" "+f.Location)
	}
	return out
}

func TestClean(t *testing.T) {
	t.Parallel()
	for name, contents := range map[string]string{
		"zip":    zipOf(t, file{"データ/a.csv", clean}, file{"b/", ""}, file{"b/b.csv", clean}),
		"tar":    tarOf(t, entry("./a.csv", clean), tar.Header{Typeflag: tar.TypeDir, Name: "d/", Mode: 0o700}, entry("d/b.csv", clean)),
		"gzip":   gz(clean),
		"zstd":   zst(clean),
		"tar.gz": gz(tarOf(t, entry("a.csv", clean))),
	} {
		r := check(t, contents, source.Limits{})
		if r.Verdict != deid.VerdictPass || r.Rows == 0 || len(r.Columns) < 3 {
			t.Errorf("%s: %s", name, r.Text())
		}
	}
}

// TestPlanted: an identifier is found in every archive, and the finding says
// where.
func TestPlanted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ contents, want string }{
		"zip":         {zipOf(t, file{"a.csv", clean}, file{"d/b.csv", named}), `column-person-name !/d/b.csv, column 1`},
		"tar":         {tarOf(t, entry("a.csv", clean), entry("b.csv", named)), "column-person-name !/b.csv"},
		"gzip":        {gz(named), "column-person-name !/"},
		"zstd":        {zst(named), "column-person-name !/"},
		"tar.zst":     {zst(tarOf(t, entry("b.csv", named))), "column-person-name !/contents, !/b.csv"},
		"zip in zip":  {zipOf(t, file{"in.zip", zipOf(t, file{"b.csv", named})}), "column-person-name !/in.zip, !/b.csv"},
		"workbook":    {zipOf(t, file{"a.xlsx", workbook(t)}), "column-person-name !/a.xlsx, sheet 1, column A"},
		"text":        {zipOf(t, file{"readme.txt", "ask taro@hospital.jp\nabout it\n"}), "email !/readme.txt"},
		"name":        {zipOf(t, file{"taro@hospital.jp.csv", clean}), "email "},
		"hidden name": {zipOf(t, file{"カルテ番号_0012345.csv", named}), "column-person-name !/(1st entry)"},
	} {
		r := check(t, c.contents, source.Limits{})
		if !slices.ContainsFunc(found(r), func(s string) bool { return strings.HasPrefix(s, c.want) }) {
			t.Errorf("%s: %q, want %q\n%s", name, found(r), c.want, r.Text())
		}
		if strings.Contains(r.Text(), "山田") || strings.Contains(r.Text(), "taro@") || strings.Contains(r.Text(), "0012345") {
			t.Errorf("%s: an identifier is in the report\n%s", name, r.Text())
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	pe := "MZ\x90\x00" + strings.Repeat("\x00", 56) + "\x80\x00\x00\x00" + strings.Repeat("\x00", 64) + "PE\x00\x00"
	for name, c := range map[string]struct{ contents, rule string }{
		"windows program": {zipOf(t, file{"a.csv", pe}), "executable-content"},
		"elf":             {tarOf(t, entry("a.csv", "\x7fELF\x02\x01\x01"+strings.Repeat("\x00", 99))), "executable-content"},
		"script":          {zipOf(t, file{"a.txt", "#!/bin/sh\necho\n"}), "executable-content"},
		"jar":             {zipOf(t, file{"lib/x.zip", zipOf(t, file{"META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n"})}), "executable-content"},
		"by its name":     {zipOf(t, file{"a.csv.exe", clean}), "executable-content"},
		"word macros":     {zipOf(t, file{"a.doc", zipOf(t, file{"[Content_Types].xml", "x"}, file{"word/vbaProject.bin", "x"})}), "executable-content"},
		"ole macros":      {zipOf(t, file{"a.xls", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1_\x00V\x00B\x00A\x00_\x00P\x00R\x00O\x00J\x00E\x00C\x00T\x00"}), "executable-content"},
		"program alone":   {pe, "executable-content"},
		"tar link":        {tarOf(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "l", Linkname: "/etc/passwd"}), "special-file"},
		"tar path":        {tarOf(t, entry("../a.csv", clean)), "unsafe-path"},
		"zip path":        {zipOf(t, file{"../a.csv", clean}), "unsafe-path"},
		"two of a name":   {tarOf(t, entry("a.csv", clean), entry("A.csv", clean)), "duplicate-entry"},
		"behind tar":      {tarOf(t, entry("a.csv", clean)) + named, "hidden-bytes"},
		"before zip":      {zipOf(t, file{"x.zip", "\x7fELF" + zipOf(t, file{"a.csv", clean})}), "executable-content"},
		"unknown":         {zipOf(t, file{"a.pdf", "%PDF-1.7\n"}), "unknown-format"},
		"cut gzip":        {gz(clean)[:20], "damaged"},
		"cut zstd":        {zst(clean)[:12], "damaged"},
		"cut zip":         {zipOf(t, file{"a.csv", clean})[:60], "damaged"},
		"cut tar":         {tarOf(t, entry("a.csv", strings.Repeat(clean, 99)))[:1500], "damaged"},
		"behind gzip":     {gz(clean) + "more", "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := check(t, c.contents, source.Limits{})
			if !slices.ContainsFunc(r.Blocking(), func(f models.Finding) bool { return f.Rule == c.rule }) {
				t.Errorf("want %q\n%s", c.rule, r.Text())
			}
		})
	}
}

// TestBombs: each limit ends the work, once, with a finding that says which.
func TestBombs(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("\x00", 48<<20)
	many := make([]file, 300)
	for i := range many {
		many[i] = file{fmt.Sprintf("%d.csv", i), clean}
	}
	nested := zipOf(t, file{"a.csv", clean})
	for range 5 {
		nested = zipOf(t, file{"in.zip", nested})
	}
	var layers []file
	for i := range 16 {
		layers = append(layers, file{fmt.Sprintf("%d.zip", i), zipOf(t, file{"a", strings.Repeat("\x00", 1<<20)})})
	}
	for name, c := range map[string]struct {
		contents, rule string
		limits         source.Limits
	}{
		"zip of zeros":  {zipOf(t, file{"a", zeros}), "archive-bomb", source.Limits{}},
		"gzip of zeros": {gz(zeros), "archive-bomb", source.Limits{}},
		"zstd of zeros": {zst(zeros), "archive-bomb", source.Limits{}},
		"many files":    {zipOf(t, many...), "too-many-entries", source.Limits{Entries: 100}},
		"many in tar":   {tarOf(t, entry("1", clean), entry("2", clean), entry("3", clean)), "too-many-entries", source.Limits{Entries: 2}},
		"deep":          {nested, "archive-bomb", source.Limits{}},
		"in layers":     {zipOf(t, layers...), "archive-bomb", source.Limits{Expanded: 4 << 20}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := check(t, c.contents, c.limits)
			if !slices.ContainsFunc(r.Blocking(), func(f models.Finding) bool { return f.Rule == c.rule }) {
				t.Errorf("want %q\n%s", c.rule, r.Text())
			}
		})
	}
}

// FuzzCheck: no archive makes the check fail, panic or pass over what is in its
// last entry.
func FuzzCheck(f *testing.F) {
	f.Add([]byte(zipOf(f, file{"a.csv", clean})))
	f.Add([]byte(tarOf(f, entry("a.csv", clean))))
	f.Add([]byte(gz(clean)))
	f.Add([]byte(zst(clean)))
	f.Fuzz(func(t *testing.T, inner []byte) {
		limits := source.Limits{Expanded: 16 << 20, Entries: 100}
		check(t, string(inner), limits)
		r := check(t, tarOf(t, entry("a", string(inner)), entry("b.csv", named)), limits)
		if r.Verdict == deid.VerdictPass || r.Verdict == deid.VerdictWarn {
			t.Errorf("names behind an entry were not found:\n%s", r.Text())
		}
	})
}
