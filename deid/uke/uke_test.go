package uke_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/japanese"

	"teikyo/deid"
	"teikyo/deid/profile"
	"teikyo/deid/records/recordstest"
	"teikyo/deid/uke"
)

func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// TestCleanClaims: what the profile leaves passes, in both forms of dates, as
// CP932 and UTF-8, sent and returned.
func TestCleanClaims(t *testing.T) {
	t.Parallel()
	for _, c := range []claims{{}, {era: true}, {returned: true}} {
		c.rand, c.receipts = seeded(), 200
		lines := c.lines()
		for name, contents := range map[string]string{"CP932": recordstest.CP932(t, recordstest.Text(lines, ",")), "UTF-8": "\xEF\xBB\xBF" + recordstest.Text(lines, ",")} {
			r := recordstest.Check(t, contents, recordstest.Shipped(t, profile.JPPolicy))
			if r.Format != "UKE" || r.Verdict != deid.VerdictPass {
				t.Errorf("%s, era %v, returned %v: %s %s\n%s", name, c.era, c.returned, r.Format, r.Verdict, r.Text())
			}
		}
	}
}

// TestTraps: in files that are clean otherwise, one receipt in a hundred holds
// one identifier. The gate refuses each, at its field, and counts all.
func TestTraps(t *testing.T) {
	t.Parallel()
	set := func(record string, at int, value string) func([][]string) {
		return func(receipt [][]string) {
			for _, l := range receipt {
				if l[0] == record {
					l[at] = value
					return
				}
			}
		}
	}
	add := func(record ...string) func([][]string) {
		return func(receipt [][]string) { receipt[len(receipt)-1] = record }
	}
	for name, c := range map[string]struct {
		trap func([][]string)
		want string
	}{
		"chart number":               {set("RE", 13, "00071234"), "column-patient-id field RE.13 (カルテ番号等)"},
		"name":                       {set("RE", 4, "山田　太郎"), "column-person-name field RE.4 (氏名)"},
		"second name, in katakana":   {set("RE", 36, "ヤマダ　タロウ"), "column-person-name field RE.36 (カタカナ氏名)"},
		"half-width katakana name":   {set("RE", 36, "ﾔﾏﾀﾞ ﾀﾛｳ"), "column-person-name field RE.36 (カタカナ氏名)"},
		"birth, western":             {set("RE", 6, "19800302"), "birth-date field RE.6 (生年月日)"},
		"birth, era":                 {set("RE", 6, "3550302"), "birth-date field RE.6 (生年月日)"},
		"birth, full-width":          {set("RE", 6, "３５５０３０２"), "birth-date field RE.6 (生年月日)"},
		"birth, written":             {set("RE", 6, "昭和55年3月2日"), "birth-date field RE.6 (生年月日)"},
		"reserved field":             {set("RE", 15, "00071234"), "reserved-field field RE.15 (予備)"},
		"search number":              {set("RE", 18, "123456789012345678901234567890"), "column-patient-id field RE.18 (検索番号)"},
		"claim information":          {set("RE", 20, "ABC"), "column-patient-id field RE.20 (請求情報)"},
		"certificate in kana":        {set("HO", 2, "あいう"), "column-insurance-certificate field HO.2 (被保険者証等の記号)"},
		"card number, full-width":    {set("HO", 3, "１２３４"), "column-insurance-certificate field HO.3 (被保険者証等の番号)"},
		"number in the other place":  {set("HO", 9, "123"), "column-insurance-certificate field HO.9 (職務上の事由)"},
		"certificate number":         {set("HO", 10, "123"), "column-insurance-certificate field HO.10 (証明書番号)"},
		"recipient number":           {set("KO", 2, "1234567"), "column-insurance-certificate field KO.2 (公費受給者番号)"},
		"branch":                     {set("SN", 6, "05"), "column-insurance-certificate field SN.6 (枝番)"},
		"symbol":                     {set("SN", 4, "１２"), "column-insurance-certificate field SN.4 (被保険者証等の記号)"},
		"comment with name and date": {add("CO", "99", "1", "810000001", "山田太郎様は昭和５５年３月２日生まれ"), "text-left field CO.4 (文字データ)"},
		"story":                      {add("SJ", "01", "８月３日に次男が事故"), "text-left field SJ.2 (症状詳記データ)"},
		"free name of a disease":     {set("SY", 5, "山田病"), "text-left field SY.5 (傷病名称)"},
		"supplement":                 {set("SY", 7, "次男も同病"), "text-left field SY.7 (補足コメント)"},
		"comment of a drug":          {set("IY", 8, "妻が受け取り"), "text-left field IY.8 (コメント文字データ)"},
		"product":                    {set("TO", 10, "カテーテル"), "text-left field TO.10 (商品名及び規格又はサイズ)"},
		"words in the place of code": {set("SI", 3, "山田太郎"), "unexpected-text field SI.3"},
		"words in a reserved field":  {set("HO", 6, "山田"), "reserved-field field HO.6 (予備)"},
		"beyond the layout":          {add("SY", "8830417", "20260820", "1", "", "", "01", "", "aiueo", "12345"), "reserved-field field SY.8 (beyond the known layout)"},
		"NUL":                        {add("SI", "11", "1", "11\x0000110"), "damaged line 496, column 9"},
		"payer's remarks":            {add("KH", "山田様分"), "doubtful-record record KH"},
		"unknown record":             {add("QQ", "山田様分"), "unknown-record line 496, column 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := claims{rand: seeded(), receipts: 200, trap: c.trap}
			r := recordstest.Check(t, recordstest.CP932(t, recordstest.Text(g.lines(), ",")), recordstest.Shipped(t, profile.JPPolicy))
			if c.want, _, _ = strings.Cut(c.want, " line"); !recordstest.Has(recordstest.Found(r), c.want) {
				t.Errorf("found %q, want %q\n%s", recordstest.Found(r), c.want, r.Text())
			}
			if !strings.Contains(r.Text(), " 2 ") && !strings.Contains(r.Text(), ": 2 ") {
				t.Errorf("the two traps are not counted:\n%s", r.Text())
			}
			if r.Verdict != deid.VerdictBlock {
				t.Errorf("verdict %s", r.Verdict)
			}
		})
	}
}

