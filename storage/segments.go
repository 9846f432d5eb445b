package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Segment names one stored piece of a sealed file and its size in bytes.
type Segment struct {
	Key  string
	Size int64
}

// OpenSegments reads segs one after the other as if they were one object:
// length bytes from offset, or to the end when length is -1. Each segment is
// opened when it is reached, so that a reader that stops early costs nothing.
// Errors, ErrRange for a bad range among them, come from the first Read; a
// stored segment that is shorter than its Size is an error, never a short read.
// The reader implements io.WriterTo and passes each segment's own on.
func OpenSegments(ctx context.Context, s Store, segs []Segment, offset, length int64) io.ReadCloser {
	r := &segmentReader{ctx: ctx, store: s, segs: segs}
	r.skip, r.left, r.err = resolveSegments(segs, offset, length)
	return r
}

// resolveSegments checks the range against the sum of the sizes.
func resolveSegments(segs []Segment, offset, length int64) (skip, left int64, err error) {
	var total int64
	for _, seg := range segs {
		if seg.Size < 0 || total+seg.Size < total {
			return 0, 0, fmt.Errorf("%w: segment size %d", ErrRange, seg.Size)
		}
		total += seg.Size
	}
	left, err = ResolveRange(total, offset, length)
	return offset, left, err
}

// ResolveRange returns how many bytes a range of an object of size bytes
// holds, where length -1 means to the end. A range that is negative or passes
// the end gives ErrRange.
func ResolveRange(size, offset, length int64) (int64, error) {
	if length == -1 && offset >= 0 && offset <= size {
		return size - offset, nil
	}
	if offset < 0 || length < 0 || offset > size || length > size-offset {
		return 0, fmt.Errorf("%w: offset %d, length %d, size %d", ErrRange, offset, length, size)
	}
	return length, nil
}

type segmentReader struct {
	ctx   context.Context
	store Store
	segs  []Segment // not yet opened
	skip  int64     // bytes to skip before the next byte to return
	left  int64     // bytes to return after the open segment
	cur   io.ReadCloser
	need  int64 // bytes that cur has still to give
	err   error // sticky
}

// Read returns bytes of the open segment, opening the next one as needed.
func (r *segmentReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if !r.advance() {
			return 0, r.err
		}
		n, err := r.cur.Read(p)
		r.account(int64(n), err)
		if n > 0 {
			return n, nil
		}
	}
}

// WriteTo copies the rest to w.
func (r *segmentReader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for r.advance() {
		n, err := io.Copy(w, r.cur)
		total += n
		if err == nil {
			err = io.EOF
		}
		r.account(n, err)
	}
	if r.err == io.EOF {
		return total, nil
	}
	return total, r.err
}

// advance makes cur a reader with bytes to give; false means that err is set.
func (r *segmentReader) advance() bool {
	for r.err == nil && r.cur == nil {
		if r.left == 0 {
			r.err = io.EOF
			break
		}
		r.openNext()
	}
	return r.err == nil
}

func (r *segmentReader) openNext() {
	seg := r.segs[0]
	r.segs = r.segs[1:]
	if r.skip >= seg.Size {
		r.skip -= seg.Size
		return
	}
	n := min(seg.Size-r.skip, r.left)
	cur, err := r.store.Open(r.ctx, seg.Key, r.skip, n)
	if err != nil {
		r.err = fmt.Errorf("segment %s: %w", seg.Key, err)
		return
	}
	r.cur, r.need, r.skip, r.left = cur, n, 0, r.left-n
}

// account books n bytes read from cur and closes it when it is done.
func (r *segmentReader) account(n int64, err error) {
	r.need -= n
	if err == nil && r.need > 0 {
		return
	}
	closeErr := r.cur.Close()
	r.cur = nil
	switch {
	case err != nil && err != io.EOF:
		r.err = err
	case r.need != 0:
		r.err = fmt.Errorf("stored segment lacks %d bytes: %w", r.need, io.ErrUnexpectedEOF)
	case closeErr != nil:
		r.err = closeErr
	}
}

// Close closes the open segment; later reads fail.
func (r *segmentReader) Close() error {
	var err error
	if r.cur != nil {
		err = r.cur.Close()
		r.cur = nil
	}
	r.err = errors.New("storage: read after close")
	return err
}
