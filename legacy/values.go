package legacy

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"teikyo/models"
)

// code reads a code, or its name in English or Japanese.
func code[T ~string](r row, column string, all []T, name func(code, lang string) string) (T, error) {
	return oneCode(column, r.get(column), all, name)
}

func oneCode[T ~string](column, value string, all []T, name func(code, lang string) string) (T, error) {
	for _, c := range all {
		if strings.EqualFold(value, string(c)) || strings.EqualFold(value, name(string(c), "en")) || value == name(string(c), "ja") {
			return c, nil
		}
	}
	return "", wrong(column, strconv.Quote(value)+" is not known; use one of "+models.JoinCodes(all))
}

// codes reads a list of codes, each once.
func codes[T ~string](r row, column string, all []T, name func(code, lang string) string) ([]T, error) {
	var list []T
	seen := map[T]bool{}
	for _, value := range r.list(column) {
		c, err := oneCode(column, value, all, name)
		if err != nil {
			return nil, err
		}
		if !seen[c] {
			list = append(list, c)
		}
		seen[c] = true
	}
	return list, nil
}

// date reads a day as people write it; end is the instant after its last moment.
// An empty cell gives the zero time.
func (s *Service) date(r row, column string, end bool) (time.Time, error) {
	text := norm.NFKC.String(r.get(column))
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, "2006/1/2", "2006.1.2", "2006年1月2日", "20060102"} {
		if day, err := time.ParseInLocation(layout, text, s.Zone); err == nil {
			if end {
				day = day.AddDate(0, 0, 1)
			}
			return day.UTC(), nil
		}
	}
	if day, ok := eraDate(text, s.Zone); ok {
		if end {
			day = day.AddDate(0, 0, 1)
		}
		return day.UTC(), nil
	}
	return time.Time{}, wrong(column, strconv.Quote(text)+" is not a date; write it as 2024-03-31 or 令和6年3月31日")
}

// past is a date that must not lie in the future.
func (s *Service) past(r row, column string) (time.Time, error) {
	at, err := s.date(r, column, false)
	if err == nil && at.After(s.Now()) {
		err = wrong(column, "lies in the future; an earlier register holds what has happened")
	}
	return at, err
}

// number reads a count; an empty cell gives 0.
func number(r row, column string) (int64, error) {
	text := strings.ReplaceAll(norm.NFKC.String(r.get(column)), ",", "")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 52)
	if err != nil || n < 0 {
		return 0, wrong(column, strconv.Quote(text)+" is not a whole number")
	}
	return n, nil
}