// TestTransform: the identifiers of whole files go, the output passes the gate
// of the same profile, and everything else is the bytes that were there.
func TestTransform(t *testing.T) {
	t.Parallel()
	for _, name := range []string{profile.JPPolicy, profile.USSafeHarbor, profile.USLimitedDataSet} {
		for _, c := range []claims{{}, {era: true}, {returned: true}} {
			t.Run(fmt.Sprintf("%s, era %v, returned %v", name, c.era, c.returned), func(t *testing.T) {
				t.Parallel()
				c.rand, c.receipts, c.raw = seeded(), 100, true
				raw := recordstest.CP932(t, recordstest.Text(c.lines(), ","))
				p := recordstest.Shipped(t, name)
				if r := recordstest.Check(t, raw, p); r.Verdict != deid.VerdictBlock || len(r.Blocking()) < 15 {
					t.Errorf("the raw file has %d findings, verdict %s", len(r.Blocking()), r.Verdict)
				}
				out, changes := recordstest.Transform(t, uke.Format(), raw, p, nil)
				if r := recordstest.Check(t, out, p); len(r.Blocking()) > 0 {
					t.Errorf("the output does not pass:\n%s", r.Text())
				}
				if strings.Count(out, "\r\n") != strings.Count(raw, "\r\n") || strings.Count(out, ",") != strings.Count(raw, ",") {
					t.Error("lines or fields are missing")
				}
				if changes.Rows != 100 || changes.Suppressed != 0 {
					t.Errorf("changes: %+v", changes)
				}
				again, _ := recordstest.Transform(t, uke.Format(), raw, p, nil)
				if again != out {
					t.Error("two runs differ")
				}
			})
		}
	}
}

// TestFieldsStay: fields that identify nobody are the bytes that were read.
func TestFieldsStay(t *testing.T) {
	t.Parallel()
	g := claims{rand: seeded(), receipts: 50, raw: true}
	before := g.lines()
	out, _ := recordstest.Transform(t, uke.Format(), recordstest.CP932(t, recordstest.Text(before, ",")), recordstest.Shipped(t, profile.JPPolicy), nil)
	after := strings.Split(out, "\r\n")
	gone := map[string][]int{
		"IR": {4, 6, 9}, "RE": {4, 6, 13, 18, 20, 36}, "HO": {2, 3, 10}, "KO": {2}, "SN": {4, 5, 6, 7}, "SY": {5, 7}, "IY": {8}, "TO": {10},
		"CO": {4}, "SJ": {2},
	}
	for i, l := range before {
		fields := strings.Split(after[i], ",")
		for at, v := range l {
			if !slices.Contains(gone[l[0]], at) && fields[at] != v {
				t.Fatalf("line %d %s.%d: %q became %q", i+1, l[0], at, v, fields[at])
			}
		}
	}
	if re := strings.Split(after[1], ","); re[6] != before[1][6][:6] || len(re[13]) != 20 || re[4] != "" || re[36] != "" {
		t.Errorf("RE came out as %q", re)
	}
}

