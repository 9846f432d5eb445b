package received

import (
	"path/filepath"
	"strings"
	"testing"
)

func FuzzParseSums(f *testing.F) {
	sum := strings.Repeat("0a", 32)
	f.Add(sum + "  a.csv\n" + sum + "  b/レセプト 1.csv\n")
	f.Add(sum + "  ../x\n")
	f.Add(sum + "  a\n" + sum + "  a\n")
	f.Add(strings.ToUpper(sum) + "  a\n")
	f.Fuzz(func(t *testing.T, text string) {
		sums, err := parseSums([]byte(text))
		if err != nil {
			return
		}
		if got := strings.Count(strings.TrimSuffix(text, "\n"), "\n") + 1; text != "" && len(sums) != got {
			t.Errorf("%d lines gave %d digests", got, len(sums))
		}
		for name, sum := range sums {
			if !filepath.IsLocal(filepath.FromSlash(name)) || len(sum) != 64 {
				t.Errorf("%q %q passed", name, sum)
			}
		}
	})
}
