package records

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/transform"
)

// The encodings of these files. Real ones are CP932; UTF-8 is met in samples
// and in what other programs export.
const (
	ASCII = "ASCII"
	UTF8  = "UTF-8"
	CP932 = "CP932"
)

// Text decodes the fields of one file. The encoding is decided by the first
// bytes beyond ASCII, once. It reuses its memory.
type Text struct {
	encoding string
	decoder  transform.Transformer
	encoder  transform.Transformer
	buf      []byte
}

// NewText decides by head as far as it can; a head of ASCII leaves it open.
func NewText(head []byte) *Text {
	t := &Text{
		encoding: ASCII, decoder: japanese.ShiftJIS.NewDecoder(), encoder: japanese.ShiftJIS.NewEncoder(),
		buf: make([]byte, 4096),
	}
	t.decide(head)
	return t
}

// Encoding is the encoding as far as it is known.
func (t *Text) Encoding() string { return t.encoding }

func (t *Text) decide(b []byte) {
	at := firstHigh(b)
	if at < 0 {
		return
	}
	b = b[at:]
	if len(b) > 64<<10 {
		b = b[:64<<10]
	}
	t.encoding = CP932
	if bad, wide := errorsUTF8(b); bad == 0 && wide || bad < errorsCP932(b) {
		t.encoding = UTF8
	}
}

// Flaws says what of a field could not be read.
type Flaws struct {
	Bad     int // offset of the first byte that the encoding does not allow, -1
	Private int // characters of the private area (外字): which ones only the sender knows
}

// Decode appends the field as UTF-8 to dst. Bytes that the encoding does not
// allow become U+FFFD, characters of the private area U+E000 and following; a
// decoder alone would turn both into U+FFFD without an error.
func (t *Text) Decode(dst, field []byte) ([]byte, Flaws) {
	flaws := Flaws{Bad: -1}
	at := firstHigh(field)
	if at < 0 {
		return append(dst, field...), flaws
	}
	if t.encoding == ASCII {
		t.decide(field)
	}
	if t.encoding == UTF8 {
		return t.decodeUTF8(dst, field, flaws)
	}
	start := len(dst)
	if dst = t.decodeRun(dst, field); bytes.Contains(dst[start:], []byte("\uFFFD")) {
		return t.decodeSlowly(dst[:start], field, flaws)
	}
	return dst, flaws
}

func (t *Text) decodeRun(dst, field []byte) []byte {
	for len(field) > 0 {
		n, m, err := t.decoder.Transform(t.buf, field, true)
		dst = append(dst, t.buf[:n]...)
		field = field[m:]
		if err != nil && err != transform.ErrShortDst || m == 0 {
			return append(dst, "\uFFFD"...)
		}
	}
	return dst
}

// decodeSlowly goes character by character to find what could not be read.
func (t *Text) decodeSlowly(dst, field []byte, flaws Flaws) ([]byte, Flaws) {
	for i := 0; i < len(field); {
		n := charLen(field[i:])
		if private(field[i:]) {
			flaws.Private++
			trail := int(field[i+1]) - 0x40
			if field[i+1] > 0x7F {
				trail--
			}
			dst = utf8.AppendRune(dst, rune(0xE000+188*(int(field[i])-0xF0)+trail))
			i += 2
			continue
		}
		start := len(dst)
		dst = t.decodeRun(dst, field[i:i+n])
		if bytes.Contains(dst[start:], []byte("\uFFFD")) || field[i] == 0x80 {
			if flaws.Bad < 0 {
				flaws.Bad = i
			}
			dst, n = append(dst[:start], "\uFFFD"...), 1
		}
		i += n
	}
	return dst, flaws
}

func (t *Text) decodeUTF8(dst, field []byte, flaws Flaws) ([]byte, Flaws) {
	for i := 0; i < len(field); {
		r, n := utf8.DecodeRune(field[i:])
		switch {
		case r == utf8.RuneError:
			if flaws.Bad < 0 {
				flaws.Bad = i
			}
			dst = append(dst, "\uFFFD"...)
		case r >= 0xE000 && r <= 0xF8FF:
			flaws.Private++
			fallthrough
		default:
			dst = append(dst, field[i:i+n]...)
		}
		i += n
	}
	return dst, flaws
}

// Encode is the reverse of Decode for a value that was changed. The error says
// that the file's encoding has no such character.
func (t *Text) Encode(dst, text []byte) ([]byte, error) {
	if firstHigh(text) < 0 || t.encoding == UTF8 {
		return append(dst, text...), nil
	}
	text = bytes.ReplaceAll(text, []byte("〜"), []byte("～")) // U+301C is U+FF5E in CP932
	out, _, err := transform.Bytes(t.encoder, text)
	if err != nil {
		return dst, fmt.Errorf("encode as CP932: %w", err)
	}
	return append(dst, out...), nil
}

// charLen is the length of the character of CP932 at the start of b.
func charLen(b []byte) int {
	if c := b[0]; len(b) < 2 || c < 0x81 || c > 0xFC || c >= 0xA0 && c < 0xE0 {
		return 1
	}
	return 2
}

// private reports a character of the private area of CP932, F040 to F9FC.
func private(b []byte) bool {
	return len(b) >= 2 && b[0] >= 0xF0 && b[0] <= 0xF9 && b[1] >= 0x40 && b[1] <= 0xFC && b[1] != 0x7F
}

func firstHigh(b []byte) int {
	for i, c := range b {
		if c >= 0x80 {
			return i
		}
	}
	return -1
}

// errorsUTF8 counts what is not UTF-8; wide reports a character of Japanese.
func errorsUTF8(b []byte) (bad int, wide bool) {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 && utf8.FullRune(b[i:]) {
			bad++
		}
		wide = wide || r >= 0x3000 && r != utf8.RuneError
		i += n
	}
	return bad, wide
}

func errorsCP932(b []byte) int {
	bad := 0
	for i := 0; i < len(b); {
		n := charLen(b[i:])
		switch c := b[i]; {
		case c == 0x80 || c == 0xA0 || c > 0xFC:
			bad++
		case n == 2 && (b[i+1] < 0x40 || b[i+1] == 0x7F || b[i+1] > 0xFC):
			bad, n = bad+1, 1
		}
		i += n
	}
	return bad
}
