package wording

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

var update = flag.Bool("update", false, "write the golden files")

func load(t *testing.T, overrideDir string) *Texts {
	t.Helper()
	texts, err := Load(overrideDir)
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// golden compares got with testdata/NAME.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at what changed and run: go test ./wording -update\n%s", path, got)
	}
}

func notice() NoticeData {
	return NoticeData{
		Class: "anonymized", Title: "健診データ 2025", Version: 3, Items: []string{"checkups", "demographics"},
		Purpose: "product-development", PurposeWords: "Training of a screening model for diabetes", Method: "download",
		Basis: "third_party", Recipient: "Example Pharma K.K.", Until: "2027-03-31", Number: "2026-0042", Issued: "2026-10-01",
		Issuer: "Example Hospital (例示病院)", Contact: "privacy@hospital.example",
		Terms: "No passing on to third parties.\n\nErase within 30 days of the end\nand send a certificate.",
	}
}

func readme() ReadmeData {
	return ReadmeData{
		Class: "anonymized", Origin: "hospital.example", IssuerFingerprint: "SHA256:issuer", KeyFingerprint: "SHA256:recipient", Number: "2026-0042",
		AllowedSigners: []string{
			`hospital.example namespaces="teikyo-manifest",valid-before="20261001000000Z" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOld`,
			`hospital.example namespaces="teikyo-manifest",valid-after="20261001000000Z" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINew+/=`,
		},
	}
}

func public() PublicNoticeData {
	return PublicNoticeData{
		Class: "anonymized", Items: []string{"checkups", "claims.medical"}, Methods: []string{"download", "email"},
		Issuer: "Example Hospital (例示病院)", Contact: "privacy@hospital.example", Published: "2026-09-01",
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	texts := load(t, "")
	render := map[string]func() (string, error){
		"NOTICE.golden":    func() (string, error) { return texts.Notice(notice()) },
		"README.golden":    func() (string, error) { return texts.Readme(readme()) },
		"public-en.golden": func() (string, error) { return texts.PublicNotice(public(), English) },
		"public-ja.golden": func() (string, error) { return texts.PublicNotice(public(), Japanese) },
		"rehearsal.golden": func() (string, error) {
			data := notice()
			data.Class, data.Terms, data.Basis, data.Contact = "test", "", "", ""
			return texts.Notice(data)
		},
	}
	for name, make := range render {
		text, err := make()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		golden(t, name, text)
	}
}

func hasJapanese(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han) })
}

func TestEveryCodeHasNamesInBothLanguages(t *testing.T) {
	t.Parallel()
	texts := load(t, "")
	lookups := map[kind]func(string, string) string{
		kindClass: texts.Class, kindItem: texts.Item, kindMethod: texts.Method, kindPurpose: texts.Purpose, kindBasis: texts.Basis,
	}
	for k, list := range codes {
		seen := map[string]string{}
		for _, code := range list {
			en, ja := lookups[k](code, English), lookups[k](code, Japanese)
			if en == "" || en == ja || !hasJapanese(ja) {
				t.Errorf("%s %s: %q, %q", k, code, en, ja)
			}
			if other := seen[en+ja]; other != "" {
				t.Errorf("%s: %s and %s have the same names", k, code, other)
			}
			seen[en+ja] = code
		}
		if got := lookups[k]("no-such", Japanese); got != "no-such" {
			t.Errorf("an unknown %s is called %q", k, got)
		}
		if lookups[k](list[0], "xx") != lookups[k](list[0], English) {
			t.Errorf("an unknown language is not English")
		}
	}
}

