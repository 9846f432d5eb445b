// Package table turns bytes into the cells of a CSV or TSV file: encoding,
// dialect and quoting. It works in one pass at constant memory and says what is
// wrong with a table instead of guessing silently.
package table

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// Limits of a table. A field or a row beyond them is an error, so that memory
// stays bounded whatever the file holds.
const (
	MaxField   = 1 << 20 // bytes of one field, quotes included
	MaxColumns = 10_000  // fields of one row

	startBuffer = 256 << 10
	batch       = 1024
)

// Errors of Scanner.Next, after the cells before them were returned.
var (
	ErrFieldTooLong   = errors.New("table: a field is longer than 1 MiB")
	ErrTooManyColumns = errors.New("table: a row has more than 10,000 fields")
)

// Class is a set of the kinds of bytes that a cell holds. It lets a reader pass
// over most cells without looking at their bytes again.
type Class uint16

// The kinds of bytes.
const (
	Digit  Class = 1 << iota
	Letter       // ASCII letters
	At           // @
	Dash         // -
	Dot          // .
	Mark         // space ( ) + /
	Other        // any other ASCII
	High         // a byte of a character beyond ASCII
	Wide         // 0xEF: may begin a full-width digit or U+FFFD
	Nul          // 0x00

	stop Class = 1 << 15 // ends an unquoted field
)

// Cell is one field. Data is valid until the next call of Next.
type Cell struct {
	Data     []byte
	Newlines int32 // line ends in the field and after it
	Class    Class
	Last     bool // the last field of its row
	Broken   bool // text after a closing quote
	Unclosed bool // the file ended inside quotes
}

// Scanner reads the cells of a table. Quotes are those of RFC 4180; a quote in
// the middle of an unquoted field is text. LF, CR LF and CR end a row.
type Scanner struct {
	r        io.Reader
	buf      []byte
	pos, end int
	eof      bool
	err      error
	fields   int
	midRow   bool
	delim    byte
	kinds    [256]Class
	cells    []Cell
}

// NewScanner reads r, whose fields are separated by delim.
func NewScanner(r io.Reader, delim byte) *Scanner { return newScanner(r, delim, startBuffer) }

func newScanner(r io.Reader, delim byte, size int) *Scanner {
	return &Scanner{r: r, delim: delim, kinds: kindsOf(delim), cells: make([]Cell, 0, min(batch, size)), buf: make([]byte, size)}
}

func kindsOf(delim byte) [256]Class {
	var k [256]Class
	for c := range 256 {
		switch {
		case c >= 0x80:
			k[c] = High
		case c >= '0' && c <= '9':
			k[c] = Digit
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			k[c] = Letter
		default:
			k[c] = Other
		}
	}
	k['@'], k['-'], k['.'], k[0] = At, Dash, Dot, Nul
	for _, c := range []byte(" ()+/") {
		k[c] = Mark
	}
	k[0xEF] |= Wide
	k[delim], k['\n'], k['\r'] = stop, stop, stop
	return k
}

// Bytes is the kind of each byte, for text without a delimiter.
func Bytes() *[256]Class { return plainBytes() }

var plainBytes = sync.OnceValue(func() *[256]Class {
	k := kindsOf('\n')
	k['\n'], k['\r'] = Other, Other
	return &k
})

// Next returns the next cells, at least one, in order; a row may go on in the
// next call. At the end it returns io.EOF, otherwise the error of the reader,
// ErrFieldTooLong or ErrTooManyColumns.
func (s *Scanner) Next() ([]Cell, error) {
	s.cells = s.cells[:0]
	for s.err == nil {
		s.scan()
		if len(s.cells) > 0 {
			return s.cells, nil
		}
		if s.err == nil {
			s.err = s.fill()
		}
	}
	return nil, s.err
}

