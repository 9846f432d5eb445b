package deid_test

import (
	"bytes"
	"slices"
	"testing"
	"testing/iotest"

	"teikyo/deid"
)

// FuzzCheck: whatever the bytes are, Check ends without an error or panic, says
// the same for any size of reads, its verdict follows from its findings, and
// the report survives storing.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		"", "a,b\n1,2\n", "氏名,x\n山田,1\n", "a;\"b\"\"c\"\n\"d\ne\";f\r\n", "{\"a\":1}\n", "\xff\xfea\x00,\x00b\x00\n\x00", "\xef\xbb\xbfa\tb\n",
		"\x8e\x81\x96\xbc,\x90\xab\n\x8eR\x93c,1\n", "a,b\n\"x", "電話,DOB\n090-1234-5678,S55.3.1\n", "UK,2,13\nIR,1\n", "a,b\n昭和元年1月1日生,x@y.jp\n",
	} {
		f.Add("a.csv", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, path string, data []byte) {
		r, err := deid.Check(t.Context(), path, bytes.NewReader(data), deid.DefaultProfile())
		if err != nil {
			t.Fatal(err)
		}
		slow, err := deid.Check(t.Context(), path, iotest.OneByteReader(bytes.NewReader(data)), deid.DefaultProfile())
		if err != nil {
			t.Fatal(err)
		}
		a, errA := r.JSON()
		b, errB := slow.JSON()
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Fatalf("%v %v\n%s\n%s", errA, errB, a, b)
		}
		if _, err := deid.ParseReport(a); err != nil {
			t.Fatal(err)
		}
		known := []deid.Verdict{deid.VerdictPass, deid.VerdictWarn, deid.VerdictBlock, deid.WaiverRequired}
		if !slices.Contains(known, r.Verdict) || len(r.Blocking())+len(r.Warnings()) != len(r.Findings) || r.Text() == "" {
			t.Fatalf("%s", a)
		}
	})
}
