package fhir_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"strings"
	"testing"

	"teikyo/deid/change"
	"teikyo/deid/fhir"
	"teikyo/deid/profile"
	"teikyo/deid/scan"
	"teikyo/deid/source"
)

// keys are one key for each domain.
type keys struct{}

func (keys) Key(_ context.Context, domain string) ([]byte, error) {
	sum := sha256.Sum256([]byte("test key of " + domain))
	return sum[:], nil
}

// left are the ids of people who objected.
type left []string

func (l left) Left(_ context.Context, key []byte) bool {
	for _, id := range l {
		if id == string(key) {
			return true
		}
	}
	return false
}

func shipped(t testing.TB, name string) *profile.Profile {
	t.Helper()
	p, err := profile.Shipped(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func in(t testing.TB, data []byte) source.Source {
	t.Helper()
	s, err := source.Of("test.ndjson", bytes.NewReader(data), nil, source.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func check(t testing.TB, data []byte, p *profile.Profile) scan.Result {
	t.Helper()
	c := scan.New(p, "fhir")
	if err := (fhir.Format{}).Check(t.Context(), in(t, data), c); err != nil {
		t.Fatal(err)
	}
	return c.Finish()
}

func transform(t testing.TB, data []byte, p *profile.Profile, domain string, l left) (string, change.Changes) {
	t.Helper()
	c, err := change.New(t.Context(), p, keys{}, l, domain)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (fhir.Format{}).Transform(t.Context(), in(t, data), &out, c); err != nil {
		t.Fatal(err)
	}
	return out.String(), c.Report()
}

// blocks are the findings that block, "rule at location".
func blocks(r scan.Result) []string {
	var out []string
	for _, f := range r.Findings {
		if f.Block {
			out = append(out, f.Rule+" at "+f.Location)
		}
	}
	return out
}

// TestTransform: one resource of each kind, before and after.
func TestTransform(t *testing.T) {
	t.Parallel()
	for _, one := range transforms {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			p := shipped(t, one.profile)
			got, _ := transform(t, []byte(one.in), p, "release-1", nil)
			if masked := maskPseudonyms(got); masked != one.out {
				t.Errorf("\n got %s\nwant %s", masked, one.out)
			}
			if found := blocks(check(t, []byte(got), p)); len(found) > 0 {
				t.Errorf("the output is refused: %v", found)
			}
			if found := blocks(check(t, []byte(one.in), p)); strings.Join(found, ", ") != one.found {
				t.Errorf("\nfound %s\n want %s", strings.Join(found, ", "), one.found)
			}
		})
	}
}
