// Package jsonlines checks and transforms JSON: a record per line, one record,
// or an array of records. A field is the path of names that leads to it, with
// dots: "patient.name". The elements of an array have the path of the array.
package jsonlines

import (
	"bytes"
	"context"
	"errors"
	"io"

	"teikyo/deid/jsontext"
	"teikyo/deid/scan"
	"teikyo/deid/source"
	"teikyo/deid/table"
)

// Format is JSON and JSON lines; in profiles it is "json-lines".
type Format struct{}

// Name is the name of the format.
func (Format) Name() string { return "JSON lines" }

// key is the name of the format in profiles.
const key = "json-lines"

// Detect reports whether head begins with an object or an array of JSON.
func (Format) Detect(head []byte) bool {
	text := bytes.TrimPrefix(head[:min(len(head), table.HeadSize)], []byte("\xEF\xBB\xBF"))
	return table.BytesFormat(text) == "" && table.TextFormat(text) == "JSON"
}

// Check gives every value of every record to the collector.
func (Format) Check(ctx context.Context, in source.Source, c *scan.Collector) error {
	w := &walker{c: c, r: jsontext.NewReader(in.R, limits(in.Limits)), fields: map[string]*scan.Field{}}
	c.Shape.Format, c.Shape.Encoding = "JSON lines", table.UTF8
	for n := 0; ; n++ {
		if n%4096 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		t, err := w.r.Next()
		if errors.Is(err, io.EOF) {
			if w.records == 0 {
				c.Warn("no-rows", "", "the file has no records")
			}
			return nil
		}
		var bad *jsontext.SyntaxError
		if errors.As(err, &bad) {
			w.damaged(bad)
			return nil
		}
		if err != nil {
			return err
		}
		w.token(t)
		c.Shape.Rows = w.records
	}
}

func limits(l source.Limits) jsontext.Limits {
	out := jsontext.DefaultLimits()
	out.Text = l.LineBytes
	return out
}

// walker follows the path of the values.
type walker struct {
	c       *scan.Collector
	r       *jsontext.Reader
	path    []byte
	ends    []int // length of path before each container
	name    int   // length of path before the member at hand
	fields  map[string]*scan.Field
	value   []byte
	records int64
	list    bool // the outermost value is an array
}

func (w *walker) damaged(bad *jsontext.SyntaxError) {
	rule := "damaged"
	if bad.Limit {
		rule = "too-large"
	}
	w.c.Block(rule, bad.Error(), "the JSON cannot be read further: "+bad.Error()+"; correct the file")
	w.c.NotLookedAt("everything after " + bad.Error())
}

// token goes on with the next token.
func (w *walker) token(t jsontext.Token) {
	if !t.Key && t.Kind != jsontext.ObjectEnd && t.Kind != jsontext.ArrayEnd {
		w.count(t)
	}
	switch {
	case t.Key:
		w.enter(t)
	case t.Kind == jsontext.ObjectStart || t.Kind == jsontext.ArrayStart:
		w.ends = append(w.ends, len(w.path))
	case t.Kind == jsontext.ObjectEnd || t.Kind == jsontext.ArrayEnd:
		w.path = w.path[:w.ends[len(w.ends)-1]]
		w.ends = w.ends[:len(w.ends)-1]
	case t.Kind == jsontext.String:
		w.value = jsontext.Unquote(w.value[:0], t.Raw)
		w.look(t)
	case t.Kind == jsontext.Number:
		w.value = append(w.value[:0], t.Raw...)
		w.look(t)
	}
}

// count counts records: the outermost values, or the elements of an outermost
// array.
func (w *walker) count(t jsontext.Token) {
	switch {
	case t.Depth == 0 && t.Kind == jsontext.ArrayStart:
		w.list = true
	case t.Depth == 0:
		w.list = false
		w.records++
	case t.Depth == 1 && w.list:
		w.records++
	}
}

// enter makes the member with the name t the one at hand.
func (w *walker) enter(t jsontext.Token) {
	w.path = w.path[:w.ends[len(w.ends)-1]]
	if len(w.path) > 0 {
		w.path = append(w.path, '.')
	}
	w.path = jsontext.Unquote(w.path, t.Raw)
	if t.Cut || len(w.path) > 4096 {
		w.c.Block("field-too-long", place(t), "a name of more than 4,096 bytes stands here; names are not data")
		w.path = w.path[:min(len(w.path), 4096)]
	}
	if _, known := w.fields[string(w.path)]; !known {
		w.c.Above().Value(bytes.ReplaceAll(w.path, []byte("."), []byte(" ")), t.Line) // a name may be data
		w.field()
	}
}

func place(t jsontext.Token) string {
	return (&jsontext.SyntaxError{Line: t.Line, Column: t.Column, Msg: "here"}).Error()
}

func (w *walker) field() *scan.Field {
	if f, ok := w.fields[string(w.path)]; ok {
		return f
	}
	name := string(w.path)
	if name == "" {
		name = "value"
		w.c.Warn("no-names", "", "there are values without a name, so identifiers could be told by their values only")
	}
	f := w.c.Field(name, scan.Kind{})
	if len(w.fields) < scan.MaxFields {
		w.fields[string(w.path)] = f
	}
	return f
}

func (w *walker) look(t jsontext.Token) {
	if t.Cut {
		w.c.Block("field-too-long", place(t), "a text of more than 1 MiB stands here; only its beginning was looked at")
	}
	w.field().Value(w.value, t.Line)
}
