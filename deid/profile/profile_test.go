package profile_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"teikyo/deid/profile"
	"teikyo/deid/recognise"
	"teikyo/models"
)

func TestShipped(t *testing.T) {
	t.Parallel()
	hashes := map[string]bool{}
	for _, name := range profile.Names() {
		p, err := profile.Shipped(name)
		if err != nil {
			t.Fatal(err)
		}
		if p.Name != name || p.Version == "" || len(p.Hash) != 64 || hashes[p.Hash] || p.Nothing != (name == profile.None) {
			t.Errorf("%+v", p)
		}
		hashes[p.Hash] = true
	}
	p, err := profile.Shipped(profile.USSafeHarbor)
	if err != nil {
		t.Fatal(err)
	}
	// DOMAIN.md 2.1: the union of the lists of 17 and of 18 prefixes.
	if len(p.Zip3.Restricted) != 23 || p.Zip3.AsOf == "" || !slices.Contains(p.Zip3.Restricted, "063") || !slices.Contains(p.Zip3.Restricted, "202") {
		t.Errorf("%v", p.Zip3)
	}
}

func TestParseSaysTheLine(t *testing.T) {
	t.Parallel()
	head := "teikyo_profile: 1\nname: a\nversion: \"1\"\n"
	for doc, want := range map[string]string{
		"":                                   "line 1: the document is empty",
		"- a":                                "line 1: here must stand a group",
		"name: a\nversion: \"1\"":            `the line "teikyo_profile: 1" is missing`,
		"teikyo_profile: 2":                  `line 1: "2" is no whole number`,
		head + "colour: red":                 `line 4: the name "colour" is not known here`,
		head + "name: b":                     `line 4: the name "name" is there twice`,
		head + "age_cap: old":                `line 4: "old" is no whole number`,
		head + "columns:\n  shoe: keep":      `line 5: "shoe" is no class`,
		head + "columns:\n  age: burn":       `line 5: "burn" is none of keep`,
		head + "thresholds: {warn_ratio: 2}": `line 4: "2" is no share`,
		head + "columns: *x":                 "unknown anchor",
		head + "columns: &x {}\nrisk: *x":    "line 5: references",
		head + "zip3: {as_of: soon}":         "line 4: \"soon\" is no day",
		head + "zip3: {known: [\"1\"]}":      "line 4: \"1\" is no three digits",
		head + "extends: nobody":             "line 4: there is no de-identification profile",
		head + "---\na: 1":                   "more than one document",
		"name: [":                            "line 1",
		head + "formats: {csv: {fields: {a: {cap: 3}}}}": "line 4: the rule has no action",
	} {
		_, err := profile.Parse([]byte(doc))
		if !models.IsKind(err, models.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", doc, err, want)
		}
	}
}

func TestRuleOf(t *testing.T) {
	t.Parallel()
	p, err := profile.Parse([]byte("teikyo_profile: 1\nname: a\nversion: \"1\"\nextends: jp-policy\nformats:\n  x:\n    default: empty\n" +
		"    fields: {RE.4: drop, \"RE.*\": keep, \"R*\": year}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]profile.Action{"RE.4": "drop", "RE.5": "keep", "RA": "year", "A": "empty"} {
		if r, ok := p.Rule("x", field); !ok || r.Action != want {
			t.Errorf("%s: %v", field, r)
		}
	}
	if _, ok := p.Rule("y", "A"); ok {
		t.Error("a format that nobody named has a rule")
	}
	if base, _ := profile.Shipped(""); base.Hash == p.Hash || len(base.Formats["x"].Fields) != 0 {
		t.Error("the shipped profile changed")
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("own.yaml", "teikyo_profile: 1\nname: own\nversion: \"1\"\nextends: jp-policy\n")
	write("readme.txt", "no profile")
	set, err := profile.OpenSet(dir)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := set.Find("own"); err != nil || p.Name != "own" {
		t.Error(err)
	}
	if _, err := set.Find("other"); err == nil || !strings.Contains(err.Error(), "own") {
		t.Error(err)
	}
	write("twin.yaml", "teikyo_profile: 1\nname: jp-policy\nversion: \"1\"\n")
	if _, err := profile.OpenSet(dir); err == nil || !strings.Contains(err.Error(), "taken") {
		t.Error(err)
	}
}

// TestSchema: the published schema names the actions and classes that there are.
func TestSchema(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/deid-profile.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties struct {
			Columns struct {
				Properties map[string]any `json:"properties"`
			} `json:"columns"`
		} `json:"properties"`
		Defs struct {
			Rule struct {
				OneOf []struct {
					Enum []profile.Action `json:"enum"`
				} `json:"oneOf"`
			} `json:"rule"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(schema.Defs.Rule.OneOf[0].Enum, profile.Actions()) || len(schema.Properties.Columns.Properties) != len(recognise.Classes()) {
		t.Errorf("%+v", schema)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("teikyo_profile: 1\nname: a\nversion: \"1\"\nextends: jp-policy\n"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		p, err := profile.Parse(doc)
		if err == nil && (p.Hash == "" || p.Name == "") || err != nil && !models.IsKind(err, models.Invalid) {
			t.Fatal(p, err)
		}
	})
}
