package table

import (
	"bytes"
	"encoding/binary"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// The encodings that are told apart.
const (
	UTF8    = "UTF-8"
	UTF16LE = "UTF-16LE"
	UTF16BE = "UTF-16BE"
	CP932   = "CP932"
	Win1252 = "Windows-1252"
	Unknown = "unknown 8-bit"
)

// window is how many bytes, from the first one beyond ASCII, decide the encoding.
const window = 64 << 10

// Decoder reads text of an unknown encoding as UTF-8. A byte order mark decides
// at once; without one the text is ASCII until its first byte beyond ASCII, and
// the 64 KiB from there decide, however late that is. Bytes that the encoding
// does not allow come out as U+FFFD (UTF-8 and unknown ones as they are): the
// reader of the cells has to look for both.
type Decoder struct {
	src      io.Reader
	encoding string
	decided  bool
	raw      bool
}

// NewRaw reads head, then rest, and tells the encoding as NewDecoder does, but
// leaves the bytes as they are; UTF-16 alone becomes UTF-8. The encoding is known
// before the first byte beyond ASCII comes. The byte order mark is left out and
// returned.
func NewRaw(head []byte, rest io.Reader) (d *Decoder, mark []byte) {
	d = &Decoder{encoding: UTF8, decided: true, raw: true}
	switch {
	case bytes.HasPrefix(head, []byte{0xEF, 0xBB, 0xBF}):
		mark = head[:3]
		d.src = io.MultiReader(bytes.NewReader(head[3:]), rest)
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
		mark = head[:2]
		d.decode(UTF16LE, io.MultiReader(bytes.NewReader(head[2:]), rest))
	case bytes.HasPrefix(head, []byte{0xFE, 0xFF}):
		mark = head[:2]
		d.decode(UTF16BE, io.MultiReader(bytes.NewReader(head[2:]), rest))
	default:
		d.src, d.decided = io.MultiReader(bytes.NewReader(head), rest), false
	}
	return d, mark
}

// EncodingOf is the encoding with that name, nil for UTF-8 and Unknown.
func EncodingOf(name string) encoding.Encoding { return encodingOf(name) }

// NewDecoder reads head, then rest.
func NewDecoder(head []byte, rest io.Reader) *Decoder {
	d := &Decoder{encoding: UTF8, decided: true}
	switch {
	case bytes.HasPrefix(head, []byte{0xEF, 0xBB, 0xBF}):
		d.src = io.MultiReader(bytes.NewReader(head[3:]), rest)
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
		d.decode(UTF16LE, io.MultiReader(bytes.NewReader(head[2:]), rest))
	case bytes.HasPrefix(head, []byte{0xFE, 0xFF}):
		d.decode(UTF16BE, io.MultiReader(bytes.NewReader(head[2:]), rest))
	default:
		d.src, d.decided = io.MultiReader(bytes.NewReader(head), rest), false
	}
	return d
}

// Encoding is the encoding as far as it is known now: UTF-8 while only ASCII
// was read.
func (d *Decoder) Encoding() string { return d.encoding }

func (d *Decoder) Read(p []byte) (int, error) {
	n, err := d.src.Read(p)
	if d.decided {
		return n, err
	}
	at := firstHigh(p[:n])
	if at < 0 {
		return n, err
	}
	d.decided = true
	rest := d.src
	if err != nil {
		rest = failing{err}
	}
	rest = io.MultiReader(bytes.NewReader(bytes.Clone(p[at:n])), rest) // p may be longer than the window
	win, err := ReadHead(rest, window)
	if err != nil {
		rest = failing{err}
	}
	d.decode(guess(win), io.MultiReader(bytes.NewReader(win), rest))
	if at > 0 {
		return at, nil
	}
	return d.src.Read(p)
}

func (d *Decoder) decode(name string, r io.Reader) {
	d.encoding, d.src = name, r
	switch enc := encodingOf(name); {
	case enc == nil:
	case d.raw && name != UTF16LE && name != UTF16BE:
	case name == CP932:
		d.src = transform.NewReader(r, asciiFirst{enc.NewDecoder()})
	default:
		d.src = transform.NewReader(r, enc.NewDecoder())
	}
}

// asciiFirst copies runs of ASCII, which are most of a table, and leaves the
// rest to a decoder without state. A run begins at the start of a character
// only: the second byte of a character can look like ASCII.
type asciiFirst struct{ transform.Transformer }

func (a asciiFirst) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		run := src[nSrc : nSrc+min(len(src)-nSrc, len(dst)-nDst)]
		if at := firstHigh(run); at >= 0 {
			run = run[:at]
		}
		copy(dst[nDst:], run)
		nDst, nSrc = nDst+len(run), nSrc+len(run)
		end := min(len(src), nSrc+32)
		if nSrc == end {
			break
		}
		d, s, err := a.Transformer.Transform(dst[nDst:], src[nSrc:end], atEOF && end == len(src))
		nDst, nSrc = nDst+d, nSrc+s
		if err != nil && (err != transform.ErrShortSrc || end == len(src) || s == 0) {
			return nDst, nSrc, err
		}
	}
	return nDst, nSrc, nil
}

