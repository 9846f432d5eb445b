package recognise

// IsNPI reports whether digits is a US National Provider Identifier: 10 digits
// that begin with 1 or 2, Luhn over the prefix 80840.
func IsNPI(digits []byte) bool {
	if len(digits) != 10 || !allDigits(digits) || digits[0] != '1' && digits[0] != '2' || sameDigits(digits) {
		return false
	}
	return Luhn(append([]byte("80840"), digits...))
}

// IsDEA reports whether s is a US DEA registration: 2 letters, 7 digits, the
// last being the last digit of (d1+d3+d5) + 2(d2+d4+d6).
func IsDEA(s []byte) bool {
	if len(s) != 9 || !isLetter(s[0]) || !isLetter(s[1]) && s[1] != '9' || !allDigits(s[2:]) {
		return false
	}
	n := func(i int) int { return int(s[1+i] - '0') }
	return (n(1)+n(3)+n(5)+2*(n(2)+n(4)+n(6)))%10 == n(7)
}
