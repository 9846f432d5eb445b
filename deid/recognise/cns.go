package recognise

// IsCNS reports whether digits is a Brazilian health card number: 15 digits
// that begin with 1, 2, 7, 8 or 9 and whose weighted sum is a multiple of 11.
func IsCNS(digits []byte) bool {
	if len(digits) != 15 || !allDigits(digits) || sameDigits(digits) {
		return false
	}
	switch digits[0] {
	case '1', '2':
		if s := string(digits[11:14]); s != "000" && s != "001" {
			return false
		}
	case '7', '8', '9':
	default:
		return false
	}
	return weighted(digits, 15)%11 == 0
}
