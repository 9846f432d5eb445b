package excel

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// styles tell which cells show their number as a date.
type styles struct {
	dates []bool // by index of the cell's format (s="…")
	from  time.Time
}

// maxFormats bounds the formats of a workbook; Excel's own limit is 65,490.
const maxFormats = 100_000

// readStyles reads the formats of cells (ECMA-376 18.8).
func readStyles(r io.Reader) (*styles, error) {
	out := &styles{}
	p, err := newParser(r)
	if err != nil {
		return nil, err
	}
	codes := map[string]string{}
	inCells := false
	for {
		tok, err := p.next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "numFmt":
				if len(codes) < maxFormats {
					codes[attr(t, "numFmtId")] = attr(t, "formatCode")
				}
			case "cellXfs":
				inCells = true
			case "xf":
				if inCells && len(out.dates) < maxFormats {
					id := attr(t, "numFmtId")
					out.dates = append(out.dates, isDateFormat(id, codes[id]))
				}
			}
		case xml.EndElement:
			if t.Name.Local == "cellXfs" {
				inCells = false
			}
		}
	}
}

// isDateFormat: the built-in formats of dates, those of East Asian versions
// included (ECMA-376 18.8.30), and codes that show a day, a month or a year.
func isDateFormat(id, code string) bool {
	if code == "" {
		n, err := strconv.Atoi(id)
		return err == nil && (n >= 14 && n <= 17 || n == 22 || n >= 27 && n <= 31 || n == 36 || n >= 50 && n <= 58)
	}
	quoted, bracket := false, false
	for i := 0; i < len(code); i++ {
		switch c := code[i]; {
		case c == '\\' || c == '_' || c == '*':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[':
			bracket = true
		case c == ']':
			bracket = false
		case bracket:
		case strings.IndexByte("ydYDeE", c) >= 0:
			if (c == 'e' || c == 'E') && i+1 < len(code) && (code[i+1] == '+' || code[i+1] == '-') {
				continue // 0.00E+00
			}
			if strings.EqualFold(code, "general") {
				return false
			}
			return true
		}
	}
	return false
}

func (s *styles) isDate(index string) bool {
	n, err := strconv.Atoi(index)
	return err == nil && n >= 0 && n < len(s.dates) && s.dates[n]
}

// day1900 is day 0 of workbooks that count from 1900, with the day that 1900 did
// not have; day1904 that of the others (ECMA-376 18.17.4.1).
func day1900() time.Time { return time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC) }
func day1904() time.Time { return time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC) }

// date writes a serial number as a date, with the time when it has one. false
// when it is none: negative, a time alone, or after the year 9999.
func (s *styles) date(buf []byte, serial float64) ([]byte, bool) {
	days, part := math.Modf(serial)
	if days < 1 || days > 2_958_465 || math.IsNaN(serial) {
		return buf, false
	}
	at := s.from.AddDate(0, 0, int(days))
	if days < 60 && s.from.Equal(day1900()) {
		at = at.AddDate(0, 0, 1)
	}
	if seconds := math.Round(part * 86_400); seconds > 0 {
		return at.Add(time.Duration(seconds)*time.Second).AppendFormat(buf, "2006-01-02 15:04:05"), true
	}
	return at.AppendFormat(buf, time.DateOnly), true
}
