package sheet

import (
	"bufio"
	"encoding/json"
	"io"
)

// writeJSON writes one object: the facts, then "items" a line each, then the
// totals. Values in it are for programs, so it has one language.
func (s Sheet[T]) writeJSON(w io.Writer) error {
	out := bufio.NewWriterSize(w, 32<<10)
	head, err := json.Marshal(struct {
		Report string            `json:"report"`
		Title  string            `json:"title"`
		Issuer string            `json:"issuer"`
		About  map[string]string `json:"about"`
	}{s.Name, s.Title.EN, s.Issuer, factMap(s.Facts)})
	if err != nil {
		return err
	}
	out.Write(head[:len(head)-1])
	separator := `,"items":[` + "\n"
	for row, err := range s.Rows {
		if err != nil {
			return err
		}
		line, err := json.Marshal(row)
		if err != nil {
			return err
		}
		out.WriteString(separator)
		if _, err := out.Write(line); err != nil {
			return err
		}
		separator = ",\n"
	}
	if separator != ",\n" {
		out.WriteString(separator)
	}
	totals, err := json.Marshal(factMap(s.totals()))
	if err != nil {
		return err
	}
	out.WriteString("\n]" + `,"totals":` + string(totals))
	if next := s.next(); next != "" {
		cursor, err := json.Marshal(next)
		if err != nil {
			return err
		}
		out.WriteString(`,"next_cursor":` + string(cursor))
	}
	out.WriteString("}\n")
	return out.Flush()
}

func factMap(facts []Fact) map[string]string {
	m := make(map[string]string, len(facts))
	for _, f := range facts {
		m[f.Name] = f.Value.EN
	}
	return m
}
