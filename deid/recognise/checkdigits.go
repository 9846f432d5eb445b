package recognise

// Luhn reports whether all digits, the check digit last, have a Luhn sum that
// ends in 0. About 10 % of random numbers do, and 10 % of YYYYMMDD dates.
func Luhn(digits []byte) bool {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// weighted is the sum of the digits times the weights first, first-1, …
func weighted(digits []byte, first int) int {
	sum := 0
	for i, c := range digits {
		sum += int(c-'0') * (first - i)
	}
	return sum
}
