package deid_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"

	"teikyo/deid"
	"teikyo/deid/profile"
)

// sharedData is the folder of real files that the project does not carry.
const sharedData = "../../shared/data/"

func openShared(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(sharedData + name)
	if err != nil {
		t.Skipf("the folder of shared data is not here: %v", err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func check(t *testing.T, path, contents string) deid.Report {
	t.Helper()
	r, err := deid.Check(t.Context(), path, strings.NewReader(contents), deid.DefaultProfile())
	if err != nil {
		t.Fatalf("Check: %v", err)
	}
	return r
}

func rules(r deid.Report, blocking bool) []string {
	list := r.Warnings()
	if blocking {
		list = r.Blocking()
	}
	var out []string
	for _, f := range list {
		out = append(out, f.Rule)
	}
	return out
}

func TestRealFiles(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]deid.Verdict{
		"arx/adult.csv":                          deid.VerdictPass,
		"fhir/10-Patient.000.ndjson":             deid.VerdictBlock,
		"fhir/10-Condition.000.ndjson":           deid.VerdictBlock,
		"dicom/CT_small.dcm":                     deid.VerdictBlock,
		"uke-rousai/sample.csv":                  deid.VerdictBlock, // names, chart numbers, employers
		"presidio/recognizer_vectors.json":       deid.VerdictBlock,
		"duo/LICENSE.md":                         deid.VerdictWarn,  // text in which nothing was found
		"arx/test.csv":                           deid.VerdictBlock, // full ZIP codes
		"dicom/ps315_basic_profile_2024b.csv":    deid.VerdictBlock, // a column called just "name"
		"arx/adult_hierarchy_education.csv":      deid.VerdictWarn,  // no header
		"fhir/10-DocumentReference.head5.ndjson": deid.VerdictBlock,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := deid.Check(t.Context(), "in.csv", openShared(t, name), deid.DefaultProfile())
			if err != nil {
				t.Fatal(err)
			}
			if r.Verdict != want {
				t.Errorf("verdict %q, want %q\n%s", r.Verdict, want, r.Text())
			}
		})
	}
}

// claims is a clean table of claims with one more column.
func claims(name string, value func(i int) string) string {
	var b strings.Builder
	b.WriteString("保険者番号,生年月,性別,郵便番号上3桁,診療年月,傷病名コード,診療行為名称,点数,年齢")
	if name != "" {
		b.WriteString("," + name)
	}
	b.WriteString("\r\n")
	for i := range 60 {
		fmt.Fprintf(&b, "06132013,19%02d-%02d,%d,%03d,2023-%02d,8839%03d,再診料（１２３）,%d,%d", 30+i, i%12+1, i%2+1, 100+i*7, i%12+1, i*13, 70+i*3, 20+i)
		if name != "" {
			b.WriteString("," + value(i))
		}
		b.WriteString("\r\n")
	}
	return b.String()
}

func every(s string) func(int) string { return func(int) string { return s } }