// Each statement names its law and the three duties that every class has.
func TestClassStatements(t *testing.T) {
	t.Parallel()
	texts := load(t, "")
	tests := map[string]struct{ en, ja []string }{
		"anonymized": {
			[]string{"匿名加工情報", "Art. 43(4)", "Art. 44", "Art. 45", "Art. 46"},
			[]string{"匿名加工情報", "第43条第4項", "第44条", "第45条", "第46条"},
		},
		"pseudonymized": {
			[]string{"仮名加工情報", "Art. 41(6), 42(1)", "entrustment", "joint"},
			[]string{"仮名加工情報", "第41条第6項", "委託", "共同利用"},
		},
		"us-deidentified":     {[]string{"164.514(a)", "HIPAA"}, []string{"164.514条(a)", "HIPAA"}},
		"us-limited-data-set": {[]string{"164.514(e)", "data use\nagreement"}, []string{"164.514条(e)", "限"}},
		"br-anonymized":       {[]string{"LGPD", "Art. 12"}, []string{"LGPD", "第12条"}},
		"personal":            {[]string{"個人データ", "Art. 30"}, []string{"個人データ", "第30条"}},
		"test":                {[]string{"TEST DATA", "no legal effect"}, []string{"試験データ", "法的効力はなく"}},
	}
	for _, class := range codes[kindClass] {
		for lang, words := range map[string][]string{
			English:  append(tests[class].en, "identif", "acquire", "\n- "),
			Japanese: append(tests[class].ja, "識別", "取得", "安全", "\n・"),
		} {
			statement := texts.ClassStatement(class, lang)
			for _, word := range words {
				if !strings.Contains(strings.ReplaceAll(statement, "acquiring", "acquire"), word) {
					t.Errorf("%s in %s lacks %q", class, lang, word)
				}
			}
			if !strings.HasSuffix(statement, "\n") || strings.HasSuffix(statement, "\n\n") {
				t.Errorf("%s in %s does not end with one line end", class, lang)
			}
		}
	}
	if got := texts.ClassStatement("no-such", English); got != "" {
		t.Errorf("an unknown class has the statement %q", got)
	}
	if texts.ClassStatement("personal", "xx") != texts.ClassStatement("personal", English) {
		t.Error("an unknown language is not English")
	}
}

// Lines wrap at 80 columns, a Japanese character taking two.
func TestWidth(t *testing.T) {
	t.Parallel()
	files, err := embeddedFiles()
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range files {
		if strings.HasSuffix(path, ".json") || path == "commands.txt" {
			continue
		}
		for line := range strings.SplitSeq(text, "\n") {
			width := 0
			for _, r := range line {
				if width++; r >= 0x2e80 {
					width++
				}
			}
			if width > 80 && !strings.Contains(line, "{{") {
				t.Errorf("%s: %d columns: %s", path, width, line)
			}
		}
	}
}

func TestNoticeOfEveryClass(t *testing.T) {
	t.Parallel()
	texts := load(t, "")
	for _, class := range codes[kindClass] {
		data := notice()
		data.Class = class
		text, err := texts.Notice(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			texts.ClassStatement(class, English), texts.ClassStatement(class, Japanese), texts.Class(class, English),
			texts.Class(class, Japanese), data.Title, data.Recipient, data.Until, data.Number, data.Issuer, data.Contact,
			data.PurposeWords, "health check-ups", "健康診断", "    and send a certificate.",
		} {
			if strings.Count(text, want) < 1 {
				t.Errorf("%s: the notice lacks %q", class, want)
			}
		}
		if strings.Contains(text, "REHEARSAL") != (class == "test") {
			t.Errorf("%s: marked as a rehearsal or not marked as one", class)
		}
		manual := readme()
		manual.Class = class
		if text, err := texts.Readme(manual); err != nil || strings.Contains(text, "REHEARSAL") != (class == "test") {
			t.Errorf("%s: README marked as a rehearsal or not marked as one: %v", class, err)
		}
		en, ja, ok := strings.Cut(text, separator)
		if !ok || !strings.HasPrefix(en, "NOTICE") && class != "test" || !strings.Contains(ja, "提供先への通知") {
			t.Errorf("%s: not English, then Japanese", class)
		}
	}
}

