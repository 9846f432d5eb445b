package recognise

import "bytes"

// findEmail returns the span of the e-mail address whose @ is at i; ok is false
// when there is none, or when it is in a domain reserved for examples.
func findEmail(s []byte, i int) (start, end int, ok bool) {
	start, end = i, i+1
	for start > 0 && (isAlnum(s[start-1]) || bytes.IndexByte([]byte("._%+-'"), s[start-1]) >= 0) {
		start--
	}
	for end < len(s) && (isAlnum(s[end]) || s[end] == '.' || s[end] == '-') {
		end++
	}
	for end > i+1 && (s[end-1] == '.' || s[end-1] == '-') {
		end--
	}
	return start, end, start < i && isDomain(s[i+1:end])
}

// isDomain wants a dot and a last label that can be a top-level domain: two
// letters or more, or an encoded one (xn--…).
func isDomain(d []byte) bool {
	dot := bytes.LastIndexByte(d, '.')
	if dot < 1 || len(d)-dot < 3 || bytes.Contains(d, []byte("..")) {
		return false
	}
	tld := bytes.ToLower(d[dot+1:])
	if !bytes.HasPrefix(tld, []byte("xn--")) {
		for _, c := range tld {
			if !isLetter(c) {
				return false
			}
		}
	}
	lower := "." + string(bytes.ToLower(d))
	for _, reserved := range []string{".example", ".invalid", ".test", ".example.com", ".example.org", ".example.net", ".example.jp"} {
		if len(lower) >= len(reserved) && lower[len(lower)-len(reserved):] == reserved {
			return false
		}
	}
	return true
}
