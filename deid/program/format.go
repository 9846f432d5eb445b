package program

import (
	"context"
	"io"

	"teikyo/deid/change"
	"teikyo/deid/scan"
	"teikyo/deid/source"
	"teikyo/models"
)

// Format is contents that can run, and compound files, which may hold such. It is
// asked before all others.
type Format struct{}

// Name is the name of the format.
func (Format) Name() string { return "programs (to refuse them)" }

// Detect reports whether head begins a program, a script or a compound file.
func (Format) Detect(head []byte) bool { return Kind(head) != "" || IsCompound(head) }

// RuleExecutable is the finding of contents that can run.
const RuleExecutable = "executable-content"

// Check refuses programs and says what a compound file holds.
func (Format) Check(_ context.Context, in source.Source, c *scan.Collector) error {
	if kind := Kind(in.Head); kind != "" {
		c.Shape.Format = "program"
		c.NotLookedAt("the contents: programs are refused, not read")
		c.Block(RuleExecutable, "", "the file is "+kind+"; files for others must not hold anything that runs: leave it out")
		return nil
	}
	found, err := ScanCompound(in.R)
	if err != nil {
		return err
	}
	switch {
	case found.Encrypted:
		c.Shape.Format = "Microsoft Office (encrypted)"
		c.NotLookedAt("the contents: they need a password")
		c.Block("encrypted", "", "the document needs a password and cannot be looked into; save it without one")
	case found.Macros || found.Installer || found.Embedded:
		c.Shape.Format = "Microsoft Office (old)"
		c.NotLookedAt("the contents: documents with macros or embedded files are refused, not read")
		c.Block(RuleExecutable, "", "the file holds macros, an installer or an embedded file; save it without them in the new format")
	default:
		c.Unknown("Microsoft Office (old)", "the new formats, such as .xlsx")
	}
	return nil
}

// Transform is refused.
func (Format) Transform(_ context.Context, in source.Source, _ io.Writer, _ *change.Changer) error {
	return models.Errorf(models.Invalid, "%s: programs and old Office documents cannot be transformed; leave the file out", in.Path)
}
