package risk_test

import (
	"bytes"
	"crypto/rand"
	"encoding/csv"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"teikyo/deid/risk"
	"teikyo/deid/spill"
)

// data is a folder beside the tree; a checkout alone does not have it.
func data(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join("../../../shared/data/arx", name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("the example data of ARX is not beside the tree: %s", path)
	}
	return path
}

func readTable(t *testing.T, name string) [][]string {
	t.Helper()
	text, err := os.ReadFile(data(t, name))
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma, r.FieldsPerRecord = ';', -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// level is a column and how far it is generalised by ARX's own hierarchy.
type level struct {
	column string
	level  int
}

// adult returns the quasi-identifiers of the 30,162 records, generalised, and
// the sensitive column.
func adult(t *testing.T, levels []level, sensitive string) (quasi [][]string, secret []string) {
	t.Helper()
	rows := readTable(t, "adult.csv")
	header := rows[0]
	var hierarchies []map[string]string
	for _, l := range levels {
		general := map[string]string{}
		for _, row := range readTable(t, "adult_hierarchy_"+l.column+".csv") {
			general[row[0]] = row[l.level]
		}
		hierarchies = append(hierarchies, general)
	}
	for _, row := range rows[1:] {
		var tuple []string
		for i, l := range levels {
			value, ok := hierarchies[i][row[slices.Index(header, l.column)]]
			if !ok {
				t.Fatalf("no generalisation of %q", row)
			}
			tuple = append(tuple, value)
		}
		quasi = append(quasi, tuple)
		secret = append(secret, row[slices.Index(header, sensitive)])
	}
	return quasi, secret
}

func measure(t *testing.T, cfg risk.Config, quasi [][]string, secret []string) risk.Figures {
	t.Helper()
	cfg.Rand = rand.Reader
	cfg.Sealer = risk.SealerFunc(func() (risk.Spill, error) { return spill.Folder{Dir: t.TempDir(), Rand: rand.Reader}.Create() })
	c, err := risk.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	for i, tuple := range quasi {
		var sensitive [][]byte
		if secret != nil {
			sensitive = [][]byte{[]byte(secret[i])}
		}
		if err := c.Add(cells(tuple), sensitive); err != nil {
			t.Fatal(err)
		}
	}
	f, err := c.Figures()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func cells(tuple []string) [][]byte {
	out := make([][]byte, len(tuple))
	for i, s := range tuple {
		out[i] = []byte(s)
	}
	return out
}

// want are figures that were counted without this program. For the first case:
//
//	tail -n +2 adult.csv | cut -d';' -f1-8 | LC_ALL=C sort | uniq -c |
//	  awk '{f[NR]=$1; n+=$1} $1==1{u++} $1<5{b+=$1} END{print NR, n, u, b, NR/n}'
//	18109 30162 14021 21977 0.600391
//
// The generalised ones put the columns of adult_hierarchy_*.csv in the place of
// the values first (a join by awk), and the diversity is counted by
// `sort | uniq -c` over class and value. The formulas are those that ARX's
// classes for sample-based risks document: highest risk 1/min f, records at risk
// Σ{f : 1/f > 0.2}/n (= records in classes below 5), success rate classes/n;
// distinct l the fewest values of a class, entropy l = e^min H, and t the largest
// half sum of differences to the table's distribution (EMD with equal ground
// distance). Without a larger table ARX gives the journalist the prosecutor's
// figures, and the marketer the average.
type want struct {
	classes, smallest, largest, unique, below5, below10, classes10 int64
	atRisk, success                                                float64
	distinct                                                       int64
	entropy, t                                                     float64
	oneValue                                                       int64 // records in classes with one sensitive value
}

func all() []level {
	return []level{{"sex", 0}, {"age", 0}, {"race", 0}, {"marital-status", 0}, {"education", 0}, {"native-country", 0}, {"workclass", 0}, {"occupation", 0}}
}

func TestFiguresOfUCIAdult(t *testing.T) {
	t.Parallel()
	general := []level{{"sex", 0}, {"age", 2}, {"race", 0}, {"marital-status", 1}, {"education", 2}, {"native-country", 1}, {"workclass", 1}, {"occupation", 1}}
	more := []level{{"sex", 0}, {"age", 3}, {"race", 1}, {"marital-status", 1}, {"education", 2}, {"native-country", 2}, {"workclass", 1}, {"occupation", 1}}
	cases := []struct {
		name      string
		levels    []level
		sensitive string
		want      want
	}{
		{"all eight, as they are", all(), "salary-class", want{18109, 1, 45, 14021, 21977, 25769, 17820,
			21977.0 / 30162, 18109.0 / 30162, 1, 1, 0.7510775147536636, 23430}},
		{"sex, age, race", []level{{"sex", 0}, {"age", 0}, {"race", 0}}, "salary-class", want{528, 1, 554, 62, 425, 985, 275,
			425.0 / 30162, 528.0 / 30162, 1, 1, 0.7510775147536636, 2946}},
		{"sex, race", []level{{"sex", 0}, {"race", 0}}, "salary-class", want{10, 87, 18038, 0, 0, 0, 0,
			0, 10.0 / 30162, 2, 1.2050185059966925, 0.20294547375208355, 0}},
		{"generalised", general, "salary-class", want{1579, 1, 762, 625, 1746, 2911, 1242,
			1746.0 / 30162, 1579.0 / 30162, 1, 1, 0.7510775147536636, 4999}},
		{"generalised more", more, "salary-class", want{269, 1, 1251, 40, 187, 345, 115,
			187.0 / 30162, 269.0 / 30162, 1, 1, 0.7510775147536636, 2374}},
		{"occupation as the sensitive one", more, "occupation", want{269, 1, 1251, 40, 187, 345, 115,
			187.0 / 30162, 269.0 / 30162, 1, 1, 0.9786486307274055, 295}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			quasi, secret := adult(t, c.levels, c.sensitive)
			for _, memory := range []int64{0, 1} { // in memory, and with as little as is possible
				f := measure(t, risk.Config{QuasiIdentifiers: names(c.levels), Sensitive: []string{c.sensitive}, K: 5, Memory: memory}, quasi, secret)
				compare(t, f, c.want)
				if memory == 0 && f.Spilled > 0 || memory == 1 && f.Classes > 500 && f.Spilled == 0 {
					t.Errorf("memory %d: %d bytes were spilled", memory, f.Spilled)
				}
			}
		})
	}
}

func names(levels []level) []string {
	var out []string
	for _, l := range levels {
		out = append(out, l.column)
	}
	return out
}

func compare(t *testing.T, f risk.Figures, w want) {
	t.Helper()
	d := f.Diversity[0]
	whole := map[string][2]int64{
		"records": {f.Records, 30162}, "classes": {f.Classes, w.classes}, "smallest": {f.Smallest, w.smallest}, "largest": {f.Largest, w.largest},
		"unique": {f.Unique, w.unique}, "records below 5": {f.BelowK.Records, w.below5}, "records below 10": {f.BelowTen.Records, w.below10},
		"classes below 10": {f.BelowTen.Classes, w.classes10}, "distinct l": {d.Distinct, w.distinct}, "one value": {d.Homogenous.Records, w.oneValue},
	}
	for name, pair := range whole {
		if pair[0] != pair[1] {
			t.Errorf("%s: %d, want %d", name, pair[0], pair[1])
		}
	}
	risks := map[string][2]float64{
		"prosecutor, highest": {f.Prosecutor.Highest, 1 / float64(w.smallest)}, "prosecutor, at risk": {f.Prosecutor.RecordsAtRisk, w.atRisk},
		"prosecutor, success": {f.Prosecutor.SuccessRate, w.success}, "journalist, highest": {f.Journalist.Highest, 1 / float64(w.smallest)},
		"journalist, at risk": {f.Journalist.RecordsAtRisk, w.atRisk}, "journalist, success": {f.Journalist.SuccessRate, w.success},
		"marketer": {f.Marketer, w.success}, "entropy l": {d.Entropy, w.entropy}, "t": {d.Closeness, w.t},
	}
	for name, pair := range risks {
		if math.Abs(pair[0]-pair[1]) > 1e-12 {
			t.Errorf("%s: %.17g, want %.17g", name, pair[0], pair[1])
		}
	}
	var records, classes int64
	for _, b := range f.Histogram {
		records, classes = records+b.Records, classes+b.Classes
	}
	if records != f.Records || classes != f.Classes {
		t.Errorf("the histogram holds %d records in %d classes", records, classes)
	}
}

// Every size of class is as a sorted list of the same tuples gives it.
func TestHistogramIsThatOfASortedList(t *testing.T) {
	t.Parallel()
	quasi, secret := adult(t, all(), "salary-class")
	f := measure(t, risk.Config{QuasiIdentifiers: names(all()), Sensitive: []string{"salary-class"}, Memory: 1}, quasi, secret)
	var lines []string
	for _, tuple := range quasi {
		lines = append(lines, strings.Join(tuple, ";"))
	}
	sort.Strings(lines)
	sizes := map[int64]int64{}
	for i := 0; i < len(lines); {
		j := i
		for j < len(lines) && lines[j] == lines[i] {
			j++
		}
		sizes[int64(j-i)]++
		i = j
	}
	for _, b := range f.Histogram {
		var classes int64
		for size, n := range sizes {
			if size >= b.From && (b.To == 0 || size <= b.To) {
				classes += n
			}
		}
		if classes != b.Classes {
			t.Errorf("classes of %d to %d: %d, want %d", b.From, b.To, b.Classes, classes)
		}
	}
}

// The first 1,000 records as a sample of all 30,162: the journalist knows the
// whole table. Counted by `sort | uniq -c` over both, joined by class:
// classes of the sample 204, smallest of them in the population 1, records in
// classes of the population below 5: 14, Σ(f/F) 17.50179137601321.
func TestJournalistWithAPopulation(t *testing.T) {
	t.Parallel()
	levels := []level{{"sex", 0}, {"age", 0}, {"race", 0}}
	quasi, _ := adult(t, levels, "salary-class")
	c, err := risk.New(risk.Config{QuasiIdentifiers: names(levels), Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	for i, tuple := range quasi {
		err := c.AddPopulation(cells(tuple))
		if err == nil && i < 1000 {
			err = c.Add(cells(tuple), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := c.Figures()
	if err != nil {
		t.Fatal(err)
	}
	want := risk.Risk{Highest: 1, RecordsAtRisk: 0.014, SuccessRate: 0.01750179137601321}
	near := func(a, b float64) bool { return math.Abs(a-b) < 1e-12 }
	if f.Classes != 204 || !near(f.Journalist.Highest, want.Highest) || !near(f.Journalist.RecordsAtRisk, want.RecordsAtRisk) ||
		!near(f.Journalist.SuccessRate, want.SuccessRate) || !near(f.Marketer, want.SuccessRate) {
		t.Fatalf("%+v, want %+v", f.Journalist, want)
	}
}
