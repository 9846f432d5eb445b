package recognise

import "strings"

// IsPlaceholder reports whether b is one of the words and marks that stand for a value taken out.
func IsPlaceholder(b []byte) bool {
	if len(b) > 40 {
		return false
	}
	text := strings.ToLower(strings.TrimSpace(string(b)))
	switch text {
	case "na", "n/a", "null", "none", "nil", "nan", "deleted", "removed", "masked", "redacted", "anonymized", "anonymised", "unknown",
		"削除", "匿名", "匿名化", "不明", "なし", "anonimizado", "removido":
		return true
	}
	return strings.Trim(text, "*-_.?x0 ●○〇■×＊ー－") == ""
}
