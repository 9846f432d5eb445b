package handlers

import (
	"net/http"
	"strings"
	"testing"
)

// Whatever a client sends: a portion lies within the file, is never refused when
// it is whole, and several ranges never pass.
func FuzzRange(f *testing.F) {
	for _, seed := range []string{
		"bytes=0-1", "bytes=-5", "bytes=5-", "bytes=0-1,3-4", "bytes=-0", "bytes=", "Bytes = 1-2", "lines=1-2", "bytes=9-3",
		"bytes=18446744073709551615-", "bytes=1-2\x00", "bytes=１-２",
	} {
		f.Add(seed, "", "", int64(10))
	}
	f.Add("bytes=0-1", `"tag"`, `W/"tag", "x"`, int64(0))
	f.Fuzz(func(t *testing.T, header, ifRange, none string, size int64) {
		if size < 0 {
			return
		}
		r := &http.Request{Method: http.MethodGet, Header: http.Header{}}
		for name, value := range map[string]string{"Range": header, "If-Range": ifRange, "If-None-Match": none} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		p, err := portionOf(r, size, `"tag"`)
		if err != nil {
			if header == "" {
				t.Errorf("no range is refused: %v", err)
			}
			return
		}
		switch p.status {
		case http.StatusOK:
			if p.offset != 0 || p.length != size {
				t.Errorf("whole: %+v of %d", p, size)
			}
		case http.StatusPartialContent:
			if p.offset < 0 || p.length < 1 || p.offset > size-p.length {
				t.Errorf("part: %+v of %d", p, size)
			}
			if strings.Contains(header, ",") {
				t.Errorf("several ranges: %q", header)
			}
		case http.StatusNotModified:
			if !strings.Contains(none, `"tag"`) && !strings.Contains(none, "*") {
				t.Errorf("not modified for %q", none)
			}
		case http.StatusRequestedRangeNotSatisfiable:
		default:
			t.Errorf("status %d", p.status)
		}
	})
}
