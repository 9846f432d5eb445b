package dicom_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"testing"
)

// order is a byte order that appends.
type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// builder writes DICOM, independent of the package under test.
type builder struct {
	b        []byte
	implicit bool
	order    order
}

func (w *builder) el(tag uint32, vr, value string) *builder { return w.raw(tag, vr, []byte(value), -1) }

// raw writes an element; length -1 is that of the value, padded to even.
func (w *builder) raw(tag uint32, vr string, value []byte, length int64) *builder {
	if len(value)%2 == 1 {
		pad := byte(' ')
		if vr == "UI" || vr == "OB" {
			pad = 0
		}
		value = append(value[:len(value):len(value)], pad)
	}
	if length < 0 {
		length = int64(len(value))
	}
	w.b = w.order.AppendUint16(w.b, uint16(tag>>16))
	w.b = w.order.AppendUint16(w.b, uint16(tag))
	switch long := vr == "OB" || vr == "OW" || vr == "SQ" || vr == "UN" || vr == "UT"; {
	case w.implicit || tag>>16 == 0xFFFE:
		w.b = w.order.AppendUint32(w.b, uint32(length))
	case long:
		w.b = append(append(w.b, vr...), 0, 0)
		w.b = w.order.AppendUint32(w.b, uint32(length))
	default:
		w.b = append(w.b, vr...)
		w.b = w.order.AppendUint16(w.b, uint16(length))
	}
	w.b = append(w.b, value...)
	return w
}

// short writes a US element.
func (w *builder) short(tag uint32, n uint16) *builder {
	return w.raw(tag, "US", w.order.AppendUint16(nil, n), -1)
}

// like is an empty builder of the same form.
func (w *builder) like() *builder { return &builder{implicit: w.implicit, order: w.order} }

// seq writes a sequence of one item, with lengths or with delimiters.
func (w *builder) seq(tag uint32, item *builder, delimited bool) *builder {
	if !delimited {
		return w.raw(tag, "SQ", w.like().raw(0xFFFEE000, "", item.b, -1).b, -1)
	}
	w.raw(tag, "SQ", nil, 0xFFFFFFFF).raw(0xFFFEE000, "", item.b, 0xFFFFFFFF)
	return w.raw(0xFFFEE00D, "", nil, 0).raw(0xFFFEE0DD, "", nil, 0)
}

// The transfer syntaxes of the tests.
const (
	implicitLE   = "1.2.840.10008.1.2"
	explicitLE   = "1.2.840.10008.1.2.1"
	deflatedLE   = "1.2.840.10008.1.2.1.99"
	explicitBE   = "1.2.840.10008.1.2.2"
	encapsulated = "1.2.840.10008.1.2.4.50"
)

const ctClass = "1.2.840.10008.5.1.4.1.1.2"

func newBuilder(syntax string) *builder {
	w := &builder{order: binary.LittleEndian, implicit: syntax == implicitLE}
	if syntax == explicitBE {
		w.order = binary.BigEndian
	}
	return w
}

// file puts the preamble and the file meta information before a data set.
func file(t testing.TB, syntax string, data []byte) []byte {
	t.Helper()
	meta := newBuilder(explicitLE).raw(0x00020001, "OB", []byte{0, 1}, -1).el(0x00020002, "UI", ctClass).el(0x00020003, "UI", "1.2.3.4").
		el(0x00020010, "UI", syntax).el(0x00020012, "UI", "1.2.3").el(0x00020016, "AE", "STATION1")
	length := binary.LittleEndian.AppendUint32(nil, uint32(len(meta.b)))
	out := append(make([]byte, 128), "DICM"...)
	out = append(out, newBuilder(explicitLE).raw(0x00020000, "UL", length, -1).b...)
	out = append(out, meta.b...)
	if syntax != deflatedLE {
		return append(out, data...)
	}
	var packed bytes.Buffer
	z, err := flate.NewWriter(&packed, 6)
	if err != nil {
		t.Fatal(err)
	}
	z.Write(data)
	z.Close()
	return append(out, packed.Bytes()...)
}

// pixels are the bytes of the test image: 4 × 4, 8 bits.
const pixels = "PIXELS\x00\x01\x02\x03....\xFF\xFE"

// identifying is a data set with an identifier in each place that DICOM has for
// one; each of them contains the word SECRET or a 7.
func identifying(syntax string, imageType, modality, burnedIn string) *builder {
	w := newBuilder(syntax)
	inner := w.like().el(0x00080018, "UI", "1.2.3.777").el(0x00081155, "UI", "1.2.3.777").el(0x00100010, "PN", "SECRET^INNER").
		el(0x00110010, "LO", "SECRET PRIVATE")
	deep := w.like().seq(0x00081140, inner, true)
	w.el(0x00080005, "CS", `\ISO 2022 IR 87`).el(0x00080008, "CS", imageType).el(0x00080016, "UI", ctClass).el(0x00080018, "UI", "1.2.3.777")
	w.el(0x00080020, "DA", "20170707").el(0x00080050, "SH", "SECRETACC").el(0x00080060, "CS", modality).el(0x00080070, "LO", "MAKER")
	w.el(0x00080080, "LO", "SECRET HOSPITAL").el(0x00080090, "PN", "SECRET^DOCTOR").el(0x00081030, "LO", "SECRET study")
	w.seq(0x00081140, inner, false).seq(0x00082112, deep, true).el(0x00090010, "LO", "SECRET").el(0x00091001, "UN", "SECRET")
	w.raw(0x00100000, "UL", []byte("LEN!"), -1).el(0x00100010, "PN", "SECRET^TARO=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B").el(0x00100020, "LO", "SECRET77")
	w.el(0x00100030, "DA", "19270707").el(0x00100040, "CS", "M").el(0x00101010, "AS", "093Y").el(0x00101030, "DS", "61.5").el(0x00104000, "LT", "SECRET comment")
	w.el(0x00189999, "LO", "SECRET unknown").el(0x0020000D, "UI", "1.2.3.7").el(0x0020000E, "UI", "1.2.3.77").el(0x00200010, "SH", "SECRETSTUDY").el(0x00200013, "IS", "1")
	w.short(0x00280002, 1).el(0x00280004, "CS", "MONOCHROME2").short(0x00280010, 4).short(0x00280011, 4).short(0x00280100, 8)
	if burnedIn != "" {
		w.el(0x00280301, "CS", burnedIn)
	}
	w.seq(0x0040A730, w.like().el(0x0040A160, "UT", "SECRET report"), false)
	w.raw(0x50003000, "OW", []byte("SECRET curve"), -1).raw(0x60003000, "OW", []byte("SECRET overlay"), -1)
	if syntax != encapsulated {
		return w.raw(0x7FE00010, "OW", []byte(pixels), -1).el(0xFFFCFFFC, "OB", "SECRET")
	}
	w.raw(0x7FE00010, "OB", nil, 0xFFFFFFFF).raw(0xFFFEE000, "", nil, 0)
	return w.raw(0xFFFEE000, "", []byte(pixels), -1).raw(0xFFFEE0DD, "", nil, 0)
}
