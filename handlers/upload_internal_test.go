package handlers

import (
	"encoding/hex"
	"fmt"
	"testing"
)

func FuzzContentRange(f *testing.F) {
	for _, text := range []string{"bytes 0-0/1", "bytes 5-9/10", "bytes 0-5/*", "bytes=0-5", "bytes 18446744073709551615-1/2", "bytes -1-2/3"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		start, end, total, err := parseContentRange(text)
		if err != nil {
			return
		}
		if start < 0 || start >= end || end > total {
			t.Fatalf("%q: %d %d %d", text, start, end, total)
		}
		again := fmt.Sprintf("bytes %d-%d/%d", start, end-1, total)
		if s, e, n, err := parseContentRange(again); err != nil || s != start || e != end || n != total {
			t.Fatalf("%q became %q", text, again)
		}
	})
}

func FuzzReprDigest(f *testing.F) {
	for _, text := range []string{
		"", "sha-256=:", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:", "md5=:AA==:, sha-256=::", "sha-256=x, sha-256=y",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sum, err := parseReprDigest(text)
		if err != nil || sum == "" {
			return
		}
		if raw, err := hex.DecodeString(sum); err != nil || len(raw) != 32 {
			t.Fatalf("%q gave %q", text, sum)
		}
		if again, err := parseReprDigest(writeReprDigest(sum)); err != nil || again != sum {
			t.Fatalf("%q became %q, %v", sum, again, err)
		}
	})
}
