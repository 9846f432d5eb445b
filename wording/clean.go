package wording

import (
	"fmt"
	"strings"
	"unicode"
)

// oneLine makes of a value that a user wrote one line without characters that
// do not show or that turn the reading direction.
func oneLine(s string) string { return strings.Join(strings.Fields(visible(s)), " ") }

// indented makes of a text that a user wrote lines of four spaces and what
// shows, so that none of them can pass for a line of the text around it.
func indented(s string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimSpace(lineEnds.Replace(s)), "\n") {
		line = strings.TrimRightFunc(visible(line), unicode.IsSpace)
		if line != "" {
			line = "    " + line
		}
		b.WriteString(line + "\n")
	}
	if strings.TrimSpace(b.String()) == "" {
		return ""
	}
	return b.String()
}

// lineEnds turns everything that some program shows as a line end into one.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// visible replaces control characters by spaces, and drops what is invisible
// and could make a line read differently from what it is: marks of direction,
// zero-width characters (but the joiners that some scripts need), and tags.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\u200c' || r == '\u200d':
			return r
		case unicode.Is(unicode.Cf, r):
			return -1
		case unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Co):
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// required returns the cleaned value, or ErrData when nothing is left of it.
func required(name, value string) (string, error) {
	if value = oneLine(value); value == "" {
		return "", fmt.Errorf("%w: %s is missing", ErrData, name)
	}
	return value, nil
}
