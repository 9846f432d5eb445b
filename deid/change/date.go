package change

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"teikyo/deid/profile"
	"teikyo/deid/recognise"
)

// date cuts a date to its month or year, in the form that it is written in:
// 1980-03-01 becomes 1980-03, 昭和55年3月1日 becomes 昭和55年3月, 19800301 becomes
// 198003, 3550301 becomes 35503. Forms that do not begin with the year become
// 1980-03. A time goes.
func (f *Field) date(out, v []byte) []byte {
	f.folded = recognise.Fold(f.folded[:0], v)
	s := bytes.TrimSpace(f.folded)
	year := f.Rule.Action == profile.Year
	if y, m, ok := coarse(s); ok {
		if year && m {
			return append(out, s[:y]...)
		}
		return append(out, v...)
	}
	d, ok := recognise.ParseDate(s)
	if !ok {
		return f.unreadable(out)
	}
	if yearEnd, monthEnd, ok := parts(s); ok {
		if year {
			return append(out, s[:yearEnd]...)
		}
		return append(out, s[:monthEnd]...)
	}
	if year {
		return fmt.Appendf(out, "%04d", d.Year)
	}
	return fmt.Appendf(out, "%04d-%02d", d.Year, d.Month)
}

// coarse reports whether s is a year, or a year and month, already: 1980,
// 1980-03, 198003, 35503, 昭和55年3月, S55.3. yearEnd is where the year ends.
func coarse(s []byte) (yearEnd int, month, ok bool) {
	if allDigits(s) {
		switch len(s) {
		case 4:
			return 4, false, plausible(s)
		case 5: // 35503, the year and month of an era by its number
			return 3, true, s[0] >= '1' && s[0] <= '5' && string(s[3:]) >= "01" && string(s[3:]) <= "12"
		case 6:
			return 4, true, plausible(s[:4]) && s[4:6][0] <= '1' && string(s[4:6]) >= "01" && string(s[4:6]) <= "12"
		}
		return 0, false, false
	}
	i := eraEnd(s)
	start := i
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	if n := i - start; n == 0 || start == 0 && n != 4 || start > 0 && n > 2 || start == 0 && !plausible(s[:4]) {
		return 0, false, false
	}
	yearEnd = i
	if bytes.HasPrefix(s[i:], []byte("年")) {
		i += len("年")
		yearEnd = i
	} else if i < len(s) && (s[i] == '-' || s[i] == '/' || s[i] == '.') {
		i++
	}
	if i == len(s) {
		return yearEnd, false, true
	}
	start = i
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	if n := i - start; n < 1 || n > 2 {
		return 0, false, false
	}
	rest := string(s[i:])
	return yearEnd, true, rest == "" || rest == "月"
}

func plausible(year []byte) bool { return string(year) >= "1850" && string(year) <= "2100" }

// parts finds where the year and the month end in a date that begins with its
// year.
func parts(s []byte) (yearEnd, monthEnd int, ok bool) {
	switch {
	case len(s) == 8 && allDigits(s):
		return 4, 6, true
	case len(s) == 7 && allDigits(s[1:]):
		return 3, 5, true
	}
	i := eraEnd(s)
	start := i
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	if n := i - start; n == 0 || start == 0 && n != 4 {
		return 0, 0, false
	}
	yearEnd = i
	switch {
	case bytes.HasPrefix(s[i:], []byte("年")):
		i += len("年")
		yearEnd = i
	case i < len(s) && (s[i] == '-' || s[i] == '/' || s[i] == '.'):
		i++
	default:
		return 0, 0, false
	}
	start = i
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	if n := i - start; n < 1 || n > 2 {
		return 0, 0, false
	}
	if bytes.HasPrefix(s[i:], []byte("月")) {
		i += len("月")
	}
	return yearEnd, i, true
}

// eraEnd is where the name of a Japanese era at the beginning of s ends.
func eraEnd(s []byte) int {
	for _, era := range []string{"明治", "大正", "昭和", "平成", "令和", "明", "大", "昭", "平", "令"} {
		if bytes.HasPrefix(s, []byte(era)) {
			return len(era)
		}
	}
	if len(s) > 1 && bytes.IndexByte([]byte("MTSHRmtshr"), s[0]) >= 0 && isDigit(s[1]) {
		return 1
	}
	return 0
}

func allDigits(s []byte) bool {
	for _, c := range s {
		if !isDigit(c) {
			return false
		}
	}
	return len(s) > 0
}

func isDigit(c byte) bool { return c-'0' < 10 }

// shift moves a date by the days of the person at hand, at most Rule.Days (365
// when it is zero) either way and never none, and keeps its form where the form
// is YYYYMMDD or begins YYYY-MM-DD; other forms come out as the latter. Without a
// person the date goes.
func (f *Field) shift(out, v []byte) []byte {
	f.folded = recognise.Fold(f.folded[:0], v)
	s := bytes.TrimSpace(f.folded)
	d, ok := recognise.ParseDate(s)
	if !ok || len(f.t.person) == 0 {
		return f.unreadable(out)
	}
	moved := time.Date(d.Year, time.Month(d.Month), d.Day, 0, 0, 0, 0, time.UTC).AddDate(0, 0, f.days())
	if len(s) == 8 && allDigits(s) {
		return moved.AppendFormat(out, "20060102")
	}
	rest := s
	if len(s) >= 10 && s[4] == '-' && s[7] == '-' {
		rest = s[10:]
	} else {
		rest = nil
	}
	return append(moved.AppendFormat(out, time.DateOnly), rest...)
}

// days is the shift of the person at hand.
func (f *Field) days() int {
	most := f.Rule.Days
	if most == 0 {
		most = 365
	}
	mac := f.t.mac(f.Rule, "shift", f.t.person)
	n := int(binary.BigEndian.Uint64(mac) % uint64(2*most))
	if n < most {
		return n - most // -most … -1
	}
	return n - most + 1 // 1 … most
}

// prefix3 keeps three digits: of 160-0023 and 〒160 the 160. A ZIP prefix of few
// people becomes 000, as do prefixes that the table does not know.
func (f *Field) prefix3(out, v []byte) []byte {
	f.folded = recognise.Fold(f.folded[:0], v)
	s := bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(f.folded), []byte("〒")))
	if len(s) < 3 || !allDigits(s[:3]) || len(s) > 12 {
		return f.unreadable(out)
	}
	return append(out, f.zip3(s[:3])...)
}

func (f *Field) zip3(prefix []byte) []byte {
	z := &f.t.profile.Zip3
	for _, few := range z.Restricted {
		if few == string(prefix) {
			return []byte("000")
		}
	}
	if len(z.Known) == 0 {
		return prefix
	}
	for _, known := range z.Known {
		if known == string(prefix) {
			return prefix
		}
	}
	return []byte("000")
}
