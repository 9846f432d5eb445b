package crypto_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"teikyo/crypto"
)

func testHead() crypto.ManifestHead {
	return crypto.ManifestHead{
		Issuer: "example.org", Provision: "p-1", Number: "2026-0042", Created: noon(),
		Recipient:      crypto.ManifestRecipient{ID: "r-1", Name: "株式会社テスト <研究部>"},
		KeyFingerprint: "nkaeo-44yfb-apu7v-ohbdq-pgstw-cyubv-tycmg-4ndy4",
		Purpose:        crypto.ManifestPurpose{Code: "research", Words: "A \"study\" of claims", DUO: []string{"DUO:0000042"}},
		Method:         "download", Basis: "third_party",
		Dataset:        crypto.ManifestDataset{ID: "ds-1", Version: 3, Title: "Claims 2025", Class: "anonymized"},
		ClassStatement: map[string]string{"ja": "匿名加工情報", "en": "anonymized"},
		Items:          []string{"claims.medical"}, TermsSHA256: digestOf("terms"), ValidUntil: day(365),
	}
}

func digestOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func plainFile(path string) crypto.ManifestFile {
	return crypto.ManifestFile{Path: path, Size: int64(len(path)), SHA256: digestOf(path)}
}

func sealedFile(path string) crypto.ManifestFile {
	return crypto.ManifestFile{
		Path: path, HeaderSize: 168, HeaderSHA256: digestOf("h" + path), PayloadSize: 132, PayloadSHA256: digestOf("p" + path),
		Size: 300, Items: []string{"tests", "history"},
	}
}

func writeManifest(t testing.TB, files ...crypto.ManifestFile) ([]byte, *crypto.ManifestWriter) {
	t.Helper()
	var out bytes.Buffer
	w, err := crypto.NewManifestWriter(&out, testHead())
	check(t, err)
	for _, f := range files {
		check(t, w.File(f))
	}
	check(t, w.Close())
	return out.Bytes(), w
}

func readManifest(data []byte) (files []crypto.ManifestFile, r *crypto.ManifestReader, err error) {
	r, err = crypto.NewManifestReader(bytes.NewReader(data), 1<<20)
	if err != nil {
		return nil, nil, err
	}
	for f, err := range r.Files() {
		if err != nil {
			return files, r, err
		}
		files = append(files, f)
	}
	return files, r, nil
}

func TestManifest(t *testing.T) {
	t.Parallel()
	for _, files := range [][]crypto.ManifestFile{
		nil,
		{plainFile("README.txt")},
		{plainFile("NOTICE.txt"), sealedFile("data/a.age"), sealedFile("data/レセプト 2025/b&\u0301.age")},
	} {
		data, w := writeManifest(t, files...)
		got, r, err := readManifest(data)
		check(t, err)
		if fmt.Sprint(got) != fmt.Sprint(files) && len(got)+len(files) > 0 {
			t.Errorf("files %v, want %v", got, files)
		}
		want := testHead()
		want.V = 1
		if fmt.Sprint(r.Head()) != fmt.Sprint(want) {
			t.Errorf("head %v", r.Head())
		}
		if w.SHA256() != sha256.Sum256(data) || r.SHA256() != w.SHA256() || w.SHA512() != sha512.Sum512(data) || r.SHA512() != w.SHA512() {
			t.Error("digests differ")
		}
		if again, err := crypto.CanonicalJSON(jsonRaw(data)); err != nil || !bytes.Equal(again, data) {
			t.Errorf("not RFC 8785: %v", err)
		}
	}
}

type jsonRaw []byte

func (r jsonRaw) MarshalJSON() ([]byte, error) { return r, nil }

func TestManifestIsSigned(t *testing.T) {
	t.Parallel()
	keys := openKeys(t, t.TempDir())
	data, w := writeManifest(t, sealedFile("data/a.age"))
	sig, err := crypto.SignManifestDigest(keys.ManifestKey(), w.SHA512())
	check(t, err)
	_, r, err := readManifest(data)
	check(t, err)
	check(t, crypto.VerifyManifestDigest(keys.Issuer(), r.SHA512(), sig, noon(), 0))
	check(t, crypto.VerifyManifestSignature(keys.Issuer(), bytes.NewReader(data), sig, noon(), 0))
}

func TestManifestWriterRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*crypto.ManifestFile){
		"path":             func(f *crypto.ManifestFile) { f.Path = "../x" },
		"both kinds":       func(f *crypto.ManifestFile) { f.SHA256 = digestOf("") },
		"no digest":        func(f *crypto.ManifestFile) { f.HeaderSHA256 = "" },
		"capital digest":   func(f *crypto.ManifestFile) { f.PayloadSHA256 = strings.ToUpper(f.PayloadSHA256) },
		"short digest":     func(f *crypto.ManifestFile) { f.PayloadSHA256 = "00" },
		"size":             func(f *crypto.ManifestFile) { f.Size++ },
		"impossible size":  func(f *crypto.ManifestFile) { f.PayloadSize, f.Size = 31, 168+31 },
		"endless header":   func(f *crypto.ManifestFile) { f.HeaderSize, f.Size = 9000, 9132 },
		"beyond a double":  func(f *crypto.ManifestFile) { *f = plainFile("x"); f.Size = 1<<53 + 1 },
		"negative":         func(f *crypto.ManifestFile) { *f = plainFile("x"); f.Size = -1 },
		"too many to hold": func(f *crypto.ManifestFile) { f.Items = make([]string, 20_000) },
	} {
		w, err := crypto.NewManifestWriter(io.Discard, testHead())
		check(t, err)
		f := sealedFile("data/x.age")
		change(&f)
		if err := w.File(f); !errors.Is(err, crypto.ErrManifest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w, err := crypto.NewManifestWriter(io.Discard, testHead())
	check(t, err)
	check(t, w.File(plainFile("b")))
	for _, path := range []string{"a", "b"} {
		if err := w.File(plainFile(path)); !errors.Is(err, crypto.ErrManifest) {
			t.Errorf("%s after b: %v", path, err)
		}
	}
	head := testHead()
	head.Purpose.Words = strings.Repeat("x", 300<<10)
	if _, err := crypto.NewManifestWriter(io.Discard, head); !errors.Is(err, crypto.ErrManifest) {
		t.Errorf("long head: %v", err)
	}
}

func TestManifestReaderIsStrict(t *testing.T) {
	t.Parallel()
	data, _ := writeManifest(t, plainFile("a"), plainFile("b"))
	text := string(data)
	entryA, entryB := text[strings.Index(text, `{"path":"a"`):strings.Index(text, `,{"path":"b"`)], text[strings.Index(text, `{"path":"b"`):len(text)-2]
	for name, bad := range map[string]string{
		"empty":          "",
		"white space":    strings.Replace(text, `,"files"`, ` ,"files"`, 1),
		"line end":       text + "\n",
		"cut":            text[:len(text)-1],
		"cut in a file":  text[:len(text)-30],
		"cut in head":    text[:100],
		"out of order":   strings.Replace(text, entryA+","+entryB, entryB+","+entryA, 1),
		"twice":          strings.Replace(text, entryB, entryA, 1),
		"no comma":       strings.Replace(text, "},{", "}{", 1),
		"comma at end":   strings.Replace(text, "]}", ",]}", 1),
		"comma first":    strings.Replace(text, `"files":[`, `"files":[,`, 1),
		"unknown field":  strings.Replace(text, `{"path":"a"`, `{"extra":1,"path":"a"`, 1),
		"double field":   strings.Replace(text, `{"path":"a"`, `{"path":"a","path":"a"`, 1),
		"capital field":  strings.Replace(text, `{"path":"a"`, `{"Path":"a"`, 1),
		"escaped":        strings.Replace(text, `{"path":"a"`, `{"path":"\u0061"`, 1),
		"number":         strings.Replace(text, `"size":1`, `"size":1.0`, 1),
		"unsafe path":    strings.Replace(text, `{"path":"a"`, `{"path":"/a"`, 1),
		"third member":   strings.Replace(text, "]}", `],"more":1}`, 1),
		"version":        strings.Replace(text, `"v":1`, `"v":2`, 1),
		"not an object":  strings.Replace(text, entryA, `"a"`, 1),
		"endless string": text[:len(text)-30] + strings.Repeat("x", 20_000),
		"invalid UTF-8":  strings.Replace(text, "Claims", "Cl\xffims", 1),
	} {
		if bad == text {
			t.Fatalf("%s changes nothing", name)
		}
		if _, _, err := readManifest([]byte(bad)); !errors.Is(err, crypto.ErrManifest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestManifestLimits(t *testing.T) {
	t.Parallel()
	data, _ := writeManifest(t, plainFile("a"), plainFile("b"))
	for _, short := range []int{1, 40, len(data) / 2} {
		r, err := crypto.NewManifestReader(bytes.NewReader(data), int64(len(data)-short))
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, crypto.ErrTooLarge) {
			t.Errorf("%d bytes too many: %v", short, err)
		}
	}
	r, err := crypto.NewManifestReader(bytes.NewReader(data), int64(len(data)))
	for err == nil {
		_, err = r.Next()
	}
	if err != io.EOF {
		t.Errorf("exactly the limit: %v", err)
	}
	broken := errors.New("broken")
	r, err = crypto.NewManifestReader(cutReader(data, len(data)-3, broken), 1<<20)
	for err == nil {
		_, err = r.Next()
	}
	if !errors.Is(err, broken) {
		t.Errorf("failing source: %v", err)
	}
}

// 100,000 files were 32 MB and took 312 MB when built at once: neither side may
// run further ahead than its buffer.
func TestManifestIsStreamed(t *testing.T) {
	t.Parallel()
	const files, buffered = 20_000, 500
	var written atomic.Int64
	pr, pw := io.Pipe()
	go func() {
		w, err := crypto.NewManifestWriter(pw, testHead())
		for i := 0; i < files && err == nil; i++ {
			err = w.File(sealedFile(fmt.Sprintf("data/%08d.age", i)))
			written.Add(1)
		}
		if err == nil {
			err = w.Close()
		}
		pw.CloseWithError(err)
	}()
	r, err := crypto.NewManifestReader(pr, 64<<20)
	check(t, err)
	var read int64
	for _, err := range r.Files() {
		check(t, err)
		if read++; written.Load() > read+buffered {
			t.Fatalf("%d written when %d are read", written.Load(), read)
		}
	}
	if read != files {
		t.Errorf("%d files", read)
	}
}

func TestCheckPath(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"a", "data/a b.csv.age", "data/レセプト/２０２５年.csv.age", "data/.hidden", "data/..a", "COM12", "console", "data/é.age", "data/e\u0301.age",
		strings.Repeat("a", 255), "data/髙.age", "nul_x",
	} {
		if err := crypto.CheckPath(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", ".", "..", "/", "/a", "a/", "a//b", "./a", "a/./b", "../a", "a/../b", "a/..", `a\b`, `..\a`, "C:/a", "c:a", "a\x00b", "a\nb", "a\x7fb",
		"a\u202eb", "a\u200bb", "a\u2028b", "\ufeffa", "a\xffb", strings.Repeat("a", 256), strings.Repeat("a/", 600) + "b",
		"CON", "con", "Nul.txt", "a/aux.c/b", "COM1", "lpt9.age", "COM¹", "NUL .txt", "a.", "a ", "a./b", "a*", "a?", `"a"`, "<a>", "a|b", "CONIN$",
	} {
		if err := crypto.CheckPath(bad); !errors.Is(err, crypto.ErrManifest) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestManifestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		paths := rapid.SliceOfDistinct(rapid.StringMatching(`data/[a-zあ-ん&'#]{1,12}`), rapid.ID[string]).Draw(rt, "paths")
		var files []crypto.ManifestFile
		for _, p := range paths {
			if len(files) > 0 && p <= files[len(files)-1].Path {
				continue
			}
			f := sealedFile(p)
			f.Items = append(f.Items, rapid.String().Draw(rt, "item"))
			files = append(files, f)
		}
		data, _ := writeManifest(t, files...)
		if again, err := crypto.CanonicalJSON(jsonRaw(data)); err != nil || !bytes.Equal(again, data) {
			rt.Fatalf("not RFC 8785: %v", err)
		}
		got, _, err := readManifest(data)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(files) {
			rt.Fatalf("%v, %v", got, err)
		}
	})
}

// What is read is written again byte for byte: a manifest has one form.
func FuzzManifest(f *testing.F) {
	data, _ := writeManifest(f, plainFile("NOTICE.txt"), sealedFile("data/a.age"))
	f.Add(data)
	f.Add(bytes.Replace(data, []byte(`"v":1`), []byte(`"v":1,"w":{}`), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, r, err := readManifest(data)
		if err != nil {
			return
		}
		var again bytes.Buffer
		w, err := crypto.NewManifestWriter(&again, r.Head())
		check(t, err)
		for _, file := range files {
			check(t, w.File(file))
		}
		check(t, w.Close())
		if !bytes.Equal(again.Bytes(), data) {
			t.Errorf("%q became %q", data, again.Bytes())
		}
	})
}

func BenchmarkManifest(b *testing.B) {
	for b.Loop() {
		w, err := crypto.NewManifestWriter(io.Discard, testHead())
		check(b, err)
		for i := range 10_000 {
			check(b, w.File(sealedFile(fmt.Sprintf("data/%08d.age", i))))
		}
		check(b, w.Close())
	}
}
