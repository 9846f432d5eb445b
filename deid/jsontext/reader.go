// Package jsontext reads JSON (RFC 8259) as a stream of tokens whose bytes are
// those of the input, so that what is not changed can be written as it was:
// the order of keys, numbers as they were spelled, white space.
//
// Memory is bounded whatever the input is: a string longer than Limits.String
// is read to its end and shown cut, nesting beyond Limits.Depth is an error,
// and nothing here calls itself. Errors say line and column.
//
// Reader gives tokens; Doc holds one whole value as a tree over its bytes. Its
// neighbours: deid/fhir knows what the values mean.
package jsontext

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Kind says what a token or a value is, by its first byte: '{', '}', '[', ']',
// '"', '0' (a number), 't', 'f' or 'n'.
type Kind byte

// The kinds.
const (
	ObjectStart Kind = '{'
	ObjectEnd   Kind = '}'
	ArrayStart  Kind = '['
	ArrayEnd    Kind = ']'
	String      Kind = '"'
	Number      Kind = '0'
	True        Kind = 't'
	False       Kind = 'f'
	Null        Kind = 'n'
)

// Limits bound what a Reader and a Doc hold.
type Limits struct {
	Depth  int // of nesting
	String int // bytes of a string, of a number or of white space that are held
	Text   int // bytes of one value in a Doc
	Nodes  int // values in a Doc, its own included
}

// DefaultLimits: deeper and larger than any honest record, small enough that
// several readers fit into memory.
func DefaultLimits() Limits {
	return Limits{Depth: 128, String: 1 << 20, Text: 16 << 20, Nodes: 1 << 19}
}

// Token is one token. Its slices are valid until the next call of Next.
type Token struct {
	Kind   Kind
	Key    bool   // a string that names a member
	Space  []byte // what stands between the token before and this one: white space, a comma, a colon
	Raw    []byte // the token as it is written, quotes included; the beginning of it when Cut
	Cut    bool   // the string is longer than Limits.String
	Depth  int    // containers around the token; '{' and its '}' have the same
	Line   int64  // from 1
	Column int64  // byte in the line, from 1
	Bytes  int64  // of the token in the input
}

// SyntaxError says where the text stops being JSON, or goes beyond a limit.
type SyntaxError struct {
	Line, Column int64 // from 1; the column counts bytes
	Offset       int64 // bytes before it
	Msg          string
	Limit        bool // the text may be JSON, but is beyond a limit
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Msg)
}

type state byte

const (
	atTop state = iota
	atFirstKey
	atKey
	atColon
	atMember
	atFirstElement
	atElement
	atComma
)

// Reader reads tokens; several values may follow each other, as in JSON lines.
type Reader struct {
	src    io.Reader
	limits Limits
	buf    []byte
	start  int   // of what the token at hand needs
	pos    int   // next byte
	base   int64 // offset of buf[0]
	line   int64
	lineAt int64 // offset of the first byte of the line
	stack  []Kind
	state  state
	err    error // of src
}

// NewReader reads src. A byte order mark of UTF-8 at its beginning is white space.
func NewReader(src io.Reader, l Limits) *Reader {
	return &Reader{src: src, limits: l, buf: make([]byte, 0, 64<<10), line: 1}
}

// Line is the line that the reader stands in, from 1.
func (r *Reader) Line() int64 { return r.line }

// Next returns the next token. The error is io.EOF after the last value, with
// the white space after it in a token without a kind; a *SyntaxError; or one of
// the source.
func (r *Reader) Next() (Token, error) {
	r.start = r.pos
	c, err := r.separator()
	if err != nil {
		return Token{Space: r.buf[r.start:r.pos]}, err
	}
	space := r.pos - r.start
	t := Token{Kind: Kind(c), Line: r.line, Column: r.offset() - r.lineAt + 1, Depth: len(r.stack)}
	from := r.offset()
	switch c {
	case '{', '[':
		err = r.open(Kind(c))
	case '}', ']':
		t.Depth--
		err = r.close(Kind(c))
	default:
		err = r.scalar(&t, c)
	}
	if err != nil {
		return Token{}, err
	}
	t.Bytes = r.offset() - from
	end := r.pos
	if t.Cut {
		end = r.start + space + r.limits.String
	}
	t.Space = r.buf[r.start : r.start+space]
	t.Raw = r.buf[r.start+space : end]
	return t, nil
}

func (r *Reader) offset() int64 { return r.base + int64(r.pos) }

