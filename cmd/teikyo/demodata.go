package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
)

// demoRows is how many claims the demo makes.
const demoRows = 100_000

// writeDemoClaims writes a claims table as a Japanese insurer holds it after its
// identifiers were removed: insurer number, month of birth, first three digits
// of the postal code. All of it is invented; seed makes it repeatable.
func writeDemoClaims(w io.Writer, rows int, seed uint64) error {
	out := bufio.NewWriterSize(w, 1<<16)
	random := rand.New(rand.NewPCG(seed, 1))
	fmt.Fprintln(out, "請求ID,保険者番号,生年月,性別,郵便番号上3桁,診療年月,入外区分,傷病名コード,診療行為コード,実日数,点数")
	for i := range rows {
		birth := 1930 + random.IntN(90)
		visit := 1 + random.IntN(12)
		fmt.Fprintf(out, "C%07d,%s,%d-%02d,%d,%03d,2025-%02d,%s,%s,%09d,%d,%d\n",
			i+1, pick(random, demoInsurers), birth, 1+random.IntN(12), 1+random.IntN(2), 100+random.IntN(900), visit,
			pick(random, demoSettings), pick(random, demoDiagnoses), 110000000+random.IntN(9_999_999),
			1+random.IntN(20), 50+random.IntN(40_000))
	}
	return out.Flush()
}

func pick(random *rand.Rand, words []string) string { return words[random.IntN(len(words))] }

var (
	demoInsurers  = []string{"06132013", "01130012", "33120015", "06270012"}
	demoSettings  = []string{"入院", "入院外", "調剤"}
	demoDiagnoses = []string{"I10", "E11.9", "J45.9", "K21.0", "M54.5", "N18.3", "C34.9", "F32.9", "H25.1", "Z00.0"}
)
