package crypto

import (
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
)

// openBatch is how many chunks an Opener reads and opens at once.
const openBatch = 16

// NewOpener returns the plaintext of a payload as it streams by. It releases
// only authenticated bytes; io.EOF comes only after the last chunk. The errors
// are ErrPayload and *SourceError.
func NewOpener(key FileKey, payload io.Reader) (io.Reader, error) {
	var nonce [PayloadNonceSize]byte
	if n, err := readFull(payload, nonce[:]); err != nil {
		return nil, err
	} else if n < len(nonce) {
		return nil, ErrPayload
	}
	stream, err := NewStream(key, nonce)
	if err != nil {
		return nil, err
	}
	return &opener{stream: stream, src: payload, chunks: 1}, nil
}

type opener struct {
	stream *Stream
	src    io.Reader
	buf    []byte
	chunks int  // to be read at once; grows, so that small payloads stay cheap
	more   bool // buf[tail] is the first byte of the next chunk
	tail   int
	index  uint64
	ready  [][]byte // opened chunks, in place in buf
	err    error    // after ready
}

func (o *opener) Read(p []byte) (int, error) {
	for len(o.ready) == 0 {
		if o.err != nil {
			return 0, o.err
		}
		o.refill()
	}
	n := copy(p, o.ready[0])
	if o.ready[0] = o.ready[0][n:]; len(o.ready[0]) == 0 {
		o.ready = o.ready[1:]
	}
	return n, nil
}

// refill opens the next chunks. One byte more is read than they need: it tells
// that the last of them is not the last of the payload.
func (o *opener) refill() {
	want := o.chunks*sealedChunk + 1
	if len(o.buf) < want {
		o.buf = append(make([]byte, 0, want), o.buf...)[:want]
	}
	if o.more {
		o.buf[0] = o.buf[o.tail]
	}
	n, err := readFull(o.src, o.buf[o.kept():want])
	n += o.kept()
	o.more, o.tail = n == want, want-1
	switch {
	case err != nil:
		o.err = err
		o.open(max(0, n-1)/sealedChunk*sealedChunk, false)
	case o.more:
		o.open(want-1, false)
	default:
		o.err = io.EOF
		o.open(n, true)
	}
	o.chunks = min(2*o.chunks, openBatch)
}

func (o *opener) kept() int {
	if o.more {
		return 1
	}
	return 0
}

// open opens the chunks in the first size bytes of buf, in place and on all
// cores, and keeps those before the first bad one.
func (o *opener) open(size int, last bool) {
	chunks := (size + sealedChunk - 1) / sealedChunk
	if last {
		chunks = max(1, chunks)
	}
	opened := make([][]byte, chunks)
	workers := min(runtime.GOMAXPROCS(0), chunks)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := w; i < chunks; i += workers {
				sealed := o.buf[i*sealedChunk : min(size, (i+1)*sealedChunk)]
				opened[i], _ = o.stream.OpenChunk(sealed[:0], sealed, o.index+uint64(i), last && i == chunks-1)
			}
		})
	}
	group.Wait()
	for i, plain := range opened {
		if plain == nil {
			opened, o.err = opened[:i], ErrPayload
			break
		}
	}
	o.index += uint64(chunks)
	if o.ready = opened; size == ChunkOverhead {
		o.ready = nil // the one chunk of an empty plaintext
	}
}

// readFull fills p as far as the source goes. Unlike io.ReadFull it tells an end
// (nil) from a source that fails with io.ErrUnexpectedEOF (*SourceError).
func readFull(r io.Reader, p []byte) (n int, err error) {
	for empty := 0; n < len(p); empty++ {
		m, err := r.Read(p[n:])
		n += m
		switch {
		case err == io.EOF: // itself: a wrapped one is a failure
			return n, nil
		case err != nil:
			return n, &SourceError{err}
		case m > 0:
			empty = 0
		case empty == maxEmptyReads:
			return n, &SourceError{io.ErrNoProgress}
		}
	}
	return n, nil
}

// OpenerAt reads a payload's plaintext at any offset. It is safe for concurrent
// use and keeps the chunk that was opened last.
type OpenerAt struct {
	stream  *Stream
	src     io.ReaderAt
	payload int64
	plain   int64
	cache   atomic.Pointer[openChunk]
}

type openChunk struct {
	index int64
	plain []byte
}

// NewOpenerAt opens the last chunk at once, so that the size is authentic. size
// is the payload's, in bytes. The errors are ErrPayload and *SourceError.
func NewOpenerAt(key FileKey, payload io.ReaderAt, size int64) (*OpenerAt, error) {
	plain, err := PlainSize(size)
	if err != nil {
		return nil, err
	}
	var nonce [PayloadNonceSize]byte
	if err := readAt(payload, nonce[:], 0); err != nil {
		return nil, err
	}
	stream, err := NewStream(key, nonce)
	if err != nil {
		return nil, err
	}
	o := &OpenerAt{stream: stream, src: payload, payload: size, plain: plain}
	_, err = o.chunk(o.lastIndex())
	return o, err
}

// Size is the size of the plaintext in bytes.
func (o *OpenerAt) Size() int64 { return o.plain }

func (o *OpenerAt) lastIndex() int64 { return max(0, o.plain-1) / ChunkSize }

// ReadAt implements io.ReaderAt.
func (o *OpenerAt) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("crypto: negative offset")
	}
	for n < len(p) {
		at := off + int64(n)
		if at >= o.plain {
			return n, io.EOF
		}
		plain, err := o.chunk(at / ChunkSize)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], plain[at%ChunkSize:])
	}
	return n, nil
}

func (o *OpenerAt) chunk(index int64) ([]byte, error) {
	if c := o.cache.Load(); c != nil && c.index == index {
		return c.plain, nil
	}
	at := PayloadNonceSize + index*sealedChunk
	sealed := make([]byte, min(sealedChunk, o.payload-at))
	if err := readAt(o.src, sealed, at); err != nil {
		return nil, err
	}
	plain, err := o.stream.OpenChunk(sealed[:0], sealed, uint64(index), index == o.lastIndex())
	if err != nil {
		return nil, err
	}
	o.cache.Store(&openChunk{index: index, plain: plain})
	return plain, nil
}

// readAt fills p; a source that ends before is cut.
func readAt(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == io.EOF:
		return ErrPayload
	}
	return &SourceError{err}
}