// separator passes over white space and the comma or colon that must stand here,
// and returns the first byte of the token.
func (r *Reader) separator() (byte, error) {
	for {
		c, err := r.peek()
		if err != nil {
			return 0, r.atEnd(err)
		}
		switch {
		case c == '\n':
			r.pos++
			r.line, r.lineAt = r.line+1, r.offset()
		case c == ' ' || c == '\t' || c == '\r':
			r.pos++
		case c == ',' && r.state == atComma:
			r.pos++
			r.state = atElement
			if r.stack[len(r.stack)-1] == ObjectStart {
				r.state = atKey
			}
		case c == ':' && r.state == atColon:
			r.pos++
			r.state = atMember
		case c == 0xEF && r.offset() == 0 && r.bom():
			r.pos += 3
		default:
			return c, nil
		}
		if r.pos-r.start > r.limits.String {
			return 0, r.limit("more than %d bytes of white space", r.limits.String)
		}
	}
}

// atEnd: the end of the source is the end of the text only between values.
func (r *Reader) atEnd(err error) error {
	if errors.Is(err, io.EOF) && r.state != atTop {
		return r.syntax("the file ends inside a value; it is cut off")
	}
	return err
}

func (r *Reader) bom() bool {
	for len(r.buf)-r.pos < 3 {
		if r.fill() != nil {
			return false
		}
	}
	return bytes.HasPrefix(r.buf[r.pos:], []byte("\xEF\xBB\xBF"))
}

func (r *Reader) peek() (byte, error) {
	for r.pos == len(r.buf) {
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	return r.buf[r.pos], nil
}

// fill reads more after what the token at hand needs, which it moves to the
// beginning of the buffer.
func (r *Reader) fill() error {
	if r.err != nil {
		return r.err
	}
	if r.start > 0 && len(r.buf) == cap(r.buf) {
		n := copy(r.buf, r.buf[r.start:])
		r.buf, r.pos, r.base = r.buf[:n], r.pos-r.start, r.base+int64(r.start)
		r.start = 0
	}
	if len(r.buf) == cap(r.buf) {
		r.buf = append(make([]byte, 0, 2*cap(r.buf)), r.buf...)
	}
	for range 100 {
		n, err := r.src.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		r.err = err
		switch {
		case n > 0:
			return nil
		case err != nil:
			return err
		}
	}
	r.err = io.ErrNoProgress
	return r.err
}

func (r *Reader) open(k Kind) error {
	if err := r.valueAllowed(); err != nil {
		return err
	}
	if len(r.stack) >= r.limits.Depth {
		return r.limit("nested deeper than %d levels", r.limits.Depth)
	}
	r.stack = append(r.stack, k)
	r.state = atFirstElement
	if k == ObjectStart {
		r.state = atFirstKey
	}
	r.pos++
	return nil
}

func (r *Reader) close(k Kind) error {
	want := ArrayEnd
	if len(r.stack) > 0 && r.stack[len(r.stack)-1] == ObjectStart {
		want = ObjectEnd
	}
	if k != want || r.state != atComma && r.state != atFirstKey && r.state != atFirstElement {
		return r.unexpected(byte(k))
	}
	r.stack = r.stack[:len(r.stack)-1]
	r.pos++
	r.afterValue()
	return nil
}

func (r *Reader) afterValue() {
	r.state = atComma
	if len(r.stack) == 0 {
		r.state = atTop
	}
}

func (r *Reader) valueAllowed() error {
	switch r.state {
	case atTop, atMember, atFirstElement, atElement:
		return nil
	}
	return r.unexpected(r.buf[r.pos])
}

func (r *Reader) scalar(t *Token, c byte) error {
	if c == '"' && (r.state == atFirstKey || r.state == atKey) {
		t.Key = true
		err := r.str(t)
		r.state = atColon
		return err
	}
	if err := r.valueAllowed(); err != nil {
		return err
	}
	var err error
	switch {
	case c == '"':
		err = r.str(t)
	case c == '-' || c-'0' < 10:
		t.Kind = Number
		err = r.number()
	case c == 't':
		err = r.literal("true")
	case c == 'f':
		err = r.literal("false")
	case c == 'n':
		err = r.literal("null")
	default:
		return r.unexpected(c)
	}
	r.afterValue()
	return err
}

func (r *Reader) syntax(format string, args ...any) error {
	return &SyntaxError{Line: r.line, Column: r.offset() - r.lineAt + 1, Offset: r.offset(), Msg: fmt.Sprintf(format, args...)}
}

func (r *Reader) limit(format string, args ...any) error {
	err := r.syntax(format, args...).(*SyntaxError) //nolint:errorlint // it is made there
	err.Limit = true
	return err
}

// unexpected names the byte only when it is punctuation: a letter or digit may
// be part of an identifier.
func (r *Reader) unexpected(c byte) error {
	switch {
	case bytes.IndexByte([]byte(`{}[]:,"'/`), c) >= 0:
		return r.syntax("%q is not allowed here", c)
	case c == 0:
		return r.syntax("a NUL byte is not allowed in JSON")
	case c < 0x20 || c >= utf8.RuneSelf:
		return r.syntax("the byte 0x%02x is not allowed here", c)
	}
	return r.syntax("what stands here is not JSON")
}
