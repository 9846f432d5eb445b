package parquet

import (
	"errors"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// unfold is what a page holds. LZ4 blocks have no end of their own: they are
// unfolded into as much as a page may have.
func unfold(codec format.CompressionCodec, packed *io.SectionReader) (io.Reader, error) {
	switch codec {
	case format.Gzip:
		return gzip.NewReader(packed)
	case format.Zstd:
		d, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxPage))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case format.Brotli:
		return brotli.NewReader(packed), nil
	case format.Lz4Raw:
		return nil, unfoldLZ4(packed)
	}
	return nil, errors.New("a codec that is not read")
}

// unfoldLZ4: one byte of LZ4 unfolds to 255 at most, so that small pages need no
// look.
func unfoldLZ4(packed *io.SectionReader) error {
	if packed.Size()*255 <= maxPage {
		return nil
	}
	src := make([]byte, packed.Size())
	if _, err := packed.ReadAt(src, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	_, err := lz4.UncompressBlock(src, make([]byte, maxPage))
	return err
}
