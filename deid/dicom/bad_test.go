package dicom_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"teikyo/deid/change"
	"teikyo/deid/dicom"
	"teikyo/deid/scan"
	"teikyo/deid/source"
)

// damagedAt is the first message of a damaged file.
func damagedAt(t *testing.T, data []byte) string {
	t.Helper()
	c := scan.New(shipped(t, "jp-policy"), "dicom")
	if err := (dicom.Format{}).Check(t.Context(), in(t, data), c); err != nil {
		t.Fatal(err)
	}
	for _, f := range c.Finish().Findings {
		if f.Rule == "damaged" {
			return f.Msg
		}
	}
	return ""
}

// TestDamagedFiles: a place, a clear message, and nothing is transformed.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	item := func(b []byte, length int64) []byte { return newBuilder(explicitLE).raw(0xFFFEE000, "", b, length).b }
	el := newBuilder(explicitLE).el(0x00080060, "CS", "CT").b
	deep := newBuilder(explicitLE)
	for range 40 {
		deep = deep.like().seq(0x00081140, deep, true)
	}
	image := newBuilder(explicitLE).short(0x00280002, 1).short(0x00280010, 4).short(0x00280011, 4).short(0x00280100, 8)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"value goes beyond the end":  {newBuilder(explicitLE).raw(0x00080060, "CS", []byte("CT"), 40).b, "the file ends inside an element"},
		"no value representation":    {append(slices.Clone(el), "\x08\x00\x70\x00??\x00\x00"...), "there is no value representation"},
		"item beyond its sequence":   {newBuilder(explicitLE).raw(0x00081140, "SQ", item(el, 100), -1).b, "there is no item where one must be"},
		"element beyond its item":    {newBuilder(explicitLE).raw(0x00081140, "SQ", item(newBuilder(explicitLE).raw(0x00080060, "CS", []byte("CT"), 60).b, -1), -1).b, "an element is longer than the item"},
		"no item":                    {newBuilder(explicitLE).raw(0x00081140, "SQ", el, -1).b, "there is no item where one must be"},
		"sequence without end":       {newBuilder(explicitLE).raw(0x00081140, "SQ", item(el, -1), 0xFFFFFFFF).b, "the file ends inside an element"},
		"item at the top":            {item(el, -1), "an item stands where none may be"},
		"nested too deep":            {deep.b, "sequences nest deeper than 32 levels"},
		"pixels cut off":             {image.like().raw(0, "", nil, 0).b[:0], ""},
		"pixels too few":             {append(slices.Clone(image.b), newBuilder(explicitLE).raw(0x7FE00010, "OW", make([]byte, 8), -1).b...), "the pixel data have 8 bytes, the header speaks of 16"},
		"pixels too many":            {append(slices.Clone(image.b), newBuilder(explicitLE).raw(0x7FE00010, "OW", make([]byte, 64), -1).b...), "the pixel data have 64 bytes, the header speaks of 16"},
		"no pixels":                  {image.b, "there are no pixel data"},
		"fragments without end":      {newBuilder(explicitLE).raw(0x7FE00010, "OB", item([]byte("ab"), -1), 0xFFFFFFFF).b, "the file ends inside an element"},
		"fragments that are none":    {newBuilder(explicitLE).raw(0x7FE00010, "OB", el, 0xFFFFFFFF).b, "there is no fragment"},
		"private sequence, no end":   {newBuilder(explicitLE).raw(0x00091001, "SQ", item(el, 0xFFFFFFFF), 0xFFFFFFFF).b, "the file ends inside an element"},
		"garbage after the data set": {append(slices.Clone(el), "xyz"...), "the file ends inside an element"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := file(t, explicitLE, c.data)
			if got := damagedAt(t, data); !strings.Contains(got, c.want) || (got == "") != (c.want == "") || got != "" && !strings.HasPrefix(got, "byte ") {
				t.Errorf("%q, want %q", got, c.want)
			}
			if _, err := transform(t, data, shipped(t, "jp-policy"), "a"); (err != nil) != (c.want != "") {
				t.Error(err)
			}
		})
	}
}

