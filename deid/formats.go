package deid

import (
	"context"
	"io"
	"strings"

	"teikyo/deid/archive"
	"teikyo/deid/change"
	"teikyo/deid/dicom"
	"teikyo/deid/dpc"
	"teikyo/deid/excel"
	"teikyo/deid/fhir"
	"teikyo/deid/jsonlines"
	"teikyo/deid/kaigo"
	"teikyo/deid/parquet"
	"teikyo/deid/plain"
	"teikyo/deid/program"
	"teikyo/deid/scan"
	"teikyo/deid/source"
	"teikyo/deid/tabular"
	"teikyo/deid/uke"
)

// Format reads one format of files.
type Format interface {
	// Name is how people call it; in profiles it stands in lower case with dashes.
	Name() string
	// Detect tells by the first bytes (source.HeadSize, or the whole file when it
	// is shorter). It must be cheap.
	Detect(head []byte) bool
	// Check gives the collector the values of all fields. Broken input is a
	// finding that blocks ("damaged", with line and column), no error; an error is
	// one of reading or of ctx.
	Check(ctx context.Context, in source.Source, c *scan.Collector) error
	// Transform writes the file as the profile of t says, in one pass: order,
	// encoding and line ends stay. Broken input is a *models.Error.
	Transform(ctx context.Context, in source.Source, out io.Writer, t *change.Changer) error
}

// formats are all formats in the order in which they are asked: the narrow ones
// before those that would take anything.
func formats() []Format {
	return []Format{
		program.Format{},
		uke.Format(),
		kaigo.Format(),
		dpc.Format(),
		dicom.Format{},
		fhir.Format{},
		jsonlines.Format{},
		parquet.Format{},
		excel.Format{},
		archive.Format{Inner: checkContents},
		tabular.Format{},
		plain.Format{},
	}
}

// formatOf finds the format of a file; nil when nobody knows it.
func formatOf(head []byte) Format {
	for _, f := range formats() {
		if f.Detect(head) {
			return f
		}
	}
	return nil
}

// FormatKey is the name of a format in profiles.
func FormatKey(name string) string { return strings.ToLower(strings.ReplaceAll(name, " ", "-")) }

// readable names all formats, for messages.
func readable() string {
	var names []string
	for _, f := range formats()[1:] { // the first one refuses
		names = append(names, f.Name())
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return names[0]
}
