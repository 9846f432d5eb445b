package recognise

import (
	"bytes"
	"sync"
	"unicode/utf8"
)

// Rule names a recogniser in reports.
type Rule string

// The rules of hits inside text.
const (
	Email     Rule = "email"
	Phone     Rule = "phone"
	Postal    Rule = "postal-code"
	SSN       Rule = "ssn"
	CPF       Rule = "cpf"
	MBI       Rule = "mbi"
	BirthDate Rule = "birth-date"  // a date with a day next to a word for birth
	Labelled  Rule = "labelled-id" // a number after the name of an identifier
	OldDate   Rule = "old-date"    // a date before 1990 with a day, without such a word: weak
	Person    Rule = "person-name" // a name next to a word that goes with names: 様, 氏名
)

// Hit is a form found inside text; offsets are those of the folded text.
type Hit struct {
	Rule       Rule
	Start, End int
	Near       string // the word of context that made it one; "" when the form alone did
}

// Finder finds forms. It is not safe for concurrent use; it reuses its memory.
type Finder struct {
	*words
	hits    []Hit
	lower   []byte
	context string // of context, that near found last
}

// words are the word lists of all Finders.
type words struct {
	surnames, givenNames      wordSet
	birth, postal, phone, ids *wordList
}

var wordTable = sync.OnceValue(func() *words {
	return &words{
		surnames: setOf(surnames), givenNames: setOf(givenNames),
		birth: listOf(birthWords), postal: listOf(postalWords), phone: listOf(phoneWords), ids: listOf(idWords),
	}
})

// NewFinder makes a Finder.
func NewFinder() *Finder { return &Finder{words: wordTable()} }

// Find returns the strong forms inside the folded text s: those that need no
// check digit (e-mail, written phone numbers, SSN, CPF, MBI with their
// punctuation), and weaker ones next to a word that names them. The result is
// valid until the next call.
func (f *Finder) Find(s []byte) []Hit {
	f.hits = f.hits[:0]
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '@':
			i = f.email(s, i)
		case isDigit(c) || c == '+' || c == '(':
			i = f.number(s, i)
		case isLetter(c):
			i = f.word(s, i)
		default:
			i++
		}
	}
	return f.hits
}

func (f *Finder) add(rule Rule, start, end int) int {
	f.hits = append(f.hits, Hit{Rule: rule, Start: start, End: end})
	return end
}

// addNear is add for what the word that near found makes a hit.
func (f *Finder) addNear(rule Rule, start, end int) int {
	f.hits = append(f.hits, Hit{Rule: rule, Start: start, End: end, Near: f.context})
	return end
}

func (f *Finder) email(s []byte, i int) int {
	start, end, ok := findEmail(s, i)
	if !ok {
		return i + 1
	}
	for n := len(f.hits); n > 0 && f.hits[n-1].End > start; n = len(f.hits) {
		f.hits = f.hits[:n-1] // a number inside the address
	}
	return f.add(Email, start, end)
}

// word passes over a word, and finds a date that begins with a month's name.
func (f *Finder) word(s []byte, i int) int {
	end := i
	for end < len(s) && isLetter(s[end]) {
		end++
	}
	if monthOf(s[i:end]) > 0 && end < len(s) && !isDigit(s[end]) {
		if d, dateEnd := monthNameDate(s, i); dateEnd > 0 {
			return f.date(s, i, dateEnd, d)
		}
	}
	return end
}

// number looks at what begins with a digit, + or ( at i.
func (f *Finder) number(s []byte, i int) int {
	run := i
	for run < len(s) && isDigit(s[run]) {
		run++
	}
	if !boundary(s, i) {
		return max(run, i+1)
	}
	if rule, end := written(s, i); end > 0 {
		return f.add(rule, i, end)
	}
	if d, end := dateAt(s, i); end > 0 {
		return f.date(s, i, end, d)
	}
	if start, ok := eraBefore(s, i); ok {
		if d, end := eraDate(s, start); end > 0 {
			return f.date(s, start, end, d)
		}
	}
	if end := f.inContext(s, i, run); end > 0 {
		return end
	}
	return max(run, i+1)
}

// boundary reports whether a number can begin at i: not inside a word or a
// longer number, except after "tel", "fax" and "phone".
func boundary(s []byte, i int) bool {
	if i == 0 {
		return true
	}
	switch c := s[i-1]; {
	case isDigit(c):
		return false
	case isLetter(c):
		word := bytes.ToLower(s[max(0, i-5):i])
		return bytes.HasSuffix(word, []byte("tel")) || bytes.HasSuffix(word, []byte("fax")) || bytes.HasSuffix(word, []byte("phone")) ||
			i == 1 || !isAlnum(s[i-2])
	case c == '-' || c == '.' || c == '+':
		return i < 2 || !isAlnum(s[i-2])
	}
	return true
}

// written finds the forms that their punctuation alone tells.
func written(s []byte, i int) (Rule, int) {
	era := i > 0 && isLetter(s[i-1]) && (i < 3 || !isLetter(s[i-2]))
	switch {
	case era:
	case fits(s, i, 14) && isCPFForm(s[i:i+14]):
		return CPF, i + 14
	case fits(s, i, 11) && s[i+3] == '-' && IsSSN(s[i:i+11]):
		return SSN, i + 11
	case fits(s, i, 13) && s[i+4] == '-' && IsMBI(s[i:i+13]):
		return MBI, i + 13
	default:
		return Phone, findPhone(s, i)
	}
	return "", 0
}

// fits reports whether a form of n bytes can be at i: it ends with the text or
// where no letter, digit or dash goes on.
func fits(s []byte, i, n int) bool {
	end := i + n
	return end == len(s) || end < len(s) && !isAlnum(s[end]) && s[end] != '-'
}

