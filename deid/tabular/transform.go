package tabular

import (
	"context"
	"io"

	"teikyo/deid/change"
	"teikyo/deid/source"
	"teikyo/models"
)

// Transform writes the table as the profile says.
func (Format) Transform(_ context.Context, in source.Source, _ io.Writer, _ *change.Changer) error {
	return models.Errorf(models.Invalid, "%s: tables cannot be transformed in this version", in.Path)
}
