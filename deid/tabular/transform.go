package tabular

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"

	"teikyo/deid/change"
	"teikyo/deid/profile"
	"teikyo/deid/recognise"
	"teikyo/deid/scan"
	"teikyo/deid/source"
	"teikyo/deid/table"
	"teikyo/models"
)

// transformer rewrites one table.
type transformer struct {
	change  *change.Changer
	rows    *rows
	dec     *table.Decoder
	codec   encoding.Encoding // nil: UTF-8
	decided bool
	columns []*change.Field
	person  int // column of the number of the person; -1 when there is none
	out     *bufio.Writer
	raw     []byte
	text    []byte
	key     []byte
}

// Transform writes the table as the profile says. A row with another number of
// fields than the header is an error: its values would stand under wrong names.
func (Format) Transform(ctx context.Context, in source.Source, out io.Writer, c *change.Changer) (err error) {
	first, err := table.ReadHead(in.R, table.HeadSize)
	if err != nil {
		return err
	}
	d, header, err := layout(in, c.Profile())
	if err != nil {
		return err
	}
	dec, mark := table.NewRaw(first, in.R)
	enc := dec.Encoding()
	if _, err := out.Write(mark); err != nil {
		return err
	}
	if enc == table.UTF16LE || enc == table.UTF16BE {
		w := transform.NewWriter(out, table.EncodingOf(enc).NewEncoder())
		out = w
		defer func() { err = errors.Join(err, w.Close()) }()
	}
	t := &transformer{change: c, dec: dec, rows: newRows(dec, in.Path, d.Delimiter), person: -1, out: bufio.NewWriterSize(out, 128<<10)}
	t.rows.twoByte = func() bool { return dec.Encoding() == table.CP932 }
	t.name(d, header)
	if err := t.run(ctx, header, d.Fields); err != nil {
		return err
	}
	return t.out.Flush()
}

// layout finds the dialect and the row of the names; -1 when there is none.
func layout(in source.Source, p *profile.Profile) (table.Dialect, int, error) {
	text, err := table.ReadHead(table.NewDecoder(in.Head, strings.NewReader("")), 4*source.HeadSize)
	if err != nil {
		return table.Dialect{}, 0, err
	}
	d, ok := table.Detect(text, in.Whole())
	if !ok || d.Cut {
		return d, 0, models.Errorf(models.Invalid, "%s: line 1: no rows with the same number of fields could be read; it cannot be transformed", in.Path)
	}
	for i, row := range d.Rows {
		if len(row) == d.Fields {
			if isHeader(scan.New(p, "csv"), d.Rows[i:]) {
				return d, i, nil
			}
			break
		}
	}
	return d, -1, nil
}

// name finds the rule of each column: by its name, else by what its first
// values speak for.
func (t *transformer) name(d table.Dialect, header int) {
	c := scan.New(t.change.Profile(), "csv")
	for i := range d.Fields {
		name := ""
		if header >= 0 {
			name = d.Rows[header][i]
		}
		f := c.Column(name, d.Fields)
		for n, row := range d.Rows {
			if n > header && i < len(row) {
				f.Value([]byte(row[i]), int64(n+1))
			}
		}
		class, date := c.Suggest(f)
		fallback := profile.Rule{Action: profile.Scan}
		if date && class == recognise.NoClass && t.change.Profile().Dates == profile.DatesYear {
			fallback.Action = profile.Year
		}
		if name == "" {
			name = fmt.Sprintf("col%d", i+1)
		}
		t.columns = append(t.columns, t.change.Column("csv", i+1, name, f.Name(), class, fallback))
		if class == recognise.PatientID && t.person < 0 {
			t.person = i
		}
	}
}

func (t *transformer) run(ctx context.Context, header, fields int) error {
	for n := 0; ; {
		if n%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		row, err := t.rows.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		blank := len(t.rows.fields) == 1 && t.rows.fields[0].start == t.rows.fields[0].end
		switch {
		case blank:
			_, err = t.out.Write(row)
		case n <= header:
			err = t.head(row, n == header)
			n++
		default:
			n++
			err = t.row(row, fields)
		}
		if err != nil {
			return err
		}
	}
}

// head writes a row above the data; names are those of the columns.
func (t *transformer) head(row []byte, names bool) error {
	if !names {
		_, err := t.out.Write(row)
		return err
	}
	return t.write(row, func(i int, field []byte) ([]byte, error) { return field, nil })
}

// row writes one row of data.
func (t *transformer) row(row []byte, fields int) error {
	if len(t.rows.fields) != fields {
		return t.rows.bad(t.rows.line, min(len(t.rows.fields), fields)+1, fmt.Sprintf("the row has %d fields, the others have %d; correct the file",
			len(t.rows.fields), fields))
	}
	if t.person >= 0 {
		f := t.rows.fields[t.person]
		text, err := t.decode(row[f.start:f.end])
		if err != nil {
			return err
		}
		t.key = append(t.key[:0], bytes.TrimSpace(recognise.Fold(t.key[:0], text))...)
		t.change.Person(t.key)
		if t.change.Objected(t.key) {
			return nil
		}
	} else {
		t.change.Row()
	}
	return t.write(row, t.field)
}

// write writes a row without the columns that are dropped.
func (t *transformer) write(row []byte, each func(i int, field []byte) ([]byte, error)) error {
	wrote := false
	last := len(t.rows.fields) - 1
	for i, f := range t.rows.fields {
		if t.columns[i].Dropped() {
			t.columns[i].Value(row[f.start:f.end])
			continue
		}
		field, err := each(i, row[f.start:f.end])
		if err != nil {
			return err
		}
		if wrote {
			t.out.WriteByte(t.rows.delim) // an error stays until Flush
		}
		t.out.Write(field)
		wrote = true
	}
	_, err := t.out.Write(row[t.rows.fields[last].end:])
	return err
}

// field is what stands for field i, as it is written.
func (t *transformer) field(i int, field []byte) ([]byte, error) {
	c := t.columns[i]
	if !c.Touched() {
		if len(field) > 0 {
			c.Count()
		}
		return field, nil
	}
	text, err := t.decode(field)
	if err != nil || len(text) == 0 {
		return field, err
	}
	value := c.Value(text)
	if bytes.Equal(value, text) {
		return field, nil
	}
	if t.codec != nil && !ascii(value) {
		if value, err = t.codec.NewEncoder().Bytes(value); err != nil {
			return nil, t.rows.bad(t.rows.line, i+1, "what should stand here cannot be written in the encoding of the file; convert it to UTF-8")
		}
	}
	t.raw = t.rows.quote(t.raw[:0], value, len(field) > 0 && field[0] == '"')
	return t.raw, nil
}

// decode is the text of a field as UTF-8.
func (t *transformer) decode(field []byte) ([]byte, error) {
	t.text = unquote(t.text[:0], field)
	if ascii(t.text) {
		return t.text, nil
	}
	if !t.decided {
		t.decided = true
		if name := t.dec.Encoding(); name != table.UTF16LE && name != table.UTF16BE {
			t.codec = table.EncodingOf(name)
		}
	}
	if t.codec == nil {
		return t.text, nil
	}
	text, err := t.codec.NewDecoder().Bytes(t.text)
	if err != nil {
		return nil, t.rows.bad(t.rows.line, 1, "a field cannot be read in the encoding "+t.dec.Encoding())
	}
	return text, nil
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
