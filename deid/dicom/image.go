package dicom

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
)

// image is what the header says about the file as a whole.
type image struct {
	class, modality, conversion, imageType string
	burnedIn, features                     string
	identityGone, method                   string
	photometric                            string
	rows, columns, bits, samples, frames   int64
	pixels                                 bool
}

// note remembers an element of the outermost data set.
func (m *image) note(t Tag, v []byte, order binary.ByteOrder) {
	text := strings.ToUpper(string(trim(v)))
	number := func() int64 {
		if len(v) != 2 {
			return 0
		}
		return int64(order.Uint16(v))
	}
	switch t {
	case tagSOPClass:
		m.class = text
	case tagModality:
		m.modality = text
	case tagConversion:
		m.conversion = text
	case tagImageType:
		m.imageType = text
	case tagBurnedIn:
		m.burnedIn = text
	case tagVisualFeatures:
		m.features = text
	case tagIdentityGone:
		m.identityGone = text
	case tagMethod:
		m.method = text
	case tagPhotometric:
		m.photometric = text
	case tagRows:
		m.rows = number()
	case tagColumns:
		m.columns = number()
	case tagBits:
		m.bits = number()
	case tagSamples:
		m.samples = number()
	case tagFrames:
		m.frames, _ = strconv.ParseInt(text, 10, 64)
	}
}

// burned says why text or a face may be in the pixels; "" when nothing points to
// it.
func (m *image) burned() string {
	switch {
	case m.burnedIn == "YES":
		return "the file says that text is burned into the image (BurnedInAnnotation is YES)"
	case m.features == "YES":
		return "the file says that a person can be recognised in the image (RecognizableVisualFeatures is YES)"
	case m.burnedIn == "NO":
		return ""
	case m.risky():
		return "ultrasound, secondary captures, screen captures and photographs often have names burned into the image, " +
			"and the file does not say that there are none (BurnedInAnnotation is not NO)"
	}
	return ""
}

func (m *image) risky() bool {
	kind, isStorage := strings.CutPrefix(m.class, storage)
	for _, k := range []string{"3", "3.1", "6", "6.1", "6.2", "7", "7.1", "7.2", "7.3", "7.4"} {
		if isStorage && kind == k {
			return true
		}
	}
	return isStorage && strings.HasPrefix(kind, "77.1.") || m.conversion != "" ||
		slices.Contains([]string{"US", "IVUS", "SC", "OT", "ES", "XC", "GM", "DOC", "HC", "SM", "OP"}, m.modality) ||
		strings.Contains(m.imageType, "SCREEN") || strings.Contains(m.imageType, "CAPTURE") || strings.Contains(m.imageType, "LABEL")
}

// size is how many bytes the pixels have by the header; 0 when it does not say.
func (m *image) size() int64 {
	frames := max(m.frames, 1)
	if m.rows == 0 || m.columns == 0 || m.bits == 0 || m.samples == 0 || m.samples > 4 || frames > 1<<24 || strings.HasPrefix(m.photometric, "YBR") {
		return 0
	}
	return (m.rows*m.columns*m.samples*m.bits + 7) / 8 * frames
}

// pixels writes pixel data as they are.
func (j *job) pixels(e element, depth int) error {
	if depth == 0 {
		j.image.pixels = true
		if why := j.image.burned(); why != "" {
			j.find.add("burned-in", e, nil, why)
			if j.change != nil {
				return refused(j.change.path, why+"; such images cannot be transformed: clean the pixels first")
			}
		}
		if size := j.image.size(); e.tag == tagPixels && e.length != undefined && size > 0 && (int64(e.length) < size || int64(e.length) > size+1) {
			return j.in.damaged(e.at, "the pixel data have %d bytes, the header speaks of %d", e.length, size)
		}
	}
	if err := j.out.header(e); err != nil {
		return err
	}
	if e.length != undefined {
		return j.in.copy(j.out.out, e.length)
	}
	for {
		item, err := j.in.header()
		switch {
		case err != nil:
			return j.in.cut(err)
		case item.tag != tagItem && item.tag != tagSequenceEnd || item.length == undefined:
			return j.in.damaged(item.at, "there is no fragment of pixel data where one must be; a length before it is wrong")
		}
		if err := j.out.header(item); err != nil {
			return err
		}
		if item.tag == tagSequenceEnd {
			return nil
		}
		if err := j.in.copy(j.out.out, item.length); err != nil {
			return err
		}
	}
}

