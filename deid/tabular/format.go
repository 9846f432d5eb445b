package tabular

import (
	"bytes"
	"context"
	"io"
	"strings"

	"teikyo/deid/profile"
	"teikyo/deid/scan"
	"teikyo/deid/source"
	"teikyo/deid/table"
)

// Format is CSV, TSV and their relatives. In profiles it is "csv" for all of
// them; its fields are the names of the columns.
type Format struct{}

// Name is the name of the format.
func (Format) Name() string { return "CSV" }

// Detect reports whether head begins a table.
func (Format) Detect(head []byte) bool {
	if len(head) == 0 || table.BytesFormat(head[:min(len(head), table.HeadSize)]) != "" {
		return false
	}
	dec := table.NewDecoder(head, strings.NewReader(""))
	text, err := table.ReadHead(dec, 4*source.HeadSize)
	if err != nil || table.TextFormat(text[:min(len(text), table.HeadSize)]) != "" {
		return false
	}
	d, ok := table.Detect(text, len(head) < source.HeadSize)
	return ok && isTable(d)
}

// isTable leaves out a single line that has commas and no names.
func isTable(d table.Dialect) bool {
	return len(d.Rows) != 1 || d.Cut || isHeader(scan.New(&profile.Profile{}, "csv"), d.Rows)
}

// Check reads the table.
func (Format) Check(ctx context.Context, in source.Source, c *scan.Collector) error {
	first, err := table.ReadHead(in.R, table.HeadSize)
	if err != nil {
		return err
	}
	dec := table.NewDecoder(first, in.R)
	head, err := table.ReadHead(dec, table.HeadSize)
	if err != nil {
		return err
	}
	head, dialect, ok, err := table.DetectFrom(dec, head)
	if err != nil {
		return err
	}
	if !ok {
		c.Unknown("text", "tables whose rows have the same number of fields")
		return nil
	}
	c.Shape.Format, c.Shape.Delimiter, c.Shape.Encoding = "CSV", string(dialect.Delimiter), dec.Encoding()
	if dialect.Delimiter == '\t' {
		c.Shape.Format = "TSV"
	}
	if dialect.Cut {
		c.Block("row-too-long", "line 1", "the first row is longer than 4 MiB, so that its names of columns could not be read; correct the file")
	}
	sc := table.NewScanner(io.MultiReader(bytes.NewReader(head), dec), dialect.Delimiter)
	t, err := checkTable(ctx, c, dialect, sc)
	if err != nil {
		return err
	}
	c.Shape.Encoding = dec.Encoding()
	t.writing()
	if c.Shape.Encoding == table.Unknown {
		c.Block("unknown-encoding", "", "the text is neither UTF-8 nor CP932, so that names of columns and text could not be read; "+
			"convert the file to UTF-8")
	}
	return nil
}
