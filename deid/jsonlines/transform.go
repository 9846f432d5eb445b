package jsonlines

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"teikyo/deid/change"
	"teikyo/deid/jsontext"
	"teikyo/deid/profile"
	"teikyo/deid/recognise"
	"teikyo/deid/scan"
	"teikyo/deid/source"
	"teikyo/models"
)

// Transform writes the records as the profile says; what is not changed is
// written as it was, numbers and white space too.
func (Format) Transform(ctx context.Context, in source.Source, out io.Writer, c *change.Changer) error {
	end := &tail{r: in.R}
	t := &transformer{
		change: c, names: scan.New(c.Profile(), key), r: jsontext.NewReader(end, limits(in.Limits)), out: bufio.NewWriterSize(out, 128<<10),
		fields: map[string]*change.Field{},
	}
	for n := 0; ; n++ {
		if n%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		token, err := t.r.Next()
		if err == nil {
			err = t.value(token)
		}
		var bad *jsontext.SyntaxError
		switch {
		case errors.Is(err, io.EOF):
			t.out.Write(end.space) // an error stays until Flush
			return t.out.Flush()
		case errors.As(err, &bad):
			return models.Errorf(models.Invalid, "%s: %v; correct the file", in.Path, bad)
		case err != nil:
			return err
		}
	}
}

// tail remembers the white space that a file ends with.
type tail struct {
	r     io.Reader
	space []byte
}

func (t *tail) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	read := p[:n]
	kept := bytes.TrimRight(read, " \t\r\n")
	if len(kept) > 0 {
		t.space = t.space[:0]
	}
	if len(t.space) < 1<<20 {
		t.space = append(t.space, read[len(kept):]...)
	}
	return n, err
}

// transformer rewrites one file.
type transformer struct {
	change  *change.Changer
	names   *scan.Collector
	r       *jsontext.Reader
	out     *bufio.Writer
	doc     jsontext.Doc
	fields  map[string]*change.Field
	path    []byte
	text    []byte
	quoted  []byte
	written bool // an element of the outermost array
}

// value goes on with an outermost value, or an element of an outermost array.
func (t *transformer) value(token jsontext.Token) error {
	switch {
	case token.Depth == 0 && token.Kind == jsontext.ArrayStart, token.Depth == 0 && token.Kind == jsontext.ArrayEnd:
		t.out.Write(token.Space)
		t.out.Write(token.Raw)
		t.written = false
		return nil
	}
	first := !t.written
	if err := t.doc.Read(t.r, token); err != nil {
		return err
	}
	d := &t.doc
	root := d.Nodes[jsontext.Root]
	person := t.person(jsontext.Root)
	t.change.Person(person)
	if t.change.Objected(person) {
		return nil
	}
	space := d.Text[:root.At]
	if token.Depth == 1 && first { // those before it were left out, and their commas
		space = bytes.Replace(space, []byte(","), nil, 1)
	}
	t.written = true
	t.out.Write(space)
	t.path = t.path[:0]
	return t.node(jsontext.Root)
}

// person is the number of the person of a record: the first field of that class
// in the outermost object.
func (t *transformer) person(n int) []byte {
	d := &t.doc
	if d.Nodes[n].Kind != jsontext.ObjectStart {
		return nil
	}
	for c := d.Nodes[n].First; c != jsontext.None; c = d.Nodes[c].Next {
		if kind := d.Nodes[c].Kind; kind != jsontext.String && kind != jsontext.Number {
			continue
		}
		t.path = d.Key(t.path[:0], c)
		if t.field().Class == recognise.PatientID {
			return bytes.TrimSpace(recognise.Fold(nil, t.plain(c)))
		}
	}
	return nil
}

func (t *transformer) field() *change.Field {
	if f, ok := t.fields[string(t.path)]; ok {
		return f
	}
	name := string(t.path)
	shown := t.names.Field(name, scan.Kind{}).Name()
	f := t.change.Column(key, len(t.fields), name, shown, t.names.ClassOf(name), profile.Rule{Action: profile.Scan})
	if len(t.fields) < scan.MaxFields {
		t.fields[name] = f
	}
	return f
}

// plain is the text of a string or number.
func (t *transformer) plain(n int) []byte {
	if t.doc.Nodes[n].Kind == jsontext.String {
		t.text = t.doc.Chars(t.text[:0], n)
	} else {
		t.text = append(t.text[:0], t.doc.Raw(n)...)
	}
	return t.text
}

// node writes the value n, whose path is t.path.
func (t *transformer) node(n int) error {
	d := &t.doc
	node := d.Nodes[n]
	if node.Cut {
		return &jsontext.SyntaxError{Line: node.Line, Column: node.Column, Limit: true, Msg: "a text of more than 1 MiB cannot be transformed"}
	}
	switch node.Kind {
	case jsontext.ObjectStart, jsontext.ArrayStart:
		return t.container(n)
	case jsontext.String, jsontext.Number:
		t.out.Write(t.scalar(n))
	default:
		t.out.Write(d.Raw(n))
	}
	return nil
}

// scalar is what stands for a string or number, as it is written.
func (t *transformer) scalar(n int) []byte {
	raw := t.doc.Raw(n)
	f := t.field()
	if !f.Touched() {
		f.Count()
		return raw
	}
	before := t.plain(n)
	after := f.Value(before)
	number := t.doc.Nodes[n].Kind == jsontext.Number
	switch {
	case bytes.Equal(before, after):
		return raw
	case number && len(after) == 0:
		return []byte("null")
	case number && isNumber(after):
		return after
	}
	t.quoted = jsontext.Quote(t.quoted[:0], after)
	return t.quoted
}

// isNumber: digits that do not begin with 0 are a number in JSON.
func isNumber(v []byte) bool {
	for _, c := range v {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(v) > 0 && (v[0] != '0' || len(v) == 1)
}

// container writes an object without the members that are dropped, or an array.
func (t *transformer) container(n int) error {
	d := &t.doc
	node := d.Nodes[n]
	at, wrote, before := node.At+1, false, len(t.path)
	t.out.WriteByte(d.Text[node.At])
	for c := node.First; c != jsontext.None; c = d.Nodes[c].Next {
		child := d.Nodes[c]
		start := child.At
		if child.KeyEnd > child.KeyAt {
			start = child.KeyAt
			if before > 0 {
				t.path = append(t.path[:before], '.')
			}
			t.path = d.Key(t.path, c)
		}
		between := d.Text[at:start]
		at = child.End
		if child.KeyEnd > child.KeyAt && t.dropped(c) {
			t.path = t.path[:before]
			continue
		}
		if !wrote {
			between = bytes.Replace(between, []byte(","), nil, 1)
		}
		t.out.Write(between)
		t.out.Write(d.Text[start:child.At])
		if err := t.node(c); err != nil {
			return err
		}
		wrote = true
		t.path = t.path[:before]
	}
	_, err := t.out.Write(d.Text[at:node.End])
	return err
}

// dropped reports whether the member at t.path goes, and counts it.
func (t *transformer) dropped(n int) bool {
	f := t.field()
	if !f.Dropped() {
		return false
	}
	f.Value(t.doc.Raw(n))
	return true
}