// fill moves what is left to the front of the buffer and reads until the buffer
// is full, so that a long field is scanned few times however small the reads.
func (s *Scanner) fill() error {
	if s.eof {
		return io.EOF
	}
	left := copy(s.buf, s.buf[s.pos:s.end])
	s.pos, s.end = 0, left
	if left > MaxField {
		return ErrFieldTooLong
	}
	if left > len(s.buf)/2 {
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

// scan takes whole cells from the buffer until it or the batch is full. The
// fields that a delimiter ends are its fast path; the rest goes through finish.
func (s *Scanner) scan() {
	buf, i, kinds := s.buf[:s.end], s.pos, &s.kinds
	for len(s.cells) < cap(s.cells) && s.err == nil {
		if i < len(buf) && buf[i] == '"' {
			next, ok := s.quoted(i)
			if !ok {
				return
			}
			i, s.pos = next, next
			continue
		}
		start, class := i, Class(0)
		for i < len(buf) {
			k := kinds[buf[i]]
			if k >= stop {
				break
			}
			class |= k
			i++
		}
		switch {
		case i < len(buf) && buf[i] == s.delim && s.fields < MaxColumns && i-start <= MaxField:
			s.cells = append(s.cells, Cell{Data: buf[start:i], Class: class})
			s.fields++
			s.midRow = true
			i++
		case start >= len(buf) && !s.atEnd():
			return
		default:
			next, ok := s.finish(i, Cell{Data: buf[start:i], Class: class})
			if !ok {
				return
			}
			i = next
		}
		s.pos = i
	}
}

// atEnd reports whether the empty rest of the file is a last, empty cell.
func (s *Scanner) atEnd() bool { return s.eof && s.midRow }

// finish adds c, which ends at i, and returns the start of the next cell; ok is
// false when more bytes are needed to tell.
func (s *Scanner) finish(i int, c Cell) (next int, ok bool) {
	if len(c.Data) > MaxField {
		s.err = ErrFieldTooLong
		return i, true
	}
	switch {
	case i >= s.end:
		if !s.eof {
			return 0, false
		}
		c.Last, s.midRow = true, false
	case s.buf[i] == s.delim:
		i++
		s.midRow = true
	case s.buf[i] == '\r' && i+1 >= s.end && !s.eof:
		return 0, false
	default:
		if s.buf[i] == '\r' && i+1 < s.end && s.buf[i+1] == '\n' {
			i++
		}
		i++
		c.Last, s.midRow = true, false
		c.Newlines++
	}
	if s.fields++; s.fields > MaxColumns {
		s.err = ErrTooManyColumns
		return i, true
	}
	if c.Last {
		s.fields = 0
	}
	s.cells = append(s.cells, c)
	return i, true
}

// quoted reads the field whose opening quote is at i.
func (s *Scanner) quoted(i int) (next int, ok bool) {
	buf, start, escaped := s.buf[:s.end], i+1, false
	for i = start; ; i += 2 {
		at := bytes.IndexByte(buf[i:], '"')
		if at < 0 {
			return s.unclosed(start)
		}
		i += at
		if i+1 >= len(buf) && !s.eof {
			return 0, false
		}
		if i+1 >= len(buf) || buf[i+1] != '"' {
			break
		}
		escaped = true
	}
	c := Cell{Data: buf[start:i]}
	i++
	for i < len(buf) && s.kinds[buf[i]] < stop {
		i++
		c.Broken = true
	}
	if i >= len(buf) && !s.eof {
		return 0, false
	}
	if c.Broken {
		c.Data = buf[start:i]
	}
	c.Class, c.Newlines = s.classify(c.Data)
	next, ok = s.finish(i, c)
	if ok && escaped && s.err == nil {
		last := &s.cells[len(s.cells)-1]
		last.Data = unescape(last.Data)
	}
	return next, ok
}

// unclosed returns the rest of the file as one field, once all of it is there.
func (s *Scanner) unclosed(start int) (next int, ok bool) {
	if !s.eof {
		return 0, false
	}
	c := Cell{Data: s.buf[start:s.end], Unclosed: true}
	c.Class, c.Newlines = s.classify(c.Data)
	return s.finish(s.end, c)
}

func (s *Scanner) classify(data []byte) (class Class, newlines int32) {
	for i, b := range data {
		k := s.kinds[b]
		if k < stop {
			class |= k
			continue
		}
		class |= Other
		if b == '\n' || b == '\r' && (i+1 >= len(data) || data[i+1] != '\n') {
			newlines++
		}
	}
	return class, newlines
}

// unescape turns doubled quotes into one, in place.
func unescape(data []byte) []byte {
	out := data[:0]
	for i := 0; i < len(data); i++ {
		out = append(out, data[i])
		if data[i] == '"' && i+1 < len(data) && data[i+1] == '"' {
			i++
		}
	}
	return out
}