func TestDamagedBeginnings(t *testing.T) {
	t.Parallel()
	whole := file(t, explicitLE, newBuilder(explicitLE).el(0x00080060, "CS", "CT").b)
	bomb := file(t, deflatedLE, newBuilder(explicitLE).raw(0x00080060, "CS", nil, 0).raw(0x00091001, "OB", make([]byte, 64<<20), -1).b)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"cut in the meta information": {whole[:150], "the file ends inside an element"},
		"no meta information":         {whole[:132], "there is no file meta information"},
		"private syntax":              {file(t, "1.2.840.113619.5.2", nil), "the transfer syntax is none of the standard"},
		"JPIP":                        {file(t, "1.2.840.10008.1.2.4.94", nil), "the pixel data are not in the file"},
		"deflated bomb":               {bomb, "the deflated data set unfolds to more than is allowed"},
		"deflated garbage":            {append(bomb[:400:400], bytes.Repeat([]byte{0xFF}, 300)...), "the deflated data set"},
	} {
		if got := damagedAt(t, c.data); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestEveryCut: a file that ends anywhere does not pass and is not transformed
// to its end in silence.
func TestEveryCut(t *testing.T) {
	t.Parallel()
	p := shipped(t, "jp-policy")
	for name, syntax := range syntaxes {
		out, err := transform(t, file(t, syntax, identifying(syntax, "ORIGINAL", "CT", "").b), p, "a")
		if err != nil {
			t.Fatal(err)
		}
		for n := 133; n < len(out)-1; n++ {
			if len(blocks(t, out[:n], p)) == 0 {
				t.Errorf("%s: %d of %d bytes pass", name, n, len(out))
			}
		}
	}
}

// TestHiddenPlaces: values where no reader would look for them.
func TestHiddenPlaces(t *testing.T) {
	t.Parallel()
	p := shipped(t, "jp-policy")
	items := newBuilder(implicitLE).raw(0xFFFEE000, "", newBuilder(implicitLE).el(0x00100010, "PN", "SECRET").b, -1).b
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"preamble":                  {append([]byte("SECRET"), file(t, explicitLE, nil)[6:]...), "preamble "},
		"UN with items":             {file(t, explicitLE, newBuilder(explicitLE).raw(0x0040A043, "UN", items, -1).b), "unknown-sequence "},
		"UN without length":         {file(t, explicitLE, newBuilder(explicitLE).raw(0x0040A043, "UN", append(slices.Clone(items), 0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0), 0xFFFFFFFF).b), "unknown-sequence "},
		"text as figures":           {file(t, explicitLE, newBuilder(explicitLE).raw(0x00080070, "OB", []byte("SECRET"), -1).b), "wrong-kind "},
		"phone number in a maker":   {file(t, explicitLE, newBuilder(explicitLE).el(0x00080070, "LO", "SECRET 090-1234-5678").b), "phone "},
		"full-width digits, IR 87":  {file(t, explicitLE, newBuilder(explicitLE).el(0x00080005, "CS", `\ISO 2022 IR 87`).el(0x00080070, "LO", "\x1b$B#0#9#0!]#1#2#3#4!]#5#6#7#8\x1b(B SECRET").b), "phone "},
		"a name in an unlisted PN":  {file(t, explicitLE, newBuilder(explicitLE).el(0x00404037, "PN", "SECRET").b), "person-name "},
		"a value of two megabytes":  {file(t, explicitLE, newBuilder(explicitLE).raw(0x00080070, "UT", []byte(strings.Repeat("SECRET", 400_000)), -1).b), "too-long "},
		"a patient ID twice":        {file(t, explicitLE, newBuilder(explicitLE).el(0x00100020, "LO", "").el(0x00100020, "LO", "SECRET").b), "patient-id "},
		"a mark that says YES only": {file(t, explicitLE, newBuilder(explicitLE).el(0x00120062, "CS", "YES").b), "not-marked "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if found := blocks(t, c.data, p); !slices.ContainsFunc(found, func(s string) bool { return strings.HasPrefix(s, c.want) }) {
				t.Errorf("%v, want %s", found, c.want)
			}
			out, err := transform(t, c.data, p, "a")
			if err != nil || bytes.Contains(out, []byte("SECRET")) {
				t.Errorf("%v, %q", err, out[min(len(out), 132):])
			}
			if found := blocks(t, out, p); len(found) > 0 {
				t.Errorf("the output is refused: %v", found)
			}
		})
	}
}

// zeros are n zero bytes.
func zeros(n int64) io.Reader { return io.LimitReader(zero{}, n) }

type zero struct{}

func (zero) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestLargePixelsNeedLittleMemory: a gigabyte of pixels is passed through.
func TestLargePixelsNeedLittleMemory(t *testing.T) {
	t.Parallel()
	const size = 1 << 30
	head := file(t, explicitLE, newBuilder(explicitLE).el(0x00080060, "CS", "CT").raw(0x7FE00010, "OW", nil, size).b)
	s, err := source.Of("a.dcm", io.MultiReader(bytes.NewReader(head), zeros(size)), nil, source.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := change.New(t.Context(), shipped(t, "jp-policy"), keys{}, nil, "a")
	if err != nil {
		t.Fatal(err)
	}
	var out written
	if err := (dicom.Format{}).Transform(t.Context(), s, &out, c); err != nil || out < size {
		t.Fatal(out, err)
	}
	var m runtime.MemStats
	if runtime.ReadMemStats(&m); m.HeapInuse > 200<<20 {
		t.Errorf("%d MB in use", m.HeapInuse>>20)
	}
}

type written int64

func (w *written) Write(p []byte) (int, error) {
	*w += written(len(p))
	return len(p), nil
}

// FuzzDICOM: whatever the bytes are, nothing panics, and what a transformation
// writes to its end passes the check of its profile.
func FuzzDICOM(f *testing.F) {
	for _, syntax := range syntaxes {
		f.Add(file(f, syntax, identifying(syntax, "ORIGINAL", "CT", "").b))
		f.Add(identifying(syntax, "ORIGINAL", "CT", "").b)
	}
	p := shipped(f, "jp-policy")
	f.Fuzz(func(t *testing.T, data []byte) {
		if !(dicom.Format{}).Detect(data) {
			return
		}
		found := blocks(t, data, p)
		out, err := transform(t, data, p, "a")
		if err != nil {
			if len(found) == 0 {
				t.Fatalf("passes, and is not transformed: %v", err)
			}
			return
		}
		if after := blocks(t, out, p); len(after) > 0 {
			t.Fatalf("%v", after)
		}
		if at := bytes.Index(data, []byte(pixels)); at >= 0 && binary.Size(out) == 0 {
			t.Fatal("nothing was written")
		}
	})
}
