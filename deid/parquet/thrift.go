package parquet

import "errors"

// walker passes over values of Thrift's compact protocol (thrift-compact-protocol.md
// of Apache Thrift) without making anything of them, so that their sizes are known
// to be true before a reader allocates what they say.
type walker struct {
	b     []byte
	nodes int // structs and elements so far
}

var errThrift = errors.New("its metadata are broken or say sizes that cannot be true")

// The bounds of one document.
const (
	maxNodes = 2_000_000
	maxDepth = 32
)

// The types of the compact protocol.
const (
	tTrue, tFalse, tByte, tI16, tI32, tI64 = 1, 2, 3, 4, 5, 6
	tDouble, tBinary, tList, tSet, tMap    = 7, 8, 9, 10, 11
	tStruct, tUUID                         = 12, 13
)

func (w *walker) varint() (uint64, error) {
	var v uint64
	for i := 0; i < 10 && i < len(w.b); i++ {
		v |= uint64(w.b[i]&0x7F) << (7 * i)
		if w.b[i] < 0x80 {
			w.b = w.b[i+1:]
			return v, nil
		}
	}
	return 0, errThrift
}

func (w *walker) skip(n uint64) error {
	if n > uint64(len(w.b)) {
		return errThrift
	}
	w.b = w.b[n:]
	return nil
}

// value passes over one value. number gets those of the fields of a struct.
func (w *walker) value(kind byte, depth int, number func(field int16, v int64), field int16) error {
	if w.nodes++; w.nodes > maxNodes || depth > maxDepth {
		return errThrift
	}
	switch kind {
	case tTrue, tFalse:
		return nil
	case tByte:
		return w.skip(1)
	case tDouble:
		return w.skip(8)
	case tUUID:
		return w.skip(16)
	case tI16, tI32, tI64:
		v, err := w.varint()
		if number != nil {
			number(field, int64(v>>1)^-int64(v&1)) //nolint:gosec // zigzag
		}
		return err
	case tBinary:
		n, err := w.varint()
		if err != nil {
			return err
		}
		return w.skip(n)
	case tList, tSet:
		return w.list(depth)
	case tStruct:
		return w.fields(depth+1, nil, nil)
	}
	return errThrift // maps: Parquet has none
}

func (w *walker) list(depth int) error {
	if len(w.b) == 0 {
		return errThrift
	}
	n, kind := uint64(w.b[0]>>4), w.b[0]&0x0F
	w.b = w.b[1:]
	if n == 15 {
		var err error
		if n, err = w.varint(); err != nil {
			return err
		}
	}
	if n > uint64(len(w.b)) {
		return errThrift
	}
	for range n {
		if kind == tTrue || kind == tFalse {
			if err := w.skip(1); err != nil {
				return err
			}
			continue
		}
		if err := w.value(kind, depth+1, nil, 0); err != nil {
			return err
		}
	}
	return nil
}

// fields passes over a struct. number gets its numbers, inner those of the structs
// that are its fields.
func (w *walker) fields(depth int, number func(field int16, v int64), inner func(field int16) func(int16, int64)) error {
	id := int16(0)
	for {
		if len(w.b) == 0 {
			return errThrift
		}
		head := w.b[0]
		w.b = w.b[1:]
		if head == 0 {
			return nil
		}
		if delta := int16(head >> 4); delta != 0 {
			id += delta
		} else {
			v, err := w.varint()
			if err != nil {
				return err
			}
			id = int16(int64(v>>1) ^ -int64(v&1)) //nolint:gosec // zigzag of a field number
		}
		kind := head & 0x0F
		var err error
		if kind == tStruct && inner != nil {
			err = w.fields(depth+1, inner(id), nil)
		} else {
			err = w.value(kind, depth, number, id)
		}
		if err != nil {
			return err
		}
	}
}

// pageHeader is what is needed of a PageHeader of parquet.thrift.
type pageHeader struct {
	kind             int64 // 0 data, 1 index, 2 dictionary, 3 data of version 2
	unpacked, packed int64 // bytes of the page
	values           int64
	repetition       int64 // bytes of levels, version 2
	definition       int64
	compressed       bool
	length           int // bytes of the header
}

// readPageHeader reads the header at the beginning of b.
func readPageHeader(b []byte) (pageHeader, error) {
	h := pageHeader{compressed: true}
	w := &walker{b: b}
	err := w.fields(0, func(field int16, v int64) {
		switch field {
		case 1:
			h.kind = v
		case 2:
			h.unpacked = v
		case 3:
			h.packed = v
		}
	}, func(outer int16) func(int16, int64) {
		return func(field int16, v int64) {
			switch {
			case field == 1 && (outer == 5 || outer == 7 || outer == 8):
				h.values = v
			case outer == 8 && field == 5:
				h.definition = v
			case outer == 8 && field == 6:
				h.repetition = v
			}
		}
	})
	h.length = len(b) - len(w.b)
	return h, err
}