func TestMissingAndUnknownValues(t *testing.T) {
	t.Parallel()
	texts := load(t, "")
	spoil := map[string]func(*NoticeData){
		"class":      func(d *NoticeData) { d.Class = "" },
		"bad class":  func(d *NoticeData) { d.Class = "Anonymized" },
		"title":      func(d *NoticeData) { d.Title = " \n" },
		"invisible":  func(d *NoticeData) { d.Title = "\u200b\u202e" },
		"version":    func(d *NoticeData) { d.Version = 0 },
		"items":      func(d *NoticeData) { d.Items = nil },
		"bad item":   func(d *NoticeData) { d.Items = []string{"checkups", "x"} },
		"purpose":    func(d *NoticeData) { d.Purpose = "" },
		"words":      func(d *NoticeData) { d.PurposeWords = "" },
		"method":     func(d *NoticeData) { d.Method = "fax" },
		"basis":      func(d *NoticeData) { d.Basis = "whim" },
		"recipient":  func(d *NoticeData) { d.Recipient = "" },
		"until":      func(d *NoticeData) { d.Until = "" },
		"number":     func(d *NoticeData) { d.Number = "" },
		"issued":     func(d *NoticeData) { d.Issued = "" },
		"issuer":     func(d *NoticeData) { d.Issuer = "" },
		"everything": func(d *NoticeData) { *d = NoticeData{} },
	}
	for name, f := range spoil {
		data := notice()
		f(&data)
		if text, err := texts.Notice(data); text != "" || !errors.Is(err, ErrData) {
			t.Errorf("%s: %v, want ErrData", name, err)
		}
	}
	for _, data := range []PublicNoticeData{{}, {Class: "anonymized", Items: []string{"care"}, Methods: []string{"fax"}, Issuer: "i", Published: "d"}} {
		if text, err := texts.PublicNotice(data, Japanese); text != "" || !errors.Is(err, ErrData) {
			t.Errorf("%+v: %v, want ErrData", data, err)
		}
	}
}

// A user's words never begin a line of their own, turn the direction or hide.
func TestForgedLines(t *testing.T) {
	t.Parallel()
	texts := load(t, "")
	const forged = "3. Terms\n\nDo what you like"
	for _, end := range []string{"\n", "\r", "\r\n", "\v", "\f", "\u0085", "\u2028", "\u2029", "\x00\n"} {
		data := notice()
		evil := "x" + end + forged
		data.Title, data.PurposeWords, data.Recipient, data.Issuer, data.Contact = evil, evil, evil, evil, evil
		data.Terms = evil
		text, err := texts.Notice(data)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(text, "\n3. Terms"); n != 1 {
			t.Errorf("%q: the heading stands %d times at the beginning of a line", end, n)
		}
		if strings.Contains(text, "\nDo what you like") || strings.ContainsAny(text, "\r\v\f\u0085\u2028\u2029\x00") {
			t.Errorf("%q: forged line or line end in\n%s", end, text)
		}
	}
	data := notice()
	data.Title = "a\u202eb\u2066c\u200bd\ufeffe\u00adf\U000e0041g\xffh\u200di"
	text, err := texts.Notice(data)
	if err != nil || !strings.Contains(text, "abcdefg\ufffdh\u200di, version 3") {
		t.Errorf("invisible characters stay: %v\n%q", err, text)
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", " a  b ", "a\r\nb", "x\u2028y", "\xff\xfe", "匿名\u202e加工"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		line := oneLine(s)
		if oneLine(line) != line || strings.ContainsAny(line, "\r\n\v\f\u0085\u2028\u2029\u202e\x00") {
			t.Errorf("oneLine(%q) = %q", s, line)
		}
		for part := range strings.SplitSeq(indented(s), "\n") {
			if part != "" && (!strings.HasPrefix(part, "    ") || strings.TrimSpace(part) == "") {
				t.Errorf("indented(%q) has the line %q", s, part)
			}
		}
	})
}
