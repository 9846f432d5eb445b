package fhir_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"
)

// resources decodes NDJSON with encoding/json alone.
func resources(t *testing.T, data []byte) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(string(data)) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// references counts the members of that name anywhere that are strings.
func references(v any, name string) int {
	n := 0
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			if _, ok := inner.(string); ok && key == name {
				n++
			}
			n += references(inner, name)
		}
	case []any:
		for _, inner := range v {
			n += references(inner, name)
		}
	}
	return n
}

// TestRealConditions: ids and references are all there is to find.
func TestRealConditions(t *testing.T) {
	t.Parallel()
	data := realFile(t, "10-Condition.000.ndjson")
	want := map[string]int{}
	for _, r := range resources(t, data) {
		want["fhir-id at Condition.id"]++
		want["fhir-id at Reference.reference"] += references(r, "reference")
	}
	if got := found(t, check(t, data, shipped(t, "jp-policy"))); !maps.Equal(got, want) {
		t.Errorf("found %v, there are %v", got, want)
	}
}

// TestRealPractitioners: names, e-mail addresses, NPI and addresses of staff.
func TestRealPractitioners(t *testing.T) {
	t.Parallel()
	data := realFile(t, "10-Practitioner.000.ndjson")
	want := map[string]int{}
	var values []string
	for _, r := range resources(t, data) {
		want["fhir-id at Practitioner.id"]++
		want["unknown-extension at Extension.utilization-encounters-extension"] += len(list(r["extension"]))
		want["person-name at Practitioner.name"] += len(list(r["name"]))
		want["address at Practitioner.address"] += len(list(r["address"]))
		want["staff-id at Practitioner.identifier (NPI)"] += len(list(r["identifier"]))
		for _, c := range list(r["telecom"]) {
			want["email at Practitioner.telecom ("+c["system"].(string)+")"]++
			values = append(values, c["value"].(string))
		}
		for _, n := range list(r["name"]) {
			values = append(values, n["family"].(string))
		}
		for _, id := range list(r["identifier"]) {
			values = append(values, id["value"].(string))
		}
	}
	if got := found(t, check(t, data, shipped(t, "jp-policy"))); !maps.Equal(got, want) {
		t.Errorf("found %v, there are %v", got, want)
	}
	out, _ := transform(t, data, shipped(t, "jp-policy"), "a", nil)
	for _, v := range values {
		if strings.Contains(out, v) {
			t.Errorf("%q is still there", v)
		}
	}
}

// TestRealNotes: notes in base64 are found as attachments, and gone afterwards,
// as are the names of authors.
func TestRealNotes(t *testing.T) {
	t.Parallel()
	data := realFile(t, "10-DocumentReference.head5.ndjson")
	got := found(t, check(t, data, shipped(t, "jp-policy")))
	out, _ := transform(t, data, shipped(t, "jp-policy"), "a", nil)
	attachments, displays := 0, 0
	for _, r := range resources(t, data) {
		for _, c := range list(r["content"]) {
			attachments++
			packed := c["attachment"].(map[string]any)["data"].(string)
			note, err := base64.StdEncoding.DecodeString(packed)
			if err != nil || !strings.Contains(string(note), "Chief Complaint") {
				t.Fatalf("the sample has changed: %v", err)
			}
			if strings.Contains(out, packed[:40]) {
				t.Error("a note is still there")
			}
		}
		for _, name := range []string{"author", "custodian", "context"} {
			displays += displaysOf(r[name])
		}
	}
	if got["attachment at DocumentReference.content.attachment"] != attachments || got["person-name at Reference.display"] != displays || displays == 0 {
		t.Errorf("%d attachments, %d names: %v", attachments, displays, got)
	}
}

// displaysOf counts the display texts of references: those of codings stand
// beside a code.
func displaysOf(v any) int {
	n := 0
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["display"]; ok && v["code"] == nil {
			n++
		}
		for _, inner := range v {
			n += displaysOf(inner)
		}
	case []any:
		for _, inner := range v {
			n += displaysOf(inner)
		}
	}
	return n
}
