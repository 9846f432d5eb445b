package zipfile

import (
	"bufio"
	"compress/flate"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"
)

// ErrContents says that the contents of an entry are not what its header says.
var ErrContents = errors.New("the contents are not what the archive says")

// maxWindow is how far back Zstandard contents may refer, bytes (RFC 8878 3.1.1.1.2
// asks decoders for 8 MiB at least).
const maxWindow = 8 << 20

// Open reads the contents of the entry. They end with an error that wraps
// ErrContents unless size, check sum and packed size are those of the header. An
// entry that is Refused cannot be opened. The caller closes it.
func (e *Entry) Open() (io.ReadCloser, error) {
	if e.Refused {
		return nil, fmt.Errorf("%w: it is refused", ErrContents)
	}
	packed := bufio.NewReaderSize(io.NewSectionReader(e.archive.r, e.data, int64(e.Packed)), 32<<10) //nolint:gosec // at most the size of the file
	c := &contents{entry: e, packed: packed, sum: crc32.NewIEEE(), closer: func() {}}
	switch e.Method {
	case Store:
		c.r = packed
	case Deflate:
		inflate := flate.NewReader(packed)
		c.r, c.closer = inflate, func() { _ = inflate.Close() }
	case Zstd:
		dec, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		c.r, c.closer = dec, dec.Close
	default:
		return nil, fmt.Errorf("%w: method %d", ErrContents, e.Method)
	}
	return c, nil
}

// contents checks what it reads.
type contents struct {
	entry  *Entry
	packed *bufio.Reader
	r      io.Reader
	closer func()
	sum    hash.Hash32
	read   uint64
	err    error
}

func (c *contents) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(p)
	c.read += uint64(n)
	_, _ = c.sum.Write(p[:n])
	switch {
	case c.read > c.entry.Size:
		err = fmt.Errorf("%w: they are longer", ErrContents)
	case errors.Is(err, io.EOF):
		err = c.atEnd()
	case err != nil:
		err = fmt.Errorf("%w: %w", ErrContents, err)
	}
	c.err = err
	return n, err
}

func (c *contents) atEnd() error {
	if c.read != c.entry.Size {
		return fmt.Errorf("%w: they are shorter", ErrContents)
	}
	if c.sum.Sum32() != c.entry.CRC {
		return fmt.Errorf("%w: their check sum differs", ErrContents)
	}
	if _, err := c.packed.ReadByte(); err == nil {
		return fmt.Errorf("%w: bytes follow their end", ErrContents)
	}
	return io.EOF
}

func (c *contents) Close() error {
	c.closer()
	return nil
}
