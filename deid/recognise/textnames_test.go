package recognise_test

import (
	"testing"

	"teikyo/deid/recognise"
)

// TestFindNames: a family name counts in text only next to a word that goes
// with names.
func TestFindNames(t *testing.T) {
	t.Parallel()
	f := recognise.NewFinder()
	for text, want := range map[string]string{
		"山田太郎様は昭和５５年３月２日生まれ": "山田太郎 様",
		"次男の山田　一郎さんが同席":      "山田 一郎 さん",
		"氏名：鈴木 花子、女性":        "鈴木 花子 氏名",
		"患者名=髙橋健":            "髙橋健 患者名",
		"佐藤医師より紹介":           "佐藤 医師",
		"ヤマダ　タロウ様":           "ヤマダ タロウ 様",
		"長谷川氏":               "長谷川 氏",
		"山田に相談":              "",
		"杉山田様式":              "",
		"山口大学病院で手術":          "",
		"患者さんへ説明":            "",
		"同様の症状":              "",
		"氏名：不明":              "",
		"Mr Yamada":          "",
		"石川県立病院の先生":          "",
	} {
		folded := fold(text)
		got := ""
		for _, h := range f.FindNames(folded) {
			got += string(folded[h.Start:h.End]) + " " + h.Near
		}
		if got != want {
			t.Errorf("FindNames(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestJapaneseForms: names in kanji and kana, with and without a space, dates
// in kanji numerals, numbers filled up with zeros.
func TestJapaneseForms(t *testing.T) {
	t.Parallel()
	f := recognise.NewFinder()
	for form, list := range map[recognise.Forms][]string{
		recognise.FormName:   {"山田太郎", "髙橋健", "ﾔﾏﾀﾞ ﾀﾛｳ", "佐々木　希", "五十嵐 大介"},
		recognise.FormKana:   {"カンナヅキ ミナト", "ｶﾝﾅﾂﾞｷ ﾐﾅﾄ"},
		recognise.FormPadded: {"0000071234", "００００７１２３４５"[:30]},
		recognise.FormDate:   {"昭和五十五年三月二日", "一九八〇年三月十二日", "昭和二十年十月三十一日", "S55・3・2", "平成元年一月八日", "令5・4・1"},
	} {
		for _, v := range list {
			if got := f.Forms(fold(v)); got&form == 0 {
				t.Errorf("Forms(%q) = %b, want %b", v, got, form)
			}
		}
	}
	for _, v := range []string{"石川県", "山口大学", "林間学校", "中村医院", "小林病", "森田療法", "アムロジピン", "血液検査 尿検査", "1000071234", "十二指腸潰瘍", "三年生"} {
		if got := f.Forms(fold(v)) &^ (recognise.FormPhoneBare | recognise.FormPostalBare); got != 0 {
			t.Errorf("Forms(%q) = %b, want none", v, got)
		}
	}
	for text, want := range map[string]struct{ Year, Month, Day int }{
		"昭和五十五年三月二日": {1980, 3, 2}, "一九八〇年三月十二日": {1980, 3, 12}, "昭和二十年十月三十一日": {1945, 10, 31}, "明治四十五年七月二十九日": {1912, 7, 29},
	} {
		if d, ok := recognise.ParseDate(fold(text)); !ok || d != recognise.Date(want) {
			t.Errorf("ParseDate(%q) = %v, %v", text, d, ok)
		}
	}
}

// TestContextIsNamed: a hit that a word of context made says which word.
func TestContextIsNamed(t *testing.T) {
	t.Parallel()
	f := recognise.NewFinder()
	for text, want := range map[string]string{
		"記号：あいう　番号：１２３４５":    "記号・番号",
		"記号 千代-23 番号 123456": "記号・番号",
		"介護保険の0000071234":    "介護保険",
		"カルテ番号 00071234":     "カルテ番号",
		"昭和55年3月1日生":         "生",
		"生年月日19800301":       "生年月日",
		"MRN: 00123456":      "mrn",
		"番号札 12345":          "",
		"元素記号 12345":         "",
	} {
		got := ""
		for _, h := range f.Find(fold(text)) {
			got += h.Near
		}
		if got != want {
			t.Errorf("Find(%q): next to %q, want %q", text, got, want)
		}
	}
}

func FuzzFindNames(f *testing.F) {
	for _, s := range []string{"山田太郎様", "氏名：鈴木 花子", "昭和五十五年三月二日", "\xE6\x98", "様"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		finder := recognise.NewFinder()
		text := recognise.Fold(nil, s)
		for _, h := range finder.FindNames(text) {
			if h.Start < 0 || h.End > len(text) || h.Start >= h.End {
				t.Fatalf("hit %+v in %q", h, text)
			}
		}
		finder.Forms(text)
		recognise.ParseDate(text)
	})
}
