package archive

import (
	"context"
	"errors"
	"io"
	"path"

	"teikyo/deid/program"
	"teikyo/deid/recognise"
	"teikyo/deid/scan"
	"teikyo/deid/source"
)

// Inner checks one file as if it stood alone.
type Inner func(ctx context.Context, in source.Source, c *scan.Collector) error

// inside checks the files of one archive.
type inside struct {
	check  Inner
	c      *scan.Collector
	in     source.Source
	b      *budget
	number int
}

// errContents marks what is wrong with contents, as against with reading them
// from where they are.
type errContents struct{ error }

func (e errContents) Unwrap() error { return e.error }

// place is where an entry stands, for findings. A name that is itself an
// identifier is not shown.
func (i *inside) place(name string) string {
	base := path.Base(name)
	if i.c.IsIdentifier(name) || i.c.IsIdentifier(base) {
		return "!/(" + ordinal(i.number) + " entry)"
	}
	return "!/" + scan.DisplayName(name)
}

// file checks one entry. r reads its contents; the error is one of reading the
// archive itself, or of ctx.
func (i *inside) file(ctx context.Context, name string, r io.Reader) error {
	i.number++
	if i.b.file() != nil {
		return i.b.spent
	}
	i.name(name)
	c := scan.New(i.c.Profile(), "")
	err := i.contents(ctx, name, r, c)
	if err == nil {
		_, err = io.Copy(io.Discard, r) // to the end, where sums are compared
	}
	var broken errContents
	switch {
	case err == nil:
	case i.b.spent != nil:
		i.c.Include(i.place(name), c.Finish())
		return i.b.spent
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &broken):
		c.Block("damaged", "", "the contents cannot be read to their end: "+broken.Error()+"; pack the file again")
	default:
		return err
	}
	i.c.Include(i.place(name), c.Finish())
	return nil
}

func (i *inside) contents(ctx context.Context, name string, r io.Reader, c *scan.Collector) error {
	in, err := source.Of(name, r, i.in.Temp, i.in.Limits)
	if err != nil {
		return err
	}
	return i.check(ctx, in, c)
}

// name looks at the name of an entry, folders included.
func (i *inside) name(name string) {
	f := i.c.Field("names of files inside", scan.Kind{Text: true, Keep: true})
	f.Text([]byte(words(name)), int64(i.number))
	if why := program.Name(name); why != "" {
		i.c.Block(program.RuleExecutable, i.place(name), "the file has "+why+"; leave it out or rename it")
	}
	if recognise.NewFinder().IsFileName(fields(words(name))) {
		i.c.Warn("person-name", i.place(name), "the name of the file looks like it holds a person's name; rename the file if it does")
	}
}
