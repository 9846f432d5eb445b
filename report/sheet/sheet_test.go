package sheet_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"teikyo/report/sheet"
)

var update = flag.Bool("update", false, "write the golden files")

type line struct {
	Name string `json:"name"`
	Note string `json:"note"`
}

func sheetOf(lines iter.Seq2[line, error]) sheet.Sheet[line] {
	return sheet.Sheet[line]{
		Name: "lines", Title: sheet.Words{EN: "Lines", JA: "明細"}, Issuer: "Example </style> Hospital",
		Facts:   []sheet.Fact{{Name: "period", Label: sheet.Words{EN: "Period", JA: "対象期間"}, Value: sheet.Same("2026")}},
		Notes:   []sheet.Words{{EN: "A note.", JA: "備考です。"}},
		Columns: []sheet.Column[line]{{Name: "name", Value: func(l line) string { return l.Name }}, {Name: "note", Value: func(l line) string { return l.Note }}},
		Prints: []sheet.Print[line]{{Label: sheet.Words{EN: "Name", JA: "名称"}, Width: 100, Lines: func(l line, lang sheet.Lang) []string {
			return []string{l.Name, l.Note}
		}}},
		Rows: lines, Signatures: []sheet.Words{{EN: "Approved by", JA: "承認者"}},
		Totals: func() []sheet.Fact {
			return []sheet.Fact{{Name: "left_out", Label: sheet.Words{EN: "Left out", JA: "省略"}, Value: sheet.Same("2")}}
		},
	}
}

func lines(all ...line) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		for _, l := range all {
			if !yield(l, nil) {
				return
			}
		}
	}
}

var hostile = []line{
	{"=HYPERLINK(\"http://x\",\"y\")", "a \"b\",\nc"}, {"＝1+1", "@x"}, {"-1", "+1"}, {"\tx", "\rx"},
	{"<script>alert(1)</script>", "研究所"}, {"", "a=b"},
}

func written(t *testing.T, s sheet.Sheet[line], f sheet.Format, lang sheet.Lang) string {
	t.Helper()
	var out bytes.Buffer
	if err := s.Write(&out, f, lang); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestCSVIsSafeInASpreadsheet(t *testing.T) {
	t.Parallel()
	text, found := strings.CutPrefix(written(t, sheetOf(lines(hostile...)), sheet.CSV, sheet.English), "\ufeff")
	if !found {
		t.Error("no byte order mark")
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != len(hostile)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, row := range rows[1:] {
		for j, cell := range row {
			want := []string{hostile[i].Name, hostile[i].Note}[j]
			if want != "" && strings.ContainsAny(want[:1], "=+-@\t\r") || strings.HasPrefix(want, "＝") {
				want = "'" + want
			}
			// encoding/csv drops carriage returns within a cell.
			if cell != strings.ReplaceAll(want, "\r", "") {
				t.Errorf("row %d: %q, want %q", i, cell, want)
			}
		}
	}
}

func TestJSONIsOneDocument(t *testing.T) {
	t.Parallel()
	for n := range 3 {
		var doc struct {
			Report string
			About  map[string]string
			Items  []line
			Totals map[string]string
		}
		text := written(t, sheetOf(lines(hostile[:n]...)), sheet.JSON, sheet.Japanese)
		if err := json.Unmarshal([]byte(text), &doc); err != nil || len(doc.Items) != n || doc.Report != "lines" ||
			doc.About["period"] != "2026" || doc.Totals["left_out"] != "2" {
			t.Errorf("%d rows: %v\n%s", n, err, text)
		}
	}
}

func TestPrintedForm(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		golden string
		lang   sheet.Lang
		rows   []line
	}{{"en.html", sheet.English, hostile}, {"ja.html", sheet.Japanese, hostile}, {"empty.html", sheet.Japanese, nil}} {
		got := written(t, sheetOf(lines(test.rows...)), sheet.HTML, test.lang)
		path := filepath.Join("testdata", test.golden)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || got != string(want) {
			t.Errorf("%s is not what was written (%v); look at it and run with -update:\n%s", path, err, got)
		}
		if strings.Contains(got, "<script") || strings.Count(got, "</style>") != 1 {
			t.Error("what people wrote became markup")
		}
	}
}

// Half a report must not look whole: the error comes out of every format.
func TestErrorsAreSeen(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	rows := func(yield func(line, error) bool) { _ = yield(hostile[0], nil) && yield(line{}, broken) }
	for _, f := range []sheet.Format{sheet.CSV, sheet.JSON, sheet.HTML} {
		if err := sheetOf(rows).Write(&bytes.Buffer{}, f, sheet.English); !errors.Is(err, broken) {
			t.Errorf("%s: %v", f, err)
		}
	}
	if err := sheetOf(lines()).Write(&bytes.Buffer{}, "pdf", sheet.English); err == nil {
		t.Error("an unknown format was written")
	}
}

// peak counts what is written and looks at the memory in use on the way.
type peak struct {
	bytes, calls int
	heap         uint64
}

func (p *peak) Write(b []byte) (int, error) {
	p.bytes += len(b)
	if p.calls++; p.calls%100 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		p.heap = max(p.heap, m.HeapAlloc)
	}
	return len(b), nil
}

func TestLongReportsTakeLittleMemory(t *testing.T) {
	long := strings.Repeat("長い説明", 50)
	many := func(yield func(line, error) bool) {
		for range 100_000 {
			if !yield(line{"name", long}, nil) {
				return
			}
		}
	}
	for _, f := range []sheet.Format{sheet.CSV, sheet.JSON, sheet.HTML} {
		out := &peak{}
		if err := sheetOf(many).Write(out, f, sheet.Japanese); err != nil {
			t.Fatal(err)
		}
		if out.bytes < 50<<20 || out.heap > 32<<20 {
			t.Errorf("%s: %d bytes, %d on the heap", f, out.bytes, out.heap)
		}
	}
}
