package deid_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/text/encoding/japanese"

	"teikyo/deid"
)

// claimsFile is a claims table of 40 columns: codes, dates, amounts, drug names.
func claimsFile(size int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	b.WriteString("保険者番号,生年月,性別,診療年月,傷病名コード,薬品名,診療開始日,単価")
	for i := range 32 {
		fmt.Fprintf(&b, ",項目%d", i+9)
	}
	b.WriteByte('\n')
	drugs := []string{"アムロジピン錠５ｍｇ「サワイ」", "ロキソプロフェン", "Amlodipine 5 mg", "ムコダイン錠500mg"}
	for b.Len() < size {
		fmt.Fprintf(&b, "06132013,19%02d-%02d,%d,202304,8839%03d,%s,2023-%02d-%02d,%d.%d", rng.IntN(99), 1+rng.IntN(12), 1+rng.IntN(2),
			rng.IntN(1000), drugs[rng.IntN(4)], 1+rng.IntN(12), 1+rng.IntN(28), rng.IntN(1000), rng.IntN(10))
		for i := range 32 {
			switch i % 4 {
			case 0:
				fmt.Fprintf(&b, ",%d", 110000000+rng.IntN(90000000))
			case 1:
				fmt.Fprintf(&b, ",%d", rng.IntN(10000))
			case 2:
				fmt.Fprintf(&b, ",A%03d", rng.IntN(100))
			case 3:
				b.WriteString(",")
			}
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// BenchmarkCheck: MB/s of Check on one core.
func BenchmarkCheck(b *testing.B) {
	utf8 := claimsFile(32 << 20)
	cp932, err := japanese.ShiftJIS.NewEncoder().Bytes(utf8)
	if err != nil {
		b.Fatal(err)
	}
	quoted := bytes.ReplaceAll(bytes.ReplaceAll(utf8, []byte(","), []byte(`","`)), []byte("\n"), []byte("\"\n\""))
	quoted = append([]byte(`"`), quoted[:len(quoted)-1]...)
	text := []byte("code,コメント\n" + string(bytes.Repeat([]byte("A1,再診。血圧は130/85、前回の検査は2023-04-01。経過は良好で、次回は3か月後\n"), 100_000)))
	for name, data := range map[string][]byte{"small": utf8[:4096], "quoted": quoted, "claims": utf8, "claims-cp932": cp932, "free-text": text} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := deid.Check(b.Context(), "a.csv", bytes.NewReader(data), deid.DefaultProfile()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
