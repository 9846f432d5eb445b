// Package parquet checks Parquet files. The values of every column are looked at
// as those of a table are, nested ones too, column by column, so that one page is
// in memory at a time. Dates and timestamps are dates whatever integer stands for
// them. Nothing that the file says about its own sizes is believed before it was
// compared with the bytes.
package parquet

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	pq "github.com/parquet-go/parquet-go"

	"teikyo/deid/change"
	"teikyo/deid/recognise"
	"teikyo/deid/scan"
	"teikyo/deid/source"
	"teikyo/models"
)

// Format is Parquet files. In profiles it is "parquet"; its fields are the paths of
// the columns, joined by dots, without the layers of lists and maps.
type Format struct{}

// Name is the name of the format.
func (Format) Name() string { return "Parquet" }

// Detect reports whether head begins a Parquet file.
func (Format) Detect(head []byte) bool { return magic(head) }

// Check looks at all columns, and at what the footer holds beside them.
func (Format) Check(ctx context.Context, in source.Source, c *scan.Collector) error {
	file, size, free, err := in.Spill(ctx)
	if err != nil {
		return err
	}
	defer free()
	k := &checker{c: c, r: file}
	err = k.check(ctx, size)
	var p *problem
	if errors.As(err, &p) {
		c.NotLookedAt("the columns of the file from the damage on")
		c.Block(p.rule, p.place, p.msg)
		return nil
	}
	return err
}

type checker struct {
	c    *scan.Collector
	r    io.ReaderAt
	file *pq.File
	keys int // maps whose keys are named like identifiers
}

func (k *checker) check(ctx context.Context, size int64) error {
	f, err := open(k.r, size)
	if err != nil {
		return err
	}
	k.file = f
	k.c.Shape.Rows, k.c.Shape.Header = f.NumRows(), true
	k.metadata()
	all := leaves(f.Root())
	for i, leaf := range all {
		if err := k.column(ctx, i, leaf, len(all)); err != nil {
			return err
		}
	}
	return nil
}

// metadata looks at the words in the footer.
func (k *checker) metadata() {
	m := k.file.Metadata()
	k.c.NotLookedAt("page indexes, Bloom filters and bytes that the footer does not name")
	words := k.c.Field("metadata of the file", scan.Kind{Text: true, Keep: true}).At("the metadata of the file")
	words.Text([]byte(m.CreatedBy), 0)
	for _, kv := range m.KeyValueMetadata {
		words.Text([]byte(kv.Key), 0)
		v := []byte(kv.Value)
		if kv.Key == "ARROW:schema" {
			if raw, err := base64.StdEncoding.DecodeString(kv.Value); err == nil {
				v = []byte(strings.ToValidUTF8(string(raw), " "))
			}
		}
		words.Text(v, 0)
	}
	for _, g := range m.RowGroups {
		for i := range g.Columns {
			for _, kv := range g.Columns[i].MetaData.KeyValueMetadata {
				words.Text([]byte(kv.Value), 0)
			}
		}
	}
}

// column looks at one column in all row groups.
func (k *checker) column(ctx context.Context, index int, leaf *pq.Column, columns int) error {
	path := leaf.Path()
	name := strings.Join(names(path), ".")
	k.c.Above().Value([]byte(name), 0)
	f := k.c.Column(name, columns)
	s := shapeOf(leaf.Type())
	l := &look{checker: k, f: f, s: s, place: fmt.Sprintf("column %d", index+1)}
	l.isKey = len(path) > 1 && path[len(path)-1] == "key" && (path[len(path)-2] == "key_value" || path[len(path)-2] == "map")
	for g, group := range k.file.RowGroups() {
		place := fmt.Sprintf("row group %d, column %d", g+1, index+1)
		meta := &k.file.Metadata().RowGroups[g].Columns[index]
		if err := checkPages(k.r, meta, place); err != nil {
			return err
		}
		l.statistics(meta.MetaData.Statistics.MinValue, meta.MetaData.Statistics.MaxValue)
		if err := l.chunk(ctx, group.ColumnChunks()[index], place, group.NumRows()); err != nil {
			return err
		}
	}
	l.sumUp()
	return nil
}

// look looks at the values of one column.
type look struct {
	*checker
	f      *scan.Field
	s      shape
	place  string
	isKey  bool
	row    int64
	buf    []byte
	opaque int64
	named  int64
}

// statistics are the least and greatest value of a column, which a program that
// changed the values may have left as they were.
func (l *look) statistics(values ...[]byte) {
	if l.s.kind != pq.ByteArray || l.s.scale >= 0 {
		return
	}
	for _, v := range values {
		if text, ok := l.s.bytes(l.buf[:0], v); ok && len(v) > 0 {
			l.f.Value(text, l.row)
		}
	}
}

// chunk reads the pages of one row group.
func (l *look) chunk(ctx context.Context, chunk pq.ColumnChunk, place string, rows int64) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = damaged(place, "a page cannot be read")
		}
	}()
	pages := chunk.Pages()
	defer pages.Close()
	values, first := make([]pq.Value, 1024), l.row
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return damaged(place, "a page cannot be read; write the file again")
		}
		err = l.page(page.Values(), values)
		pq.Release(page)
		if err != nil {
			return damaged(place, "the values of a page cannot be read")
		}
	}
	if l.row-first != rows {
		return damaged(place, "the column has another number of rows than the footer says")
	}
	return nil
}

func (l *look) page(r pq.ValueReader, values []pq.Value) error {
	for {
		n, err := r.ReadValues(values)
		for _, v := range values[:n] {
			if v.RepetitionLevel() == 0 {
				l.row++
			}
			if !v.IsNull() {
				l.value(v)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil || n == 0 {
			return errors.Join(errSize, err)
		}
	}
}

func (l *look) value(v pq.Value) {
	text, ok := l.s.append(l.buf[:0], v)
	l.buf = text
	switch {
	case !ok:
		l.opaque++
	case l.s.kind == pq.Boolean || l.s.timeDay:
	case l.s.json:
		l.f.Text(text, l.row)
	default:
		l.f.Value(l.coarse(text), l.row)
	}
	if l.isKey && ok && len(text) <= 100 && l.c.ClassOf(string(text)).Direct() {
		l.named++
	}
}

// coarse writes the first of January as a year and the first of a month as a month
// in columns of births: an integer that stands for a date cannot do with less.
func (l *look) coarse(text []byte) []byte {
	if l.f.Class() != recognise.Birth || !l.s.date && l.s.unit == 0 || len(text) != 10 {
		return text
	}
	switch {
	case string(text[4:]) == "-01-01":
		return text[:4]
	case string(text[7:]) == "-01":
		return text[:7]
	}
	return text
}

func (l *look) sumUp() {
	if l.opaque > 0 {
		l.c.NotLookedAt("binary values in " + l.place)
		l.c.Block("binary-values", l.place, fmt.Sprintf("%d values are no text, so that they were not looked at; take the column out, or store it as text", l.opaque))
	}
	if l.named > 0 {
		l.c.Block("map-of-identifiers", l.place, fmt.Sprintf("%d keys of a map are named like identifiers; make columns of them", l.named))
	}
}

// Transform is refused: Parquet files are checked only.
func (Format) Transform(_ context.Context, in source.Source, _ io.Writer, _ *change.Changer) error {
	return models.Errorf(models.Invalid, "%s: Parquet files are checked but not transformed; write the table as CSV and apply the profile to that", in.Path)
}
