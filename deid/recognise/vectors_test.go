package recognise_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"teikyo/deid/recognise"
)

var update = flag.Bool("update", false, "write the table in docs/deidentification.md")

const (
	vectorsFile = "../../../shared/data/presidio/recognizer_vectors.json"
	tableFile   = "../../docs/deidentification.md"
	tableBegin  = "<!-- presidio: written by go test ./deid/recognise -update -->\n"
	tableEnd    = "<!-- presidio: end -->\n"
)

// vector is one text of Presidio's tests and where its identifiers stand.
type vector struct {
	Text      string   `json:"text"`
	Expected  int      `json:"expected_len"`
	Positions [][2]int `json:"expected_positions"`
}

// kinds says what finds the identifiers of a list: strong forms inside text, and
// forms of a whole value, of which a column needs many.
func kinds() []struct {
	name, title string
	rules       []recognise.Rule
	forms       recognise.Forms
} {
	return []struct {
		name, title string
		rules       []recognise.Rule
		forms       recognise.Forms
	}{
		{"us_npi", "US provider identifier (NPI)", []recognise.Rule{recognise.Labelled}, recognise.FormNPI},
		{"us_ssn", "US Social Security number", []recognise.Rule{recognise.SSN}, recognise.FormSSN},
		{"us_mbi", "US Medicare number (MBI)", []recognise.Rule{recognise.MBI}, recognise.FormMBI},
		{"email", "e-mail address", []recognise.Rule{recognise.Email}, recognise.FormEmail},
		{"phone", "phone number", []recognise.Rule{recognise.Phone}, recognise.FormPhone | recognise.FormMobile},
		{"date", "date, of whatever", []recognise.Rule{recognise.BirthDate, recognise.OldDate}, recognise.FormDate},
	}
}

// score counts identifiers that were found, missed, and found where none is.
type score struct{ found, missed, wrong int }

func (s *score) add(v vector, hits [][2]int) {
	used := make([]bool, len(hits))
	found := 0
	for _, want := range v.Positions {
		for i, hit := range hits {
			if !used[i] && hit[0] < want[1] && want[0] < hit[1] {
				used[i] = true
				found++
				break
			}
		}
	}
	s.found += found
	s.missed += v.Expected - found
	for _, u := range used {
		if !u {
			s.wrong++
		}
	}
}

// TestPrecisionAndRecall measures precision and recall on the texts of Presidio's
// own tests. The figures stand in the documentation; when they change, somebody
// has to look at them and write them there.
func TestPrecisionAndRecall(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(vectorsFile)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("Presidio's vectors are not beside the tree: " + vectorsFile)
	}
	var lists map[string][]vector
	if err == nil {
		err = json.Unmarshal(text, &lists)
	}
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| list | texts | identifiers | found | missed | found where none is | recall | precision |\n|---|---|---|---|---|---|---|---|\n")
	finder := recognise.NewFinder()
	for _, k := range kinds() {
		var s score
		for _, v := range lists[k.name] {
			s.add(v, hitsOf(finder, v.Text, k.rules, k.forms))
		}
		if len(lists[k.name]) == 0 {
			t.Errorf("there is no list %s", k.name)
		}
		fmt.Fprintf(&table, "| %s | %d | %d | %d | %d | %d | %s | %s |\n", k.title, len(lists[k.name]), s.found+s.missed, s.found, s.missed, s.wrong,
			ratio(s.found, s.found+s.missed), ratio(s.found, s.found+s.wrong))
	}
	compareTable(t, table.String())
}

func hitsOf(finder *recognise.Finder, text string, rules []recognise.Rule, forms recognise.Forms) [][2]int {
	folded := recognise.Fold(nil, []byte(text))
	var hits [][2]int
	for _, h := range finder.Find(folded) {
		for _, rule := range rules {
			if h.Rule == rule {
				hits = append(hits, [2]int{h.Start, h.End})
			}
		}
	}
	if len(hits) == 0 && finder.Forms(folded)&forms != 0 {
		hits = append(hits, [2]int{0, len(folded)})
	}
	return hits
}

func ratio(part, whole int) string {
	if whole == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", float64(part)/float64(whole))
}

// compareTable looks for the table between its marks in the documentation.
func compareTable(t *testing.T, table string) {
	t.Helper()
	page, err := os.ReadFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), tableBegin)
	written, after, closed := strings.Cut(rest, tableEnd)
	if !ok || !closed {
		t.Fatalf("%s has no place for the table", tableFile)
	}
	if written == table {
		return
	}
	if !*update {
		t.Fatalf("%s has other figures; look at what changed and run: go test ./deid/recognise -update\n%s", tableFile, table)
	}
	if err := os.WriteFile(tableFile, []byte(before+tableBegin+table+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
