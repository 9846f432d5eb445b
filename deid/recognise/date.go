package recognise

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Date is a date with a day. Year is of the common era.
type Date struct{ Year, Month, Day int }

// plausible bounds the dates of living and dead people's records.
func (d Date) plausible() bool {
	return d.Year >= 1850 && d.Year <= 2100 && d.Month >= 1 && d.Month <= 12 && d.Day >= 1 && d.Day <= 31
}

// eras are the first letters of the Japanese eras, their kanji and the year
// before the first one.
var eras = []struct {
	letter      byte
	kanji, long string
	before      int
}{
	{'M', "明", "明治", 1867}, {'T', "大", "大正", 1911}, {'S', "昭", "昭和", 1925}, {'H', "平", "平成", 1988}, {'R', "令", "令和", 2018},
}

const (
	monthsEN = "janfebmaraprmayjunjulaugsepoctnovdec"
	monthsPT = "janfevmarabrmaijunjulagosetoutnovdez"
)

// ParseDate reads a whole value that is a date with a day, in any of the forms
// that columns of birth dates have: western and era years, 8 digits, 7 digits
// that begin with the number of the era, two-digit years, month names, with or
// without a time. It is for columns whose name or other values say "date".
func ParseDate(s []byte) (Date, bool) {
	s = kanjiNumerals(bytes.TrimSpace(s))
	if d, ok := parseBareDate(s); ok {
		return d, true
	}
	d, end := dateAt(s, 0)
	if end == 0 {
		d, end = shortDate(s)
	}
	return d, end > 0 && (end == len(s) || isTime(s[end:]))
}

// isFullDate is ParseDate without the forms that other numbers have too.
func isFullDate(s []byte) (Date, bool) {
	if len(s) == 7 && allDigits(s) {
		return Date{}, false
	}
	if d, end := shortDate(s); end > 0 && d.Year > 0 {
		return Date{}, false
	}
	return ParseDate(s)
}

func isTime(rest []byte) bool {
	return (rest[0] == 'T' || rest[0] == ' ') && len(rest) > 3 && isDigit(rest[1])
}

// parseBareDate: 19800301, 3550301, S550301.
func parseBareDate(s []byte) (Date, bool) {
	era, digits := 0, s
	switch {
	case len(s) == 7 && isLetter(s[0]):
		era, digits = eraOf(s[0]), s[1:]
	case len(s) == 7 && s[0] >= '1' && s[0] <= '5':
		era, digits = eras[s[0]-'1'].before, s[1:]
	case len(s) != 8:
		return Date{}, false
	}
	if !allDigits(digits) || len(s) == 7 && era == 0 {
		return Date{}, false
	}
	n := len(digits)
	d := Date{Year: era + number(digits[:n-4]), Month: number(digits[n-4 : n-2]), Day: number(digits[n-2:])}
	return d, d.plausible()
}

func eraOf(letter byte) int {
	for _, e := range eras {
		if e.letter == letter&^0x20 {
			return e.before
		}
	}
	return 0
}

// shortDate: 80/3/1 and 3/1/80, taken as a date of the 20th century.
func shortDate(s []byte) (Date, int) {
	n, end := numbers(s, 0)
	if end == 0 || n[0] >= 100 || n[2] >= 100 {
		return Date{}, 0
	}
	d := Date{1900 + n[0], n[1], n[2]}
	if !d.plausible() {
		d = Date{1900 + n[2], max(1, min(n[0], n[1])), max(n[0], n[1])}
	}
	if !d.plausible() {
		return Date{}, 0
	}
	return d, end
}

// dateAt reads the formatted date with a day that starts at i; end is 0 when
// there is none.
func dateAt(s []byte, i int) (d Date, end int) {
	if i < len(s) && !isDigit(s[i]) {
		if d, end = eraDate(s, i); end > 0 {
			return d, end
		}
		return monthNameDate(s, i)
	}
	n, end := numbers(s, i)
	if end == 0 {
		return monthNameDate(s, i)
	}
	d = Date{n[0], n[1], n[2]}
	if n[2] >= 1000 { // 1/3/1980 or 3/1/1980
		d = Date{n[2], min(n[0], n[1]), max(n[0], n[1])}
		if n[0] <= 12 && n[1] <= 12 {
			d.Month, d.Day = n[1], n[0]
		}
	}
	if !d.plausible() {
		return Date{}, 0
	}
	return d, end
}

func eraDate(s []byte, i int) (Date, int) {
	rest := s[i:]
	for _, e := range eras {
		at := 0
		switch {
		case hasPrefix(rest, e.long):
			at = len(e.long)
		case hasPrefix(rest, e.kanji):
			at = len(e.kanji)
		case len(rest) > 1 && rest[0]&^0x20 == e.letter && (i == 0 || !isAlnum(s[i-1])):
			at = 1
		}
		if at == 0 {
			continue
		}
		if hasPrefix(rest[at:], "元") {
			rest = append([]byte("  1"), rest[at+len("元"):]...)
			at, i = 2, i+at+len("元")-3
		}
		n, end := numbers(rest, at)
		if d := (Date{e.before + n[0], n[1], n[2]}); end > 0 && n[0] < 100 && d.plausible() {
			return d, i + end
		}
		return Date{}, 0
	}
	return Date{}, 0
}

