package excel

import (
	"encoding/xml"
	"errors"
	"io"
)

// The bounds of the table of texts, which has to be in memory because cells refer
// to it in any order.
const (
	maxStrings     = 6_000_000
	maxStringBytes = 80 << 20
	blockSize      = 1 << 20
)

var errStrings = errors.New("its table of texts is larger than what can be checked (6,000,000 texts, 80 MiB); save the sheets as CSV")

// texts are the shared strings of a workbook (ECMA-376 18.4), in blocks so that
// growing does not need their size twice.
type texts struct {
	blocks [][]byte
	ends   [][]uint32 // offset of the end of each text in all blocks together
	count  int
	bytes  int
}

const endsBlock = 64 << 10

func (t *texts) add(s []byte) error {
	if t.count >= maxStrings || t.bytes+len(s) > maxStringBytes {
		return errStrings
	}
	for len(s) > 0 {
		if t.bytes%blockSize == 0 {
			t.blocks = append(t.blocks, make([]byte, 0, blockSize))
		}
		last := &t.blocks[len(t.blocks)-1]
		n := min(len(s), blockSize-len(*last))
		*last = append(*last, s[:n]...)
		s, t.bytes = s[n:], t.bytes+n
	}
	if t.count%endsBlock == 0 {
		t.ends = append(t.ends, make([]uint32, 0, endsBlock))
	}
	t.ends[len(t.ends)-1] = append(t.ends[len(t.ends)-1], uint32(t.bytes)) //nolint:gosec // below maxStringBytes
	t.count++
	return nil
}

// at appends text i to buf; false when there is none.
func (t *texts) at(buf []byte, i int) ([]byte, bool) {
	if i < 0 || i >= t.count {
		return buf, false
	}
	from, to := uint32(0), t.ends[i/endsBlock][i%endsBlock]
	if i > 0 {
		from = t.ends[(i-1)/endsBlock][(i-1)%endsBlock]
	}
	for from < to {
		block := t.blocks[from/blockSize]
		n := min(uint32(len(block))-from%blockSize, to-from) //nolint:gosec // at most blockSize
		buf = append(buf, block[from%blockSize:from%blockSize+n]...)
		from += n
	}
	return buf, true
}

// readStrings reads the table of texts. extra gets the phonetic hints.
func readStrings(r io.Reader, extra func([]byte)) (*texts, error) {
	out := &texts{}
	p, err := newParser(r)
	if err != nil {
		return nil, err
	}
	var buf []byte
	for {
		tok, err := p.next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if start, ok := tok.(xml.StartElement); !ok || start.Name.Local != "si" {
			continue
		}
		if buf, err = p.text(buf[:0], extra); err != nil {
			return nil, err
		}
		if err := out.add(buf); err != nil {
			return nil, err
		}
	}
}
