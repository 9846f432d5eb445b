package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy"
	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// The bounds of what is read: they keep one page of one column in memory, with its
// dictionary.
const (
	maxFooter     = 16 << 20
	maxPage       = 32 << 20
	maxDictionary = 16 << 20
	maxPageValues = 4 << 20
	maxColumns    = 10_000
	maxValues     = 20_000_000_000 // of a file, nulls included
)

// problem is what is wrong with a file: a finding, no error.
type problem struct{ rule, place, msg string }

func (p *problem) Error() string { return p.msg }

func damaged(place, msg string) *problem { return &problem{"damaged", place, msg} }

// open reads the footer after looking at it with the walker.
func open(r io.ReaderAt, size int64) (f *pq.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			f, err = nil, damaged("footer", "the footer says things that cannot be")
		}
	}()
	if err := checkFooter(r, size); err != nil {
		return nil, err
	}
	f, err = pq.OpenFile(r, size, pq.SkipPageIndex(true), pq.SkipBloomFilters(true), pq.ReadBufferSize(64<<10))
	if err != nil {
		return nil, damaged("footer", "the footer cannot be read; write the file again")
	}
	if n := len(leaves(f.Root())); n > maxColumns || n == 0 {
		return nil, &problem{"too-many-fields", "", fmt.Sprintf("the file has %d columns; at most 10,000 can be looked at", n)}
	}
	return f, checkChunks(f, size)
}

func checkFooter(r io.ReaderAt, size int64) error {
	var head [4]byte
	var tail [8]byte
	if size < 12 {
		return damaged("footer", "the file is cut off")
	}
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return err
	}
	if _, err := r.ReadAt(tail[:], size-8); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if string(head[:]) == "PARE" || string(tail[4:]) == "PARE" {
		return &problem{"encrypted", "", "the file is encrypted and cannot be looked into; write it without encryption"}
	}
	length := int64(binary.LittleEndian.Uint32(tail[:]))
	if string(tail[4:]) != "PAR1" || length > size-12 || length == 0 {
		return damaged("footer", "the file is cut off or its footer is broken; write it again")
	}
	if length > maxFooter {
		return &problem{"too-large", "footer", "the footer is larger than 16 MiB; write the file with fewer row groups"}
	}
	footer := make([]byte, length)
	if _, err := r.ReadAt(footer, size-8-length); err != nil {
		return err
	}
	w := &walker{b: footer}
	if err := w.fields(0, nil, nil); err != nil {
		return damaged("footer", err.Error())
	}
	if len(w.b) > 0 {
		return &problem{"encrypted", "footer", "the footer is signed or has something behind it; write the file without encryption"}
	}
	return nil
}

// leaves are the columns that hold values, in the order of the file.
func leaves(c *pq.Column) []*pq.Column {
	if c.Leaf() {
		return []*pq.Column{c}
	}
	var out []*pq.Column
	for _, child := range c.Columns() {
		out = append(out, leaves(child)...)
	}
	return out
}

// checkChunks looks at where the columns are.
func checkChunks(f *pq.File, size int64) error {
	rows, values := int64(0), int64(0)
	for g, group := range f.Metadata().RowGroups {
		rows += group.NumRows
		for i := range group.Columns {
			chunk := &group.Columns[i]
			m := &chunk.MetaData
			start := m.DataPageOffset
			if m.DictionaryPageOffset != 0 {
				start = min(start, m.DictionaryPageOffset)
			}
			place := fmt.Sprintf("row group %d, column %d", g+1, i+1)
			switch {
			case chunk.FilePath != "":
				return &problem{"external-link", place, "the column is in another file; write one file with all columns"}
			case chunk.EncryptedColumnMetadata != nil || chunk.CryptoMetadata.Value != nil:
				return &problem{"encrypted", place, "the column is encrypted; write the file without encryption"}
			case start < 4 || m.TotalCompressedSize < 0 || start+m.TotalCompressedSize > size-8 || m.NumValues < 0 || group.NumRows < 0:
				return damaged(place, "the column is not where the footer says")
			}
			if values += m.NumValues; values > maxValues {
				return &problem{"archive-bomb", "", "the file stands for more values than can be looked at (20,000,000,000); split it"}
			}
		}
	}
	if rows != f.NumRows() {
		return damaged("footer", "the footer counts its rows in two ways")
	}
	return nil
}

