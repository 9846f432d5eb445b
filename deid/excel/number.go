package excel

import (
	"math"
	"strconv"
)

// plainNumber writes whole numbers without exponent, so that a number of 12
// digits has 12 digits.
func plainNumber(buf []byte, text []byte) ([]byte, float64, bool) {
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
		return append(buf, text...), 0, false
	}
	if n == math.Trunc(n) && math.Abs(n) < 1e17 {
		return strconv.AppendFloat(buf, n, 'f', -1, 64), n, true
	}
	return append(buf, text...), n, true
}
