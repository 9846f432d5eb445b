package provision

import (
	"strings"
	"testing"
	"time"
)

func TestGlob(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		glob, path string
		want       bool
	}{
		{"", "a/b.csv", true},
		{"*.csv", "a.csv", true},
		{"*.csv", "a/b.csv", false},
		{"*/*.csv", "a/b.csv", true},
		{"**/*.csv", "b.csv", true},
		{"**/*.csv", "a/b/c.csv", true},
		{"**", "a/b/c.csv", true},
		{"claims/**", "claims/2024/a.csv", true},
		{"claims/**", "claims", true},
		{"claims/**", "claims2/a.csv", false},
		{"claims", "claims/2024/a.csv", true},
		{"claims/", "claims/2024/a.csv", true},
		{"cla", "claims/2024/a.csv", false},
		{"a/**/z", "a/z", true},
		{"a/**/z", "a/b/c/z", true},
		{"a/**/z", "a/b/c/y", false},
		{"202[45]/m?.csv", "2024/m1.csv", true},
		{"202[45]/m?.csv", "2026/m1.csv", false},
		{"請求/*.csv", "請求/一.csv", true},
		{"\u304b\u3099\u3093/*", "\u304c\u3093/a", true}, // the pattern is decomposed, the path composed
		{"a//b", "a/b", false},
		{"A.csv", "a.csv", false},
	} {
		if err := checkGlob(c.glob); err != nil {
			t.Errorf("%q: %v", c.glob, err)
		}
		if got := globMatcher(c.glob)(c.path); got != c.want {
			t.Errorf("%q on %q: %v", c.glob, c.path, got)
		}
	}
}

// A pattern of many stars takes no longer than the product of the lengths.
func TestGlobTakesNoTime(t *testing.T) {
	t.Parallel()
	start := time.Now()
	glob := strings.Repeat("**/*a*/", 100) + "b"
	if globMatcher(glob)(strings.Repeat("aaaa/", 200) + "c") {
		t.Error("matched")
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("claims/**", "claims/a/b.csv")
	f.Add("[a-", "a")
	f.Fuzz(func(t *testing.T, glob, path string) {
		if checkGlob(glob) != nil {
			return
		}
		matches := globMatcher(glob)
		// Whatever chooses a folder chooses all that is in it.
		if matches(path) && path != "" && !matches(path+"/x") && !strings.Contains(glob, "*") && !strings.ContainsAny(glob, "?[\\") {
			t.Errorf("%q chooses %q and not what is in it", glob, path)
		}
	})
}
