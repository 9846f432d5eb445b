package spill

import (
	"errors"
	"io"
)

// Buffer reads and writes a File through one position, for writers that want an
// io.ReadWriteSeeker. Writing is possible at the end only.
type Buffer struct {
	*File
	pos int64
}

// Read reads from the position.
func (b *Buffer) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.ReadAt(p, b.pos)
	b.pos += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// Write appends p.
func (b *Buffer) Write(p []byte) (int, error) {
	if b.pos != b.Size() {
		return 0, errors.New("a temporary file is written at its end only")
	}
	n, err := b.File.Write(p)
	b.pos += int64(n)
	return n, err
}

// Seek sets the position.
func (b *Buffer) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.pos
	case io.SeekEnd:
		offset += b.Size()
	}
	if offset < 0 {
		return b.pos, errors.New("seek before the beginning of a temporary file")
	}
	b.pos = offset
	return offset, nil
}