// TestCharactersOutsideJIS: NEC and IBM extensions, both codes of 髙 and the
// private area (外字) stay as they are in fields that the profile keeps.
func TestCharactersOutsideJIS(t *testing.T) {
	t.Parallel()
	doc := "teikyo_profile: 1\nextends: jp-policy\nname: keeps-names\nversion: \"1\"\nformats:\n  uke:\n    fields:\n      SY.5: keep\n"
	p, err := profile.Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	name := "\x87\x40\xFB\xFC\xEE\xE0\xFA\x40\xEE\xEF\x81\x60\x81\x7C\xF0\x40\x83\x5C" // ①髙髙ⅰⅰ～－外字ソ
	line := func(name, chart string) string {
		return "IR,1,13,1,1234567,,,202610,00,\r\nRE,1,1112,202609,,1,19800302,,,,,,," + chart + "\r\nSY,0000999,20260820,1,," + name + ",01,\r\n"
	}
	out, _ := recordstest.Transform(t, uke.Format(), line(name, "00071234"), p, nil)
	if !strings.Contains(out, "SY,0000999,20260820,1,,"+name+",01,\r\n") {
		t.Errorf("the line came out as %x", out)
	}
	r := recordstest.Check(t, out, p)
	if len(r.Blocking()) > 0 || !recordstest.Warned(r, "private-characters") {
		t.Errorf("gate:\n%s", r.Text())
	}
}

// TestInvalidBytes: what a decoder turns into U+FFFD without an error is found
// with line and column.
func TestInvalidBytes(t *testing.T) {
	t.Parallel()
	good, err := japanese.ShiftJIS.NewEncoder().String("IR,1,13,1,,,,202610,00,\r\nRE,1,1112,202609,,1,198003\r\nSY,8830417,20260820,1,,糖尿病,01,\r\n")
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"half a character": "\x93\x9C\x94\x41\x95", "not assigned": "\x93\x9C\x85\x9F", "no lead byte": "\x93\x9C\xFF",
	} {
		contents := strings.Replace(good, ",01,\r\n", ",01,"+bad+"\r\n", 1)
		r := recordstest.Check(t, contents, recordstest.Shipped(t, profile.JPPolicy))
		if !recordstest.Has(recordstest.Found(r), "invalid-text line 3, column 3") {
			t.Errorf("%s: found %q", name, recordstest.Found(r))
		}
		if _, _, err := recordstest.Try(t, uke.Format(), contents, recordstest.Shipped(t, profile.JPPolicy), nil); err == nil || !strings.Contains(err.Error(), "line 3, column 3") {
			t.Errorf("%s: transform: %v", name, err)
		}
	}
}

// TestOldPeople: births of people over the cap become those of the cap.
func TestOldPeople(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"19300115": "193609", "2130115": "31109", "19350930": "193609", "19351001": "193510", "19361001": "193610", "1450115": "31109",
	} {
		raw := "IR,1,13,1,,,,202610,00,\r\nRE,1,1112,202609,,1," + in + "\r\n"
		out, _ := recordstest.Transform(t, uke.Format(), raw, recordstest.Shipped(t, profile.JPPolicy), nil)
		if got := strings.TrimSpace(out[strings.LastIndex(out, ",")+1:]); got != want {
			t.Errorf("born %s: %s, want %s", in, got, want)
		}
		r := recordstest.Check(t, strings.Replace(raw, in, in[:len(in)-2], 1), recordstest.Shipped(t, profile.JPPolicy))
		warned := recordstest.Warned(r, "age-over-cap")
		if old := in < "19351001" && len(in) == 8 || in[0] < '3' && len(in) == 7; warned != old {
			t.Errorf("born %s: warned %v", in, warned)
		}
	}
}

// TestObjections: all lines of a person who objected are left out, and counted.
func TestObjections(t *testing.T) {
	t.Parallel()
	g := claims{rand: seeded(), receipts: 10, raw: true}
	lines := g.lines()
	out, changes := recordstest.Transform(t, uke.Format(), recordstest.CP932(t, recordstest.Text(lines, ",")), recordstest.Shipped(t, profile.JPPolicy), recordstest.Objections{"00070003": true, "00070009": true})
	if changes.Rows != 10 || changes.Suppressed != 2 {
		t.Errorf("changes: %+v", changes)
	}
	if got, want := strings.Count(out, "\r\n"), len(lines)-2*13; got != want || !strings.Contains(out, "GO,10,") {
		t.Errorf("%d lines, want %d", got, want)
	}
}

