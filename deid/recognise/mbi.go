package recognise

import "bytes"

// mbiShape: 9 a digit, A a letter, X either (CMS, format of the Medicare
// Beneficiary Identifier); letters exclude S L O I B Z.
const mbiShape = "9AX9AX9AA99"

// IsMBI reports whether s is a Medicare Beneficiary Identifier, with its two
// dashes or, undashed, without any.
func IsMBI(s []byte) bool {
	if len(s) == 13 && s[4] == '-' && s[8] == '-' {
		var b [11]byte
		copy(b[:], s[:4])
		copy(b[4:], s[5:8])
		copy(b[7:], s[9:])
		s = b[:]
	}
	if len(s) != len(mbiShape) || s[0] == '0' {
		return false
	}
	for i, c := range s {
		digit, letter := isDigit(c), isLetter(c) && bytes.IndexByte([]byte("sloibz"), c|0x20) < 0
		switch mbiShape[i] {
		case '9':
			letter = false
		case 'A':
			digit = false
		}
		if !digit && !letter {
			return false
		}
	}
	return true
}
