package tabular

import (
	"bytes"
	"fmt"
	"io"

	"teikyo/deid/table"
	"teikyo/models"
)

// maxRow bounds one row of a transform, bytes.
const maxRow = 32 << 20

// span is one field as it is written: data[start:end], quotes included, and what
// ends it: data[end:next].
type span struct {
	start, end, next int
}

// rows reads rows as they are written. Quotes are those of table.Scanner.
type rows struct {
	r        io.Reader
	path     string
	delim    byte
	twoByte  func() bool // whether a byte of a character may look like the delimiter
	buf      []byte
	pos, end int
	eof      bool
	fields   []span
	line     int64 // of the row at hand, from 1
	newlines int64
}

func newRows(r io.Reader, path string, delim byte) *rows {
	return &rows{r: r, path: path, delim: delim, buf: make([]byte, 256<<10), line: 1, twoByte: func() bool { return false }}
}

// next reads the next row: the bytes of row and the spans in it are valid until
// the next call. io.EOF is the end; a row that cannot be read is a *models.Error
// with line and column.
func (s *rows) next() (row []byte, err error) {
	s.line += s.newlines
	for {
		if s.pos < s.end {
			n, ok, err := s.parse(s.buf[s.pos:s.end])
			if err != nil {
				return nil, err
			}
			if ok {
				row = s.buf[s.pos : s.pos+n]
				s.pos += n
				return row, nil
			}
		}
		if s.eof {
			return nil, io.EOF
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
}

func (s *rows) fill() error {
	left := copy(s.buf, s.buf[s.pos:s.end])
	s.pos, s.end = 0, left
	if left > len(s.buf)/2 {
		if left >= maxRow {
			return s.bad(s.line, 1, fmt.Sprintf("the row is longer than %d MiB; is a quotation mark missing?", maxRow>>20))
		}
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	for s.end < len(s.buf) {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if err == io.EOF {
			s.eof = true
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *rows) bad(line int64, column int, what string) error {
	return models.Errorf(models.Invalid, "%s: line %d, column %d: %s", s.path, line, column, what)
}

// parse finds the fields of the row that b begins with; ok is false when more
// bytes are needed.
func (s *rows) parse(b []byte) (n int, ok bool, err error) {
	s.fields, s.newlines = s.fields[:0], 0
	wide := s.delim == '|' && s.twoByte()
	for i := 0; ; {
		f := span{start: i}
		if i < len(b) && b[i] == '"' {
			if i, ok = closing(b, i+1); !ok {
				if s.eof {
					return 0, false, s.bad(s.line, len(s.fields)+1, "a quotation mark that opens here is never closed; correct the file")
				}
				return 0, false, nil
			}
			s.newlines += int64(bytes.Count(b[f.start:i], []byte("\n")))
			if i >= len(b) && !s.eof {
				return 0, false, nil
			}
		}
		for i < len(b) && b[i] != s.delim && b[i] != '\n' && b[i] != '\r' {
			if wide && isLead(b[i]) && i+1 < len(b) {
				i++
			}
			i++
		}
		f.end, f.next = i, i
		if len(s.fields) >= table.MaxColumns {
			return 0, false, s.bad(s.line, len(s.fields)+1, fmt.Sprintf("the row has more than %d fields", table.MaxColumns))
		}
		switch {
		case i >= len(b) && !s.eof, i+1 >= len(b) && i < len(b) && b[i] == '\r' && !s.eof:
			return 0, false, nil
		case i >= len(b):
			s.fields = append(s.fields, f)
			return i, true, nil
		case b[i] == s.delim:
			i++
			f.next = i
			s.fields = append(s.fields, f)
			continue
		}
		if b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n' {
			i++
		}
		i++
		f.next = i
		s.newlines++
		s.fields = append(s.fields, f)
		return i, true, nil
	}
}

// closing finds the end of the quoted text that begins at i: after its closing
// quotation mark.
func closing(b []byte, i int) (int, bool) {
	for {
		at := bytes.IndexByte(b[i:], '"')
		if at < 0 {
			return 0, false
		}
		i += at + 1
		if i >= len(b) || b[i] != '"' {
			return i, true
		}
		i++
	}
}

// isLead reports whether c is the first of two bytes of a character in CP932.
func isLead(c byte) bool { return c >= 0x81 && c <= 0x9F || c >= 0xE0 && c <= 0xFC }

// unquote is the text of a field.
func unquote(dst, field []byte) []byte {
	if len(field) < 2 || field[0] != '"' || field[len(field)-1] != '"' {
		return append(dst, field...)
	}
	field = field[1 : len(field)-1]
	for i := 0; i < len(field); i++ {
		dst = append(dst, field[i])
		if field[i] == '"' && i+1 < len(field) && field[i+1] == '"' {
			i++
		}
	}
	return dst
}

// quote writes text as a field; always keeps the quotation marks of a field that
// had them.
func (s *rows) quote(dst, text []byte, always bool) []byte {
	if !always && bytes.IndexByte(text, s.delim) < 0 && !bytes.ContainsAny(text, "\"\r\n") {
		return append(dst, text...)
	}
	dst = append(dst, '"')
	for _, c := range text {
		if c == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}
