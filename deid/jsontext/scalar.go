package jsontext

import (
	"unicode/utf16"
	"unicode/utf8"
)

// str passes over a string. Beyond the limit of held bytes it goes on without
// holding them, and marks the token as cut.
func (r *Reader) str(t *Token) error {
	first := r.pos - r.start // the quote
	checked := first         // bytes up to here are valid UTF-8
	r.pos++
	for {
		c, err := r.peek()
		if err != nil {
			return r.atEndOf(err)
		}
		for c >= 0x20 && c != '"' && c != '\\' {
			if r.pos++; r.pos == len(r.buf) {
				break
			}
			c = r.buf[r.pos]
		}
		if r.pos-r.start-checked > r.limits.String {
			if checked, err = r.cut(t, first, checked); err != nil {
				return err
			}
		}
		switch {
		case r.pos == len(r.buf):
		case c == '"':
			r.pos++
			_, err := r.valid(checked)
			return err
		case c == '\\':
			if err := r.escape(); err != nil {
				return err
			}
		default:
			return r.unexpected(c)
		}
	}
}

func (r *Reader) atEndOf(err error) error {
	r.state = atMember
	return r.atEnd(err)
}

// cut keeps the beginning of the string and lets go of the rest of what was
// read so far.
func (r *Reader) cut(t *Token, first, checked int) (int, error) {
	good, err := r.valid(checked)
	if err != nil {
		return 0, err
	}
	hold := checked
	if !t.Cut {
		t.Cut = true
		hold = first + r.limits.String
	}
	n := copy(r.buf[r.start+hold:], r.buf[r.start+good:])
	r.base += int64(good - hold)
	r.pos -= good - hold
	r.buf = r.buf[:r.start+hold+n]
	return hold, nil
}

// valid reports where the last whole character read so far ends.
func (r *Reader) valid(from int) (int, error) {
	b := r.buf[r.start+from : r.pos]
	if utf8.Valid(b) {
		return r.pos - r.start, nil
	}
	for back := 1; back < utf8.UTFMax && back <= len(b); back++ {
		if tail := b[len(b)-back:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) && r.pos == len(r.buf) && utf8.Valid(b[:len(b)-back]) {
				return r.pos - r.start - back, nil
			}
			break
		}
	}
	return 0, r.syntax("the text before here is not UTF-8")
}

func (r *Reader) escape() error {
	r.pos++
	c, err := r.peek()
	if err != nil {
		return r.atEndOf(err)
	}
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		r.pos++
		return nil
	case 'u':
		r.pos++
		for range 4 {
			if c, err = r.peek(); err != nil {
				return r.atEndOf(err)
			}
			if _, ok := hex(c); !ok {
				return r.syntax("the escape \\u needs four hexadecimal digits")
			}
			r.pos++
		}
		return nil
	}
	return r.syntax("there is no such escape in JSON")
}

func hex(c byte) (rune, bool) {
	switch {
	case c-'0' < 10:
		return rune(c - '0'), true
	case (c|0x20)-'a' < 6:
		return rune((c|0x20)-'a') + 10, true
	}
	return 0, false
}

func (r *Reader) literal(word string) error {
	for i := range len(word) {
		c, err := r.peek()
		if err != nil {
			return r.atEndOf(err)
		}
		if c != word[i] {
			return r.unexpected(c)
		}
		r.pos++
	}
	return r.delimited()
}

// delimited: after a word or a number no letter or digit goes on.
func (r *Reader) delimited() error {
	c, err := r.peek()
	if err != nil {
		return nil //nolint:nilerr // the next call of Next shows it
	}
	if c-'0' < 10 || (c|0x20)-'a' < 26 || c == '.' || c == '+' || c == '-' || c == '_' {
		return r.unexpected(c)
	}
	return nil
}

// number passes over -?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?.
func (r *Reader) number() error {
	if r.buf[r.pos] == '-' {
		r.pos++
	}
	if c, err := r.peek(); err == nil && c == '0' {
		r.pos++
	} else if err := r.digits(); err != nil {
		return err
	}
	if c, err := r.peek(); err == nil && c == '.' {
		r.pos++
		if err := r.digits(); err != nil {
			return err
		}
	}
	if c, err := r.peek(); err == nil && c|0x20 == 'e' {
		r.pos++
		if c, err := r.peek(); err == nil && (c == '+' || c == '-') {
			r.pos++
		}
		if err := r.digits(); err != nil {
			return err
		}
	}
	return r.delimited()
}

func (r *Reader) digits() error {
	from := r.pos - r.start
	for {
		c, err := r.peek()
		if err != nil || c-'0' >= 10 {
			if r.pos-r.start > from {
				return nil //nolint:nilerr // the next call of Next shows it
			}
			if err != nil {
				return r.atEndOf(err)
			}
			return r.unexpected(c)
		}
		if r.pos++; r.pos-r.start > r.limits.String {
			return r.limit("a number of more than %d digits", r.limits.String)
		}
	}
}

// Unquote appends the characters of a string as it is written, with or without
// its closing quote, to dst. A half of a surrogate pair becomes U+FFFD.
func Unquote(dst, raw []byte) []byte {
	if len(raw) > 0 && raw[0] == '"' {
		raw = raw[1:]
	}
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case c == '"':
			return dst
		case c != '\\':
			dst = append(dst, c)
			i++
		case i+1 == len(raw):
			return dst
		case raw[i+1] == 'u':
			var ch rune
			ch, i = unescape(raw, i)
			dst = utf8.AppendRune(dst, ch)
		default:
			dst = append(dst, short(raw[i+1]))
			i += 2
		}
	}
	return dst
}

func short(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// unescape decodes \uXXXX at i, or a pair of them, and returns where it ends.
func unescape(raw []byte, i int) (rune, int) {
	ch, ok := hex4(raw, i)
	if !ok {
		return utf8.RuneError, len(raw)
	}
	if !utf16.IsSurrogate(ch) {
		return ch, i + 6
	}
	low, ok := hex4(raw, i+6)
	if both := utf16.DecodeRune(ch, low); ok && both != utf8.RuneError {
		return both, i + 12
	}
	return utf8.RuneError, i + 6
}

func hex4(raw []byte, i int) (rune, bool) {
	if i+6 > len(raw) || raw[i] != '\\' || raw[i+1] != 'u' {
		return 0, false
	}
	var ch rune
	for _, c := range raw[i+2 : i+6] {
		d, ok := hex(c)
		if !ok {
			return 0, false
		}
		ch = ch<<4 | d
	}
	return ch, true
}

// Quote appends s as a JSON string to dst. It escapes what JSON demands, and
// nothing else.
func Quote(dst, s []byte) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
