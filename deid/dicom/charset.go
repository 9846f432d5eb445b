package dicom

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// charset is what (0008,0005) says about the characters of a file.
type charset struct{ name string }

// text decodes a value to UTF-8. Values with escape sequences (ISO 2022) are
// read as Japanese, which covers ISO 2022 IR 6, 13, 14, 87 and 159; bytes that
// the character set does not have become U+FFFD.
func (c charset) text(v []byte) []byte {
	v = bytes.TrimRight(v, " \x00")
	if isASCII(v) {
		return v
	}
	dec := c.encoding()
	if bytes.IndexByte(v, 0x1B) >= 0 {
		if v = tidyEscapes(v); !strings.Contains(c.name, "IR 149") && !strings.Contains(c.name, "IR 58") {
			dec = japanese.ISO2022JP
		}
	}
	if dec == nil {
		return bytes.ToValidUTF8(v, []byte("\uFFFD"))
	}
	out, err := dec.NewDecoder().Bytes(v)
	if err != nil {
		return bytes.ToValidUTF8(v, []byte("\uFFFD"))
	}
	return out
}

func (c charset) encoding() encoding.Encoding {
	switch {
	case strings.Contains(c.name, "IR 192"):
		return nil
	case strings.Contains(c.name, "IR 13"), strings.Contains(c.name, "IR 87"):
		return japanese.ShiftJIS
	case strings.Contains(c.name, "IR 149"):
		return korean.EUCKR
	case strings.Contains(c.name, "GB18030"), strings.Contains(c.name, "GBK"), strings.Contains(c.name, "IR 58"):
		return simplifiedchinese.GB18030
	case strings.Contains(c.name, "IR 101"):
		return charmap.ISO8859_2
	case strings.Contains(c.name, "IR 144"):
		return charmap.ISO8859_5
	case strings.Contains(c.name, "IR 100"):
		return charmap.ISO8859_1
	}
	return nil
}

func isASCII(v []byte) bool {
	for _, b := range v {
		if b >= utf8.RuneSelf || b == 0x1B {
			return false
		}
	}
	return true
}

// tidyEscapes spells the escape to half-width katakana (ISO 2022 IR 13) in the
// way of ISO-2022-JP.
func tidyEscapes(v []byte) []byte {
	return bytes.ReplaceAll(v, []byte("\x1b)I"), []byte("\x1b(I"))
}
