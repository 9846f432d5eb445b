package fhir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"teikyo/deid/change"
	"teikyo/deid/jsontext"
	"teikyo/deid/scan"
	"teikyo/deid/source"
	"teikyo/models"
)

// Format is FHIR R4 in JSON.
type Format struct{}

// Name is how profiles and reports call it.
func (Format) Name() string { return "FHIR" }

// Detect reports whether a file that begins with head is FHIR: its first value,
// or the first one in its array or in its entries, names its resourceType.
func (Format) Detect(head []byte) bool {
	r := jsontext.NewReader(bytes.NewReader(head), limits())
	var keys [limitDepth + 1]string
	for {
		t, err := r.Next()
		if err != nil || t.Depth > limitDepth {
			return false
		}
		if t.Kind != jsontext.ObjectStart && t.Kind != jsontext.ArrayStart && t.Depth == 0 {
			return false
		}
		if !t.Key {
			continue
		}
		key := string(jsontext.Unquote(nil, t.Raw))
		keys[t.Depth] = key
		if key == "resourceType" && (t.Depth <= 2 && keys[1] == "resourceType" || t.Depth == 2 && keys[1] == "" ||
			t.Depth == 4 && keys[1] == "entry" && keys[3] == "resource") {
			return true
		}
	}
}

// limitDepth is how deep resources may nest: those of FHIR stay far below.
const limitDepth = 128

func limits() jsontext.Limits {
	l := jsontext.DefaultLimits()
	l.Depth = limitDepth
	return l
}

// Check notes in c what a transformation under the profile of c would change.
func (Format) Check(ctx context.Context, in source.Source, c *scan.Collector) error {
	find := newFindings(c)
	c.Shape.Encoding = "UTF-8"
	s := &stream{
		ctx: ctx, r: jsontext.NewReader(in.R, limits()), out: io.Discard,
		w: &walk{d: &jsontext.Doc{}, rules: newRules(c.Profile()), find: find},
	}
	err := s.run()
	find.close()
	c.Shape.Format = s.shape()
	var syntax *jsontext.SyntaxError
	if errors.As(err, &syntax) {
		rule := "damaged"
		if syntax.Limit {
			rule = "too-large"
		}
		c.Block(rule, fmt.Sprintf("line %d, column %d", syntax.Line, syntax.Column),
			fmt.Sprintf("line %d, column %d: %s; nothing after it was looked at; correct the file", syntax.Line, syntax.Column, syntax.Msg))
		return nil
	}
	return err
}

// Transform writes in to out after the profile of t. What FHIR R4 does not know
// is left out.
func (Format) Transform(ctx context.Context, in source.Source, out io.Writer, t *change.Changer) error {
	s := &stream{
		ctx: ctx, r: jsontext.NewReader(in.R, limits()), out: out,
		w: &walk{d: &jsontext.Doc{}, rules: newRules(t.Profile()), change: newValues(t)},
	}
	err := s.run()
	var syntax *jsontext.SyntaxError
	if errors.As(err, &syntax) {
		return models.Errorf(models.Invalid, "%s: %v; correct the file", in.Path, err)
	}
	return err
}
