package legacy

import (
	"regexp"
	"strconv"
	"time"
)

// era is one of the Japanese calendar, whose year 1 is the one in which it began.
type era struct {
	name, letter string
	first, end   time.Time // the day after the last; zero: still
}

// eras are those of the last hundred years (元号を改める政令 of 1989 and 2019).
func eras(zone *time.Location) []era {
	day := func(year int, month time.Month, d int) time.Time { return time.Date(year, month, d, 0, 0, 0, 0, zone) }
	showa, heisei, reiwa := day(1926, time.December, 25), day(1989, time.January, 8), day(2019, time.May, 1)
	return []era{{"令和", "R", reiwa, time.Time{}}, {"平成", "H", heisei, reiwa}, {"昭和", "S", showa, heisei}}
}

var eraText = regexp.MustCompile(`^(令和|平成|昭和|[RHS]) ?(元|[0-9]{1,2}) ?[年./-] ?([0-9]{1,2}) ?[月./-] ?([0-9]{1,2}) ?日?$`)

// eraDate reads a date such as 令和6年3月31日, 平成元年1月8日 or R6.3.31; text is
// normalised (NFKC). A day that lies outside its era is none.
func eraDate(text string, zone *time.Location) (time.Time, bool) {
	found := eraText.FindStringSubmatch(text)
	if found == nil {
		return time.Time{}, false
	}
	var number [3]int
	for i, digits := range found[2:] {
		if digits == "元" {
			digits = "1"
		}
		number[i], _ = strconv.Atoi(digits) // at most two digits
	}
	for _, e := range eras(zone) {
		if found[1] != e.name && found[1] != e.letter {
			continue
		}
		year, month := e.first.Year()+number[0]-1, time.Month(number[1])
		day := time.Date(year, month, number[2], 0, 0, 0, 0, zone)
		inside := !day.Before(e.first) && (e.end.IsZero() || day.Before(e.end))
		return day, number[0] > 0 && day.Month() == month && day.Day() == number[2] && inside
	}
	return time.Time{}, false
}
