package config

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// manual is the page for operators, seen from this folder.
const manual = "../docs/operations.md"

// manualRows are the cells of the table of settings in the manual.
func manualRows(t *testing.T) [][]string {
	t.Helper()
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "<!-- settings:")
	table, _, ended := strings.Cut(rest, "<!-- end of settings -->")
	if !found || !ended {
		t.Fatal("the manual has no table of settings between its marks")
	}
	var rows [][]string
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) == 4 && strings.HasPrefix(strings.TrimSpace(cells[0]), "`") {
			for i := range cells {
				cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

// The manual names every setting in order, with its variable and its default.
func TestManualNamesEverySetting(t *testing.T) {
	t.Parallel()
	loaded, err := Load(Sources{})
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, s := range loaded.Settings() {
		want = append(want, fmt.Sprintf("%s %s %v", s.Name, s.Environment, s.Value))
	}
	for _, row := range manualRows(t) {
		got = append(got, strings.Join(row[:3], " "))
		if row[3] == "" {
			t.Errorf("%s: the manual does not say what it means", row[0])
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the table of settings in %s is not that of the program:\n%s\nwant\n%s",
			manual, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The example of the manual is a configuration file that works.
func TestManualExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the manual has no example of a configuration file")
	}
	loaded, err := Load(Sources{File: writeFile(t, example)})
	if err != nil {
		t.Fatal(err)
	}
	if loaded.KeysDir == "" || loaded.CheckpointsDir == "" || loaded.Issuer.Origin == "" {
		t.Errorf("the example leaves out what matters: %+v", loaded.Config)
	}
}
