package recognise

import "bytes"

// IsSSN reports whether s is a US Social Security number written in groups,
// 123-45-6789, with one kind of separator (- . or space). Numbers that were
// never given out or were printed on sample cards do not count; 9xx does (tax
// numbers, and the synthetic patients of Synthea).
func IsSSN(s []byte) bool {
	if len(s) != 11 || s[3] != s[6] || bytes.IndexByte([]byte("-. "), s[3]) < 0 ||
		!allDigits(s[:3]) || !allDigits(s[4:6]) || !allDigits(s[7:]) {
		return false
	}
	area, group, serial := string(s[:3]), string(s[4:6]), string(s[7:])
	digits := []byte(area + group + serial)
	switch string(digits) {
	case "078051120", "123456789", "987654321":
		return false
	}
	return area != "000" && area != "666" && group != "00" && serial != "0000" && !sameDigits(digits)
}
