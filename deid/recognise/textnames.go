package recognise

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// The words that go with names in Japanese text.
const (
	maxNameRunes = 8 // of a full name, the space included
	maxGiven     = 3 // characters of a given name in kanji
)

// nameLabels stand before a name, nameEnds after it.
func nameLabels() []string { return []string{"氏名", "患者名", "名前", "患者", "本人"} }

func nameEnds() []string {
	return []string{"様", "さん", "氏", "殿", "くん", "ちゃん", "先生", "医師", "さま"}
}

// FindNames returns the Japanese names inside the folded text s that stand next
// to a word that goes with names: 山田太郎様, 氏名：山田 太郎. A family name of the
// list alone is not enough. It is for free text; the result is valid until the
// next call of Find or FindNames.
func (f *Finder) FindNames(s []byte) []Hit {
	f.hits = f.hits[:0]
	if !hasHan(s) {
		return f.hits
	}
	for _, end := range nameEnds() {
		for at := 0; ; at += len(end) {
			next := bytes.Index(s[at:], []byte(end))
			if next < 0 {
				break
			}
			at += next
			if start, ok := f.nameBefore(s, at); ok && !otherWord(s[at+len(end):]) {
				f.hits = append(f.hits, Hit{Rule: Person, Start: start, End: at, Near: end})
			}
		}
	}
	for _, label := range nameLabels() {
		f.afterLabel(s, label)
	}
	return f.hits
}

// otherWord: 様式, 様子, 氏名 and the like begin with a word that ends names.
func otherWord(after []byte) bool {
	r, _ := utf8.DecodeRune(after)
	switch r {
	case '式', '子', '相', '態', '々', '名':
		return true
	}
	return false
}

// hasHan: kanji and kana begin with these bytes in UTF-8.
func hasHan(s []byte) bool {
	for _, c := range s {
		if c >= 0xE3 && c <= 0xE9 {
			return true
		}
	}
	return false
}

// nameBefore finds the name that ends at end: a family name of the list at the
// start of a word, with up to three characters behind it.
func (f *Finder) nameBefore(s []byte, end int) (start int, ok bool) {
	for end > 0 && s[end-1] == ' ' {
		end--
	}
	start = end
	for n := 0; start > 0 && n < maxNameRunes; n++ {
		r, size := utf8.DecodeLastRune(s[:start])
		if !isNameRune(r) && r != ' ' {
			break
		}
		start -= size
		if f.isNameSpan(s[start:end]) && startsWord(s, start) {
			return start, true
		}
	}
	return 0, false
}

// isNameSpan: a family name of two or more characters, alone or with a given
// name.
func (f *Finder) isNameSpan(span []byte) bool {
	for n := 6; n <= 9 && n <= len(span); n += 3 {
		if !f.surnames[string(span[:n])] {
			continue
		}
		rest := bytes.TrimLeft(span[n:], " ")
		if c := utf8.RuneCount(rest); c <= maxGiven || bytes.HasPrefix(span[n:], []byte(" ")) && c <= 5 {
			return len(rest) == 0 || isGivenJP(string(rest))
		}
	}
	return false
}

func isNameRune(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) || r == '々' || r == 'ー'
}

// startsWord: no kanji or katakana stands before, so that 杉山田 is not 山田.
func startsWord(s []byte, i int) bool {
	r, _ := utf8.DecodeLastRune(s[:i])
	return i == 0 || !unicode.In(r, unicode.Han, unicode.Katakana)
}

func (f *Finder) afterLabel(s []byte, label string) {
	for at := 0; ; {
		next := bytes.Index(s[at:], []byte(label))
		if next < 0 {
			return
		}
		at += next + len(label)
		start := at
		for start < len(s) && bytes.IndexByte([]byte(" :="), s[start]) >= 0 {
			start++
		}
		if start == at { // 患者山口大学 is no name; 患者: 山口 is
			continue
		}
		end := start
		for n := 0; end < len(s) && n < maxNameRunes; n++ {
			r, size := utf8.DecodeRune(s[end:])
			if !isNameRune(r) && r != ' ' {
				break
			}
			end += size
		}
		f.longestName(s, start, end, label)
	}
}

// longestName takes the longest name that begins at start.
func (f *Finder) longestName(s []byte, start, end int, label string) {
	for end > start {
		if span := s[start:end]; f.isNameSpan(span) && !isPlace(string(span)) {
			f.hits = append(f.hits, Hit{Rule: Person, Start: start, End: end, Near: label})
			return
		}
		_, size := utf8.DecodeLastRune(s[start:end])
		end -= size
	}
}
