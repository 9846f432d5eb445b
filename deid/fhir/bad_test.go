package fhir_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"teikyo/deid/change"
	"teikyo/deid/fhir"
	"teikyo/deid/scan"
	"teikyo/deid/source"
	"teikyo/models"
)

const patient = `{"resourceType":"Patient","gender":"male"}`

// TestBadInput: a place, a clear message, and nothing passes.
func TestBadInput(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, rule, where string }{
		"cut off":          {patient + "\n" + patient[:20], "damaged", "line 2, column 21"},
		"NUL":              {`{"resourceType":"Patient","gender":"ma` + "\x00" + `le"}`, "damaged", "line 1, column 39"},
		"CP932":            {"{\"resourceType\":\"Patient\",\"gender\":\"\x8e\x81\x96\xbc\"}", "damaged", "line 1, column 42"},
		"nested":           {`{"resourceType":"Patient","contained":` + strings.Repeat("[", 100_000), "too-large", "line 1, column 166"},
		"not a resource":   {patient + "\n17\n", "wrong-kind", "resource"},
		"no type":          {patient + "\n{\"id\":\"1\"}\n", "unknown-resource", "resources"},
		"no entries":       {`{"resourceType":"Bundle","entry":7}`, "damaged", "line 1, column 34"},
		"entry of numbers": {`{"resourceType":"Bundle","entry":[7]}`, "wrong-kind", "Bundle.entry"},
		"type a number":    {`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":1}}]}`, "unknown-resource", "resources"},
		"garbage after":    {patient + "\nx", "damaged", "line 2, column 1"},
		"many values":      {`{"resourceType":"Patient","photo":[` + strings.Repeat("1,", 1<<19) + "1]}", "too-large", "line 1, column 1048607"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := check(t, []byte(c.in), shipped(t, "jp-policy"))
			for _, f := range r.Findings {
				if f.Block && f.Rule == c.rule && f.Location == c.where {
					return
				}
			}
			t.Errorf("%+v", r.Findings)
		})
	}
}

func TestBadInputIsNotTransformed(t *testing.T) {
	t.Parallel()
	c, err := change.New(t.Context(), shipped(t, "jp-policy"), keys{}, nil, "a")
	if err != nil {
		t.Fatal(err)
	}
	err = fhir.Format{}.Transform(t.Context(), in(t, []byte(patient+"\n"+patient[:20])), io.Discard, c)
	var e *models.Error
	if !errors.As(err, &e) || e.Kind != models.Invalid || !strings.Contains(e.Msg, "line 2, column 21") {
		t.Error(err)
	}
}

// repeated is text again and again, then an end.
func repeated(text string, times int, end string) io.Reader {
	readers := make([]io.Reader, 0, times+1)
	for range times {
		readers = append(readers, strings.NewReader(text))
	}
	return io.MultiReader(append(readers, strings.NewReader(end))...)
}

// TestLargeFilesNeedLittleMemory: a bundle and an attachment of hundreds of
// megabytes in one line.
func TestLargeFilesNeedLittleMemory(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("reads 300 MB")
	}
	block := strings.Repeat("QUJD", 1<<18)
	for name, contents := range map[string]io.Reader{
		"attachment": io.MultiReader(strings.NewReader(`{"resourceType":"DocumentReference","content":[{"attachment":{"data":"`), repeated(block, 200, `"}}]}`)),
		"bundle": io.MultiReader(strings.NewReader(`{"resourceType":"Bundle","entry":[{"resource":`+patient+"}"),
			repeated(strings.Repeat(`,{"resource":`+patient+"}", 1000), 1500, "]}")),
	} {
		s, err := source.Of("a.json", contents, nil, source.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		c := scan.New(shipped(t, "jp-policy"), "fhir")
		if err := (fhir.Format{}).Check(t.Context(), s, c); err != nil {
			t.Fatal(err)
		}
		r := c.Finish()
		if got := strings.Join(blocks(r), ", "); name == "attachment" && got != "attachment at DocumentReference.content.attachment" || name == "bundle" && got != "" {
			t.Errorf("%s: %s", name, got)
		}
		if name == "bundle" && r.Shape.Rows != 1_500_002 {
			t.Error(r.Shape.Rows)
		}
		var m runtime.MemStats
		if runtime.ReadMemStats(&m); m.HeapInuse > 200<<20 {
			t.Errorf("%s: %d MB in use", name, m.HeapInuse>>20)
		}
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		patient:                               true,
		"\xEF\xBB\xBF " + patient:             true,
		`{"id":"1","resourceType":"Patient"}`: true,
		`[` + patient + `]`:                   true,
		`{"entry":[{"resource":` + patient:    true,
		`{"a":{"resourceType":"Patient"}}`:    false,
		`{"a":1}` + "\n" + patient:            false,
		`{"a":1}`:                             false,
		"resourceType,Patient\n":              false,
		"":                                    false,
		strings.Repeat("[", 200):              false,
	} {
		if got := (fhir.Format{}).Detect([]byte(text)); got != want {
			t.Errorf("%.40q: %v", text, got)
		}
	}
}

// FuzzFHIR: whatever the bytes are, nothing panics; what a transformation writes
// is JSON, passes the check of its profile, and comes out of a second check of
// any reading speed the same.
func FuzzFHIR(f *testing.F) {
	for _, one := range transforms {
		f.Add([]byte(one.in))
	}
	p := shipped(f, "jp-policy")
	f.Fuzz(func(t *testing.T, data []byte) {
		found := blocks(check(t, data, p))
		c, err := change.New(t.Context(), p, keys{}, nil, "a")
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := (fhir.Format{}).Transform(t.Context(), in(t, data), &out, c); err != nil {
			if len(found) == 0 {
				t.Fatalf("passes, and is not transformed: %v", err)
			}
			return
		}
		if after := blocks(check(t, out.Bytes(), p)); len(after) > 0 {
			t.Fatalf("%v in %s of %s", after, out.Bytes(), data)
		}
		dec := json.NewDecoder(&out)
		for dec.More() {
			var v any
			if err := dec.Decode(&v); err != nil {
				t.Fatalf("%v: %s of %s", err, out.Bytes(), data)
			}
		}
	})
}
