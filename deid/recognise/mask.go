package recognise

import "unicode"

const (
	masked     = '●'
	maxExample = 24 // runes
)

// Mask hides an example: 090-1234-5678 becomes 0●●-●●●●-●●78. Punctuation stays;
// of letters and digits only the first and the last two of eight or more, only
// the first of four to seven, and none of fewer.
func Mask(value string) string {
	runes := []rune(value)
	if len(runes) > maxExample {
		runes = append(runes[:maxExample:maxExample], '…')
	}
	total := 0
	for _, r := range runes {
		if isWordRune(r) {
			total++
		}
	}
	seen := 0
	for i, r := range runes {
		if !isWordRune(r) {
			continue
		}
		if seen++; total >= 4 && seen == 1 || total >= 8 && seen > total-2 {
			continue
		}
		runes[i] = masked
	}
	return string(runes)
}

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) }
