package handlers

import (
	"net/http"
	"strconv"
	"strings"
)

// maxRangeHeader bounds a Range header: a single range needs no more.
const maxRangeHeader = 64

// portion is the part of a file that a request gets.
type portion struct {
	status         int
	offset, length int64
}

// portionOf decides what a request for a file gets (RFC 9110, 13.2.2 and 14):
// 200, 206, 304, 412 or 416. A Range header that holds several ranges or is
// malformed gives errBadRange; one in another unit is ignored.
func portionOf(r *http.Request, size int64, etag string) (portion, error) {
	whole := portion{http.StatusOK, 0, size}
	if match := r.Header.Values("If-Match"); len(match) > 0 && !listsTag(match, etag, true) {
		return portion{status: http.StatusPreconditionFailed}, nil
	}
	if none := r.Header.Values("If-None-Match"); len(none) > 0 && listsTag(none, etag, false) {
		return portion{status: http.StatusNotModified}, nil
	}
	headers := r.Header.Values("Range")
	if len(headers) == 0 || r.Method != http.MethodGet {
		return whole, nil
	}
	if len(headers) > 1 {
		return portion{}, errBadRange
	}
	first, last, ok, err := parseRange(headers[0])
	if err != nil || !ok {
		return whole, err
	}
	// A date, a weak tag or that of another version: the whole file.
	if known := r.Header.Get("If-Range"); known != "" && known != etag {
		return whole, nil
	}
	return satisfy(first, last, size), nil
}

// satisfy cuts the range first to last, or the last bytes when first is -1, out
// of a file of that size.
func satisfy(first, last, size int64) portion {
	if first < 0 { // suffix
		if n := min(last, size); n > 0 {
			return portion{http.StatusPartialContent, size - n, n}
		}
		return portion{status: http.StatusRequestedRangeNotSatisfiable}
	}
	if first >= size {
		return portion{status: http.StatusRequestedRangeNotSatisfiable}
	}
	return portion{http.StatusPartialContent, first, min(last, size-1) - first + 1}
}

// parseRange reads a Range header with one range of bytes. A suffix range gives
// first -1 and its length as last; a range to the end gives the largest last.
// ok is false for other units.
func parseRange(header string) (first, last int64, ok bool, err error) {
	unit, spec, found := strings.Cut(header, "=")
	if found && !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return 0, 0, false, nil
	}
	from, to, dash := strings.Cut(strings.Trim(spec, " \t"), "-")
	if !found || !dash || len(header) > maxRangeHeader {
		return 0, 0, false, errBadRange
	}
	if from == "" {
		n, good := digits(to)
		if !good {
			return 0, 0, false, errBadRange
		}
		return -1, n, true, nil
	}
	first, good := digits(from)
	last = int64(1)<<62 - 1
	if good && to != "" {
		last, good = digits(to)
	}
	if !good || first > last {
		return 0, 0, false, errBadRange
	}
	return first, last, true, nil
}

// digits reads a number of at most 18 digits and nothing else.
func digits(text string) (int64, bool) {
	if text == "" || len(text) > 18 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// listsTag reports whether a list of entity tags holds ours; "*" is every one.
// A weak tag counts only where weak comparison does.
func listsTag(headers []string, etag string, strong bool) bool {
	for _, header := range headers {
		for part := range strings.SplitSeq(header, ",") {
			part = strings.TrimSpace(part)
			if !strong {
				part = strings.TrimPrefix(part, "W/")
			}
			if part == "*" || part == etag {
				return true
			}
		}
	}
	return false
}
