package access

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"teikyo/models"
)

// Limits of what people enter.
const (
	MinPassword = 12   // characters
	MaxPassword = 1024 // bytes, NFC
	maxEmail    = 254  // bytes (RFC 5321, 4.5.3.1.3)
	maxName     = 200  // bytes

	minDistinct = 5 // different characters in a password
)

// cleanEmail is the address as accounts have it: lower case, NFC. Errors are
// Invalid.
func cleanEmail(text string) (string, error) {
	email := strings.ToLower(norm.NFC.String(strings.TrimSpace(text)))
	addr, err := mail.ParseAddress(email)
	if err != nil || addr.Address != email || len(email) > maxEmail || hasInvisible(email) {
		return "", models.Errorf(models.Invalid, "the e-mail address is not valid; give one like name@example.jp")
	}
	return email, nil
}

// cleanName is a name in NFC without spaces around it. Errors are Invalid; what
// says whose name it is.
func cleanName(text, what string) (string, error) {
	name := norm.NFC.String(strings.TrimSpace(text))
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || hasInvisible(name) {
		return "", models.Errorf(models.Invalid,
			"the %s needs 1 to %d bytes of visible characters", what, maxName)
	}
	return name, nil
}

// hasInvisible finds control and format characters: line ends would break mails
// and logs, direction marks make one name look like another.
func hasInvisible(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) })
}

// cleanPassword is a new password in NFC, so that it is the same from every
// keyboard. Length is what counts (NIST SP 800-63B, 3.1.1.2). Errors are
// Invalid and never show it.
func cleanPassword(text, email string) (string, error) {
	password := norm.NFC.String(text)
	switch {
	case !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl):
		return "", models.Errorf(models.Invalid, "the password holds control characters; use letters, digits, spaces and signs")
	case utf8.RuneCountInString(password) < MinPassword:
		return "", models.Errorf(models.Invalid, "the password is too short; use at least %d characters, for example four words", MinPassword)
	case len(password) > MaxPassword:
		return "", models.Errorf(models.Invalid, "the password is too long; use at most %d bytes", MaxPassword)
	case distinct(password) < minDistinct || strings.EqualFold(password, email):
		return "", models.Errorf(models.Invalid, "the password is too easy to guess; use other words than your address, and more different characters")
	}
	return password, nil
}

func distinct(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}
