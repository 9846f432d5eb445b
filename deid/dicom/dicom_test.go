package dicom_test

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"teikyo/deid/change"
	"teikyo/deid/dicom"
	"teikyo/deid/profile"
	"teikyo/deid/scan"
	"teikyo/deid/source"
	"teikyo/models"
)

type keys struct{}

func (keys) Key(_ context.Context, domain string) ([]byte, error) {
	sum := sha256.Sum256([]byte("test key of " + domain))
	return sum[:], nil
}

func shipped(t testing.TB, name string) *profile.Profile {
	t.Helper()
	p, err := profile.Shipped(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func in(t testing.TB, data []byte) source.Source {
	t.Helper()
	s, err := source.Of("a.dcm", bytes.NewReader(data), nil, source.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// blocks are the findings of a check that block: rules with their places.
func blocks(t testing.TB, data []byte, p *profile.Profile) []string {
	t.Helper()
	c := scan.New(p, "dicom")
	if err := (dicom.Format{}).Check(t.Context(), in(t, data), c); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range c.Finish().Findings {
		if f.Block {
			out = append(out, f.Rule+" "+f.Location)
		}
	}
	return out
}

func transform(t testing.TB, data []byte, p *profile.Profile, domain string) ([]byte, error) {
	t.Helper()
	c, err := change.New(t.Context(), p, keys{}, nil, domain)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = dicom.Format{}.Transform(t.Context(), in(t, data), &out, c)
	return out.Bytes(), err
}

// plain is the contents with a deflated data set unfolded.
func plain(t testing.TB, syntax string, data []byte) []byte {
	t.Helper()
	if syntax != deflatedLE {
		return data
	}
	at := 128 + 4 + 12 + int(binary.LittleEndian.Uint32(data[128+4+8:]))
	rest, err := io.ReadAll(flate.NewReader(bytes.NewReader(data[at:])))
	if err != nil {
		t.Fatal(err)
	}
	return append(slices.Clone(data[:at]), rest...)
}

var syntaxes = map[string]string{
	"implicit": implicitLE, "explicit": explicitLE, "deflated": deflatedLE, "big-endian": explicitBE, "encapsulated": encapsulated,
}

// TestTransform: in every transfer syntax each identifier is found, and gone
// afterwards; pixels stay; the output passes.
func TestTransform(t *testing.T) {
	t.Parallel()
	want := []string{
		"dicom-attribute (0002,0016)", "uid (0002,0003) Media Storage SOP Instance UID", "uid (0008,0018) SOP Instance UID", "full-date (0008,0020) Study Date",
		"patient-id (0008,0050) Accession Number", "institution (0008,0080) Institution Name", "person-name (0008,0090) Referring Physician's Name",
		"dicom-attribute (0008,1030) Study Description", "uid (0008,1155) Referenced SOP Instance UID", "person-name (0010,0010) Patient's Name",
		"private-tag private attributes", "patient-id (0010,0020) Patient ID", "birth-date (0010,0030) Patient's Birth Date",
		"age-over-cap (0010,1010) Patient's Age", "free-text (0010,4000) Patient Comments", "unknown-attribute (0018,9999)",
		"uid (0020,000D) Study Instance UID", "uid (0020,000E) Series Instance UID", "dicom-attribute (0020,0010) Study ID",
		"report-content (0040,A730) Content Sequence", "overlay (5000,3000)", "overlay (6000,3000)", "not-marked (0012,0062)",
	}
	for name, syntax := range syntaxes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := shipped(t, "jp-policy")
			data := file(t, syntax, identifying(syntax, `ORIGINAL\PRIMARY`, "CT", "").b)
			found := blocks(t, data, p)
			for _, w := range want {
				if !slices.Contains(found, w) {
					t.Errorf("not found: %s", w)
				}
			}
			out, err := transform(t, data, p, "a")
			if err != nil {
				t.Fatal(err)
			}
			if found := blocks(t, out, p); len(found) > 0 {
				t.Errorf("the output is refused: %v", found)
			}
			text := plain(t, syntax, out)
			for _, gone := range []string{"SECRET", "1.2.3.7", "20170707", "19270707", "\x1b", "STATION1", "093Y", "LEN!"} {
				if bytes.Contains(text, []byte(gone)) {
					t.Errorf("%q is still there", gone)
				}
			}
			for _, kept := range []string{pixels, "MAKER", "61.5", "090Y", "ORIGINAL", "113100", "113108", "profile jp-policy"} {
				if !bytes.Contains(text, []byte(kept)) {
					t.Errorf("%q is gone", kept)
				}
			}
			again, err := transform(t, data, p, "a")
			if err != nil || !bytes.Equal(out, again) {
				t.Error("two runs of one domain differ", err)
			}
			other, err := transform(t, data, p, "b")
			if err != nil || bytes.Equal(out, other) {
				t.Error("two domains have the same pseudonyms", err)
			}
		})
	}
}

// TestUIDs: one UID has one other in every place, valid by PS3.5 9.1.
func TestUIDs(t *testing.T) {
	t.Parallel()
	out, err := transform(t, file(t, explicitLE, identifying(explicitLE, "ORIGINAL", "CT", "").b), shipped(t, "jp-policy"), "a")
	if err != nil {
		t.Fatal(err)
	}
	uids := map[string]int{}
	for rest := out; ; {
		at := bytes.Index(rest, []byte("2.25."))
		if at < 0 {
			break
		}
		rest = rest[at:]
		end := bytes.IndexFunc(rest, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		uid := string(rest[:end])
		rest = rest[end:]
		uids[uid]++
		if len(uid) > 64 || strings.HasPrefix(uid, "2.25.0") {
			t.Errorf("%s is no UID", uid)
		}
	}
	if len(uids) != 4 { // of the meta information, the instance, the study, the series
		t.Error(uids)
	}
	var most int
	for _, n := range uids {
		most = max(most, n)
	}
	if most != 5 { // the instance, and two references to it, each with an instance of its own
		t.Error(uids)
	}
}

// TestProfiles: options that the profile amounts to are claimed.
func TestProfiles(t *testing.T) {
	t.Parallel()
	data := file(t, explicitLE, identifying(explicitLE, "ORIGINAL", "CT", "").b)
	for name, c := range map[string]struct{ has, hasNot string }{
		"us-safe-harbor":      {"113108 090Y REMOVED", "20170707 19270707 113106"},
		"us-limited-data-set": {"113106 113108 20170707 19270707 093Y UNMODIFIED", "SECRET"},
	} {
		p := shipped(t, name)
		out, err := transform(t, data, p, "a")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range strings.Fields(c.has) {
			if !bytes.Contains(out, []byte(s)) {
				t.Errorf("%s: %s is not there", name, s)
			}
		}
		for _, s := range strings.Fields(c.hasNot) {
			if bytes.Contains(out, []byte(s)) {
				t.Errorf("%s: %s is there", name, s)
			}
		}
		if found := blocks(t, out, p); len(found) > 0 {
			t.Errorf("%s: the output is refused: %v", name, found)
		}
	}
}

// TestBurnedIn: images that may have text in their pixels are refused.
func TestBurnedIn(t *testing.T) {
	t.Parallel()
	p := shipped(t, "jp-policy")
	for _, c := range []struct {
		imageType, modality, burnedIn string
		want                          bool
	}{
		{`ORIGINAL\PRIMARY`, "CT", "", false}, {`ORIGINAL\PRIMARY`, "CT", "YES", true}, {`ORIGINAL\PRIMARY`, "US", "", true},
		{`ORIGINAL\PRIMARY`, "US", "NO", false}, {`DERIVED\SECONDARY\SCREEN SAVE`, "CT", "", true}, {`DERIVED\SECONDARY`, "SC", "", true},
		{`DERIVED\SECONDARY`, "SC", "NO", false}, {`DERIVED\SECONDARY`, "XC", "", true},
	} {
		data := file(t, explicitLE, identifying(explicitLE, c.imageType, c.modality, c.burnedIn).b)
		found := slices.ContainsFunc(blocks(t, data, p), func(s string) bool { return strings.HasPrefix(s, "burned-in ") })
		_, err := transform(t, data, p, "a")
		var refused *models.Error
		if found != c.want || errors.As(err, &refused) != c.want || (err != nil) != c.want {
			t.Errorf("%+v: found %v, %v", c, found, err)
		}
	}
}

// TestRealFiles: CT_small and MR_small (pydicom, MIT) are refused, and pass after
// the transformation with the same pixels.
func TestRealFiles(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"CT_small.dcm": 128 * 128 * 2, "MR_small.dcm": 64 * 64 * 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(filepath.Join("../../../shared/data/dicom", name))
			if errors.Is(err, fs.ErrNotExist) {
				t.Skip("shared/data is not in this checkout")
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, profileName := range []string{"jp-policy", "us-safe-harbor", "us-limited-data-set"} {
				p := shipped(t, profileName)
				if found := blocks(t, data, p); !slices.Contains(found, "patient-id (0010,0020) Patient ID") || !slices.Contains(found, "not-marked (0012,0062)") {
					t.Errorf("%s: %v", profileName, found)
				}
				out, err := transform(t, data, p, "a")
				if err != nil {
					t.Fatal(err)
				}
				if found := blocks(t, out, p); len(found) > 0 {
					t.Errorf("%s: the output is refused: %v", profileName, found)
				}
				if a, b := pixelsOf(t, data, size), pixelsOf(t, out, size); !bytes.Equal(a, b) {
					t.Errorf("%s: the pixels changed", profileName)
				}
			}
		})
	}
}

// pixelsOf finds (7FE0,0010) OW of that many bytes by its own bytes.
func pixelsOf(t *testing.T, data []byte, size int) []byte {
	t.Helper()
	mark := binary.LittleEndian.AppendUint32([]byte{0xE0, 0x7F, 0x10, 0x00, 'O', 'W', 0, 0}, uint32(size))
	at := bytes.Index(data, mark)
	if at < 0 || len(data) < at+len(mark)+size {
		t.Fatal("no pixel data")
	}
	return data[at+len(mark):][:size]
}

func TestDetect(t *testing.T) {
	t.Parallel()
	whole := file(t, explicitLE, identifying(explicitLE, "ORIGINAL", "CT", "").b)
	for name, c := range map[string]struct {
		head []byte
		want bool
	}{
		"marked": {whole, true}, "bare explicit": {identifying(explicitLE, "ORIGINAL", "CT", "").b, true},
		"bare implicit": {identifying(implicitLE, "ORIGINAL", "CT", "").b, true}, "meta first": {whole[132:], true},
		"text": {[]byte("a,b\n1,2\n"), false}, "short": {[]byte("DICM"), false}, "empty": {nil, false},
	} {
		if got := (dicom.Format{}).Detect(c.head); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
