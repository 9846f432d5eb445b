package fhir

import (
	"context"
	"errors"
	"io"

	"teikyo/deid/jsontext"
)

// stream reads resources one after the other and writes what stays of them.
type stream struct {
	ctx     context.Context //nolint:containedctx // a stream lives as long as one run
	r       *jsontext.Reader
	w       *walk
	out     io.Writer
	values  int // at the top
	written int // of them
	bundles int
	arrays  int
}

// shape is how people call the file.
func (s *stream) shape() string {
	switch {
	case s.values > 1:
		return "FHIR NDJSON"
	case s.bundles > 0:
		return "FHIR bundle"
	}
	return "FHIR JSON"
}

func (s *stream) run() error {
	for {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		t, err := s.r.Next()
		if errors.Is(err, io.EOF) {
			_, err := s.out.Write(t.Space)
			return err
		}
		if err != nil {
			return err
		}
		s.values++
		s.w.out = s.w.out[:0]
		if t.Kind == jsontext.ArrayStart {
			s.arrays++
			err = s.array(t)
		} else {
			err = s.top(t)
		}
		if err != nil {
			return err
		}
	}
}

// flush writes what is finished.
func (s *stream) flush() error {
	_, err := s.out.Write(s.w.out)
	s.w.out = s.w.out[:0]
	return err
}

// top is a value at the top: a resource, a bundle whose entries come one by one,
// or something that has no place in FHIR.
func (s *stream) top(t jsontext.Token) error {
	d := s.w.d
	at, err := d.ReadUntil(s.r, t, func(key []byte) bool {
		return string(jsontext.Unquote(nil, key)) == "entry" && d.Is(jsontext.Root, "resourceType", "Bundle")
	})
	if err != nil {
		return err
	}
	lead := d.Text[:d.Nodes[jsontext.Root].At]
	if s.written == 0 && s.values > 1 {
		lead = withoutLine(lead)
	}
	if at >= 0 {
		s.written++
		s.w.out = append(s.w.out, lead...)
		return s.bundle(at)
	}
	mark := len(s.w.out)
	s.w.out = append(s.w.out, lead...)
	if d.Nodes[jsontext.Root].Kind != jsontext.ObjectStart || !s.w.resource(jsontext.Root) {
		if d.Nodes[jsontext.Root].Kind != jsontext.ObjectStart {
			s.w.wrongKind(jsontext.Root, &elem{path: "resource"})
		}
		s.w.out = s.w.out[:mark]
		return s.flush()
	}
	s.written++
	return s.flush()
}

// withoutLine is the white space after a line that was left out.
func withoutLine(space []byte) []byte {
	for i, c := range space {
		if c == '\n' {
			return space[i+1:]
		}
	}
	return space
}

// bundle writes a bundle of which the members before its entries are read; at
// is where they end.
func (s *stream) bundle(at int) error {
	s.bundles++
	s.w.find.row()
	bundle := structure()["Bundle"]
	s.w.out = append(s.w.out, '{')
	s.w.inside(jsontext.Root, bundle, false)
	s.w.out = append(s.w.out, s.w.d.Text[at:]...)
	t, err := s.r.Next()
	if err != nil {
		return err
	}
	if t.Kind != jsontext.ArrayStart {
		return &jsontext.SyntaxError{Line: t.Line, Column: t.Column, Msg: "the entries of a bundle are an array"}
	}
	entry := bundle.elems["entry"]
	if err := s.elements(t, func() bool { return s.w.one(jsontext.Root, entry, s.w.rules.of(entry)) }); err != nil {
		return err
	}
	d := s.w.d
	if err := d.ReadRest(s.r); err != nil {
		return err
	}
	_, end := s.w.inside(jsontext.Root, bundle, true)
	s.w.out = append(s.w.out, d.Text[end:]...)
	return s.flush()
}

// array is an array of resources.
func (s *stream) array(t jsontext.Token) error {
	s.written++
	return s.elements(t, func() bool {
		if s.w.node(jsontext.Root).Kind != jsontext.ObjectStart {
			return s.w.wrongKind(jsontext.Root, &elem{path: "resource"})
		}
		return s.w.resource(jsontext.Root)
	})
}

// elements writes an array whose elements are read one by one; write writes the
// one in the Doc and reports whether it stays.
func (s *stream) elements(t jsontext.Token, write func() bool) error {
	s.w.out = append(append(s.w.out, t.Space...), '[')
	for left := false; ; {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		t, err := s.r.Next()
		if err != nil {
			return err
		}
		if t.Kind == jsontext.ArrayEnd {
			s.w.out = append(append(s.w.out, t.Space...), ']')
			return s.flush()
		}
		if err := s.w.d.Read(s.r, t); err != nil {
			return err
		}
		mark := len(s.w.out)
		s.w.separate(s.w.d.Text[:s.w.d.Nodes[jsontext.Root].At], left)
		if !write() {
			s.w.out = s.w.out[:mark]
			continue
		}
		left = true
		if err := s.flush(); err != nil {
			return err
		}
	}
}
