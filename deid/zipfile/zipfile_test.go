package zipfile_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/japanese"

	"teikyo/deid/zipfile"
)

// file is one entry for pack.
type file struct {
	name, body string
	header     func(*zip.FileHeader)
}

func pack(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.RegisterCompressor(zipfile.Zstd, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) })
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate}
		if f.header != nil {
			f.header(h)
		}
		var e io.Writer
		var err error
		if f.header != nil && h.CompressedSize64 > 0 {
			e, err = w.CreateRaw(h)
		} else {
			e, err = w.CreateHeader(h)
		}
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
	return b.Bytes()
}

func open(data []byte) (*zipfile.Archive, error) {
	return zipfile.Open(bytes.NewReader(data), int64(len(data)), zipfile.Limits{})
}

func rules(a *zipfile.Archive) []string {
	var out []string
	for _, p := range a.Problems {
		out = append(out, p.Rule)
	}
	return out
}

// TestReadsWhatOthersRead: an honest archive has no problem, and its contents are
// those that the standard library reads.
func TestReadsWhatOthersRead(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("06132013,1980-03\n", 50_000)
	data := pack(t, file{name: "a.csv", body: long}, file{name: "データ/", body: ""}, file{name: "データ/表.csv", body: "x"},
		file{name: "s.txt", body: "stored", header: func(h *zip.FileHeader) { h.Method = zip.Store }},
		file{name: "z.csv", body: long, header: func(h *zip.FileHeader) { h.Method = zipfile.Zstd }}, file{name: "empty", body: ""})
	a, err := open(data)
	if err != nil || len(a.Problems) != 0 || len(a.Entries) != 6 {
		t.Fatalf("%v, %d entries, problems %v", err, len(a.Entries), a.Problems)
	}
	for i, want := range []string{long, "", "x", "stored", long, ""} {
		r, err := a.Entries[i].Open()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != want || r.Close() != nil {
			t.Errorf("%s: %d bytes, %v", a.Entries[i].Name, len(got), err)
		}
	}
	if !a.Entries[1].Folder || a.Entries[2].Name != "データ/表.csv" {
		t.Errorf("%+v", a.Entries[1:3])
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	sjis, err := japanese.ShiftJIS.NewEncoder().String("表/診療データ.csv")
	if err != nil {
		t.Fatal(err)
	}
	raw := func(h *zip.FileHeader) { h.NonUTF8 = true }
	for _, c := range []struct{ name, want, rule string }{
		{sjis, "表/診療データ.csv", ""},
		{"plain.csv", "plain.csv", ""},
		{"\x85\x01\xfd.csv", "", zipfile.RulePath},
		{"../x", "../x", zipfile.RulePath},
		{"a/../../x", "", zipfile.RulePath},
		{"/etc/passwd", "", zipfile.RulePath},
		{`a\b`, "", zipfile.RulePath},
		{"C:/x", "", zipfile.RulePath},
		{"a//b", "", zipfile.RulePath},
		{"a\x00b", "", zipfile.RulePath},
		{"a./b", "", zipfile.RulePath},
		{"NUL.txt", "", zipfile.RulePath},
		{"x/com1.csv", "", zipfile.RulePath},
		{"com.csv", "com.csv", ""},
		{"console.csv", "console.csv", ""},
		{"a\u202etxt.exe", "", zipfile.RulePath},
		{strings.Repeat("n", 1025), "", zipfile.RulePath},
	} {
		a, err := open(pack(t, file{name: c.name, body: "x", header: raw}))
		if err != nil {
			t.Fatalf("%q: %v", c.name, err)
		}
		if got := strings.Join(rules(a), " "); got != c.rule || c.want != "" && a.Entries[0].Name != c.want || a.Entries[0].Refused != (c.rule != "") {
			t.Errorf("%q: name %q, problems %v, want %q %q", c.name, a.Entries[0].Name, a.Problems, c.want, c.rule)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		data []byte
		rule string
	}{
		"symlink":        {pack(t, file{name: "l", body: "/etc/passwd", header: func(h *zip.FileHeader) { h.SetMode(fs.ModeSymlink | 0o777) }}), zipfile.RuleSymlink},
		"device":         {pack(t, file{name: "l", body: "", header: func(h *zip.FileHeader) { h.SetMode(fs.ModeDevice | 0o777) }}), zipfile.RuleSymlink},
		"encrypted":      {pack(t, file{name: "a", body: "x", header: func(h *zip.FileHeader) { h.Flags |= 1; h.CompressedSize64, h.UncompressedSize64 = 1, 1 }}), zipfile.RuleEncrypted},
		"method":         {pack(t, file{name: "a", body: "x", header: func(h *zip.FileHeader) { h.Method, h.CompressedSize64 = 14, 1 }}), zipfile.RuleMethod},
		"same name":      {pack(t, file{name: "a.csv"}, file{name: "A.csv"}), zipfile.RuleDuplicate},
		"same composed":  {pack(t, file{name: "\u304c"}, file{name: "\u304b\u3099"}), zipfile.RuleDuplicate},
		"file as folder": {pack(t, file{name: "a"}, file{name: "a/b"}), zipfile.RuleDuplicate},
		"before":         {append([]byte("MZ a program"), pack(t, file{name: "a", body: "x"})...), zipfile.RuleHiddenBytes},
		"other name":     {bytes.Replace(pack(t, file{name: "aaaa", body: "x"}), []byte("aaaa"), []byte("bbbb"), 1), zipfile.RuleDisagree},
		"other size":     {patchLocal(pack(t, file{name: "a", body: "x", header: sized})), zipfile.RuleDisagree},
		"gap":            {withGap(t), zipfile.RuleHiddenBytes},
		"overlap":        {overlapping(20), zipfile.RuleOverlap},
		"too many":       {lyingCount(pack(t, file{name: "a"})), zipfile.RuleTooMany},
		"two ends":       {twoEnds(pack(t, file{name: "a", body: "x"})), zipfile.RuleDisagree},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := open(c.data)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(rules(a), c.rule) {
				t.Errorf("problems %v, want %q", a.Problems, c.rule)
			}
		})
	}
}

