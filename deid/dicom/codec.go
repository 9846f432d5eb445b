package dicom

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// undefined is the length of what ends with a delimiter.
const undefined = 0xFFFF_FFFF

// damage says where a file stops being DICOM.
type damage struct {
	offset int64
	msg    string
}

func (d *damage) Error() string { return fmt.Sprintf("byte %d: %s", d.offset, d.msg) }

// element is the header of a data element, or of an item.
type element struct {
	tag    Tag
	vr     string // as the file or the dictionary has it; "" for items
	length uint32
	at     int64 // offset of the element
}

// byteOrder reads and writes numbers.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// reader reads elements.
type reader struct {
	src      *bufio.Reader
	offset   int64
	explicit bool
	order    byteOrder
	buf      [8]byte
}

func newReader(src io.Reader) *reader {
	return &reader{src: bufio.NewReaderSize(src, 64<<10), explicit: true, order: binary.LittleEndian}
}

func (r *reader) damaged(at int64, format string, args ...any) error {
	return &damage{at, fmt.Sprintf(format, args...)}
}

// cut turns the end of the file into damage.
func (r *reader) cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return r.damaged(r.offset, "the file ends inside an element; it is cut off, or a length in it is wrong")
	}
	return err
}

// full reads len(b) bytes; the end before the first is io.EOF.
func (r *reader) full(b []byte) error {
	n, err := io.ReadFull(r.src, b)
	r.offset += int64(n)
	return err
}

// header reads the header of an element. The error is io.EOF at the end of the
// file.
func (r *reader) header() (element, error) {
	e := element{at: r.offset}
	if err := r.full(r.buf[:4]); errors.Is(err, io.EOF) {
		return e, io.EOF
	} else if err != nil {
		return e, r.cut(err)
	}
	e.tag = Tag(r.order.Uint16(r.buf[:]))<<16 | Tag(r.order.Uint16(r.buf[2:]))
	if err := r.full(r.buf[:4]); err != nil {
		return e, r.cut(err)
	}
	if e.tag.group() == 0xFFFE || !r.explicit {
		e.length = r.order.Uint32(r.buf[:])
		if e.tag.group() != 0xFFFE {
			e.vr = vrOf(e.tag)
		}
		return e, nil
	}
	e.vr = string(r.buf[:2])
	if !isVR(e.vr) {
		return e, r.damaged(e.at, "there is no value representation where one must be; a length before it is wrong")
	}
	if !longLength(e.vr) {
		e.length = uint32(r.order.Uint16(r.buf[2:]))
		return e, nil
	}
	if err := r.full(r.buf[:4]); err != nil {
		return e, r.cut(err)
	}
	e.length = r.order.Uint32(r.buf[:])
	return e, nil
}

// value reads n bytes, at most maxValue.
func (r *reader) value(n uint32) ([]byte, error) {
	b := make([]byte, n)
	if err := r.full(b); err != nil {
		return nil, r.cut(err)
	}
	return b, nil
}

// copy writes the next n bytes to out.
func (r *reader) copy(out io.Writer, n uint32) error {
	done, err := io.CopyN(out, r.src, int64(n))
	r.offset += done
	return r.cut(err)
}

func isVR(vr string) bool {
	switch vr {
	case "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "OB", "OD", "OF", "OL", "OV", "OW", "PN", "SH", "SL", "SQ",
		"SS", "ST", "SV", "TM", "UC", "UI", "UL", "UN", "UR", "US", "UT", "UV":
		return true
	}
	return false
}

// longLength reports whether the length of an explicit element has 32 bits
// (PS3.5 7.1.2).
func longLength(vr string) bool {
	switch vr {
	case "OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV":
		return true
	}
	return false
}

// isText reports whether values of vr are characters.
func isText(vr string) bool {
	switch vr {
	case "AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT":
		return true
	}
	return false
}

// isNumber reports whether values of vr are figures or tags.
func isNumber(vr string) bool {
	switch vr {
	case "AT", "DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV":
		return true
	}
	return false
}

// writer writes elements in the form in which they were read.
type writer struct {
	out      io.Writer
	explicit bool
	order    byteOrder
	buf      []byte
}

// header writes the header of an element.
func (w *writer) header(e element) error {
	b := w.order.AppendUint16(w.buf[:0], e.tag.group())
	b = w.order.AppendUint16(b, uint16(e.tag))
	switch {
	case e.tag.group() == 0xFFFE || !w.explicit:
		b = w.order.AppendUint32(b, e.length)
	case longLength(e.vr):
		b = append(append(b, e.vr...), 0, 0)
		b = w.order.AppendUint32(b, e.length)
	default:
		b = append(b, e.vr...)
		b = w.order.AppendUint16(b, uint16(e.length))
	}
	w.buf = b
	_, err := w.out.Write(b)
	return err
}

// element writes an element with its value, padded to an even length. A value
// that is too long for its representation is left empty.
func (w *writer) element(tag Tag, vr string, value []byte) error {
	if w.explicit && !longLength(vr) && len(value) > 0xFFFE {
		value = nil
	}
	if len(value)%2 == 1 {
		pad := byte(0)
		if isText(vr) && vr != "UI" {
			pad = ' '
		}
		value = append(value[:len(value):len(value)], pad)
	}
	if err := w.header(element{tag: tag, vr: vr, length: uint32(len(value))}); err != nil {
		return err
	}
	_, err := w.out.Write(value)
	return err
}
