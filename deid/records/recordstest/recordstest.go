// Package recordstest is what the tests of all formats of deid/records share:
// the gate and the transformation of contents, with keys and objections in
// memory.
package recordstest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/text/encoding/japanese"

	"teikyo/deid"
	"teikyo/deid/change"
	"teikyo/deid/profile"
	"teikyo/deid/recognise"
	"teikyo/deid/records"
	"teikyo/deid/source"
)

// Shipped is a shipped profile.
func Shipped(t testing.TB, name string) *profile.Profile {
	t.Helper()
	p, err := profile.Shipped(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Check is what the gate says.
func Check(t testing.TB, contents string, p *profile.Profile) deid.Report {
	t.Helper()
	return CheckReader(t, strings.NewReader(contents), p)
}

// CheckReader is Check of what r has.
func CheckReader(t testing.TB, r io.Reader, p *profile.Profile) deid.Report {
	t.Helper()
	report, err := TryCheck(t, r, p)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TryCheck is CheckReader of a source that may break.
func TryCheck(t testing.TB, r io.Reader, p *profile.Profile) (deid.Report, error) {
	t.Helper()
	return deid.Check(t.Context(), "claims.txt", r, p)
}

// Found are the rules and places of the findings that block.
func Found(r deid.Report) []string {
	var out []string
	for _, f := range r.Blocking() {
		out = append(out, f.Rule+" "+f.Location)
	}
	return out
}

// Warned reports whether there is a warning of this rule.
func Warned(r deid.Report, rule string) bool {
	for _, f := range r.Warnings() {
		if f.Rule == rule {
			return true
		}
	}
	return false
}

// Has reports whether one of found begins so.
func Has(found []string, begin string) bool {
	for _, f := range found {
		if strings.HasPrefix(f, begin) {
			return true
		}
	}
	return false
}

type keys struct{}

func (keys) Key(_ context.Context, domain string) ([]byte, error) {
	sum := sha256.Sum256([]byte(domain))
	return sum[:], nil
}

// Objections are source keys of people who objected.
type Objections map[string]bool

// Left reports whether the person objected.
func (o Objections) Left(_ context.Context, key []byte) bool { return o[string(key)] }

// Transform is what f makes of contents.
func Transform(t testing.TB, f records.Format, contents string, p *profile.Profile, o Objections) (string, change.Changes) {
	t.Helper()
	out, changes, err := Try(t, f, contents, p, o)
	if err != nil {
		t.Fatal(err)
	}
	return out, changes
}

// Try is Transform of contents that may be refused.
func Try(t testing.TB, f records.Format, contents string, p *profile.Profile, o Objections) (string, change.Changes, error) {
	t.Helper()
	changer, err := change.New(t.Context(), p, keys{}, o, "release-1")
	if err != nil {
		t.Fatal(err)
	}
	in, err := source.Of("claims.txt", strings.NewReader(contents), nil, source.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = f.Transform(t.Context(), in, &out, changer)
	return out.String(), changer.Report(), err
}

// Pseudonym is one that rekey could have made.
func Pseudonym(of string) string { return recognise.Pseudonym(fmt.Appendf(nil, "%-32s", of), 20) }

// Text joins lines as real files do.
func Text(lines [][]string, comma string) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(strings.Join(l, comma) + "\r\n")
	}
	return b.String()
}

// CP932 encodes text.
func CP932(t testing.TB, text string) string {
	t.Helper()
	out, err := japanese.ShiftJIS.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Fuzz has the gate and the transformation read what may be anything. Whatever
// comes out of a transformation passes the gate of the same profile, as far as
// the format is still told.
func Fuzz(t *testing.T, f records.Format, contents []byte) {
	p := Shipped(t, profile.JPPolicy)
	if !f.Detect(contents) {
		return
	}
	Check(t, string(contents), p)
	out, _, err := Try(t, f, string(contents), p, nil)
	if err != nil || !f.Detect([]byte(out)) {
		return
	}
	for _, finding := range Check(t, out, p).Blocking() {
		switch finding.Rule {
		case "column-person-name", "column-patient-id", "column-insurance-certificate", "birth-date", "text-left", "reserved-field", "unexpected-text":
			t.Fatalf("%q became %q, which has %s %s", contents, out, finding.Rule, finding.Location)
		}
	}
}