// sized writes the sizes into the local header, without a data descriptor.
func sized(h *zip.FileHeader) {
	h.Method, h.CRC32, h.CompressedSize64, h.UncompressedSize64 = zip.Store, crc32.ChecksumIEEE([]byte("x")), 1, 1
}

func patchLocal(data []byte) []byte {
	binary.LittleEndian.PutUint32(data[22:], 77)
	return data
}

func lyingCount(data []byte) []byte {
	at := bytes.LastIndex(data, []byte("PK\x05\x06"))
	binary.LittleEndian.PutUint16(data[at+8:], 60_000)
	binary.LittleEndian.PutUint16(data[at+10:], 60_000)
	return data
}

// twoEnds has an empty archive in the comment of another.
func twoEnds(data []byte) []byte {
	at := bytes.LastIndex(data, []byte("PK\x05\x06"))
	binary.LittleEndian.PutUint16(data[at+20:], 22)
	return append(data, "PK\x05\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
}

// withGap drops the first entry from the directory and leaves its bytes.
func withGap(t *testing.T) []byte {
	data := pack(t, file{name: "secret.csv", body: "山田太郎"}, file{name: "b.csv", body: "x"})
	end := bytes.LastIndex(data, []byte("PK\x05\x06"))
	start := int(binary.LittleEndian.Uint32(data[end+16:]))
	second := start + 4 + bytes.Index(data[start+4:], []byte("PK\x01\x02"))
	data = append(data[:start], data[second:]...)
	end -= second - start
	binary.LittleEndian.PutUint16(data[end+8:], 1)
	binary.LittleEndian.PutUint16(data[end+10:], 1)
	binary.LittleEndian.PutUint32(data[end+12:], uint32(end-start))
	return data
}

// overlapping is an archive whose n entries are all the same bytes.
func overlapping(n int) []byte {
	var body bytes.Buffer
	w, _ := flate.NewWriter(&body, 9)
	_, _ = w.Write(make([]byte, 1<<20))
	_ = w.Close()
	sum := crc32.ChecksumIEEE(make([]byte, 1<<20))
	head := func(sig string, mid []byte) []byte {
		b := append([]byte(sig), mid...)
		b = append(b, 20, 0, 0, 0, 8, 0, 0, 0, 0, 0)
		b = binary.LittleEndian.AppendUint32(b, sum)
		b = binary.LittleEndian.AppendUint32(b, uint32(body.Len()))
		b = binary.LittleEndian.AppendUint32(b, 1<<20)
		return append(b, 4, 0, 0, 0)
	}
	out := append(head("PK\x03\x04", nil), "aaaa"...)
	out = append(out, body.Bytes()...)
	start := len(out)
	for i := range n {
		out = append(out, head("PK\x01\x02", []byte{20, 0})...)
		out = append(out, make([]byte, 14)...)
		out = append(out, fmt.Sprintf("%04d", i)...)
	}
	size := len(out) - start
	out = append(out, "PK\x05\x06\x00\x00\x00\x00"...)
	out = binary.LittleEndian.AppendUint16(out, uint16(n))
	out = binary.LittleEndian.AppendUint16(out, uint16(n))
	out = binary.LittleEndian.AppendUint32(out, uint32(size))
	out = binary.LittleEndian.AppendUint32(out, uint32(start))
	return append(out, 0, 0)
}

// TestContentsAreChecked: contents that are not those of the header end in an
// error, and never go on longer than it says.
func TestContentsAreChecked(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("\x00", 1<<20)
	lying := pack(t, file{name: "a", body: zeros})
	end := bytes.LastIndex(lying, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(lying[end+24:], 100)
	for name, data := range map[string][]byte{
		"longer": lying,
		"sum":    bytes.Replace(pack(t, file{name: "a", body: "hello", header: func(h *zip.FileHeader) { h.Method = zip.Store }}), []byte("hello"), []byte("hullo"), 1),
	} {
		a, err := open(data)
		if err != nil {
			t.Fatal(err)
		}
		r, err := a.Entries[0].Open()
		if err != nil {
			continue // refused already
		}
		n, err := io.Copy(io.Discard, r)
		if !errors.Is(err, zipfile.ErrContents) || n > 64<<10 {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
}

func TestBroken(t *testing.T) {
	t.Parallel()
	good := pack(t, file{name: "a", body: "hello"}, file{name: "b", body: "hello"})
	for n := range good {
		if _, err := open(good[:n]); err == nil {
			t.Errorf("cut at %d of %d: no error", n, len(good))
		}
	}
	if _, err := open(append(slices.Clone(good), "more"...)); !errors.Is(err, zipfile.ErrFormat) {
		t.Errorf("bytes behind the end: %v", err)
	}
}

// FuzzOpen: whatever is accepted without a problem is what the standard library
// lists, with the same contents.
func FuzzOpen(f *testing.F) {
	f.Add(pack(f, file{name: "a.csv", body: "a,b\n1,2\n"}, file{name: "d/", body: ""}))
	f.Add(overlapping(3))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := open(data)
		if err != nil || len(a.Problems) > 0 {
			return
		}
		std, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil || len(std.File) != len(a.Entries) {
			t.Fatalf("%d entries, the standard library: %v", len(a.Entries), err)
		}
		for i, e := range a.Entries {
			r, err := e.Open()
			if err != nil || e.Method == zipfile.Zstd || e.Size > 1<<24 {
				continue
			}
			got, err := io.ReadAll(r)
			if err != nil {
				continue
			}
			other, err := std.File[i].Open()
			if err != nil {
				t.Fatal(err)
			}
			want, err := io.ReadAll(other)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%q: %d bytes, the standard library %d, %v", e.Name, len(got), len(want), err)
			}
		}
	})
}
