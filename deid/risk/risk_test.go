package risk_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"teikyo/deid/risk"
	"teikyo/deid/spill"
	"teikyo/models"
)

// However little memory there is, the figures are the same.
func TestSpillingChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n, wide := rapid.IntRange(1, 8000).Draw(t, "rows"), rapid.IntRange(1, 5000).Draw(t, "classes")
		rng := mathrand.New(mathrand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		var quasi, secret [][]byte
		for range n {
			quasi = append(quasi, fmt.Append(nil, rng.IntN(wide)))
			secret = append(secret, fmt.Append(nil, rng.IntN(4)))
		}
		var got []string
		for _, memory := range []int64{0, 1} {
			c, err := risk.New(risk.Config{QuasiIdentifiers: []string{"a"}, Sensitive: []string{"b"}, Memory: memory, Rand: rand.Reader, Sealer: sealer("")})
			if err != nil {
				t.Fatal(err)
			}
			for i := range quasi {
				if err := c.Add(quasi[i:i+1], secret[i:i+1]); err != nil {
					t.Fatal(err)
				}
			}
			f, err := c.Figures()
			if err := errors.Join(err, c.Close()); err != nil {
				t.Fatal(err)
			}
			f.Spilled = 0
			got = append(got, fmt.Sprintf("%+v", f))
		}
		if got[0] != got[1] {
			t.Fatalf("in memory %s\nspilled %s", got[0], got[1])
		}
	})
}

func sealer(dir string) risk.Sealer {
	return risk.SealerFunc(func() (risk.Spill, error) { return spill.Folder{Dir: dir, Rand: rand.Reader}.Create() })
}

