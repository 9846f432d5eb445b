package table_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"teikyo/deid/table"
)

func read(r io.Reader, delim byte) ([][]string, error) {
	s := table.NewScanner(r, delim)
	var rows [][]string
	var row []string
	for {
		cells, err := s.Next()
		if err != nil {
			return rows, err
		}
		for _, c := range cells {
			if row = append(row, string(c.Data)); c.Last {
				rows, row = append(rows, row), nil
			}
		}
	}
}

func TestScanner(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][][]string{
		"":                   nil,
		"a":                  {{"a"}},
		"a,":                 {{"a", ""}},
		"a,b\n":              {{"a", "b"}},
		"a,b\r\nc,d":         {{"a", "b"}, {"c", "d"}},
		"a\rb\r":             {{"a"}, {"b"}},
		"\n\n":               {{""}, {""}},
		"\"a,\"\"b\nc\",d\n": {{"a,\"b\nc", "d"}},
		"\"a\"x,b\n":         {{"a\"x", "b"}},
		"a\"b,c\n":           {{"a\"b", "c"}},
		"\"\",\"\"\n":        {{"", ""}},
		"\"a":                {{"a"}},
		"\"a\"":              {{"a"}},
		"\"a\"\"":            {{"a\"\""}},
		",\n":                {{"", ""}},
	} {
		for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in))} {
			got, err := read(r, ',')
			if !reflect.DeepEqual(got, want) || err != io.EOF {
				t.Errorf("%q: %q, %v, want %q", in, got, err, want)
			}
		}
	}
}

// TestScannerReadsWhatCSVWrites: any table that encoding/csv writes.
func TestScannerReadsWhatCSVWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		field := rapid.StringMatching("[a-c,\"\n あ]{0,6}")
		rows := rapid.SliceOfN(rapid.SliceOfN(field, 2, 5), 1, 20).Draw(t, "rows")
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		w.UseCRLF = rapid.Bool().Draw(t, "crlf")
		if err := w.WriteAll(rows); err != nil {
			t.Fatal(err)
		}
		got, err := read(iotest.HalfReader(&b), ',')
		for _, row := range got {
			for i := range row {
				row[i] = strings.ReplaceAll(row[i], "\r\n", "\n")
			}
		}
		if err != io.EOF || !reflect.DeepEqual(got, rows) {
			t.Fatalf("%q, %v, want %q", got, err, rows)
		}
	})
}

func TestScannerLimits(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", table.MaxField)
	for name, c := range map[string]struct {
		in   string
		want error
	}{
		"longest":      {"a," + long + "\n", io.EOF},
		"too long":     {"a," + long + "x,b\n", table.ErrFieldTooLong},
		"never ends":   {"a," + strings.Repeat(long, 8), table.ErrFieldTooLong},
		"quote":        {"a,\"" + strings.Repeat(long, 3), table.ErrFieldTooLong},
		"widest":       {strings.Repeat(",", table.MaxColumns-1) + "\n", io.EOF},
		"too wide":     {strings.Repeat(",", table.MaxColumns) + "\n", table.ErrTooManyColumns},
		"across reads": {strings.Repeat(strings.Repeat("y", 1000)+",z\n", 2000), io.EOF},
	} {
		if _, err := read(strings.NewReader(c.in), ','); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := read(io.MultiReader(strings.NewReader("a,b\n"), iotest.ErrReader(io.ErrUnexpectedEOF)), ','); err != io.ErrUnexpectedEOF {
		t.Errorf("the error of the source is lost: %v", err)
	}
}

func TestDecoderDecidesLate(t *testing.T) {
	t.Parallel()
	ascii := strings.Repeat("code,value\n", 50_000)
	for name, c := range map[string]struct{ tail, text, encoding string }{
		"ascii":      {"", "", table.UTF8},
		"utf8":       {"氏名\n", "氏名\n", table.UTF8},
		"cp932":      {"\x8e\x81\x96\xbc\n", "氏名\n", table.CP932},
		"long cp932": {strings.Repeat("a,\x8e\x81\x96\xbc 12\x83\x5c|\n", 20_000), strings.Repeat("a,氏名 12ソ|\n", 20_000), table.CP932},
		"western":    {"endere\xe7o,situa\xe7\xe3o,S\xe3o\n", "endereço,situação,São\n", table.Win1252},
		"unknown":    {"\x80\xff\x80\xff\xfd\n", "\x80\xff\x80\xff\xfd\n", table.Unknown},
	} {
		d := table.NewDecoder([]byte(ascii[:10]), strings.NewReader(ascii[10:]+c.tail))
		got, err := io.ReadAll(d)
		if err != nil || string(got) != ascii+c.text || d.Encoding() != c.encoding {
			t.Errorf("%s: %s, %v, %d bytes, want %d", name, d.Encoding(), err, len(got), len(ascii+c.text))
		}
	}
}
