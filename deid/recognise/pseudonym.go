package recognise

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
)

// PseudonymLength is how many letters and digits a pseudonym has where the
// layout of the format gives room.
const PseudonymLength = 26

// minPseudonym is the shortest: six characters of the value, two of the check.
const minPseudonym = 8

var pseudonymLetters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Pseudonym writes mac (at least 16 bytes, a keyed hash of a value) as width
// letters and digits, 8 to 26; the last two are a check, so that the gate can
// tell a pseudonym from an identifier of the same length. A width of 0 is 26.
func Pseudonym(mac []byte, width int) string {
	if width == 0 || width > PseudonymLength {
		width = PseudonymLength
	}
	body := pseudonymLetters.EncodeToString(mac)[:max(width, minPseudonym)-2]
	return body + pseudonymCheck(body)
}

func pseudonymCheck(body string) string {
	sum := sha256.Sum256([]byte("teikyo pseudonym " + body))
	return pseudonymLetters.EncodeToString(sum[:])[:2]
}

// IsPseudonym reports whether v was written by Pseudonym: one in 1,024 values
// of the same letters is taken for one by chance.
func IsPseudonym(v []byte) bool {
	n := len(v)
	if n < minPseudonym || n > PseudonymLength {
		return false
	}
	for _, c := range v {
		if (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return pseudonymCheck(string(v[:n-2])) == string(v[n-2:])
}

// PseudonymDigits writes mac as width digits, 6 to 18, the last two a check.
// Of n people two get the same number with a probability of about
// n²/2·10^(2-width).
func PseudonymDigits(mac []byte, width int) string {
	width = min(max(width, 6), 18)
	n := binary.BigEndian.Uint64(mac)
	out := make([]byte, width)
	for i := width - 3; i >= 0; i-- {
		out[i] = byte('0' + n%10)
		n /= 10
	}
	check := digitsCheck(out[:width-2])
	out[width-2], out[width-1] = byte('0'+check/10), byte('0'+check%10)
	return string(out)
}

func digitsCheck(body []byte) int {
	sum := sha256.Sum256(append([]byte("teikyo pseudonym "), body...))
	return int(binary.BigEndian.Uint32(sum[:]) % 100)
}

// IsPseudonymDigits reports whether v was written by PseudonymDigits: one in a
// hundred numbers is taken for one by chance, so the share of a field decides.
func IsPseudonymDigits(v []byte) bool {
	n := len(v)
	if n < 6 || n > 18 || !allDigits(v) {
		return false
	}
	return digitsCheck(v[:n-2]) == int(v[n-2]-'0')*10+int(v[n-1]-'0')
}
