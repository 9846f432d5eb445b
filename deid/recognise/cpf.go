package recognise

// IsCPF reports whether digits is a Brazilian taxpayer number: 11 digits with
// its two check digits (1 % of random numbers pass).
func IsCPF(digits []byte) bool {
	if len(digits) != 11 || !allDigits(digits) || sameDigits(digits) {
		return false
	}
	d1 := weighted(digits[:9], 10) * 10 % 11 % 10
	d2 := weighted(digits[:10], 11) * 10 % 11 % 10
	return d1 == int(digits[9]-'0') && d2 == int(digits[10]-'0')
}

// isCPFForm reports whether s has the punctuation of a CPF: 111.444.777-35.
func isCPFForm(s []byte) bool {
	return len(s) == 14 && s[3] == '.' && s[7] == '.' && s[11] == '-' &&
		allDigits(s[:3]) && allDigits(s[4:7]) && allDigits(s[8:11]) && allDigits(s[12:])
}
