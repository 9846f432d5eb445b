package excel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"

	"teikyo/deid/change"
	"teikyo/deid/scan"
	"teikyo/deid/source"
	"teikyo/deid/zipfile"
	"teikyo/models"
)

// Key is the name of the format in profiles.
const Key = "excel"

// Format is Excel workbooks. In profiles it is "excel"; its fields are the names
// of the columns of all sheets.
type Format struct{}

// Name is the name of the format.
func (Format) Name() string { return "Excel" }

// Detect reports whether head begins a ZIP archive whose first entry is one that
// Office writes first. Workbooks that begin otherwise are found by their
// directory, as archives.
func (Format) Detect(head []byte) bool {
	if len(head) < 30 || !bytes.HasPrefix(head, []byte("PK\x03\x04")) {
		return false
	}
	n := int(binary.LittleEndian.Uint16(head[26:]))
	if 30+n > len(head) {
		return false
	}
	name := strings.ToLower(string(head[30 : 30+n]))
	return strings.HasPrefix(name, "xl/") || bytes.Contains(head, []byte("xl/workbook.xml")) &&
		(name == "[content_types].xml" || strings.HasPrefix(name, "_rels/") || strings.HasPrefix(name, "docprops/"))
}

// Check looks at the workbook.
func (Format) Check(ctx context.Context, in source.Source, c *scan.Collector) error {
	file, size, free, err := in.Spill(ctx)
	if err != nil {
		return err
	}
	defer free()
	a, err := zipfile.Open(file, size, zipfile.Limits{})
	if errors.Is(err, zipfile.ErrFormat) {
		c.Block("damaged", "", "the workbook cannot be read: "+err.Error()+"; save it again with Excel")
		return nil
	}
	if err != nil {
		return err
	}
	for _, p := range a.Problems {
		c.Block(p.Rule, "", "the workbook has a part that "+p.Msg)
	}
	return CheckArchive(ctx, a, in.Limits, c)
}

// Transform is refused: workbooks are checked only.
func (Format) Transform(_ context.Context, in source.Source, _ io.Writer, _ *change.Changer) error {
	return models.Errorf(models.Invalid, "%s: Excel workbooks are checked but not transformed; save each sheet as CSV and apply the profile to that", in.Path)
}
