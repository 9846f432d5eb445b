package deid

import (
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"teikyo/models"
)

// Pass proves that contents may be registered. Only NewPass makes one that is
// good for anything: the zero Pass covers no contents.
type Pass struct {
	sha256  string
	profile string
	hash    string
	verdict Verdict
	waivers []string
}

// SHA256 is the hex digest of the contents that the pass is for.
func (p Pass) SHA256() string { return p.sha256 }

// Profile is the name of the profile that the contents were checked with.
func (p Pass) Profile() string { return p.profile }

// ProfileHash is the SHA-256, hex, of the profile's canonical document; empty in
// reports of earlier versions.
func (p Pass) ProfileHash() string { return p.hash }

// Verdict is that of the report, not changed by waivers.
func (p Pass) Verdict() Verdict { return p.verdict }

// Waivers are the ids of the waivers that were needed, sorted.
func (p Pass) Waivers() []string { return slices.Clone(p.waivers) }

// Covers reports whether the pass is for the contents with this hex digest.
func (p Pass) Covers(sha256hex string) bool { return sha256hex != "" && p.sha256 == sha256hex }

// NewPass makes a Pass when the report is bound to sha256hex and every blocking
// finding has a live waiver for these contents. The error is a *models.Error:
// invalid when the report cannot be used, conflict with one Finding per finding
// that is not waived.
func NewPass(report Report, waivers []models.Waiver, sha256hex string, now time.Time) (Pass, error) {
	if err := checkReport(report, sha256hex); err != nil {
		return Pass{}, err
	}
	pass := Pass{sha256: sha256hex, profile: report.Profile, hash: report.ProfileHash, verdict: report.Verdict}
	var open []models.Finding
	for _, f := range report.Blocking() {
		at := slices.IndexFunc(waivers, func(w models.Waiver) bool { return waives(w, f, sha256hex, now) })
		if at < 0 {
			open = append(open, f)
			continue
		}
		pass.waivers = append(pass.waivers, waivers[at].ID)
	}
	if len(open) > 0 {
		return Pass{}, refusal(report, open)
	}
	slices.Sort(pass.waivers)
	pass.waivers = slices.Compact(pass.waivers)
	return pass, nil
}

func checkReport(r Report, sha256hex string) error {
	if sum, err := hex.DecodeString(sha256hex); err != nil || len(sum) != 32 {
		return models.Errorf(models.Invalid, "the digest of the file is not a SHA-256 in hex; check the file again")
	}
	if r.SHA256 != sha256hex {
		return models.Errorf(models.Conflict, "the gate report of %s is for other contents; check the file again", r.Path)
	}
	if _, err := ParseProfileName(r.Profile); err != nil && len(r.ProfileHash) != 64 || r.Profile == "" {
		return models.Errorf(models.Invalid, "the gate report of %s names the unknown profile %q; check the file again",
			r.Path, r.Profile)
	}
	if r.Format == "" || r.Verdict != verdictOf(r) {
		return models.Errorf(models.Invalid, "the gate report of %s contradicts itself; check the file again", r.Path)
	}
	return nil
}

// waives reports whether w lets f pass: approved by a second person, not
// expired, for this finding of these contents.
func waives(w models.Waiver, f models.Finding, sha256hex string, now time.Time) bool {
	return f.ID != "" && w.FindingID == f.ID && w.Rule == f.Rule && w.FileSHA256 == sha256hex &&
		w.ApprovedBy != w.RequestedBy && w.Live(now)
}

func refusal(r Report, open []models.Finding) error {
	what := fmt.Sprintf("has %d findings", len(open))
	if len(open) == 1 {
		what = "has a finding"
	}
	return &models.Error{
		Kind: models.Conflict,
		Msg: fmt.Sprintf("%s %s that stop its registration (verdict %s); remove them from the file, or ask for a waiver of each",
			r.Path, what, r.Verdict),
		Findings: open,
	}
}
