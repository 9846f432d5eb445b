package database

import (
	"encoding/json"
	"time"
)

// toMicros stores a time as UTC microseconds since 1970; the zero time is 0.
func toMicros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// fromMicros is the inverse of toMicros, in UTC.
func fromMicros(v int64) time.Time {
	if v == 0 {
		return time.Time{}
	}
	return time.UnixMicro(v).UTC()
}

// toJSON stores a list or small structure in a text column.
func toJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic("database: a stored value cannot be encoded: " + err.Error())
	}
	return string(text)
}

// fromJSON is the inverse of toJSON; an empty column gives the zero value.
func fromJSON[T any](text string) (T, error) {
	var v T
	if text == "" {
		return v, nil
	}
	err := json.Unmarshal([]byte(text), &v)
	return v, err
}
