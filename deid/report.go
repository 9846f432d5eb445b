package deid

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"teikyo/deid/risk"
	"teikyo/deid/scan"
	"teikyo/models"
)

// Verdict is the outcome of Check.
type Verdict string

// The verdicts. Pass and Warn may be registered; Block and WaiverRequired only
// with a live waiver for each blocking finding.
const (
	VerdictPass    Verdict = "pass"
	VerdictWarn    Verdict = "warn"
	VerdictBlock   Verdict = "block"
	WaiverRequired Verdict = "waiver-required: unknown format"
)

// Rules whose findings are bound to the contents of the file: a waiver of one
// of them is for these bytes only.
const (
	RuleUnknownFormat = scan.RuleUnknownFormat
	RuleProfileNone   = "profile-none"
)

// Report says what was looked at in one file, what was found, and what was not
// looked at. It holds no identifier: examples are masked.
type Report struct {
	Path    string
	SHA256  string // hex, of the contents; empty until Bind
	Profile string
	// ProfileVersion and ProfileHash (SHA-256, hex, of the canonical document)
	// say which rules these were; reports of earlier versions have neither.
	ProfileVersion string
	ProfileHash    string
	Format         string // "CSV", "TSV", "empty", or what an unknown format seems to be
	Encoding       string // "UTF-8", "UTF-16LE", "UTF-16BE", "CP932", "Windows-1252"; "" when not text
	Delimiter      string // one character, "" when not tabular
	Header         bool   // the first row holds column names
	Rows           int64  // data rows
	Columns        []Column
	Findings       []models.Finding // blocking ones first, then warnings, each in column order
	Blocks         []string         // ids of the findings that stop a registration
	Verdict        Verdict
	NotLookedAt    []string
	Risk           *risk.Figures // of a table whose quasi-identifiers the profile names; else nil
}

// Column is what was counted in one column or field.
type Column = scan.Column

// Hit counts the values of one column that have one form.
type Hit = scan.Hit

// Bind says which contents the report is about and gives the findings that are
// about these very bytes their ids. It returns a copy.
func (r Report) Bind(sha256hex string) Report {
	r.SHA256 = sha256hex
	r.Findings = slices.Clone(r.Findings)
	r.Blocks = slices.Clone(r.Blocks)
	for i, f := range r.Findings {
		if !alwaysBlocks(f.Rule) {
			continue
		}
		id := findingID(f.Rule, sha256hex)
		if at := slices.Index(r.Blocks, f.ID); at >= 0 {
			r.Blocks[at] = id
		}
		r.Findings[i].ID = id
	}
	return r
}

// Blocking returns the findings that stop a registration without a waiver.
func (r Report) Blocking() []models.Finding { return r.filter(true) }

// Warnings returns the findings that a person should read and that stop nothing.
func (r Report) Warnings() []models.Finding { return r.filter(false) }

func (r Report) filter(blocking bool) []models.Finding {
	var out []models.Finding
	for _, f := range r.Findings {
		if (alwaysBlocks(f.Rule) || slices.Contains(r.Blocks, f.ID)) == blocking {
			out = append(out, f)
		}
	}
	return out
}

// alwaysBlocks: nothing was looked at, so that no report can make it a warning.
func alwaysBlocks(rule string) bool { return rule == RuleUnknownFormat || rule == RuleProfileNone }

// verdictOf derives the verdict from the findings; it is the only place that does.
func verdictOf(r Report) Verdict {
	unknown := slices.ContainsFunc(r.Findings, func(f models.Finding) bool { return f.Rule == RuleUnknownFormat })
	switch {
	case unknown:
		return WaiverRequired
	case len(r.Blocks) > 0:
		return VerdictBlock
	case len(r.Findings) > 0:
		return VerdictWarn
	}
	return VerdictPass
}

// findingID is stable: the same finding of the same file has the same id in
// every run.
func findingID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "|")))
	return "g-" + hex.EncodeToString(sum[:6])
}

// finding is the wire form of a models.Finding.
type finding struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
	Location string `json:"location,omitempty"`
	Rule     string `json:"rule"`
	Msg      string `json:"message"`
}

// reportJSON is the wire form of a Report.
type reportJSON struct {
	Format         string    `json:"format"`
	Path           string    `json:"path"`
	SHA256         string    `json:"sha256,omitempty"`
	Profile        string    `json:"profile"`
	ProfileVersion string    `json:"profile_version,omitempty"`
	ProfileHash    string    `json:"profile_hash,omitempty"`
	Verdict        Verdict   `json:"verdict"`
	Encoding       string    `json:"encoding,omitempty"`
	Delimiter      string    `json:"delimiter,omitempty"`
	Header         bool      `json:"header"`
	Rows           int64     `json:"rows"`
	Findings       []finding `json:"findings"`
	Columns        []Column  `json:"columns"`
	NotLookedAt    []string  `json:"not_looked_at"`

	Risk *risk.Figures `json:"risk,omitempty"`
}

// JSON returns the report as one JSON object, the form that is stored.
func (r Report) JSON() ([]byte, error) {
	w := reportJSON{
		Format: r.Format, Path: r.Path, SHA256: r.SHA256, Profile: r.Profile, ProfileVersion: r.ProfileVersion, ProfileHash: r.ProfileHash, Verdict: r.Verdict, Encoding: r.Encoding,
		Delimiter: r.Delimiter, Header: r.Header, Rows: r.Rows, Findings: []finding{}, Columns: r.Columns, NotLookedAt: r.NotLookedAt, Risk: r.Risk,
	}
	for _, f := range r.Findings {
		severity := "warn"
		if slices.Contains(r.Blocks, f.ID) {
			severity = "block"
		}
		w.Findings = append(w.Findings, finding{ID: f.ID, Severity: severity, Location: f.Location, Rule: f.Rule, Msg: f.Msg})
	}
	return json.Marshal(w)
}

// ParseReport reads what JSON wrote. It refuses unknown fields and a verdict
// that its findings do not bear out.
func ParseReport(data []byte) (Report, error) {
	var w reportJSON
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&w); err != nil {
		return Report{}, fmt.Errorf("parse gate report: %w", err)
	}
	r := Report{
		Path: w.Path, SHA256: w.SHA256, Profile: w.Profile, ProfileVersion: w.ProfileVersion, ProfileHash: w.ProfileHash, Format: w.Format, Encoding: w.Encoding, Delimiter: w.Delimiter,
		Header: w.Header, Rows: w.Rows, Columns: w.Columns, Verdict: w.Verdict, NotLookedAt: w.NotLookedAt, Risk: w.Risk,
	}
	for _, f := range w.Findings {
		if f.Severity != "block" && (f.Severity != "warn" || alwaysBlocks(f.Rule)) {
			return Report{}, fmt.Errorf("parse gate report: finding %s cannot have the severity %q", f.ID, f.Severity)
		}
		r.Findings = append(r.Findings, models.Finding{ID: f.ID, Location: f.Location, Rule: f.Rule, Msg: f.Msg})
		if f.Severity == "block" {
			r.Blocks = append(r.Blocks, f.ID)
		}
	}
	if want := verdictOf(r); want != r.Verdict {
		return Report{}, fmt.Errorf("parse gate report: verdict %q, its findings say %q", r.Verdict, want)
	}
	return r, nil
}
