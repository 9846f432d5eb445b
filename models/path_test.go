package models_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"teikyo/models"
)

func TestCheckPath(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", models.MaxPathComponent)
	tests := []struct{ path, want string }{
		{"adult.csv", ""},
		{"2024/レセプト 医科.csv", ""},
		{"a/b/c-d_e (1).tar.gz", ""},
		{"葛\U000e0100.csv", ""}, // an ideograph with its variation selector
		{"console.csv", ""},
		{"COM10", ""},
		{".hidden/x", ""},
		{long, ""},
		{"", "needs a name"},
		{"..", "leads elsewhere"},
		{"../x", "leads elsewhere"},
		{"a/../b", "leads elsewhere"},
		{"a/./b", "leads elsewhere"},
		{"/etc/passwd", "absolute"},
		{`a\b`, "backslash"},
		{`..\..\x`, "backslash"},
		{"a\x00b", "NUL"},
		{"a\nb", "control"},
		{"a\x7fb", "control"},
		{"a\u2028b", "control"},
		{"a\u202egpj.exe", "direction"},
		{"a\u200fb", "direction"},
		{"a\u2066b", "direction"},
		{"a\u200bb", "invisible"},
		{"a\u200db", "invisible"},
		{"\ufeffa", "invisible"},
		{"a\u00adb", "invisible"},
		{"a\u3164b", "invisible"},
		{"cafe\u0301.csv", "NFC"},
		{"か\u3099.csv", "NFC"},
		{"a//b", "empty part"},
		{"a/", "empty part"},
		{"C:/x", "Windows"},
		{"a?b", "Windows"},
		{"NUL", "device"},
		{"nul.csv", "device"},
		{"a/Com1.tar.gz", "device"},
		{"lpt¹", "device"},
		{"CON .txt", "device"},
		{"a.", "Windows drops"},
		{"a /b", "Windows drops"},
		{" a", "Windows drops"},
		{"a\u3000", "Windows drops"},
		{long + "a", "at most 251"},
		{strings.Repeat("a", 300), "at most 251"},
		{strings.Repeat("あ", 84), "at most 251"},
		{strings.Repeat("abcdefg/", 128) + "x", "at most 1015"},
		{"a\xffb", "UTF-8"},
		{"a\ufffdb", "damaged"},
	}
	for _, test := range tests {
		err := models.CheckPath(test.path, norm.NFC.IsNormalString)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%q is refused: %v", test.path, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%q: %v; want %q", test.path, err, test.want)
		case err != nil && models.KindOf(err) != models.Invalid:
			t.Errorf("%q: kind %s", test.path, models.KindOf(err))
		}
	}
}

func TestFoldCase(t *testing.T) {
	t.Parallel()
	for _, twins := range [][2]string{{"A/b.CSV", "a/B.csv"}, {"ÄÖ", "äö"}, {"ΣΣ", "ςσ"}, {"ﾄK", "ﾄ\u212a"}} {
		if models.FoldCase(twins[0]) != models.FoldCase(twins[1]) {
			t.Errorf("%q and %q do not fold together", twins[0], twins[1])
		}
	}
	if models.FoldCase("ア") == models.FoldCase("ｱ") {
		t.Error("wide and narrow kana are different names")
	}
}

// What passes is safe to join to a folder and shows no hidden character.
func FuzzCheckPath(f *testing.F) {
	for _, path := range []string{"a/b", "../x", "か\u3099", "con", "a\u202eb", "a\x00", "é"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if models.CheckPath(path, norm.NFC.IsNormalString) != nil {
			return
		}
		if !utf8.ValidString(path) || strings.ContainsAny(path, "\\\x00\r\n\u202e\u200b:") || len(path) > 1024 {
			t.Errorf("%q passed", path)
		}
		for part := range strings.SplitSeq(path, "/") {
			if part == "" || part == ".." || part == "." || len(part) > 255 {
				t.Errorf("%q passed", path)
			}
		}
		fold := models.FoldCase(path)
		if models.FoldCase(fold) != fold {
			t.Errorf("%q folds twice", path)
		}
	})
}
