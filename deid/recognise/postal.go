package recognise

// A postal code is full when it is longer than its first three digits. Codes
// that end in 0000 (160-0000, 0000000) and 9999999 stand for an area, unknown or
// abroad (DOMAIN.md 3.2) and are not full.

// isPostalJP: 160-0023.
func isPostalJP(s []byte) bool {
	return len(s) == 8 && s[3] == '-' && allDigits(s[:3]) && allDigits(s[4:]) && string(s[4:]) != "0000"
}

// isPostalJPBare: 1600023; only a column's name tells it from another number.
func isPostalJPBare(s []byte) bool {
	return len(s) == 7 && allDigits(s) && string(s[3:]) != "0000" && string(s) != "9999999"
}

// isZIP: 12345 or 12345-6789; only with the name of a column.
func isZIP(s []byte) bool {
	return len(s) == 5 && allDigits(s) && string(s[3:]) != "00" ||
		len(s) == 10 && s[5] == '-' && allDigits(s[:5]) && allDigits(s[6:])
}

// isCEP: 01310-100 (Brazil).
func isCEP(s []byte) bool {
	return len(s) == 9 && s[5] == '-' && allDigits(s[:5]) && allDigits(s[6:])
}

// isCEPBare: 01310100; only with the name of a column.
func isCEPBare(s []byte) bool { return len(s) == 8 && allDigits(s) && string(s[3:]) != "00000" }
