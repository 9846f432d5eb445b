package fhir_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"teikyo/deid/scan"
)

// realFile reads a file that is not a part of the project (Synthea patients,
// Apache-2.0).
func realFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../../shared/data/fhir", name))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("shared/data is not in this checkout")
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var countOf = regexp.MustCompile(`: (\d+) values`)

// found are the findings with their counts, "rule at location".
func found(t *testing.T, r scan.Result) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, f := range r.Findings {
		m := countOf.FindStringSubmatch(f.Msg)
		if !f.Block { // texts of codes are said to be scanned only
			continue
		}
		if m == nil {
			t.Errorf("%+v", f)
			continue
		}
		out[f.Rule+" at "+f.Location], _ = strconv.Atoi(m[1])
	}
	return out
}

// expected counts the identifiers of patients with encoding/json alone, and
// lists their values.
func expected(t *testing.T, data []byte) (map[string]int, []string) {
	t.Helper()
	want := map[string]int{}
	var values []string
	note := func(finding string, vs ...any) {
		want[finding]++
		for _, v := range vs {
			switch v := v.(type) {
			case string:
				values = append(values, v)
			case float64:
				values = append(values, strconv.FormatFloat(v, 'f', -1, 64))
			}
		}
	}
	for line := range strings.Lines(string(data)) {
		var p map[string]any
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatal(err)
		}
		note("fhir-id at Patient.id", p["id"])
		note("birth-date at Patient.birthDate", p["birthDate"])
		note("free-text at Patient.text")
		if _, ok := p["deceasedDateTime"]; ok {
			note("full-date at Patient.deceasedDateTime", p["deceasedDateTime"])
		}
		if _, ok := p["multipleBirthInteger"]; ok {
			note("not-allowed at Patient.multipleBirthInteger")
		}
		identifiers(p, note)
		people(p, note)
		places(p, note)
	}
	return want, values
}

func list(v any) []map[string]any {
	items, _ := v.([]any)
	var out []map[string]any
	for _, i := range items {
		out = append(out, i.(map[string]any))
	}
	return out
}

func identifiers(p map[string]any, note func(string, ...any)) {
	names := map[string]string{
		"MR": "patient-id at Patient.identifier (MR)", "SS": "ssn at Patient.identifier (SS)",
		"DL": "driver-licence at Patient.identifier (DL)", "PPN": "passport at Patient.identifier (PPN)", "": "identifier at Patient.identifier",
	}
	for _, id := range list(p["identifier"]) {
		code := ""
		if typ, ok := id["type"].(map[string]any); ok {
			code = list(typ["coding"])[0]["code"].(string)
		}
		note(names[code], id["value"])
	}
}

func people(p map[string]any, note func(string, ...any)) {
	for _, name := range list(p["name"]) {
		note("person-name at Patient.name", append(name["given"].([]any), name["family"])...)
	}
	for _, c := range list(p["telecom"]) {
		note("phone at Patient.telecom ("+c["system"].(string)+")", c["value"])
	}
	for _, e := range list(p["extension"]) {
		switch url := e["url"].(string); {
		case strings.HasSuffix(url, "mothersMaidenName"):
			note("person-name at Extension.patient-mothersMaidenName", e["valueString"])
		case strings.HasSuffix(url, "birthPlace"):
			note("address at Extension.patient-birthPlace", e["valueAddress"].(map[string]any)["city"])
		case strings.Contains(url, "synthea"):
			note("unknown-extension at Extension." + url[strings.LastIndex(url, "/")+1:])
		}
	}
}

func places(p map[string]any, note func(string, ...any)) {
	for _, a := range list(p["address"]) {
		for _, line := range a["line"].([]any) {
			note("address at Address.line", line)
		}
		note("address at Address.city", a["city"])
		if zip, ok := a["postalCode"]; ok && zip != "00000" { // which says nothing
			note("postal-code at Address.postalCode", zip)
		}
		for _, e := range list(a["extension"]) {
			var numbers []any
			for _, part := range list(e["extension"]) {
				numbers = append(numbers, part["valueDecimal"])
			}
			note("address at Extension.geolocation", numbers...)
		}
	}
}

