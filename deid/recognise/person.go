package recognise

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// surnames are common Japanese family names with their readings, enough for
// half of the population: a column of names shows itself by ratio, a single
// value counts only next to a word that goes with names.
var surnames = strings.Fields(`佐藤 鈴木 高橋 田中 伊藤 渡辺 渡邊 渡邉 山本 中村 小林 加藤 吉田 山田 佐々木 山口 松本 井上 木村 林 斎藤 斉藤 齋藤 齊藤 清水
山崎 森 池田 橋本 阿部 石川 山下 中島 石井 小川 前田 岡田 長谷川 藤田 後藤 近藤 村上 遠藤 青木 坂本 福田 太田 西村 藤井 金子 岡本 藤原 三浦 中野 中川
原田 松田 竹内 小野 田村 中山 和田 石田 森田 上田 原 内田 柴田 酒井 宮崎 横山 高木 安藤 宮本 大野 小島 工藤 谷口 今井 高田 増田 丸山 杉山 村田 大塚
新井 小山 平野 藤本 河野 上野 野口 武田 松井 千葉 菅原 岩崎 久保 木下 佐野 野村 松尾 市川 菊地 髙橋 髙木 菊池 古川 桜井 島田 水野 西田 北村 渡部 大西
吉川 飯田 安田 西川 五十嵐 川口 関 本田 矢野 中田 田口 東 辻 川崎 服部 樋口 福島 川上 永井 岩田 土屋 中西 吉村 山内 秋山 田辺 福井 荒木 荒井 大橋
松岡 小松 松村 岡崎 川村 小池 黒田 浅野 大久保 熊谷 望月 石原 永田 馬場 大島 小田 吉岡 山中 堀 石橋 松下 平田 広瀬 星野 内藤 尾崎 本間 片山 早川
横田 松原 岡 小沢 鎌田 荒川 西山 成田 白井 大谷 宮田 小泉 栗原 石塚 今村 西 岩本 久保田 高野 森本 上村 栗田 堀内 桑原 児玉 大川 三宅 須藤 杉本 川田
サトウ スズキ タカハシ タナカ イトウ ワタナベ ヤマモト ナカムラ コバヤシ カトウ ヨシダ ヤマダ ササキ ヤマグチ マツモト イノウエ キムラ ハヤシ サイトウ シミズ
ヤマザキ モリ イケダ ハシモト アベ イシカワ ヤマシタ ナカジマ イシイ オガワ マエダ オカダ ハセガワ フジタ ゴトウ コンドウ ムラカミ エンドウ アオキ サカモト
フクダ オオタ ニシムラ フジイ カネコ オカモト フジワラ ミウラ ナカノ ナカガワ ハラダ マツダ タケウチ オノ タムラ ナカヤマ ワダ イシダ モリタ ウエダ ウチダ
シバタ サカイ ミヤザキ ヨコヤマ タカギ アンドウ ミヤモト オオノ コジマ クドウ タニグチ イマイ タカダ マスダ マルヤマ スギヤマ ムラタ オオツカ アライ コヤマ
ヒラノ フジモト コウノ ウエノ ノグチ タケダ マツイ チバ スガワラ イワサキ クボ キノシタ サノ ノムラ マツオ イチカワ キクチ フルカワ サクライ シマダ ミズノ`)

// givenNames are common given names of the United States and Brazil, folded.
var givenNames = strings.Fields(`james mary john patricia robert jennifer michael linda william elizabeth david barbara richard susan
joseph jessica thomas sarah charles karen christopher nancy daniel lisa matthew betty anthony margaret mark sandra donald ashley
steven kimberly paul emily andrew donna joshua michelle kenneth carol kevin amanda brian melissa george deborah edward stephanie
maria jose antonio joao francisco carlos paulo pedro lucas luiz marcos luis gabriel rafael marcelo bruno eduardo felipe ana
francisca antonia adriana juliana fernanda patricia aline camila amanda bruna jessica leticia julia luciana vanessa mariana`)

// wordSet is a set of words.
type wordSet map[string]bool

func setOf(words []string) wordSet {
	s := make(wordSet, len(words))
	for _, w := range words {
		s[w] = true
	}
	return s
}

// isPersonName reports whether the folded value is a family and a given name:
// two words, of which the first is a known Japanese family name and the second
// is short, or two or three capitalised words with a known given name first (or
// second, after a comma).
func (f *Finder) isPersonName(s []byte) bool {
	if len(s) < 5 || len(s) > 60 {
		return false
	}
	words := strings.Fields(string(s))
	if len(words) < 2 || len(words) > 4 {
		return false
	}
	if s[0] >= utf8.RuneSelf {
		return len(words) == 2 && f.surnames[words[0]] && isGivenJP(words[1])
	}
	for _, w := range words {
		if r, _ := utf8.DecodeRuneInString(w); !unicode.IsUpper(r) {
			return false
		}
	}
	first := words[0]
	if strings.HasSuffix(first, ",") {
		first = words[1]
	}
	return f.givenNames[Plain(first)]
}

// isUnspacedName: 山田太郎, a family name with one to three kanji or kana behind
// it that make no place and no thing.
func (f *Finder) isUnspacedName(s []byte) bool {
	if len(s) < 9 || len(s) > 18 || s[0] < utf8.RuneSelf || bytes.IndexByte(s, ' ') >= 0 || isPlace(string(s)) {
		return false
	}
	for n := 6; n <= 9 && n < len(s); n += 3 {
		rest := string(s[n:])
		if c := utf8.RuneCountInString(rest); f.surnames[string(s[:n])] && c >= 1 && c <= 3 && isGivenJP(rest) {
			return true
		}
	}
	return false
}

// isKanaPair: two words of two to eight katakana.
func isKanaPair(s []byte) bool {
	a, b, ok := bytes.Cut(s, []byte(" "))
	return ok && isKana(a) && isKana(b)
}

func isKana(word []byte) bool {
	n := utf8.RuneCount(word)
	for _, r := range string(word) {
		if !unicode.Is(unicode.Katakana, r) && r != 'ー' {
			return false
		}
	}
	return n >= 2 && n <= 8
}

// fullKatakana turns half-width katakana (ﾔﾏﾀﾞ) into the usual ones; other text
// comes back as it is.
func fullKatakana(s []byte) []byte {
	for i := 0; i+2 < len(s); i++ {
		if s[i] == 0xEF && (s[i+1] == 0xBD || s[i+1] == 0xBE) {
			return norm.NFKC.Bytes(s)
		}
	}
	return s
}

func isGivenJP(word string) bool {
	n := utf8.RuneCountInString(word)
	for _, r := range word {
		if !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) && r != 'ー' && r != '々' {
			return false
		}
	}
	return n >= 1 && n <= 6
}

// IsFileName reports whether one of the words of a path is a person's name.
func (f *Finder) IsFileName(words []string) bool {
	for i, w := range words {
		if i+1 < len(words) && f.isPersonName([]byte(w+" "+words[i+1])) {
			return true
		}
		for n := 6; n <= 9 && n < len(w); n += 3 {
			rest := utf8.RuneCountInString(w[n:])
			if w[0] >= utf8.RuneSelf && f.surnames[w[:n]] && rest >= 2 && rest <= 3 && isGivenJP(w[n:]) && !isPlace(w) {
				return true
			}
		}
	}
	return false
}

// isPlace: 石川県立, 中村病院 and 山口大学 are places though a family name leads.
func isPlace(w string) bool {
	return strings.ContainsAny(w, "県市町村区郡院所科課店部大学校薬局症病炎法剤液錠型群術会社式線駅器")
}