// checkPages reads the headers of the pages of a chunk and unfolds each page once
// to see that it is as large as it says, before a reader takes it at its word.
func checkPages(r io.ReaderAt, chunk *format.ColumnChunk, place string) error {
	m := &chunk.MetaData
	at := m.DataPageOffset
	if m.DictionaryPageOffset != 0 {
		at = m.DictionaryPageOffset
	}
	end := at + m.TotalCompressedSize
	values := int64(0)
	buf := make([]byte, 64<<10)
	for at < end && values < m.NumValues {
		n, err := r.ReadAt(buf[:min(int64(len(buf)), end-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		h, err := readPageHeader(buf[:n])
		if err != nil {
			return damaged(place, "the header of a page is broken")
		}
		most := int64(maxPage)
		if h.kind == 2 {
			most = maxDictionary
		}
		switch {
		case h.packed < 0 || h.unpacked < 0 || h.values < 0 || h.repetition < 0 || h.definition < 0 || h.packed > end-at-int64(h.length) ||
			h.repetition+h.definition > h.packed:
			return damaged(place, "a page is larger than its column")
		case h.unpacked > most || h.packed > most+1<<16 || h.values > maxPageValues:
			return &problem{"too-large", place, "a page is larger than what can be looked at (32 MiB, dictionaries 16 MiB, 4,194,304 values); " +
				"write the file with pages of 1 MiB"}
		}
		if err := checkSize(r, m.Codec, at+int64(h.length), h); err != nil {
			return damaged(place, "a page is not as large as it says")
		}
		if h.kind == 0 || h.kind == 3 {
			values += h.values
		}
		at += int64(h.length) + h.packed
	}
	if values != m.NumValues {
		return damaged(place, "the column holds another number of values than the footer says")
	}
	return nil
}

var errSize = errors.New("size")

// checkSize unfolds a page that a codec could unfold to any size.
func checkSize(r io.ReaderAt, codec format.CompressionCodec, at int64, h pageHeader) error {
	levels := h.repetition + h.definition
	packed := io.NewSectionReader(r, at+levels, h.packed-levels)
	switch codec {
	case format.Uncompressed:
		return nil
	case format.Snappy:
		return checkSnappy(packed, h, levels)
	}
	if h.packed == levels || h.kind == 3 && h.packed == h.unpacked {
		return nil
	}
	out, err := unfold(codec, packed)
	if err != nil || out == nil {
		return err
	}
	n, err := io.Copy(io.Discard, io.LimitReader(out, maxPage+1))
	if err != nil {
		return err
	}
	if n > h.unpacked {
		return errSize
	}
	return nil
}

// checkSnappy: the size stands at the beginning.
func checkSnappy(packed *io.SectionReader, h pageHeader, levels int64) error {
	if packed.Size() == 0 {
		return nil
	}
	var b [16]byte
	n, err := packed.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	size, err := snappy.DecodedLen(b[:n])
	if err != nil || h.kind != 3 && int64(size) != h.unpacked || int64(size) > h.unpacked-levels && h.kind == 3 && int64(size) > h.unpacked {
		return errSize
	}
	return nil
}

// names are the parts of a column's path that people gave it: without the layers
// that lists and maps have (LogicalTypes.md of Parquet).
func names(path []string) []string {
	var out []string
	for i, p := range path {
		if i > 0 && (p == "list" || p == "element" || p == "array" || p == "bag" || p == "array_element" || p == "item" || p == "key_value" || p == "map") {
			continue
		}
		out = append(out, p)
	}
	return out
}

// Magic reports whether head begins a Parquet file.
func magic(head []byte) bool {
	return bytes.HasPrefix(head, []byte("PAR1")) || bytes.HasPrefix(head, []byte("PARE"))
}