// TestRealPatients: every identifier of Synthea's patients is counted, and gone
// after the transformation, under each profile that transforms.
func TestRealPatients(t *testing.T) {
	t.Parallel()
	data := realFile(t, "10-Patient.000.ndjson")
	want, values := expected(t, data)
	got := found(t, check(t, data, shipped(t, "jp-policy")))
	if !maps.Equal(got, want) {
		for _, k := range slices.Sorted(maps.Keys(want)) {
			t.Errorf("%s: found %d, there are %d", k, got[k], want[k])
		}
		t.Errorf("%v", got)
	}
	for _, kind := range []string{"ssn", "patient-id", "driver-licence", "passport", "person-name", "phone", "address", "birth-date"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(got)), func(k string) bool { return strings.HasPrefix(k, kind+" at ") }) {
			t.Errorf("no %s in the file", kind)
		}
	}
	for _, name := range []string{"jp-policy", "us-safe-harbor"} {
		out, _ := transform(t, data, shipped(t, name), "r", nil)
		for _, v := range values {
			if strings.Contains(out, v) {
				t.Errorf("%s: %q is still there", name, v)
			}
		}
	}
}

// TestRealFiles: what comes out has the same lines, is valid, passes the check
// of the same profile, and is the same in every run of one domain only.
func TestRealFiles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"10-Patient.000.ndjson", "10-Condition.000.ndjson", "10-DocumentReference.head5.ndjson", "10-Practitioner.000.ndjson"} {
		for _, profileName := range []string{"jp-policy", "us-safe-harbor", "us-limited-data-set"} {
			t.Run(name+" "+profileName, func(t *testing.T) {
				t.Parallel()
				data, p := realFile(t, name), shipped(t, profileName)
				if len(blocks(check(t, data, p))) == 0 {
					t.Error("the source passes")
				}
				out, changes := transform(t, data, p, "a", nil)
				if again, _ := transform(t, data, p, "a", nil); again != out {
					t.Error("two runs of one domain differ")
				}
				if other, _ := transform(t, data, p, "b", nil); other == out {
					t.Error("two domains have the same pseudonyms")
				}
				if strings.Count(out, "\n") != strings.Count(string(data), "\n") || changes.Rows != int64(strings.Count(out, "\n")) {
					t.Errorf("%d lines became %d, %d counted", strings.Count(string(data), "\n"), strings.Count(out, "\n"), changes.Rows)
				}
				for line := range strings.Lines(out) {
					if !json.Valid([]byte(line)) {
						t.Errorf("%s", line)
					}
				}
				if found := blocks(check(t, []byte(out), p)); len(found) > 0 {
					t.Errorf("the output is refused: %v", found)
				}
			})
		}
	}
}

// TestReferencesHoldAcrossFiles: conditions point to the patients that they
// pointed to before.
func TestReferencesHoldAcrossFiles(t *testing.T) {
	t.Parallel()
	p := shipped(t, "jp-policy")
	pairs := func(file string, of func(r map[string]any) string) (before, after []string) {
		data := realFile(t, file)
		out, _ := transform(t, data, p, "a", nil)
		for i, text := range []string{string(data), out} {
			for line := range strings.Lines(text) {
				var r map[string]any
				if err := json.Unmarshal([]byte(line), &r); err != nil {
					t.Fatal(err)
				}
				if i == 0 {
					before = append(before, of(r))
				} else {
					after = append(after, of(r))
				}
			}
		}
		return before, after
	}
	before, after := pairs("10-Patient.000.ndjson", func(r map[string]any) string { return "Patient/" + r["id"].(string) })
	became := map[string]string{}
	for i := range before {
		became[before[i]] = after[i]
	}
	before, after = pairs("10-Condition.000.ndjson", func(r map[string]any) string {
		return r["subject"].(map[string]any)["reference"].(string)
	})
	for i := range before {
		if became[before[i]] == "" || became[before[i]] != after[i] {
			t.Fatalf("condition %d: %s became %s, the patient became %s", i, before[i], after[i], became[before[i]])
		}
	}
}

// TestObjections: the records of a person who objected are left out and counted.
func TestObjections(t *testing.T) {
	t.Parallel()
	const person = "129c6ac7-8d06-89de-ad63-0204a93e76c3"
	data := realFile(t, "10-Condition.000.ndjson")
	out, changes := transform(t, data, shipped(t, "jp-policy"), "a", left{person})
	gone := strings.Count(string(data), `"reference":"Patient/`+person)
	if gone == 0 || changes.Suppressed != int64(gone) || strings.Count(out, "\n") != strings.Count(string(data), "\n")-gone {
		t.Errorf("%d conditions, %d left out, %d lines", gone, changes.Suppressed, strings.Count(out, "\n"))
	}
}
