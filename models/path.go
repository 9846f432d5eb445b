package models

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a file's path in a version. A recipient gets the file as
// data/PATH.age, which must still fit the 255 bytes of a file name and the
// 1,024 bytes of a path that common file systems and programs take.
const (
	MaxPathComponent = 255 - len(".age")
	MaxPath          = 1024 - len("data/") - len(".age")
)

// CheckPath refuses a path of a file that could not be stored under the same
// name everywhere, or that shows as something else than it is. isNFC reports
// whether text is in Unicode normal form C; the standard library cannot tell.
// The error is Invalid and says what to do.
func CheckPath(path string, isNFC func(string) bool) error {
	switch {
	case path == "":
		return Errorf(Invalid, "a file needs a name")
	case !utf8.ValidString(path):
		return Errorf(Invalid, "the path %q is not valid UTF-8; rename the file", path)
	case len(path) > MaxPath:
		return Errorf(Invalid, "the path %.60q… has %d bytes; at most %d are allowed; shorten it", path, len(path), MaxPath)
	case strings.HasPrefix(path, "/"):
		return Errorf(Invalid, "the path %q is absolute; give it relative, without the leading /", path)
	}
	for _, r := range path {
		if why := forbidden(r); why != "" {
			return Errorf(Invalid, "the path %+q holds %s (%U); rename the file", path, why, r)
		}
	}
	if !isNFC(path) {
		return Errorf(Invalid, "the path %+q is not in Unicode normal form C; send it normalized (NFC), so that the name is "+
			"the same on every system", path)
	}
	for part := range strings.SplitSeq(path, "/") {
		if err := checkComponent(path, part); err != nil {
			return err
		}
	}
	return nil
}

// forbidden says why a character may not stand in a path, "" when it may.
func forbidden(r rune) string {
	switch {
	case r == 0:
		return "a NUL"
	case r == '\\':
		return "a backslash"
	case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
		return "a control character"
	case unicode.Is(unicode.Bidi_Control, r):
		return "a mark that changes the direction of writing"
	case unicode.Is(unicode.Cf, r) || r == '\u034f' || r == '\u115f' || r == '\u1160' || r == '\u3164' || r == '\uffa0':
		return "an invisible character"
	case r == utf8.RuneError || unicode.Is(unicode.Noncharacter_Code_Point, r):
		return "a character that stands for a damaged one"
	case strings.ContainsRune(`<>:"|?*`, r):
		return "a character that Windows does not allow in file names"
	}
	return ""
}

func checkComponent(path, part string) error {
	switch {
	case part == "":
		return Errorf(Invalid, "the path %q has an empty part; write single slashes, none at the end", path)
	case part == "." || part == "..":
		return Errorf(Invalid, "the path %q holds %q, which leads elsewhere; give the plain path", path, part)
	case len(part) > MaxPathComponent:
		return Errorf(Invalid, "a name in the path %.60q… has %d bytes; at most %d are allowed (its sealed form ends with .age); "+
			"shorten it", path, len(part), MaxPathComponent)
	case strings.HasSuffix(part, ".") || strings.TrimSpace(part) != part:
		return Errorf(Invalid, "the name %q begins or ends with a space, or ends with a dot, which Windows drops; rename the file", part)
	case reservedName(part):
		return Errorf(Invalid, "the name %q is a device on Windows; rename the file", part)
	}
	return nil
}

// reservedName knows the device names of Windows, alone or before a dot
// (learn.microsoft.com, "Naming Files, Paths, and Namespaces").
func reservedName(part string) bool {
	stem, _, _ := strings.Cut(part, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	digit, ok := strings.CutPrefix(stem, "COM")
	if !ok {
		digit, ok = strings.CutPrefix(stem, "LPT")
	}
	return ok && utf8.RuneCountInString(digit) == 1 && strings.ContainsAny(digit, "0123456789¹²³")
}

// FoldCase maps texts that differ in case only to the same text: paths that some
// file systems take for the same, words in a search.
func FoldCase(text string) string { return strings.Map(foldRune, text) }

// foldRune is the smallest character that differs from r in case only.
func foldRune(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	return least
}
