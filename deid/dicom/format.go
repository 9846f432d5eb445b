package dicom

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"teikyo/deid/change"
	"teikyo/deid/scan"
	"teikyo/deid/source"
)

// Format is DICOM files (PS3.10).
type Format struct{}

// Name is how profiles and reports call it.
func (Format) Name() string { return "DICOM" }

// preamble is what stands before the mark "DICM".
const preamble = 128

// Detect reports whether head begins a DICOM file: with the mark, or, as old
// files do, with an element of group 2 or 8.
func (Format) Detect(head []byte) bool {
	return hasMark(head) || isBare(head)
}

func hasMark(head []byte) bool {
	return len(head) >= preamble+4 && string(head[preamble:preamble+4]) == "DICM"
}

// isBare: the first element is one of group 2 or 8 that begins files, with a
// sane length.
func isBare(head []byte) bool {
	if len(head) < 8 {
		return false
	}
	tag := Tag(binary.LittleEndian.Uint16(head))<<16 | Tag(binary.LittleEndian.Uint16(head[2:]))
	switch tag {
	case tagMetaLength, 0x0002_0001, 0x0008_0000, 0x0008_0001, tagCharset, 0x0008_0006, tagImageType, 0x0008_0012, tagSOPClass, 0x0008_0018:
		return isVR(string(head[4:6])) || binary.LittleEndian.Uint32(head[4:]) <= 256
	}
	return false
}

// Check notes in c what a transformation under the profile of c would change,
// and what it would refuse.
func (Format) Check(ctx context.Context, in source.Source, c *scan.Collector) error {
	find := newFindings(c)
	j := &job{ctx: ctx, rules: newRules(c.Profile()), find: find}
	err := j.file(in, io.Discard)
	find.close(&j.image)
	c.Shape.Rows = 1
	var d *damage
	if errors.As(err, &d) {
		c.Block("damaged", fmt.Sprintf("byte %d", d.offset), d.Error()+"; nothing after it was looked at; correct the file")
		return nil
	}
	return err
}

// Transform writes in to out after the profile of t. Pixel data stay as they
// are. The error is a *models.Error of kind invalid when the file is damaged or
// may have text burned into its pixels. Of a person who objected nothing is
// written.
func (Format) Transform(ctx context.Context, in source.Source, out io.Writer, t *change.Changer) error {
	change := newValues(t)
	change.path = in.Path
	rules := newRules(t.Profile())
	person := personOf(in.Head)
	t.Person(person)
	if t.Objected(person) {
		return nil
	}
	j := &job{ctx: ctx, rules: rules, change: change, pending: marks(rules)}
	err := j.file(in, out)
	var d *damage
	if errors.As(err, &d) {
		return refused(in.Path, d.Error()+"; correct the file")
	}
	return err
}

// personOf is the patient ID at the beginning of a file; empty when it is not
// there.
func personOf(head []byte) []byte {
	var found []byte
	j := &job{ctx: context.Background(), in: newReader(bytes.NewReader(head))}
	s, err := j.begin(head, io.Discard)
	if err != nil || s.deflated && j.inflate(source.Limits{}.OrDefault()) != nil {
		return nil
	}
	for {
		e, err := j.in.header()
		if err != nil || e.tag > tagPatientID || e.length > maxValue && e.length != undefined {
			return found
		}
		if e.tag == tagPatientID && e.length != undefined {
			v, err := j.in.value(e.length)
			if err != nil {
				return nil
			}
			return trim(v)
		}
		if e.length == undefined {
			err = j.skipSequence(j.in.explicit && e.vr != "UN", 0)
		} else {
			err = j.in.copy(io.Discard, e.length)
		}
		if err != nil {
			return found
		}
	}
}

// file goes over a whole file.
func (j *job) file(in source.Source, out io.Writer) error {
	j.in = newReader(in.R)
	s, err := j.begin(in.Head, out)
	if err != nil {
		return err
	}
	finish := func() error { return nil }
	if s.deflated {
		if err := j.inflate(in.Limits.OrDefault()); err != nil {
			return err
		}
		packed, err := flate.NewWriter(out, flate.DefaultCompression)
		if err != nil {
			return err
		}
		out, finish = packed, packed.Close
	}
	j.out = &writer{out: out, explicit: j.in.explicit, order: j.in.order}
	if err := j.dataset(-1, 0); err != nil {
		return err
	}
	if err := j.whole(); err != nil {
		return err
	}
	return finish()
}

// inflate reads on behind a deflated data set (PS3.5 A.5), within bounds.
func (j *job) inflate(l source.Limits) error {
	packed := &counter{r: j.in.src}
	offset, order := j.in.offset, j.in.order
	j.in = newReader(&bounded{r: flate.NewReader(packed), packed: packed, limits: l})
	j.in.offset, j.in.order = offset, order
	return nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// bounded ends what unfolds to too much.
type bounded struct {
	r      io.Reader
	packed *counter
	n      int64
	limits source.Limits
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	var broken flate.CorruptInputError
	switch {
	case b.n > b.limits.Expanded || b.n > 16<<20 && float64(b.n) > b.limits.Ratio*float64(b.packed.n):
		return 0, &damage{b.packed.n, "the deflated data set unfolds to more than is allowed"}
	case errors.As(err, &broken):
		return n, &damage{b.packed.n, "the deflated data set is damaged"}
	}
	return n, err
}
