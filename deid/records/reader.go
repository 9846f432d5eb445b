package records

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// The limits of one line. Real records are shorter than 10 kB.
const (
	MaxLine   = 1 << 20 // bytes, line end included
	MaxFields = 4096
)

// The errors of Next. They name the line.
var (
	ErrLineTooLong   = errors.New("the line is longer than 1 MiB")
	ErrTooManyFields = errors.New("the line has more than 4,096 fields")
)

// Line is one line of a file. Its bytes are those of the file and are valid
// until the next call of Next.
type Line struct {
	Number int64
	BOM    []byte   // byte order mark before the first field of the first line
	Fields [][]byte // as they stand, quotation marks included; a blank line has none
	End    []byte   // "\r\n", "\n", or nothing at the end of the file
	Mark   bool     // the line is only the end-of-file mark 0x1A
}

// Reader reads lines. It reuses its memory.
type Reader struct {
	src    *bufio.Reader
	comma  byte
	quotes bool
	line   Line
	buf    []byte
	err    error
}

var bom = []byte{0xEF, 0xBB, 0xBF}

// NewReader reads lines of fields that are separated by comma. With quotes, a
// field that begins with a quotation mark ends at the next one; a separator
// between them belongs to the field. Neither the separators nor the quotation
// mark can be the second byte of a character of CP932 (0x40 and above).
func NewReader(r io.Reader, comma byte, quotes bool) *Reader {
	return &Reader{src: bufio.NewReaderSize(r, 64<<10), comma: comma, quotes: quotes}
}

// Next returns the next line, or io.EOF after the last one. After
// ErrLineTooLong and ErrTooManyFields nothing more can be read. An error of the
// source is returned as it is.
func (r *Reader) Next() (*Line, error) {
	if r.err != nil {
		return nil, r.err
	}
	if err := r.fill(); err != nil {
		r.err = err
		return nil, err
	}
	l := &r.line
	l.Number++
	l.Fields, l.BOM, l.Mark = l.Fields[:0], nil, false
	data := r.buf
	if l.Number == 1 && bytes.HasPrefix(data, bom) {
		l.BOM, data = data[:3], data[3:]
	}
	data, l.End = cutEnd(data)
	if l.Mark = len(data) == 1 && data[0] == 0x1A; l.Mark || len(data) == 0 {
		return l, nil
	}
	if r.err = r.split(data); r.err != nil {
		return nil, r.err
	}
	return l, nil
}

// fill reads one line, its end included, into buf.
func (r *Reader) fill() error {
	r.buf = r.buf[:0]
	for {
		part, err := r.src.ReadSlice('\n')
		if len(r.buf)+len(part) > MaxLine {
			return fmt.Errorf("line %d: %w", r.line.Number+1, ErrLineTooLong)
		}
		r.buf = append(r.buf, part...)
		switch {
		case err == nil, err == io.EOF && len(r.buf) > 0:
			return nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

func cutEnd(data []byte) (body, end []byte) {
	n := len(data)
	switch {
	case bytes.HasSuffix(data, []byte("\r\n")):
		n -= 2
	case bytes.HasSuffix(data, []byte("\n")):
		n--
	}
	return data[:n:n], data[n:]
}

func (r *Reader) split(data []byte) error {
	l := &r.line
	for {
		end := bytes.IndexByte(data, r.comma)
		if r.quotes && len(data) > 0 && data[0] == '"' {
			end = closing(data, r.comma)
		}
		if len(l.Fields) == MaxFields {
			return fmt.Errorf("line %d: %w", l.Number, ErrTooManyFields)
		}
		if end < 0 {
			l.Fields = append(l.Fields, data)
			return nil
		}
		l.Fields = append(l.Fields, data[:end:end])
		data = data[end+1:]
	}
}

// closing finds the separator after a quoted field, -1 when it is the last one.
func closing(data []byte, comma byte) int {
	for i := 1; i < len(data); i++ {
		if data[i] != '"' {
			continue
		}
		if i+1 < len(data) && data[i+1] == '"' {
			i++ // a doubled mark stands for one
			continue
		}
		if at := bytes.IndexByte(data[i:], comma); at >= 0 {
			return i + at
		}
		return -1
	}
	return bytes.IndexByte(data, comma) // never closed: it is no quoted field
}

// unquote returns what stands between the quotation marks of a field. Doubled
// marks are left as they are.
func unquote(field []byte) (value []byte, quoted bool) {
	if n := len(field); n >= 2 && field[0] == '"' && field[n-1] == '"' {
		return field[1 : n-1 : n-1], true
	}
	return field, false
}

// A Writer of lines is the io.Writer itself: appendLine joins fields again.
func appendLine(dst []byte, l *Line, fields [][]byte, comma byte) []byte {
	dst = append(dst, l.BOM...)
	if l.Mark {
		dst = append(dst, 0x1A)
	}
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, comma)
		}
		dst = append(dst, f...)
	}
	return append(dst, l.End...)
}
