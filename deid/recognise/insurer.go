package recognise

// IsInsurer reports whether digits is a Japanese insurer number: 8 digits, or 6
// for national health insurance, with its check digit, which is a Luhn sum
// (DOMAIN.md 4.2). It is kept, not removed: it names an insurer, not a person.
func IsInsurer(digits []byte) bool {
	return (len(digits) == 8 || len(digits) == 6) && allDigits(digits) && Luhn(digits)
}