// More runs than are merged at once.
func TestRunsOfRuns(t *testing.T) {
	t.Parallel()
	c, err := risk.New(risk.Config{QuasiIdentifiers: []string{"a"}, Memory: 1, Rand: rand.Reader, Sealer: sealer(t.TempDir())})
	if err != nil {
		t.Fatal(err)
	}
	const rows = 600_000 // 768 a run: three levels
	for i := range rows {
		if err := c.Add([][]byte{fmt.Append(nil, i%(rows/2))}, nil); err != nil {
			t.Fatal(err)
		}
	}
	f, err := c.Figures()
	if err != nil || f.Records != rows || f.Classes != rows/2 || f.Smallest != 2 || f.Largest != 2 {
		t.Fatalf("%+v, %v", f, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// Values that only join to the same text are different tuples.
func TestTuplesDoNotRunTogether(t *testing.T) {
	t.Parallel()
	c, err := risk.New(risk.Config{QuasiIdentifiers: []string{"a", "b"}, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	for _, tuple := range [][]string{{"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"", "abc"}, {"ab", "c"}} {
		if err := c.Add(cells(tuple), nil); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := c.Figures(); err != nil || f.Classes != 4 || f.Unique != 3 {
		t.Fatalf("%+v, %v", f, err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, cfg := range []risk.Config{
		{}, {QuasiIdentifiers: make([]string, risk.MaxQuasi+1)}, {QuasiIdentifiers: []string{"a"}, Sensitive: make([]string, risk.MaxSensitive+1)},
		{QuasiIdentifiers: []string{"a"}, K: -1}, {QuasiIdentifiers: []string{"a"}, Threshold: 2},
	} {
		cfg.Rand = rand.Reader
		if _, err := risk.New(cfg); !models.IsKind(err, models.Invalid) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	if _, err := risk.New(risk.Config{QuasiIdentifiers: []string{"a"}, Rand: bytes.NewReader(nil)}); err == nil {
		t.Error("no randomness, no error")
	}
	c, err := risk.New(risk.Config{QuasiIdentifiers: []string{"a"}, Memory: 1, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Figures(); !models.IsKind(err, models.Invalid) {
		t.Errorf("an empty table: %v", err)
	}
	if err := c.Add(nil, nil); !models.IsKind(err, models.Internal) {
		t.Errorf("a short record: %v", err)
	}
	for i := 0; err == nil || !models.IsKind(err, models.TooLarge); i++ {
		if err = c.Add([][]byte{fmt.Append(nil, i)}, nil); i > 1<<16 {
			t.Fatalf("without a folder for temporary files: %v", err)
		}
	}
}

// A full disk and a changed file are errors, never other figures.
func TestBrokenSpills(t *testing.T) {
	t.Parallel()
	for _, broken := range []*brokenSpill{{room: 1 << 15}, {room: 1 << 30, lie: true}} {
		c, err := risk.New(risk.Config{QuasiIdentifiers: []string{"a"}, Memory: 1, Rand: rand.Reader,
			Sealer: risk.SealerFunc(func() (risk.Spill, error) { return broken, nil })})
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < 10_000 && err == nil; i++ {
			err = c.Add([][]byte{fmt.Append(nil, i)}, nil)
		}
		if err == nil {
			_, err = c.Figures()
		}
		if !errors.Is(err, errBroken) {
			t.Errorf("%+v: %v", broken.room, err)
		}
	}
}

var errBroken = errors.New("broken")

type brokenSpill struct {
	room, size int64
	lie        bool
}

func (b *brokenSpill) Write(p []byte) (int, error) {
	if b.size += int64(len(p)); b.size > b.room {
		return 0, errBroken
	}
	return len(p), nil
}

func (b *brokenSpill) ReadAt([]byte, int64) (int, error) { return 0, errBroken }
func (b *brokenSpill) Close() error                      { return nil }

func TestLimits(t *testing.T) {
	t.Parallel()
	table := func(sizes ...int) risk.Figures {
		var quasi [][]string
		var secret []string
		for class, size := range sizes {
			for i := range size {
				quasi = append(quasi, []string{fmt.Sprint(class)})
				secret = append(secret, fmt.Sprint(i%2))
			}
		}
		return measure(t, risk.Config{QuasiIdentifiers: []string{"q"}, Sensitive: []string{"s"}, K: 11}, quasi, secret)
	}
	preset := func(name string) risk.Limits {
		l, err := risk.Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	cases := []struct {
		name   string
		limits risk.Limits
		f      risk.Figures
		want   string
	}{
		{"public holds at 11", preset(risk.PresetPublic), table(11, 12), ""},
		{"public at 10", preset(risk.PresetPublic), table(10, 30), "k-anonymity highest-risk journalist-risk records-at-risk"},
		{"controlled at 4", preset(risk.PresetControlled), table(4, 30), "k-anonymity highest-risk journalist-risk records-at-risk"},
		{"internal", preset(risk.PresetInternal), table(1, 1), ""},
		{"few at risk are allowed", risk.Limits{RecordsAtRisk: 0.5}, table(2, 30), ""},
		{"marketer", risk.Limits{SuccessRate: 0.05}, table(2, 4), "success-rate"},
		{"diversity", risk.Limits{L: 3}, table(20), "l-diversity"},
		{"closeness", risk.Limits{T: 0.1}, table(1, 30), "t-closeness"},
	}
	for _, c := range cases {
		var got []string
		for _, e := range c.limits.Exceeded(c.f) {
			got = append(got, e.Rule)
			if !risk.IsRule(e.Rule) || e.Msg == "" {
				t.Errorf("%s: %+v", c.name, e)
			}
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
	}
	if _, err := risk.Preset("other"); !models.IsKind(err, models.Invalid) {
		t.Error(err)
	}
}

// BenchmarkAdd: rows a second with eight quasi-identifiers and one sensitive
// column, all different.
func BenchmarkAdd(b *testing.B) {
	c, err := risk.New(risk.Config{QuasiIdentifiers: make([]string, 8), Sensitive: []string{"s"}, Rand: rand.Reader, Sealer: sealer(b.TempDir())})
	if err != nil {
		b.Fatal(err)
	}
	row := cells([]string{"1980-01", "1", "160", "06132013", "1312345678", "2023-04", "A00", ""})
	n := 0
	for b.Loop() {
		row[7] = fmt.Append(row[7][:0], n)
		n++
		if err := c.Add(row, row[6:7]); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if err := c.Close(); err != nil {
		b.Fatal(err)
	}
}

// The sentences say every figure that decides.
func TestLines(t *testing.T) {
	t.Parallel()
	quasi := [][]string{{"a"}, {"a"}, {"b"}}
	f := measure(t, risk.Config{QuasiIdentifiers: []string{"birth"}, Sensitive: []string{"disease"}, K: 2}, quasi, []string{"x", "x", "y"})
	text := strings.Join(append(f.Lines(), f.HistogramLines()...), "\n")
	for _, want := range []string{
		"the 3 records fall into 2 classes", "the smallest class has 1, the largest 2", "Below k = 2: 1 records (33.3 %) in 1 classes",
		"highest risk of one record 100.0 %", "finds 66.7 %", "no table of the population", `"disease": at least 1 different values`, "3 records (100.0 %)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
}
