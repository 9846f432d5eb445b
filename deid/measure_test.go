package deid_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"teikyo/deid"
	"teikyo/deid/profile"
	"teikyo/deid/risk"
	"teikyo/models"
)

const adultFile = "../../shared/data/arx/adult.csv"

// UCI Adult through the whole way of a file: the figures are those of deid/risk.
func TestMeasureUCIAdult(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(adultFile)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the example data of ARX is not beside the tree")
	}
	if err != nil {
		t.Fatal(err)
	}
	gate := deid.Gate{Temp: deid.SealedTemp(t.TempDir(), rand.Reader)}
	cfg := risk.Config{
		QuasiIdentifiers: []string{"sex", "age", "race", "marital-status", "education", "native-country", "workclass", "occupation"},
		Sensitive:        []string{"salary-class"}, K: 5, Memory: 1,
	}
	f, err := gate.Measure(t.Context(), "adult.csv", bytes.NewReader(text), nil, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if f.Records != 30162 || f.Classes != 18109 || f.Unique != 14021 || f.BelowK.Records != 21977 || f.Diversity[0].Distinct != 1 || f.Spilled == 0 {
		t.Errorf("%+v", f)
	}
	sample := bytes.Join(bytes.SplitAfterN(text, []byte("\n"), 1002)[:1001], nil)
	cfg = risk.Config{QuasiIdentifiers: []string{"sex", "age", "race"}, Sensitive: []string{"salary-class"}, K: 5}
	f, err = gate.Measure(t.Context(), "sample.csv", bytes.NewReader(sample), bytes.NewReader(text), cfg)
	if err != nil || f.Records != 1000 || f.Population != 30162 || f.Journalist.RecordsAtRisk != 0.014 || f.Journalist.SuccessRate != 0.017501791376 {
		t.Errorf("%+v, %v", f, err)
	}
}

// classesOf is a table of classes of those sizes.
func classesOf(sizes ...int) string {
	var b strings.Builder
	b.WriteString("生年月,性別,郵便番号,傷病名\n")
	for class, size := range sizes {
		for i := range size {
			fmt.Fprintf(&b, "19%02d-04,%d,16%d,A%02d\n", 50+class/2, 1+class%2, class%10, i%3)
		}
	}
	return b.String()
}

func TestRiskInTheGate(t *testing.T) {
	t.Parallel()
	own := func(name, risks string) *deid.Profile {
		p, err := profile.Parse([]byte("teikyo_profile: 1\nextends: jp-policy\nname: " + name + "\nversion: \"1\"\n" +
			"quasi_identifiers: [生年月, sex, postal-code]\nsensitive: [傷病名]\nrisk: {" + risks + "}\n"))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	cases := []struct {
		name     string
		profile  *deid.Profile
		contents string
		verdict  deid.Verdict
		rules    string
	}{
		{"reported", own("a", "k: 10, on_excess: report"), classesOf(12, 3), deid.VerdictPass, ""},
		{"warned", own("b", "k: 10, on_excess: warn"), classesOf(12, 3), deid.VerdictWarn, "k-anonymity"},
		{"blocked", own("c", "k: 11, prosecutor: 0.091, on_excess: block"), classesOf(12, 3), deid.VerdictBlock, "k-anonymity highest-risk"},
		{"few are accepted", own("d", "k: 10, max_below_k: 0.25, on_excess: block"), classesOf(12, 3), deid.VerdictPass, ""},
		{"held", own("e", "k: 11, prosecutor: 0.091, l: 3, on_excess: block"), classesOf(12, 11, 40), deid.VerdictPass, ""},
		{"diversity", own("f", "k: 2, l: 3, on_excess: block"), classesOf(12, 2), deid.VerdictBlock, "l-diversity"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := deid.Check(t.Context(), "a.csv", strings.NewReader(c.contents), c.profile)
			if err != nil {
				t.Fatal(err)
			}
			var rules []string
			for _, f := range r.Findings {
				rules = append(rules, f.Rule)
			}
			if r.Verdict != c.verdict || strings.Join(rules, " ") != c.rules {
				t.Errorf("%s %v, want %s %s", r.Verdict, r.Findings, c.verdict, c.rules)
			}
			if r.Risk == nil || len(r.Risk.QuasiIdentifiers) != 3 || len(r.Risk.Diversity) != 1 {
				t.Fatalf("%+v", r.Risk)
			}
			text, err := r.JSON()
			if err != nil {
				t.Fatal(err)
			}
			again, err := deid.ParseReport(text)
			if err != nil || again.Risk == nil || again.Risk.Smallest != r.Risk.Smallest {
				t.Fatalf("%+v, %v", again.Risk, err)
			}
		})
	}
}

// A table without the columns has no figures; one that does not fit into memory
// and has no place to go is a finding, never a silence.
func TestRiskIsNotMeasuredSilently(t *testing.T) {
	t.Parallel()
	r, err := deid.Check(t.Context(), "a.csv", strings.NewReader("code,value\nA1,1\nA2,2\n"), deid.DefaultProfile())
	if err != nil || r.Risk != nil || r.Verdict != deid.VerdictPass {
		t.Errorf("%+v, %v", r, err)
	}
	var b strings.Builder
	b.WriteString("code,value\n")
	for i := range 40_000 {
		fmt.Fprintf(&b, "A%d,%d\n", i, i%7)
	}
	p, err := profile.Parse([]byte("teikyo_profile: 1\nextends: jp-policy\nname: a\nversion: \"1\"\nquasi_identifiers: [code]\n" +
		"risk: {k: 5, on_excess: block, max_memory: 1048576}\n"))
	if err != nil {
		t.Fatal(err)
	}
	r, err = deid.Check(t.Context(), "a.csv", strings.NewReader(b.String()), p)
	if err != nil || r.Verdict != deid.VerdictBlock || r.Findings[0].Rule != "risk-not-measured" {
		t.Errorf("%+v, %v", r.Findings, err)
	}
	r, err = deid.Gate{Temp: deid.SealedTemp(t.TempDir(), rand.Reader)}.Check(t.Context(), "a.csv", strings.NewReader(b.String()), p)
	if err != nil || r.Risk == nil || r.Risk.Classes != 40_000 || r.Risk.Spilled == 0 {
		t.Errorf("%+v, %v", r.Risk, err)
	}
}

func TestMeasureRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ contents, want string }{
		"no such column": {"code,value\nA1,1\nA2,2\n", "there is no column"},
		"no table":       {"{\"resourceType\": \"Patient\"}\n", "no table"},
		"no rows":        {"sex,value\n", "no records"},
	} {
		_, err := deid.Gate{}.Measure(t.Context(), "a", strings.NewReader(c.contents), nil, risk.Config{QuasiIdentifiers: []string{"sex"}})
		if !models.IsKind(err, models.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
