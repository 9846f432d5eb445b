package zipfile

import (
	"bytes"
	"hash/crc32"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/unicode/norm"
)

// nameOf decodes the name of e: UTF-8 when it says so or is it, else CP932, which
// Japanese Windows writes.
func (a *Archive) nameOf(e *Entry, extra []byte) {
	name, ok := decodeName(e.Raw, e.flags&flagUTF8 != 0)
	e.Name = name
	if wide, _ := field(extra, extraUnicode); len(wide) > 5 && wide[0] == 1 && le32(wide[1:]) == crc32.ChecksumIEEE(e.Raw) {
		other := string(wide[5:])
		if isASCII(e.Raw) && other != e.Name {
			a.refuse(e, RuleDisagree, "has two names, so that programs give it different ones")
		}
		e.Name, ok = other, utf8.ValidString(other)
	}
	if !ok {
		e.Name = strings.ToValidUTF8(e.Name, "\uFFFD")
		a.refuse(e, RulePath, "has a name that is neither UTF-8 nor CP932; give it another")
		return
	}
	if why := PathProblem(e.Name); why != "" {
		a.refuse(e, RulePath, why)
	}
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func decodeName(raw []byte, isUTF8 bool) (string, bool) {
	if isUTF8 || utf8.Valid(raw) {
		return string(raw), utf8.Valid(raw)
	}
	text, err := japanese.ShiftJIS.NewDecoder().Bytes(raw)
	if err != nil || bytes.ContainsRune(text, utf8.RuneError) {
		return string(raw), false
	}
	return string(text), true
}

// reserved are names that are devices on Windows, whatever follows the dot.
var reserved = []string{"con", "prn", "aux", "nul", "com", "lpt", "conin$", "conout$"}

// PathProblem says what is wrong with a path inside an archive; "" when nothing
// is. A path that is right stays below its folder and is the same file on every
// system.
func PathProblem(path string) string {
	switch {
	case path == "":
		return "has no name"
	case len(path) > 1024:
		return "has a name of more than 1,024 bytes"
	case strings.HasPrefix(path, "/"):
		return "has an absolute path; make it relative"
	case strings.Contains(path, `\`):
		return `has a \ in its name, which is a folder on Windows and a letter elsewhere; use /`
	case strings.ContainsAny(path, `:*?"<>|`):
		return `has one of : * ? " < > | in its name, which Windows does not allow`
	}
	for _, r := range path {
		if unicode.IsControl(r) || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 || r == 0x200E || r == 0x200F {
			return "has characters in its name that cannot be seen or change its order"
		}
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(path, "/"), "/") {
		if why := partProblem(part); why != "" {
			return why
		}
	}
	return ""
}

func partProblem(part string) string {
	switch {
	case part == "." || part == "..":
		return "has . or .. in its path, by which it could leave its folder"
	case part == "":
		return "has an empty folder name in its path"
	case strings.HasSuffix(part, ".") || strings.HasSuffix(part, " ") || strings.HasPrefix(part, " "):
		return "has a name that begins with a space or ends with a dot or a space, which Windows changes"
	}
	stem, _, _ := strings.Cut(strings.ToLower(part), ".")
	for _, r := range reserved {
		rest, ok := strings.CutPrefix(stem, r)
		if ok && (rest == "" || len(rest) == 1 && rest >= "1" && rest <= "9" && (r == "com" || r == "lpt")) && stem != "com" && stem != "lpt" {
			return "has the name of a device of Windows"
		}
	}
	return ""
}

// Same is the form in which two paths are one file: on systems that ignore case
// and compose characters.
func Same(path string) string {
	return strings.TrimSuffix(strings.ToLower(norm.NFKC.String(path)), "/")
}

// compareNames finds entries of one name, and files that are folders of others.
func (a *Archive) compareNames() {
	seen := make(map[string]bool, len(a.Entries)) // true: a file
	for _, e := range a.Entries {
		name := Same(e.Name)
		if _, ok := seen[name]; ok {
			a.refuse(e, RuleDuplicate, "has the name of another entry; programs take different ones")
			continue
		}
		seen[name] = !e.Folder
	}
	for _, e := range a.Entries {
		name := Same(e.Name)
		for at := strings.LastIndexByte(name, '/'); at > 0; at = strings.LastIndexByte(name[:at], '/') {
			if seen[name[:at]] {
				a.refuse(e, RuleDuplicate, "is in a folder that has the name of a file")
				break
			}
		}
	}
}
