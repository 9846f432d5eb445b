// Package source is how the readers of formats get the contents of a file: once,
// from the beginning, and, for formats that need random access, from a sealed
// temporary file.
package source

import (
	"bytes"
	"context"
	"io"

	"teikyo/deid/table"
	"teikyo/models"
)

// HeadSize is how many first bytes decide the format.
const HeadSize = 256 << 10

// Limits bound what a reader of a format may use. A zero field is its default.
type Limits struct {
	Spill     int64   // bytes that are kept in a temporary file; default 64 GiB
	Expanded  int64   // bytes of all that an archive or a packed format unfolds to; default 1 TiB
	Ratio     float64 // of unfolded to packed bytes, beyond the first 16 MiB; default 200
	Entries   int     // files in an archive; default 10,000
	Depth     int     // archives in archives, JSON in JSON; default 4 and 200
	NestJSON  int     // default 200
	LineBytes int     // of one line or record; default 16 MiB
}

// OrDefault fills in the defaults.
func (l Limits) OrDefault() Limits {
	fill(&l.Spill, 64<<30)
	fill(&l.Expanded, 1<<40)
	fill(&l.Ratio, 200)
	fill(&l.Entries, 10_000)
	fill(&l.Depth, 4)
	fill(&l.NestJSON, 200)
	fill(&l.LineBytes, 16<<20)
	return l
}

func fill[N int | int64 | float64](to *N, n N) {
	if *to == 0 {
		*to = n
	}
}

// Source is one file that is read once.
type Source struct {
	Path   string    // for messages and for what archives hold; never decides the format
	Head   []byte    // the first bytes, at most HeadSize; fewer when they are all
	R      io.Reader // the whole contents, Head included
	Limits Limits
	Temp   Temp // makes temporary files for what is inside; nil when there are none
	// Spill reads R to its end into a sealed temporary file for random access;
	// free must be called when it is no longer needed. Nothing else may read R
	// then.
	Spill func(ctx context.Context) (file io.ReaderAt, size int64, free func(), err error)
}

// Of makes a Source of contents: it reads the head. temp makes the temporary
// files; nil when there are none.
func Of(path string, contents io.Reader, temp Temp, limits Limits) (Source, error) {
	head, err := table.ReadHead(contents, HeadSize)
	if err != nil {
		return Source{}, err
	}
	s := Source{Path: path, Head: head, R: io.MultiReader(bytes.NewReader(head), contents), Limits: limits.OrDefault(), Temp: temp}
	s.Spill = func(ctx context.Context) (io.ReaderAt, int64, func(), error) { return s.spill(ctx, temp) }
	return s, nil
}

// Whole reports whether Head is all there is.
func (s Source) Whole() bool { return len(s.Head) < HeadSize }

// File is a temporary file: written once from its beginning, read anywhere.
type File interface {
	io.Writer
	io.ReaderAt
	io.Closer // and forgets its contents
}

// Temp makes sealed temporary files.
type Temp func() (File, error)

func (s Source) spill(ctx context.Context, temp Temp) (io.ReaderAt, int64, func(), error) {
	if temp == nil {
		return nil, 0, nil, models.Errorf(models.Internal, "there is no folder for temporary files, which this format needs")
	}
	file, err := temp()
	if err != nil {
		return nil, 0, nil, models.Wrap(models.Unavailable, err, "a temporary file could not be made; is the disk full?")
	}
	free := func() { file.Close() }
	n, err := io.Copy(file, io.LimitReader(&canceled{ctx, s.R}, s.Limits.Spill+1))
	switch {
	case err != nil:
		free()
		return nil, 0, nil, err
	case n > s.Limits.Spill:
		free()
		return nil, 0, nil, ErrTooLarge
	}
	return file, n, free, nil
}

// ErrTooLarge: the contents are larger than Limits.Spill.
var ErrTooLarge = models.Errorf(models.Invalid, "the file is larger than what its format can be checked at; split it")

// canceled is a reader that ends with its context.
type canceled struct {
	ctx context.Context
	r   io.Reader
}

func (c *canceled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
