package recognise

// IsMyNumber reports whether digits is a Japanese individual number: 12 digits
// with the check digit of MIC Ordinance 85 Art. 5. 10 % of random numbers pass.
func IsMyNumber(digits []byte) bool {
	if len(digits) != 12 || !allDigits(digits) || sameDigits(digits) {
		return false
	}
	sum := 0
	for i, weight := range [11]int{6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2} {
		sum += int(digits[i]-'0') * weight
	}
	want := 0
	if r := sum % 11; r > 1 {
		want = 11 - r
	}
	return int(digits[11]-'0') == want
}