func TestClaims(t *testing.T) {
	t.Parallel()
	date := func(format string) func(int) string {
		return func(i int) string { return fmt.Sprintf(format, 30+i, i%12+1, i%27+2) }
	}
	era := func(format string) func(int) string {
		return func(i int) string { return fmt.Sprintf(format, 2+i, i%12+1, i%27+2) }
	}
	once := func(s string) func(int) string {
		return func(i int) string {
			if i == 41 {
				return s
			}
			return "異常なし"
		}
	}
	phone := func(i int) string { return fmt.Sprintf("090-%04d-%04d", 1000+i*37, 2000+i*91) }
	for _, c := range []struct {
		column string
		value  func(int) string
		want   deid.Verdict
		rule   string
	}{
		{"", nil, deid.VerdictPass, ""},
		{"氏名", every("山田太郎"), deid.VerdictBlock, "column-person-name"},
		{"患者氏名（漢字）", every("山田太郎"), deid.VerdictBlock, "column-person-name"},
		{"氏名", every(""), deid.VerdictPass, ""},
		{"氏名", every("***"), deid.VerdictPass, ""},
		{"被保険者番号", every("１２３"), deid.VerdictBlock, "column-insurance-certificate"},
		{"電話番号", phone, deid.VerdictBlock, "column-phone"},
		{"データ識別番号", every("0000012345"), deid.VerdictBlock, "column-patient-id"},
		{"生年月日", date("19%02d/%d/%d"), deid.VerdictBlock, "birth-date"},
		{"生年月日", date("19%02d%02d%02d"), deid.VerdictBlock, "birth-date"},
		{"生年月日", era("昭和%d年%d月%d日"), deid.VerdictBlock, "birth-date"},
		{"生年月日", era("S%d.%d.%d"), deid.VerdictBlock, "birth-date"},
		{"生年月日", era("3%02d%02d%02d"), deid.VerdictBlock, "birth-date"},
		{"生年月日", once("１９８０年３月２日"), deid.VerdictBlock, "birth-date"},
		{"生年月日", func(i int) string { return fmt.Sprintf("19%02d-%02d-01", 30+i, i%12+1) }, deid.VerdictPass, ""},
		{"生年月日", func(i int) string { return fmt.Sprintf("19%02d-%02d", 30+i, i%12+1) }, deid.VerdictPass, ""},
		{"data_nascimento", date("%[3]d/%[2]d/19%[1]d"), deid.VerdictBlock, "birth-date"},
		{"birth_month", date("19%02d-%02d-%02d"), deid.VerdictBlock, "birth-date"},
		{"区分", date("19%02d-%02d-%02d"), deid.VerdictWarn, ""},
		{"診療開始日", func(i int) string { return fmt.Sprintf("2023-%02d-%02d", i%12+1, i%27+2) }, deid.VerdictPass, ""},
		{"zip", func(i int) string { return fmt.Sprint(81667 + i) }, deid.VerdictBlock, "postal-code"},
		{"cep", func(i int) string { return fmt.Sprintf("01310-%03d", 100+i) }, deid.VerdictBlock, "postal-code"},
		{"郵便番号", func(i int) string { return fmt.Sprintf("１６０－%04d", 23+i) }, deid.VerdictBlock, "postal-code"},
		{"郵便番号", every("160"), deid.VerdictPass, ""},
		{"列A", phone, deid.VerdictBlock, "phone"},
		{"列A", func(i int) string { return fmt.Sprintf("０９０１２３４５%03d", i*7) }, deid.VerdictBlock, "phone"},
		{"列A", func(i int) string { return fmt.Sprintf("(415) 555-%04d", 132+i) }, deid.VerdictBlock, "phone"},
		{"列A", func(i int) string { return fmt.Sprintf("(11) 98456-%04d", 132+i) }, deid.VerdictBlock, "phone"},
		{"列A", func(i int) string { return fmt.Sprintf("p%d@hospital.jp", i) }, deid.VerdictBlock, "email"},
		{"列A", func(i int) string { return fmt.Sprintf("p%d@example.com", i) }, deid.VerdictPass, ""},
		{"列A", once("090-1234-5678"), deid.VerdictWarn, ""},
		{"列A", func(i int) string { return fmt.Sprintf("999-%02d-%04d", 10+i, 1000+i) }, deid.VerdictBlock, "ssn"},
		{"列A", func(i int) string {
			return []string{"佐藤", "鈴木", "高橋"}[i%3] + "　" + string(rune('一'+i)) + "子"
		}, deid.VerdictBlock, "person-name"},
		{"コメント", every("異常なし"), deid.VerdictWarn, ""},
		{"コメント", once("再診。昭和55年3月1日生まれの男性"), deid.VerdictBlock, "birth-date"},
		{"コメント", once("DOB 1980-03-01 male"), deid.VerdictBlock, "birth-date"},
		{"コメント", once("paciente nascido em 1 de março de 1980"), deid.VerdictBlock, "birth-date"},
		{"コメント", once("2023-04-01 再診"), deid.VerdictWarn, ""},
		{"コメント", once("連絡先は０９０－１２３４－５６７８まで"), deid.VerdictBlock, "phone"},
		{"コメント", once("電話09012345678に連絡"), deid.VerdictBlock, "phone"},
		{"コメント", once("mail to taro@hospital.jp please"), deid.VerdictBlock, "email"},
		{"コメント", once("マイナンバー 123456789018 を確認"), deid.VerdictBlock, "labelled-id"},
		{"コメント", once("カルテ番号：0012345"), deid.VerdictBlock, "labelled-id"},
		{"コメント", once("〒160-0023 新宿"), deid.VerdictBlock, "postal-code"},
		{"コメント", once("CPF 111.444.777-35 informado"), deid.VerdictBlock, "cpf"},
		{"レセプト番号", func(i int) string { return fmt.Sprint(100000000007 + i*7919*100003) }, deid.VerdictPass, ""},
		{"単価", func(i int) string { return fmt.Sprintf("%d.%06d", i, i*7919) }, deid.VerdictPass, ""},
		{"uuid", func(i int) string { return fmt.Sprintf("%08x-1f2a-4b3c-8d4e-%012x", i*7919, i*104729) }, deid.VerdictPass, ""},
		{"記録時刻", func(i int) string { return fmt.Sprintf("2023-04-01T12:%02d:00+09:00", i) }, deid.VerdictPass, ""},
	} {
		t.Run(c.column+"/"+string(c.want)+c.rule, func(t *testing.T) {
			t.Parallel()
			r := check(t, "claims.csv", claims(c.column, c.value))
			if r.Verdict != c.want || c.rule != "" && !slices.Contains(rules(r, true), c.rule) {
				t.Errorf("verdict %q, want %q with %q\n%s", r.Verdict, c.want, c.rule, r.Text())
			}
			if r.Rows != 60 || !r.Header {
				t.Errorf("%d rows, header %v", r.Rows, r.Header)
			}
		})
	}
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	bad := claims("氏名", every("髙橋"))
	encode := func(s string, e interface{ String(string) (string, error) }) string {
		out, err := e.String(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	late := strings.Repeat("code,value\n", 20_000)
	portuguese := "endereço,sexo,situação\n" + strings.Repeat("Avenida São João 12,M,bom\n", 30)
	for name, c := range map[string]struct{ contents, encoding, rule string }{
		"utf8":    {bad, "UTF-8", "column-person-name"},
		"bom":     {"\ufeff" + bad, "UTF-8", "column-person-name"},
		"cp932":   {encode(bad, japanese.ShiftJIS.NewEncoder()), "CP932", "column-person-name"},
		"utf16le": {encode(bad, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder()), "UTF-16LE", "column-person-name"},
		"utf16be": {encode(bad, unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder()), "UTF-16BE", "column-person-name"},
		"latin":   {encode(portuguese, charmap.Windows1252.NewEncoder()), "Windows-1252", "column-address"},
		"late cp932": {
			late + encode(strings.Repeat("備考,昭和55年3月1日生まれの男性です\n", 9), japanese.ShiftJIS.NewEncoder()), "CP932", "birth-date",
		},
		"invalid": {"氏名\x85,区分\n" + strings.Repeat("あ,1\nい\x80\xff,2\n", 50), "", "invalid-text"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := check(t, "a.csv", c.contents)
			if c.encoding != "" && r.Encoding != c.encoding || !slices.Contains(rules(r, true), c.rule) {
				t.Errorf("encoding %q, want %q and rule %q\n%s", r.Encoding, c.encoding, c.rule, r.Text())
			}
		})
	}
}

func TestInvalidCP932IsFound(t *testing.T) {
	t.Parallel()
	text, err := japanese.ShiftJIS.NewEncoder().String(claims("病名", every("高血圧症")))
	if err != nil {
		t.Fatal(err)
	}
	r := check(t, "a.csv", strings.Replace(text, "60,", "60\x85\x01,", 1))
	if r.Encoding != "CP932" || !slices.Contains(rules(r, true), "invalid-text") && !slices.Contains(rules(r, false), "invalid-text") {
		t.Errorf("%s", r.Text())
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	rows := func(sep string) string { return strings.Repeat(strings.Join([]string{"a1x", "b", "c"}, sep)+"\n", 5) }
	for name, c := range map[string]struct {
		contents string
		want     deid.Verdict
		format   string
	}{
		"tsv":            {"code\tsex\tage\n" + strings.Repeat("A\tM\t30\n", 9), deid.VerdictPass, "TSV"},
		"pipe":           {"code|sex|age\n" + strings.Repeat("A|M|30\n", 9), deid.VerdictPass, "CSV"},
		"semicolon":      {"code;sex;x\n" + strings.Repeat("A;M;1,5\n", 9), deid.VerdictPass, "CSV"},
		"no header":      {rows(","), deid.VerdictWarn, "CSV"},
		"one column":     {"code\nA\nB\nC\n", deid.VerdictPass, "CSV"},
		"cr":             {"code,sex\r" + strings.Repeat("A,M\r", 5), deid.VerdictPass, "CSV"},
		"quoted":         {"code,sex\n" + strings.Repeat("\"A \"\"x\"\"\nb\",M\n", 5), deid.VerdictPass, "CSV"},
		"ragged":         {"code,sex\n" + strings.Repeat("A,M\n", 5) + "B\n", deid.VerdictWarn, "CSV"},
		"header only":    {"code,sex\n", deid.VerdictWarn, "CSV"},
		"empty":          {"", deid.VerdictBlock, "empty"},
		"blank":          {"\ufeff \r\n\n", deid.VerdictBlock, "empty"},
		"json":           {"{\"a\":1,\"b\":2}\n{\"a\":1,\"b\":2}\n", deid.VerdictPass, "JSON lines"},
		"json array":     {"[{\"a\":1,\"b\":2},\n{\"a\":1,\"b\":2}]\n", deid.VerdictPass, "JSON lines"},
		"json lines":     {"[1,2,3]\n[4,5,6]\n", deid.VerdictWarn, "JSON lines"},
		"xml":            {"<?xml version=\"1.0\"?>\n<a>1,2</a>\n", deid.WaiverRequired, "XML or HTML"},
		"zip":            {"PK\x03\x04,,,\n", deid.VerdictBlock, "ZIP"},
		"parquet":        {"PAR1\x15\x04", deid.VerdictBlock, "Parquet"},
		"pdf":            {"%PDF-1.7\n1,2\n3,4\n", deid.WaiverRequired, "PDF"},
		"binary":         {"a,b\n\x00\x01\x02\x03,c\n", deid.WaiverRequired, "binary"},
		"prose":          {"Dear reader,\nthis is a letter. It has, as letters do, commas.\nBye\n", deid.VerdictWarn, "text"},
		"uke":            {"UK,2,13,3,1234567,,病院,202201,0117,00\r\nIR,1,13,1,1234567,,202201,00\r\nRE,1,1112\r\nHO,06132013,１,２\r\n", deid.VerdictBlock, "UKE"},
		"uke returned":   {"1,2,3,IR,1,13\r\n1,2,3,RE,1,1112\r\n1,2,3,HO,06132013\r\n", deid.VerdictBlock, "UKE"},
		"care":           {"1,1,0,5,711,13,1\r\n2,2,7131,01,202301,1312345678,00131234,0000012345,,,\r\n3,3\r\n", deid.WaiverRequired, "nursing-care claims"},
		"unclosed quote": {"code,sex\nA,M\nB,\"F\nC,M\n", deid.VerdictBlock, "CSV"},
		"long field":     {"code,sex\nA,M\nB," + strings.Repeat("x", 1<<20+1) + "\n", deid.VerdictBlock, "CSV"},
		"wide":           {strings.Repeat("c,", 10_001) + "\n", deid.VerdictBlock, "CSV"},
		"wide million":   {strings.Repeat("c,", 1_000_000) + "\n", deid.VerdictBlock, "CSV"},
		"nul later":      {"code,sex\n" + strings.Repeat("A,M\n", 30_000) + "\x00,F\n", deid.VerdictBlock, "CSV"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := check(t, "a.ndjson", c.contents)
			if r.Verdict != c.want || r.Format != c.format {
				t.Errorf("verdict %q format %q, want %q %q\n%.2000s", r.Verdict, r.Format, c.want, c.format, r.Text())
			}
		})
	}
}

func TestHeaderless(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, "%d,M,03-%04d-%04d,19%02d-%02d-%02d\n", 1000+i, 3000+i, 4000+i, 30+i, i%12+1, i%27+2)
	}
	r := check(t, "a.csv", b.String())
	if got := rules(r, true); r.Header || r.Rows != 40 || !slices.Contains(got, "phone") || !slices.Contains(got, "birth-date") {
		t.Errorf("rows %d\n%s", r.Rows, r.Text())
	}
	if r.Columns[2].Name != "col3" {
		t.Errorf("name %q", r.Columns[2].Name)
	}
}

