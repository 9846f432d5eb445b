package deid

import (
	"context"
	"io"

	"teikyo/deid/change"
	"teikyo/deid/source"
	"teikyo/models"
)

// Transform writes contents as the profile of t says, in one pass at constant
// memory. The contents decide the format. A file whose format nobody reads is a
// *models.Error: what is not understood is not passed on.
func (g Gate) Transform(ctx context.Context, path string, contents io.Reader, out io.Writer, t *change.Changer) error {
	in, err := source.Of(path, contents, g.temp(), g.Limits)
	if err != nil {
		return err
	}
	f := formatOf(in.Head)
	switch {
	case t.Profile().Nothing:
		return models.Errorf(models.Invalid, "the profile %s changes nothing; name another one", t.Profile().Name)
	case f == nil:
		return models.Errorf(models.Invalid, "%s: what looks like %s cannot be transformed; the program reads %s", path, looksLike(in.Head), readable())
	}
	return f.Transform(ctx, in, out, t)
}
