package models

import "time"

// EndOfDay reads a date that a person gave as the last day on which something
// holds ("2027-05-01", inclusive, in zone) and returns the instant, UTC, from
// which it does not hold any more. A full RFC 3339 time is taken as that
// instant.
func EndOfDay(text string, zone *time.Location) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.UTC(), nil
	}
	day, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil {
		return time.Time{}, Errorf(Invalid, "%q is not a date; write it as 2027-03-31", text)
	}
	return day.AddDate(0, 0, 1).UTC(), nil
}

// StartOfDay reads a date that a person gave as the first day on which
// something holds, or a full RFC 3339 time.
func StartOfDay(text string, zone *time.Location) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.UTC(), nil
	}
	day, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil {
		return time.Time{}, Errorf(Invalid, "%q is not a date; write it as 2027-03-31", text)
	}
	return day.UTC(), nil
}