// TestWideHeader: a name far beyond the first bytes of the file is seen.
func TestWideHeader(t *testing.T) {
	t.Parallel()
	var names, values strings.Builder
	for i := range 9_000 {
		fmt.Fprintf(&names, "measurement_%d,", i)
		fmt.Fprintf(&values, "%d,", i)
	}
	body := strings.Repeat(values.String()+"山田太郎\n", 30)
	r := check(t, "wide.csv", names.String()+"氏名\n"+body)
	if !slices.Contains(rules(r, true), "column-person-name") || r.Rows != 30 || len(r.Columns) != 9_001 {
		t.Errorf("%d rows, %d columns, %q", r.Rows, len(r.Columns), r.Verdict)
	}
	if r := check(t, "wide.csv", body); r.Verdict != deid.VerdictWarn || r.Header {
		t.Errorf("without names: %q, header %v", r.Verdict, r.Header)
	}
	long := strings.Repeat(strings.Repeat("n", 600)+",", 9_000) + "氏名\n"
	if r := check(t, "wide.csv", long); !slices.Contains(rules(r, true), "row-too-long") {
		t.Errorf("endless names: %q", r.Verdict)
	}
}

func TestTitleAboveHeader(t *testing.T) {
	t.Parallel()
	r := check(t, "a.csv", "抽出結果 taro@hospital.jp\n"+claims("氏名", every("山田")))
	if got := rules(r, true); !slices.Contains(got, "email") || !slices.Contains(got, "column-person-name") {
		t.Errorf("%s", r.Text())
	}
}

