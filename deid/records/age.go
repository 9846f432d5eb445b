package records

import (
	"bytes"
	"fmt"

	"teikyo/deid/recognise"
)

// month is a month of the common era; the zero month is none.
type month struct{ year, month int }

func (m month) count() int { return m.year*12 + m.month - 1 }

func monthAt(count int) month { return month{count / 12, count%12 + 1} }

// parseMonth reads YYYYMM, YYYYMMDD, GYYMM and GYYMMDD, G being the number of
// the era (1 明治 to 5 令和).
func parseMonth(text []byte) (month, bool) {
	s := bytes.TrimSpace(text)
	switch len(s) {
	case 5, 6:
		var day [8]byte
		s = append(append(day[:0], s...), "01"...)
	case 7, 8:
	default:
		return month{}, false
	}
	d, ok := recognise.ParseDate(s)
	return month{d.Year, d.Month}, ok
}

// tooOld reports whether a person born then has more than limit whole years at
// asOf. A limit of 130 is none.
func tooOld(born, asOf month, limit int) bool {
	return limit < 130 && asOf.year > 0 && asOf.count()-born.count() >= (limit+1)*12
}

// capped is the date of birth, in the form of text, of a person who is just
// limit years old at asOf.
func capped(text []byte, asOf month, limit int) []byte {
	born := monthAt(asOf.count() - limit*12)
	if len(bytes.TrimSpace(text)) == 7 || len(bytes.TrimSpace(text)) == 5 {
		return eraForm(born)
	}
	return fmt.Appendf(nil, "%04d%02d01", born.year, born.month)
}

// eraForm writes the first day of a month as GYYMMDD.
func eraForm(m month) []byte {
	era, before := 1, 1867
	for i, start := range []struct{ month, before int }{
		{1912*12 + 7, 1911}, {1926*12 + 11, 1925}, {1989 * 12, 1988}, {2019*12 + 4, 2018},
	} {
		if m.count() >= start.month {
			era, before = i+2, start.before
		}
	}
	return fmt.Appendf(nil, "%d%02d%02d01", era, m.year-before, m.month)
}

// fineness of a compact date: what is left after a profile's action.
type fineness int

const (
	notDate fineness = iota
	aYear            // 1980, 355
	aMonth           // 198003, 35503
	aDay             // 19800301, 3550301, any other date with a day
)

// fine tells how fine a date is. Unknown dates (zeros) are as coarse as years.
func fine(text []byte) fineness {
	s := bytes.TrimSpace(folded(text))
	if len(bytes.Trim(s, "0")) == 0 {
		return aYear
	}
	digits := true
	for _, c := range s {
		digits = digits && c >= '0' && c <= '9'
	}
	switch n := len(s); {
	case digits && (n == 3 || n == 4):
		return aYear
	case digits && (n == 5 || n == 6):
		if _, ok := parseMonth(s); ok {
			return aMonth
		}
	default:
		if _, ok := recognise.ParseDate(s); ok {
			return aDay
		}
	}
	return notDate
}