// eraBefore finds the name of a Japanese era right before i.
func eraBefore(s []byte, i int) (start int, ok bool) {
	if i == 0 {
		return 0, false
	}
	if s[i-1] < utf8.RuneSelf {
		return i - 1, eraOf(s[i-1]) > 0
	}
	if hasSuffix(s[:i], "元年") {
		i -= len("元年")
	}
	for _, e := range eras {
		for _, name := range []string{e.long, e.kanji} {
			if hasSuffix(s[:i], name) {
				return i - len(name), true
			}
		}
	}
	return 0, false
}

func (f *Finder) date(s []byte, start, end int, d Date) int {
	switch {
	case f.near(s, start, end, f.birth):
		return f.addNear(BirthDate, start, end)
	case d.Year < 1990:
		return f.add(OldDate, start, end)
	}
	return end
}

// inContext finds bare numbers next to the words that name them.
func (f *Finder) inContext(s []byte, i, run int) int {
	end := run
	for end < len(s) && (isDigit(s[end]) || s[end] == '-' || s[end] == ' ' && end+1 < len(s) && isDigit(s[end+1])) && end-i < 19 {
		end++
	}
	digits := s[i:run]
	switch {
	case end-i < 5 || bytes.Count(s[i:end], []byte(" ")) > 3:
		return 0
	case isPostalJP(s[i:end]) || isCEP(s[i:end]):
		if f.near(s, i, i, f.postal) {
			return f.addNear(Postal, i, end)
		}
	case len(digits) == 8 && f.near(s, i, run, f.birth):
		if d, ok := parseBareDate(digits); ok {
			return f.date(s, i, run, d)
		}
	case (isMobileJP(digits) || isPhoneBare(digits)) && f.near(s, i, i, f.phone):
		return f.addNear(Phone, i, run)
	}
	if f.near(s, i, i, f.ids) || f.symbolAndNumber(s[max(0, i-60):i]) {
		return f.addNear(Labelled, i, end)
	}
	return 0
}

// near reports whether one of the words stands within five words before start,
// or in the 30 bytes after end when end is beyond start. ASCII words are whole
// tokens, never parts of one.
func (f *Finder) near(s []byte, start, end int, words *wordList) bool {
	from := max(0, start-60)
	for spaces, i := 0, start-1; i > from && spaces < 6; i-- {
		if s[i] == ' ' {
			spaces++
		}
		if spaces == 6 {
			from = i
		}
	}
	f.lower = lowerASCII(f.lower[:0], s[from:start])
	if f.context = words.in(f.lower); f.context != "" {
		return true
	}
	if end <= start {
		return false
	}
	f.lower = lowerASCII(f.lower[:0], s[end:min(len(s), end+30)])
	if f.context = words.in(f.lower); f.context == "" && isBornSuffix(f.lower) {
		f.context = "生"
	}
	return f.context != ""
}

// symbolAndNumber: 記号 あいう 番号 １２３. A certificate has a symbol, often in
// kanji or kana, and a number; either word alone stands for many things.
func (f *Finder) symbolAndNumber(before []byte) bool {
	symbol, number := bytes.LastIndex(before, []byte("記号")), bytes.LastIndex(before, []byte("番号"))
	if symbol < 0 || number < symbol {
		return false
	}
	f.context = "記号・番号"
	return true
}

// isBornSuffix: 昭和55年3月1日生.
func isBornSuffix(after []byte) bool {
	if !bytes.HasPrefix(after, []byte("生")) {
		return false
	}
	r, _ := utf8.DecodeRune(after[len("生"):])
	return r == utf8.RuneError || r < 0x80 || r == 'ま' || r == 'れ' || r == '、' || r == '。' || r == '」'
}

func lowerASCII(dst, src []byte) []byte {
	for _, c := range src {
		if c-'A' < 26 {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// wordList finds words in text by their first byte.
type wordList [256][]string

func listOf(words []string) *wordList {
	var l wordList
	for _, w := range words {
		l[w[0]] = append(l[w[0]], w)
	}
	return &l
}

// in returns the word of the list that stands in text, "" when there is none.
func (l *wordList) in(text []byte) string {
	for i, c := range text {
		for _, w := range l[c] {
			end := i + len(w)
			if hasPrefix(text[i:], w) &&
				(c >= utf8.RuneSelf || (i == 0 || !isAlnum(text[i-1])) && (end == len(text) || !isLetter(text[end]))) {
				return w
			}
		}
	}
	return ""
}

// The words of context, in lower case.
var (
	birthWords = []string{"生年月日", "誕生日", "生まれ", "生れ", "出生", "birth", "birthday", "birthdate", "born", "dob", "d.o.b",
		"nascimento", "nasc", "nascido", "nascida"}
	postalWords = []string{"〒", "郵便番号", "postal", "cep"}
	phoneWords  = []string{"電話", "携帯", "連絡先", "tel", "phone", "mobile", "cell", "fax", "telefone", "celular", "fone"}
	idWords     = []string{"カルテ番号", "カルテno", "患者番号", "患者id", "診察券", "被保険者番号", "被保険者証", "保険証", "記号番号", "受給者番号",
		"介護保険", "資格確認書", "証番号", "枝番", "整理番号", "レセプト番号", "データ識別番号",
		"個人番号", "マイナンバー", "旅券番号", "パスポート", "免許証", "基礎年金番号", "mrn", "medical record", "chart no", "patient id", "member id",
		"ssn", "social security", "npi", "passport", "mbi", "medicare", "cpf", "cns", "rg", "prontuario", "prontuário", "carteirinha"}
)
