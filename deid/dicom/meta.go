package dicom

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"

	"teikyo/deid/profile"
)

// syntax is what a transfer syntax means for the reader.
type syntax struct{ deflated bool }

// maxMeta bounds the file meta information.
const maxMeta = 64 << 10

// begin reads the preamble and the file meta information, writes what stays of
// them, and sets the reader up for the data set.
func (j *job) begin(head []byte, out io.Writer) (syntax, error) {
	marked := hasMark(head)
	if marked {
		first, err := j.in.value(preamble + 4)
		if err != nil {
			return syntax{}, err
		}
		if len(bytes.Trim(first[:preamble], "\x00")) > 0 {
			j.find.add("preamble", element{}, nil, "the first 128 bytes may hold anything")
		}
		if _, err := out.Write(append(make([]byte, preamble), "DICM"...)); err != nil {
			return syntax{}, err
		}
	}
	name, err := j.meta(out, marked)
	if err != nil {
		return syntax{}, err
	}
	return j.syntax(name, head)
}

// meta reads group 2, which is explicit and little-endian, and returns the
// transfer syntax.
func (j *job) meta(out io.Writer, marked bool) (string, error) {
	var kept bytes.Buffer
	w := &writer{out: &kept, explicit: true, order: binary.LittleEndian}
	name, any := "", false
	for {
		next, err := j.in.src.Peek(2)
		if err != nil || binary.LittleEndian.Uint16(next) != 2 {
			break
		}
		e, err := j.in.header()
		if err != nil {
			return "", j.in.cut(err)
		}
		if e.length > maxMeta || kept.Len() > maxMeta {
			return "", j.in.damaged(e.at, "the file meta information is longer than %d bytes; a length is wrong", maxMeta)
		}
		v, err := j.in.value(e.length)
		if err != nil {
			return "", err
		}
		any = true
		if e.tag == tagTransferSyntax {
			name = string(trim(v))
		}
		if err := j.metaElement(w, e, v); err != nil {
			return "", err
		}
	}
	if !any {
		if marked {
			return "", j.in.damaged(j.in.offset, "there is no file meta information")
		}
		return "", nil
	}
	length := binary.LittleEndian.AppendUint32(nil, uint32(kept.Len()))
	if err := (&writer{out: out, explicit: true, order: binary.LittleEndian}).element(tagMetaLength, "UL", length); err != nil {
		return "", err
	}
	_, err := out.Write(kept.Bytes())
	return name, err
}

// metaElement keeps what a reader needs; addresses of stations and private
// information go.
func (j *job) metaElement(w *writer, e element, v []byte) error {
	switch e.tag {
	case tagMetaLength:
		return nil
	case tagMediaInstance:
		if !settledUIDs(trim(v)) {
			j.find.add("uid", e, trim(v), "the profile changes it (uid)")
		}
		if j.change != nil {
			v = j.change.value(e, profile.Rule{Action: actionUID}, v, charset{})
		}
	case 0x0002_0001, tagMediaClass, tagTransferSyntax, 0x0002_0012, 0x0002_0013:
	default:
		if len(trim(v)) > 0 {
			j.find.add("dicom-attribute", e, nil, "it names a station, or may hold anything")
			j.change.count(e.tag)
		}
		return nil
	}
	return w.element(e.tag, e.vr, v)
}

// The transfer syntaxes that are not explicit and little-endian (PS3.5 A).
const (
	implicitLE = "1.2.840.10008.1.2"
	deflatedLE = "1.2.840.10008.1.2.1.99"
	explicitBE = "1.2.840.10008.1.2.2"
)

// syntax sets the reader up. Pixel data behind an address (JPIP) are not in the
// file, and private syntaxes may be anything.
func (j *job) syntax(name string, head []byte) (syntax, error) {
	switch {
	case name == "":
		j.in.explicit = len(head) >= 6 && isVR(string(head[4:6]))
		if hasMark(head) {
			return syntax{}, j.in.damaged(preamble, "the file does not name its transfer syntax")
		}
	case name == implicitLE:
		j.in.explicit = false
	case name == explicitBE:
		j.in.order = binary.BigEndian
	case name == deflatedLE:
		return syntax{deflated: true}, nil
	case name == "1.2.840.10008.1.2.4.94", name == "1.2.840.10008.1.2.4.95":
		return syntax{}, j.in.damaged(preamble, "the pixel data are not in the file (JPIP)")
	case !strings.HasPrefix(name, implicitLE+".") && name != "1.2.840.10008.1.20":
		return syntax{}, j.in.damaged(preamble, "the transfer syntax is none of the standard")
	}
	return syntax{}, nil
}
