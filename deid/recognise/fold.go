// Package recognise knows what identifiers look like: by the name of a column
// (ClassOf), as the whole value of a cell (Forms) and inside text (Finder). The
// patterns and check digits are those of DOMAIN.md 4.1 and 4.2, one file each.
//
// All values are folded first (Fold), so that full-width digits count like
// ASCII ones.
package recognise

import "unicode/utf8"

// Fold appends src to dst with full-width ASCII, ideographic spaces and the
// many hyphens of Japanese text replaced by their ASCII forms; everything else
// stays. The long vowel mark is a hyphen only after a digit.
func Fold(dst, src []byte) []byte {
	for i := 0; i < len(src); {
		if src[i] < utf8.RuneSelf {
			dst = append(dst, src[i])
			i++
			continue
		}
		r, n := utf8.DecodeRune(src[i:])
		switch {
		case r >= 0xFF01 && r <= 0xFF5E:
			dst = append(dst, byte(r-0xFF01+'!'))
		case r == 0x3000 || r == 0xA0:
			dst = append(dst, ' ')
		case r >= 0x2010 && r <= 0x2015 || r == 0x2212 || (r == 0x30FC || r == 0xFF70) && endsInDigit(dst):
			dst = append(dst, '-')
		default:
			dst = append(dst, src[i:i+n]...)
		}
		i += n
	}
	return dst
}

func endsInDigit(b []byte) bool { return len(b) > 0 && isDigit(b[len(b)-1]) }

func isDigit(c byte) bool { return c-'0' < 10 }

func isLetter(c byte) bool { return (c|0x20)-'a' < 26 }

func isAlnum(c byte) bool { return isDigit(c) || isLetter(c) }

func allDigits[T ~[]byte | ~string](s T) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return len(s) > 0
}

func sameDigits(s []byte) bool {
	for _, c := range s {
		if c != s[0] {
			return false
		}
	}
	return true
}

// hasPrefix and hasSuffix compare without a conversion that copies.
func hasPrefix(b []byte, s string) bool { return len(b) >= len(s) && string(b[:len(s)]) == s }

func hasSuffix(b []byte, s string) bool { return len(b) >= len(s) && string(b[len(b)-len(s):]) == s }
