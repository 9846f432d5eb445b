package jsontext_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"teikyo/deid/jsontext"
)

// copyAll writes space and token of everything that it reads.
func copyAll(src io.Reader, l jsontext.Limits) (out []byte, values int, err error) {
	r := jsontext.NewReader(src, l)
	for {
		t, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, values, nil
		}
		if err != nil {
			return out, values, err
		}
		out = append(append(out, t.Space...), t.Raw...)
		if t.Depth == 0 && t.Kind != jsontext.ObjectStart && t.Kind != jsontext.ArrayStart {
			values++
		}
	}
}

func TestReaderKeepsEveryByte(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"a":1.50e+03,"b":[true,false,null,"x\u00e9\n\"y\""],"é":{}}`, "\xEF\xBB\xBF{ \"a\" :\t[ ]\r\n , \"b\":-0.0}", "[[[]],{}]",
		"{\"a\":1}\n{\"a\":2}\r\n", `"只"`, "0", "[1 , 2]",
	} {
		for _, slow := range []bool{false, true} {
			var src io.Reader = strings.NewReader(text)
			if slow {
				src = iotest.OneByteReader(src)
			}
			out, _, err := copyAll(src, jsontext.DefaultLimits())
			if err != nil || strings.TrimRight(text, "\r\n") != string(out) {
				t.Errorf("%q: %q, %v", text, out, err)
			}
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"a":1`:                       "line 1, column 7: the file ends inside a value; it is cut off",
		"{\n \"a\" 1}":                 "line 2, column 6: what stands here is not JSON",
		`{"a":1,}`:                     `line 1, column 8: '}' is not allowed here`,
		`[1,]`:                         `line 1, column 4: ']' is not allowed here`,
		`[1}`:                          `line 1, column 3: '}' is not allowed here`,
		`{'a':1}`:                      `line 1, column 2: '\'' is not allowed here`,
		`[01]`:                         "line 1, column 3: what stands here is not JSON",
		`[1.]`:                         `line 1, column 4: ']' is not allowed here`,
		`[nul]`:                        `line 1, column 5: ']' is not allowed here`,
		"[\"a\x00b\"]":                 "line 1, column 4: a NUL byte is not allowed in JSON",
		"[\"a\nb\"]":                   "line 1, column 4: the byte 0x0a is not allowed here",
		"[\"\x8e\x81\"]":               "line 1, column 6: the text before here is not UTF-8",
		`["\x"]`:                       "line 1, column 4: there is no such escape in JSON",
		`["\u12g4"]`:                   "line 1, column 7: the escape \\u needs four hexadecimal digits",
		`["abc`:                        "line 1, column 6: the file ends inside a value; it is cut off",
		`]`:                            `line 1, column 1: ']' is not allowed here`,
		strings.Repeat("[", 100_000):   "line 1, column 129: nested deeper than 128 levels",
		strings.Repeat(" ", 3<<20):     "line 1, column 1048578: more than 1048576 bytes of white space",
		strings.Repeat(`{"a":`, 2_000): "line 1, column 641: nested deeper than 128 levels",
	} {
		_, _, err := copyAll(strings.NewReader(text), jsontext.DefaultLimits())
		var syntax *jsontext.SyntaxError
		if !errors.As(err, &syntax) || err.Error() != want {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
}

// endless is a string value that never ends: 1 GiB on one line.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	n := min(len(p), e.left)
	if e.left -= n; n == 0 {
		return 0, io.EOF
	}
	for i := range p[:n] {
		p[i] = 'A'
	}
	return n, nil
}

func TestReaderHoldsLittleOfALongString(t *testing.T) {
	t.Parallel()
	size := 1 << 30
	if testing.Short() {
		size = 64 << 20
	}
	r := jsontext.NewReader(io.MultiReader(strings.NewReader(`{"data":"`), &endless{size}, strings.NewReader(`é","x":1}`)), jsontext.DefaultLimits())
	var seen []string
	var m runtime.MemStats
	for {
		tok, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if tok.Cut && (len(tok.Raw) != 1<<20 || tok.Bytes != int64(size)+4) {
			t.Fatal(len(tok.Raw), tok.Bytes)
		}
		seen = append(seen, string(tok.Raw[:min(4, len(tok.Raw))]))
	}
	if got := strings.Join(seen, " "); got != `{ "dat "AAA "x" 1 }` {
		t.Error(got)
	}
	runtime.ReadMemStats(&m)
	if m.HeapInuse > 128<<20 {
		t.Error(m.HeapInuse)
	}
}

func TestDoc(t *testing.T) {
	t.Parallel()
	r := jsontext.NewReader(strings.NewReader("{\"a\": {\"n\\u0061me\" : \"x\\ty\"},\n\"b\":[1,2.50]} 7"), jsontext.DefaultLimits())
	tok, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	var d jsontext.Doc
	if err := d.Read(r, tok); err != nil {
		t.Fatal(err)
	}
	a := d.Member(jsontext.Root, "a")
	if !d.Is(a, "name", "x\ty") || d.Member(a, "other") != jsontext.None {
		t.Error("member a.name")
	}
	b := d.Member(jsontext.Root, "b")
	second := d.Nodes[d.Nodes[b].First].Next
	if string(d.Raw(b)) != "[1,2.50]" || string(d.Raw(second)) != "2.50" || d.Nodes[second].Line != 2 || d.Nodes[second].Column != 8 {
		t.Errorf("%s %+v", d.Raw(b), d.Nodes[second])
	}
	if tok, err = r.Next(); err != nil || string(tok.Raw) != "7" {
		t.Error(tok, err)
	}
}

// FuzzReader: the reader takes what encoding/json takes, within its limits, and
// gives back every byte; a Doc of it has the same text.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2.5e9,"\ud83d\ude00",null]}`, "[1]\n{}", "\xEF\xBB\xBF[]", `{"a":"` + strings.Repeat("é", 40) + `"}`, `["\u00`, "tru", "-"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		limits := jsontext.Limits{Depth: 20, String: 1 << 12, Text: 1 << 16, Nodes: 1 << 12}
		out, values, err := copyAll(bytes.NewReader(data), limits)
		slow, _, slowErr := copyAll(iotest.OneByteReader(bytes.NewReader(data)), limits)
		if !bytes.Equal(out, slow) || (err == nil) != (slowErr == nil) {
			t.Fatalf("%q, %v; a byte at a time %q, %v", out, err, slow, slowErr)
		}
		var syntax *jsontext.SyntaxError
		if errors.As(err, &syntax) && syntax.Limit {
			return
		}
		body := bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
		if err == nil && values == 1 && !json.Valid(body) || err != nil && json.Valid(body) && json.Valid(bytes.ToValidUTF8(body, nil)) && bytes.Equal(body, bytes.ToValidUTF8(body, nil)) {
			t.Fatalf("%q: %v, encoding/json says %v", data, err, json.Valid(body))
		}
		if err == nil && !bytes.HasPrefix(data, out) {
			t.Fatalf("%q became %q", data, out)
		}
	})
}