// TestRealSample is the accident-insurance sample, which its authors publish as
// UTF-8.
func TestRealSample(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../shared/data/uke-rousai/sample.csv")
	if err != nil {
		t.Skipf("the folder of shared data is not here: %v", err)
	}
	p := recordstest.Shipped(t, profile.JPPolicy)
	r := recordstest.Check(t, string(raw), p)
	for _, want := range []string{
		"IR.6", "IR.9", "RE.4", "RE.6", "RE.13", "RR.5", "RR.12", "RR.13", "RR.14", "RR.15", "SY.8", "SY.9",
	} {
		if !slices.ContainsFunc(recordstest.Found(r), func(f string) bool { return strings.Contains(f, "field "+want+" ") }) {
			t.Errorf("%s was not found; found %q", want, recordstest.Found(r))
		}
	}
	out, _ := recordstest.Transform(t, uke.Format(), string(raw), p, nil)
	if r := recordstest.Check(t, out, p); len(r.Blocking()) > 0 {
		t.Errorf("the output does not pass:\n%s\n%s", out, r.Text())
	}
	for _, gone := range []string{"労働", "ロウドウ", "霞ヶ関", "千代田", "右上腕", "A123-456", "厚生労働病院", "03-1234-5678", "13101123456789", "3560202"} {
		if strings.Contains(out, gone) {
			t.Errorf("%s is still there", gone)
		}
	}
}

// TestRefused: claims whose layout nobody confirms are refused whole.
func TestRefused(t *testing.T) {
	t.Parallel()
	contents := "UK,2,13,3,1234567,,name,202201,0117,00\r\nIR,2,13,3,1234567,,name,202201,00,\r\nRE,1,3112,202112,x,1,19800302\r\n"
	r := recordstest.Check(t, contents, recordstest.Shipped(t, profile.JPPolicy))
	if r.Format != "UKE" || !slices.Contains(recordstest.Found(r), "unverified-layout ") {
		t.Errorf("%s: %q", r.Format, recordstest.Found(r))
	}
	later := "IR,2,13,1,,,,202201,00,\r\nRE,1,1112,202112,,1,198003\r\nIR,2,13,4,,,,202201,00,\r\n"
	if r := recordstest.Check(t, later, recordstest.Shipped(t, profile.JPPolicy)); !slices.Contains(recordstest.Found(r), "doubtful-record record IR") {
		t.Errorf("found %q", recordstest.Found(r))
	}
}

func FuzzUKE(f *testing.F) {
	for _, c := range []claims{{raw: true}, {raw: true, era: true, returned: true}} {
		c.rand, c.receipts = seeded(), 2
		f.Add([]byte(recordstest.CP932(f, recordstest.Text(c.lines(), ","))))
	}
	f.Add([]byte("IR,1,13,1,1\r\nRE,1,1112,50809,\x93\r\n\x1A"))
	f.Fuzz(func(t *testing.T, contents []byte) { recordstest.Fuzz(t, uke.Format(), contents) })
}

// TestTextThatStays: an operator's profile keeps comments; then names, dates
// and numbers in them are looked for, and the report says next to which word.
func TestTextThatStays(t *testing.T) {
	t.Parallel()
	doc := "teikyo_profile: 1\nextends: jp-policy\nname: keeps-comments\nversion: \"1\"\nformats:\n  uke:\n    fields:\n      CO.4: scan\n"
	p, err := profile.Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"山田太郎様の依頼":            "person-name field CO.4",
		"患者は昭和５５年３月２日生まれ":     "birth-date field CO.4",
		"連絡先０９０－１２３４－５６７８":    "phone field CO.4",
		"カルテ番号００７１２３４参照":      "labelled-id field CO.4",
		"記号：あいう　番号：１２３４５６の家族": "labelled-id field CO.4",
		"術後経過良好":              "",
	} {
		g := claims{rand: seeded(), receipts: 20}
		lines := append(g.lines(), []string{"CO", "99", "1", "810000001", text})
		r := recordstest.Check(t, recordstest.CP932(t, recordstest.Text(lines, ",")), p)
		if found := recordstest.Found(r); want == "" && len(found) > 0 || want != "" && !recordstest.Has(found, want) {
			t.Errorf("%q: found %q, want %q", text, found, want)
		}
		if want == "" && !recordstest.Warned(r, "free-text") {
			t.Error("nothing says that text was scanned only")
		}
	}
}
