package records_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"teikyo/deid/profile"
	"teikyo/deid/records"
	"teikyo/deid/records/recordstest"
	"teikyo/deid/uke"
)

// TestReader: lines come as they stand, whatever their ends.
func TestReader(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                      "",
		"a,b\r\nc\n,d":          `1 a|b "\r\n"; 2 c "\n"; 3 |d ""; `,
		"\xEF\xBB\xBFa,\r\n":    `1 a| "\r\n"; `,
		"a\r\n\x1A":             `1 a "\r\n"; 2 mark ""; `,
		"\r\n\r\na":             `1  "\r\n"; 2  "\r\n"; 3 a ""; `,
		"a\rb,c\n":              "1 a\rb|c \"\\n\"; ",
		"\"a,b\",c\n":           `1 "a,b"|c "\n"; `,
		"\"a\"\"b,\",c\n":       `1 "a""b,"|c "\n"; `,
		"\"never,closed\nx\n":   `1 "never|closed "\n"; 2 x "\n"; `,
		"\x83\x5C,\x95\x5C\r\n": "1 \x83\x5C|\x95\x5C \"\\r\\n\"; ", // ソ,表: their second byte is a backslash
	} {
		r := records.NewReader(iotest.OneByteReader(strings.NewReader(in)), ',', true)
		got := ""
		for {
			l, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			text := string(bytes.Join(l.Fields, []byte("|")))
			if l.Mark {
				text = "mark"
			}
			got += fmt.Sprintf("%d %s %q; ", l.Number, text, l.End)
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

// endless gives a first line, then b for ever.
type endless struct {
	first string
	b     byte
	given int64
	stop  int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.first != "" {
		n := copy(p, e.first)
		e.first = e.first[n:]
		return n, nil
	}
	if e.given >= e.stop {
		return 0, io.EOF
	}
	n := copy(p, bytes.Repeat([]byte{e.b}, len(p)))
	e.given += int64(n)
	return n, nil
}

const firstLines = "IR,1,13,1,,,,202610,00,\r\nRE,1,1112,202609,,1,194503\r\n"

// TestBadInput: a clear finding with line, bounded memory, no crash and no
// silent pass.
func TestBadInput(t *testing.T) {
	t.Parallel()
	p := recordstest.Shipped(t, profile.JPPolicy)
	for name, c := range map[string]struct{ contents, want string }{
		"many fields":     {firstLines + "SI" + strings.Repeat(",", 10_000) + "\r\n", "damaged line 3, column 1"},
		"NUL":             {firstLines + "SI,11\x00,1\r\n", "damaged line 3, column 6"},
		"no text":         {firstLines + "\x00\x01\x02\x03\r\n", "unknown-record line 3"},
		"cut in the file": {firstLines + "SI,11,1,11", ""},
		"only a header":   {"IR,1,13,1,,,,202610,00,\r\n\x1A", ""},
		"other columns":   {firstLines + "HO,06132013" + strings.Repeat(",", 30) + "x\r\n", "reserved-field field HO.31"},
		"CR alone":        {firstLines + "SI,11,1\rRE,1,1112,,山田\r\n", "damaged line 3, column 8"},
	} {
		r := recordstest.Check(t, c.contents, p)
		if found := recordstest.Found(r); c.want == "" && len(found) > 0 || c.want != "" && !recordstest.Has(found, c.want) {
			t.Errorf("%s: found %q, want %q", name, found, c.want)
		}
	}
}

// TestLongLine: a line of 1 GiB ends the check after a MiB of it.
func TestLongLine(t *testing.T) {
	t.Parallel()
	src := &endless{first: firstLines + "CO,99,1,810000001,", b: 'x', stop: 1 << 30}
	p := recordstest.Shipped(t, profile.JPPolicy)
	r := recordstest.CheckReader(t, src, p)
	if !recordstest.Has(recordstest.Found(r), "damaged line 3, column 1") || src.given > 4<<20 {
		t.Errorf("found %q after %d bytes", recordstest.Found(r), src.given)
	}
	if r.Format != "UKE" || len(r.NotLookedAt) == 0 {
		t.Errorf("the report does not say what was not looked at: %s", r.Text())
	}
}

// TestConstantMemory: a file of 48 MiB is checked in a few MiB.
func TestConstantMemory(t *testing.T) {
	line := "SI,11,1,111000110,,291,1" + strings.Repeat(",", 37) + "\r\n"
	src := io.MultiReader(strings.NewReader(firstLines), &repeated{line: line, left: (48 << 20) / len(line)})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := recordstest.CheckReader(t, src, recordstest.Shipped(t, profile.JPPolicy))
	runtime.GC()
	runtime.ReadMemStats(&after)
	if len(r.Blocking()) > 0 || r.Rows < 500_000 {
		t.Errorf("%d rows, %q", r.Rows, recordstest.Found(r))
	}
	if grown := int64(after.Sys) - int64(before.Sys); grown > 32<<20 {
		t.Errorf("the program grew by %d MiB", grown>>20)
	}
}

type repeated struct {
	line string
	left int
	rest string
}

func (r *repeated) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if r.rest == "" {
			if r.left == 0 {
				break
			}
			r.left--
			r.rest = r.line
		}
		m := copy(p[n:], r.rest)
		r.rest, n = r.rest[m:], n+m
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// TestErrorsOfTheSource come back as they are.
func TestErrorsOfTheSource(t *testing.T) {
	t.Parallel()
	broken := errors.New("the wire broke")
	src := io.MultiReader(strings.NewReader(firstLines), iotest.ErrReader(broken))
	if _, err := recordstest.TryCheck(t, src, recordstest.Shipped(t, profile.JPPolicy)); !errors.Is(err, broken) {
		t.Errorf("err = %v", err)
	}
}

// TestTransformStops: what cannot be told apart is never written.
func TestTransformStops(t *testing.T) {
	t.Parallel()
	p := recordstest.Shipped(t, profile.JPPolicy)
	for contents, want := range map[string]string{
		firstLines + "QQ,山田\r\n":                                    "line 3, column 1: the line is no record that is known (QQ)",
		firstLines + "IR,1,13,3\r\n":                                "line 3, column 1: the record IR begins dental",
		firstLines + "CO," + strings.Repeat("x", 2<<20):             "line 3: the line is longer than 1 MiB",
		firstLines + "SY,8830417,20260820,1,," + "\x93\x9C\x85\x9F": "line 3, column 26: the bytes there are not CP932",
	} {
		_, _, err := recordstest.Try(t, uke.Format(), contents, p, nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "山田") {
			t.Errorf("err = %v, want %s", err, want)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	line := "SI,11,1,111000110,,291,1" + strings.Repeat(",", 37) + "\r\nSY,8830417,20260820,1,,,01,\r\nRE,1,1112,202609,,1,194503\r\n"
	const lines = 100_000
	b.SetBytes(int64(len(line) * lines))
	for b.Loop() {
		recordstest.CheckReader(b, io.MultiReader(strings.NewReader(firstLines), &repeated{line: line, left: lines}), recordstest.Shipped(b, profile.JPPolicy))
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("a,\"b,\"\"c\",d\r\n\x1A"))
	f.Fuzz(func(t *testing.T, contents []byte) {
		for _, quotes := range []bool{false, true} {
			r := records.NewReader(bytes.NewReader(contents), ',', quotes)
			var back []byte
			for {
				l, err := r.Next()
				if err != nil {
					break
				}
				back = append(back, l.BOM...)
				if l.Mark {
					back = append(back, 0x1A)
				}
				back = append(append(back, bytes.Join(l.Fields, []byte(","))...), l.End...)
			}
			if !bytes.Equal(back, contents) && len(contents) < records.MaxLine {
				t.Fatalf("%q came back as %q", contents, back)
			}
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add([]byte("\x93\x9C\x94\x41"), []byte("\xF0\x40\x85\x9F"))
	f.Fuzz(func(t *testing.T, head, field []byte) {
		text := records.NewText(head)
		out, flaws := text.Decode(nil, field)
		if bytes.Contains(out, []byte("\uFFFD")) != (flaws.Bad >= 0) && !bytes.Contains(field, []byte("\uFFFD")) {
			t.Fatalf("%x: %q, flaws %+v", field, out, flaws)
		}
		if back, err := text.Encode(nil, out); err == nil && flaws.Bad < 0 && flaws.Private == 0 {
			again, _ := text.Decode(nil, back)
			if !bytes.Equal(again, out) {
				t.Fatalf("%x: %q, then %q", field, out, again)
			}
		}
	})
}