// numbers reads three numbers separated by . / - or 年 月 and ended by an
// optional 日.
func numbers(s []byte, i int) (n [3]int, end int) {
	for k := range n {
		start := i
		for i < len(s) && isDigit(s[i]) && i-start < 4 {
			i++
		}
		if i == start || i < len(s) && isDigit(s[i]) {
			return n, 0
		}
		n[k] = number(s[start:i])
		unit := [3]string{"年", "月", "日"}[k]
		switch {
		case hasPrefix(s[i:], unit):
			i += len(unit)
		case k == 2:
		case i < len(s) && (s[i] == '-' || s[i] == '/' || s[i] == '.'):
			i++
		case hasPrefix(s[i:], "・"):
			i += len("・")
		default:
			return n, 0
		}
	}
	return n, i
}

// kanjiNumerals turns 昭和五十五年三月二日 into 昭和55年3月2日. Text that has a digit
// or no 年 comes back as it is.
func kanjiNumerals(s []byte) []byte {
	if !bytes.Contains(s, []byte("年")) || bytes.ContainsAny(s, "0123456789") {
		return s
	}
	var out []byte
	for i := 0; i < len(s); {
		n, end := kanjiNumber(s, i)
		if end > i && (hasPrefix(s[end:], "年") || hasPrefix(s[end:], "月") || hasPrefix(s[end:], "日")) {
			out, i = strconv.AppendInt(out, int64(n), 10), end
			continue
		}
		_, size := utf8.DecodeRune(s[i:])
		out, i = append(out, s[i:i+size]...), i+size
	}
	return out
}

// kanjiNumber reads 五, 十二, 五十五 or, digit by digit, 一九八〇 at i.
func kanjiNumber(s []byte, i int) (n, end int) {
	for digits := 0; i < len(s) && digits < 4; digits++ {
		r, size := utf8.DecodeRune(s[i:])
		d := strings.Index("〇一二三四五六七八九十", string(r)) / len("〇")
		switch {
		case !strings.ContainsRune("〇一二三四五六七八九十", r):
			return n, end
		case d == 10 && n == 0:
			n = 10
		case d == 10 && n < 10:
			n *= 10
		case d == 10:
			return 0, 0
		case n >= 10 && n%10 == 0 && n < 100:
			n += d
		default:
			n = n*10 + d
		}
		i += size
		end = i
	}
	return n, end
}

func number(digits []byte) int {
	n := 0
	for _, c := range digits {
		n = n*10 + int(c-'0')
	}
	return n
}

// monthNameDate: 1 March 1980, 1-Mar-1980, March 1, 1980, 1 de março de 1980.
func monthNameDate(s []byte, i int) (Date, int) {
	if i < len(s) && !isAlnum(s[i]) {
		return Date{}, 0
	}
	var d Date
	words := 0
	for i < len(s) && words < 5 {
		start := i
		if words == 0 && isDigit(s[i]) && !dayThenWord(s[i:]) {
			return Date{}, 0
		}
		for i < len(s) && (isAlnum(s[i]) || s[i] >= 0x80) && i-start < 12 {
			i++
		}
		if i == start || !d.take(s[start:i]) {
			return Date{}, 0
		}
		if d.Year > 0 {
			return d, i * b2i(d.plausible())
		}
		for words++; i < len(s) && bytes.IndexByte([]byte(" ,.-/"), s[i]) >= 0; i++ {
		}
	}
	return Date{}, 0
}

// dayThenWord: 1 or 2 digits with no third, then anything but the end.
func dayThenWord(s []byte) bool {
	return len(s) > 6 && !(isDigit(s[1]) && isDigit(s[2]))
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// take uses one word of a date that has a month name.
func (d *Date) take(word []byte) bool {
	if m := monthOf(word); m > 0 && d.Month == 0 {
		d.Month = m
		return true
	}
	digits := bytes.TrimRight(word, "stndrhºª")
	switch {
	case d.Month > 0 && string(word) == "de" || d.Day > 0 && string(word) == "de":
		return true
	case !allDigits(digits):
		return false
	case d.Day == 0 && len(digits) <= 2:
		d.Day = number(digits)
		return true
	case d.Day > 0 && d.Month > 0 && len(digits) == 4:
		d.Year = number(digits)
		return true
	}
	return false
}

func monthOf(word []byte) int {
	if len(word) < 3 || !isLetter(word[0]) {
		return 0
	}
	prefix := strings.ToLower(string(word[:3]))
	for _, months := range []string{monthsEN, monthsPT} {
		if at := strings.Index(months, prefix); at >= 0 && at%3 == 0 {
			return at/3 + 1
		}
	}
	return 0
}