func encodingOf(name string) encoding.Encoding {
	switch name {
	case UTF16LE:
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case UTF16BE:
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	case CP932:
		return japanese.ShiftJIS // the WHATWG table, which is CP932
	case Win1252:
		return charmap.Windows1252
	}
	return nil
}

// failing is a reader that has only an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// ReadHead reads up to size bytes. The end of r is no error; any other error is,
// io.ErrUnexpectedEOF of r itself included, and comes with what was read.
func ReadHead(r io.Reader, size int) ([]byte, error) {
	head, n := make([]byte, min(size, 4<<10)), 0
	for n < size {
		if n == len(head) {
			head = append(head, make([]byte, min(size-n, n))...)
		}
		m, err := r.Read(head[n:])
		n += m
		if err == io.EOF {
			break
		}
		if err != nil {
			return head[:n], err
		}
	}
	return head[:n], nil
}

func firstHigh(p []byte) int {
	i := 0
	for ; i+8 <= len(p) && binary.LittleEndian.Uint64(p[i:])&0x8080808080808080 == 0; i += 8 {
	}
	for ; i < len(p); i++ {
		if p[i] >= 0x80 {
			return i
		}
	}
	return -1
}

// guess tells the encoding of text that begins with a byte beyond ASCII. One
// wrong byte in a hundred is allowed: it is a finding, not another encoding.
func guess(win []byte) string {
	switch {
	case errorsUTF8(win) <= 0.01:
		return UTF8
	case looksWestern(win):
		return Win1252
	case errorsCP932(win) <= 0.01:
		return CP932
	}
	return Unknown
}

// errorsUTF8 is the share of the characters beyond ASCII that are not UTF-8.
func errorsUTF8(win []byte) float64 {
	bad, high := 0, 0
	for len(win) > 0 {
		r, n := utf8.DecodeRune(win)
		if win[0] >= 0x80 {
			high++
			if r == utf8.RuneError && n == 1 && (utf8.FullRune(win) || len(win) >= utf8.UTFMax) {
				bad++
			}
		}
		win = win[n:]
	}
	return float64(bad) / float64(max(high, 1))
}

func errorsCP932(win []byte) float64 {
	if len(win) == window {
		win = win[:window-1] // a cut character at the end must not count
	}
	text, err := japanese.ShiftJIS.NewDecoder().Bytes(win)
	if err != nil {
		return 1
	}
	bad, high := 0, 0
	for _, r := range string(text) {
		if r >= 0x80 {
			high++
		}
		if r == utf8.RuneError {
			bad++
		}
	}
	return float64(max(bad-1, 0)) / float64(max(high, 1))
}

// looksWestern tells Latin letters from Shift_JIS: one or two bytes of 0xA0 and
// above next to ASCII letters, where Japanese text has longer runs and bytes of
// 0x80 to 0x9F. (Portuguese in Windows-1252 is mostly valid CP932, and would come
// out as kanji that match no column name.)
func looksWestern(win []byte) bool {
	fit, high := 0, 0
	for i := 0; i < len(win); i++ {
		start := i
		for i < len(win) && win[i] >= 0x80 {
			if win[i] < 0xA0 {
				return false
			}
			i++
		}
		n := i - start
		high += n
		if n > 0 && n <= 2 && (start > 0 && isLetter(win[start-1]) || i < len(win) && isLetter(win[i])) {
			fit += n
		}
	}
	return fit*10 >= high*7
}

func isLetter(c byte) bool { return (c|0x20)-'a' < 26 }
