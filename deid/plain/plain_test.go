package plain_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/japanese"

	"teikyo/deid/plain"
	"teikyo/deid/profile"
	"teikyo/deid/scan"
	"teikyo/deid/source"
)

func look(t testing.TB, text string) (scan.Result, []string) {
	t.Helper()
	p, err := profile.Shipped("")
	if err != nil {
		t.Fatal(err)
	}
	in, err := source.Of("a.txt", strings.NewReader(text), nil, source.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	c := scan.New(p, "text")
	if err := (plain.Format{}).Check(t.Context(), in, c); err != nil {
		t.Fatal(err)
	}
	r := c.Finish()
	var blocks []string
	for _, f := range r.Findings {
		if f.Block {
			blocks = append(blocks, f.Rule)
		}
	}
	return r, blocks
}

func TestText(t *testing.T) {
	t.Parallel()
	story := "この研究では、2020年から2023年までの診療報酬明細書を用いた。\n対象は成人である。\n"
	sjis, err := japanese.ShiftJIS.NewEncoder().String(story + "連絡先 03-1234-5678 まで。\n")
	if err != nil {
		t.Fatal(err)
	}
	var names, fixed, ragged strings.Builder
	for i := range 40 {
		fmt.Fprintf(&names, "%s %s\n", []string{"山田", "佐藤", "鈴木", "高橋", "田中"}[i%5], []string{"太郎", "花子", "一郎", "美咲", "健太", "陽子", "誠", "恵"}[i%8])
		fmt.Fprintf(&fixed, "%010d19%02d0302YAMADA    TARO\n", i, 30+i)
		fmt.Fprintf(&ragged, "%d,YAMADA TARO,M,30,x%s\n", i, strings.Repeat(",y", i%4))
	}
	for name, c := range map[string]struct{ text, rule, encoding string }{
		"a story":        {story, "", "UTF-8"},
		"e-mail":         {story + "taro@hospital.jp に連絡\n", "email", "UTF-8"},
		"phone in CP932": {sjis, "phone", "CP932"},
		"chart number":   {"カルテ番号 0012345 の患者は\n", "labelled-id", "UTF-8"},
		"birth":          {"患者は昭和55年3月2日生まれで、\n", "birth-date", "UTF-8"},
		"a long line":    {strings.Repeat("word ", 300_000) + "tel 090-1234-5678" + strings.Repeat(" word", 300_000), "phone", "UTF-8"},
		"at the seam":    {strings.Repeat("x", 64<<10-8) + " taro@hospital.jp " + strings.Repeat("x", 64<<10), "email", "UTF-8"},
		"without end":    {story + "ask taro@hospital.jp now", "email", "UTF-8"},
		"a NUL":          {story + "a\x00b\n", "control-characters", "UTF-8"},
		"wrong bytes":    {strings.Repeat(story, 50) + "\xff\xfe\n", "invalid-text", "UTF-8"},
		"list of names":  {names.String(), "person-name", "UTF-8"},
		"fixed records":  {fixed.String(), "unknown-format", "UTF-8"},
		"ragged records": {ragged.String(), "unknown-format", "UTF-8"},
	} {
		r, blocks := look(t, c.text)
		if c.rule == "" && len(blocks) > 0 || c.rule != "" && !slices.Contains(blocks, c.rule) || r.Shape.Encoding != c.encoding {
			t.Errorf("%s: blocks %q, want %q; encoding %s\n%+v", name, blocks, c.rule, r.Shape.Encoding, r.Findings)
		}
		if len(r.Findings) == 0 || !slices.ContainsFunc(r.NotLookedAt, func(s string) bool { return strings.Contains(s, "meaning") }) {
			t.Errorf("%s: no warning that it was not understood", name)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\nb\n", "c")
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.HasPrefix(before, "\xff\xfe") || strings.HasPrefix(before, "\xfe\xff") {
			return // UTF-16: the number would be other characters
		}
		text := before + "\n\ntel 090-1234-5678\n" + after
		if _, blocks := look(t, text); len(blocks) == 0 {
			t.Errorf("the number was not found in %.200q", text)
		}
	})
}