// whole reports what is missing at the end of the file.
func (j *job) whole() error {
	if !j.image.pixels && (j.image.rows > 0 && j.image.columns > 0 || j.image.isImage()) {
		return j.in.damaged(j.in.offset, "the header speaks of an image, and there are no pixel data; the file is cut off")
	}
	return nil
}

// storage is the root of the classes of objects that are stored.
const storage = "1.2.840.10008.5.1.4.1.1."

// isImage reports whether objects of the class always have pixels.
func (m *image) isImage() bool {
	kind, ok := strings.CutPrefix(m.class, storage)
	family, _, _ := strings.Cut(kind, ".")
	return ok && (slices.Contains([]string{"1", "2", "3", "6", "7", "12", "13", "14", "20", "128", "130"}, family) ||
		slices.Contains([]string{"4", "4.1", "4.3"}, kind) || strings.HasPrefix(kind, "77.1.1") || strings.HasPrefix(kind, "77.1.4"))
}

// generated is an element that a transformation adds.
type generated struct {
	tag   Tag
	write func(w *writer) error
}

func isGenerated(t Tag) bool {
	return t == tagIdentityGone || t == tagMethod || t == tagMethodCodes || t == tagTemporal
}

// marks are the elements that say what was done (PS3.15 E.1.1).
func marks(r *rules) []generated {
	options := r.options()
	var methods []string
	for _, o := range options {
		methods = append(methods, "DICOM PS3.15 2024b "+strings.TrimSuffix(o.meaning, " Option"))
	}
	methods = append(methods, "profile "+r.profile.Name+" "+r.profile.Version)
	for i, m := range methods {
		methods[i] = m[:min(len(m), 64)] // LO
	}
	return []generated{
		{tagIdentityGone, func(w *writer) error { return w.element(tagIdentityGone, "CS", []byte("YES")) }},
		{tagMethod, func(w *writer) error { return w.element(tagMethod, "LO", []byte(strings.Join(methods, `\`))) }},
		{tagMethodCodes, func(w *writer) error { return writeOptions(w, options) }},
		{tagTemporal, func(w *writer) error { return w.element(tagTemporal, "CS", []byte(r.temporal())) }},
	}
}

func writeOptions(w *writer, options []option) error {
	if err := w.header(element{tag: tagMethodCodes, vr: "SQ", length: undefined}); err != nil {
		return err
	}
	for _, o := range options {
		if err := w.header(element{tag: tagItem, length: undefined}); err != nil {
			return err
		}
		for _, part := range []struct {
			tag   Tag
			vr    string
			value string
		}{{0x0008_0100, "SH", o.code}, {0x0008_0102, "SH", "DCM"}, {0x0008_0104, "LO", o.meaning[:min(len(o.meaning), 64)]}} {
			if err := w.element(part.tag, part.vr, []byte(part.value)); err != nil {
				return err
			}
		}
		if err := w.header(element{tag: tagItemEnd}); err != nil {
			return err
		}
	}
	return w.header(element{tag: tagSequenceEnd})
}

// generate writes the marks that stand before the tag next.
func (j *job) generate(next Tag) error {
	if j.change == nil {
		return nil
	}
	for len(j.pending) > 0 && j.pending[0].tag < next {
		if err := j.pending[0].write(j.out); err != nil {
			return err
		}
		j.pending = j.pending[1:]
	}
	return nil
}