func TestPath(t *testing.T) {
	t.Parallel()
	clean := claims("", nil)
	for path, want := range map[string]deid.Verdict{
		"data/claims_20230401.csv":             deid.VerdictPass,
		"claims_2023-04-01.csv":                deid.VerdictPass,
		"山田太郎.csv":                             deid.VerdictWarn,
		"山田病院.csv":                             deid.VerdictPass,
		"佐藤_花子/claims.csv":                     deid.VerdictWarn,
		"John_Smith.csv":                       deid.VerdictWarn,
		"tel_090-1234-5678.csv":                deid.VerdictBlock,
		"taro@hospital.jp.csv":                 deid.VerdictBlock,
		"生年月日_昭和55年3月2日.csv":                   deid.VerdictBlock,
		"昭和55年3月2日.csv":                        deid.VerdictWarn,
		"カルテ番号_0012345.csv":                    deid.VerdictBlock,
		strings.Repeat("ファイル/", 30) + "表１.csv": deid.VerdictPass,
	} {
		if r := check(t, path, clean); r.Verdict != want {
			t.Errorf("%s: %q, want %q\n%s", path, r.Verdict, want, r.Text())
		}
	}
}

func TestCheckText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Claims of 2023, 100,000 people": "",
		"2020年4月から2023年3月までのレセプト":        "",
		"contact taro@hospital.jp":       "email",
		"問い合わせ 03-1234-5678":             "phone",
		"Patient born 1 March 1980":      "birth-date",
	} {
		got := ""
		for _, f := range deid.CheckText("title", text) {
			got += f.Rule
			if f.Location != "title" || !strings.HasPrefix(f.ID, "g-") {
				t.Errorf("finding %+v", f)
			}
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }

func TestSourceErrors(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, headBytes - 1, headBytes, headBytes + 1, 1 << 20} {
		for _, cause := range []error{io.ErrUnexpectedEOF, errors.New("gone")} {
			data := bytes.Repeat([]byte("code,sex\n"), size/9+1)[:size]
			_, err := deid.Check(t.Context(), "a.csv", io.MultiReader(bytes.NewReader(data), brokenReader{cause}), deid.DefaultProfile())
			if !errors.Is(err, cause) {
				t.Errorf("after %d bytes: error %v, want %v", size, err, cause)
			}
		}
	}
}

const headBytes = 64 << 10

// What a profile says about ages above its cap: a warning, or in us-safe-harbor a
// block (45 CFR 164.514(b)(2)(i)(C)).
func TestAgesAboveTheCap(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]deid.Verdict{"jp-policy": deid.VerdictWarn, "us-safe-harbor": deid.VerdictBlock} {
		p, err := profile.Shipped(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := deid.Check(t.Context(), "a.csv", strings.NewReader("sex,age\n1,34\n2,97\n1,90\n"), p)
		if err != nil || r.Verdict != want {
			t.Errorf("%s: %s, %v", name, r.Verdict, err)
		}
	}
}
