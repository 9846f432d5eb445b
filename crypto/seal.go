package crypto

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"runtime"
	"sync"
)

var (
	// ErrSegmentOpen: the last segment was not read to its end.
	ErrSegmentOpen = errors.New("crypto: the segment before is not read to its end")
	// ErrSegmentTooSmall: the segment cannot hold one chunk.
	ErrSegmentTooSmall = errors.New("crypto: a segment must hold at least one sealed chunk")
	// ErrSealerClosed: Close was called.
	ErrSealerClosed = errors.New("crypto: the sealer is closed")
	// ErrSealState: a saved state does not fit together.
	ErrSealState = errors.New("crypto: the saved state of the upload does not fit together")
)

// SealState is what a draft keeps to go on after a break. PlainHash is the
// state of a SHA-256 at a multiple of 64 bytes, so it holds no plaintext. At
// offset 0 the hash states are empty, and the nonce is written again.
type SealState struct {
	Nonce       [PayloadNonceSize]byte
	Offset      int64 // plaintext bytes sealed, a multiple of ChunkSize
	PlainHash   []byte
	PayloadHash []byte
}

// Sealer turns a plaintext into an age payload, segment by segment, in one
// pass: read → SHA-256 of the plaintext → seal on all cores → SHA-256 of the
// payload → reader of the segment. Memory is bounded by a few MiB whatever the
// size. Its methods are for one goroutine; only Close may be called from others.
type Sealer struct {
	stream      *Stream
	src         io.Reader
	nonce       [PayloadNonceSize]byte
	plainHash   hash.Hash
	payloadHash hash.Hash
	offset      int64  // plaintext bytes sealed and handed on
	index       uint64 // of the next chunk to be sealed
	ahead       *batch // plaintext read behind the last settled chunk
	srcErr      error  // what ended the source
	err         error
	done        bool
	open        bool // a segment is being read

	workers int
	batches chan *batch // free ones
	made    int
	closed  chan struct{}
	once    sync.Once
}

// NewSealer seals src under key with a fresh nonce from rand. Call Close when
// done with it.
func NewSealer(key FileKey, rand io.Reader, src io.Reader) (*Sealer, error) {
	var st SealState
	if _, err := io.ReadFull(rand, st.Nonce[:]); err != nil {
		return nil, fmt.Errorf("crypto: reading randomness for a nonce: %w", err)
	}
	return ResumeSealer(key, st, src)
}

// ResumeSealer goes on from a saved state; src starts at plaintext offset
// st.Offset. ErrSealState when the state does not fit together.
func ResumeSealer(key FileKey, st SealState, src io.Reader) (*Sealer, error) {
	stream, err := NewStream(key, st.Nonce)
	if err != nil {
		return nil, err
	}
	s := &Sealer{
		stream: stream, src: src, nonce: st.Nonce, offset: st.Offset,
		index: uint64(st.Offset / ChunkSize), plainHash: sha256.New(), payloadHash: sha256.New(),
		workers: min(runtime.GOMAXPROCS(0), maxSealWorkers), closed: make(chan struct{}),
	}
	s.batches = make(chan *batch, s.maxBatches())
	if st.Offset == 0 {
		return s, nil
	}
	sealed := PayloadNonceSize + st.Offset/ChunkSize*sealedChunk
	if st.Offset < 0 || st.Offset%ChunkSize != 0 ||
		!restoreHash(s.plainHash, st.PlainHash, st.Offset) || !restoreHash(s.payloadHash, st.PayloadHash, sealed) {
		return nil, ErrSealState
	}
	return s, nil
}

// restoreHash also checks the length that the state ends with.
func restoreHash(h hash.Hash, state []byte, length int64) bool {
	if len(state) < 8 || binary.BigEndian.Uint64(state[len(state)-8:]) != uint64(length) {
		return false
	}
	return h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state) == nil
}

// NextSegment returns the reader of the next at most maxPayload bytes of
// payload: whole chunks, in the first segment after the nonce. Read it to io.EOF
// before anything else.
//
// A chunk is sealed as not the last one only when a byte after it was read, so
// that what is kept can always be resumed. When the source fails, the segment
// ends early but cleanly after the whole chunks that arrived, and Err tells; a
// segment without one whole chunk fails with the *SourceError itself.
func (s *Sealer) NextSegment(maxPayload int64) io.Reader {
	g := &segment{s: s}
	if s.offset == 0 {
		g.rest = s.nonce[:]
	}
	chunks := (maxPayload - int64(len(g.rest))) / sealedChunk
	switch {
	case s.open:
		return failingReader{ErrSegmentOpen}
	case s.done:
		return failingReader{io.EOF}
	case s.err != nil:
		return failingReader{s.err}
	case chunks < 1:
		return failingReader{ErrSegmentTooSmall}
	}
	s.open = true
	g.batches = s.start(chunks)
	return g
}

// Done tells, between segments, whether the whole plaintext is sealed.
func (s *Sealer) Done() bool { return !s.open && s.done }

// Err is, between segments, the *SourceError that ended the source, or nil.
func (s *Sealer) Err() error { return s.err }

// State is what to keep after a segment, to resume there. It fails while a
// segment is being read and after the end.
func (s *Sealer) State() (SealState, error) {
	if s.open {
		return SealState{}, ErrSegmentOpen
	}
	if s.done {
		return SealState{}, fmt.Errorf("%w: everything is sealed", ErrSealState)
	}
	st := SealState{Nonce: s.nonce, Offset: s.offset}
	if s.offset == 0 {
		return st, nil
	}
	var err, err2 error
	st.PlainHash, err = s.plainHash.(encoding.BinaryMarshaler).MarshalBinary()
	st.PayloadHash, err2 = s.payloadHash.(encoding.BinaryMarshaler).MarshalBinary()
	return st, errors.Join(err, err2)
}

// PlainSize is the number of plaintext bytes sealed so far.
func (s *Sealer) PlainSize() int64 { return s.offset }

// PayloadSize is the size of the payload, nonce included, after Done.
func (s *Sealer) PayloadSize() int64 { return PayloadSize(s.offset) }

// PlainSHA256 is the digest of the whole plaintext, after Done.
func (s *Sealer) PlainSHA256() [sha256.Size]byte { return [sha256.Size]byte(s.plainHash.Sum(nil)) }

// PayloadSHA256 is the digest of the whole payload, nonce included, after Done.
func (s *Sealer) PayloadSHA256() [sha256.Size]byte { return [sha256.Size]byte(s.payloadHash.Sum(nil)) }

// Close ends the goroutines of an unfinished segment; the one that reads the
// source ends when the source returns. It may be called more than once.
func (s *Sealer) Close() {
	s.once.Do(func() { close(s.closed) })
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

// segment hands the sealed batches on.
type segment struct {
	s       *Sealer
	batches <-chan *batch
	cur     *batch
	rest    []byte
	some    bool // a chunk was handed on
	err     error
}

func (g *segment) Read(p []byte) (int, error) {
	if err := g.next(); err != nil {
		return 0, err
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

// WriteTo spares io.Copy its buffer.
func (g *segment) WriteTo(w io.Writer) (total int64, err error) {
	for {
		if err := g.next(); errors.Is(err, io.EOF) {
			return total, nil
		} else if err != nil {
			return total, err
		}
		n, err := w.Write(g.rest)
		total += int64(n)
		g.rest = g.rest[n:]
		if err != nil {
			return total, err
		}
	}
}

// next makes rest non-empty or returns why not.
func (g *segment) next() error {
	if g.err != nil || len(g.rest) > 0 {
		return g.err
	}
	if g.cur != nil {
		g.s.batches <- g.cur
		g.cur = nil
	}
	select {
	case b, ok := <-g.batches:
		if !ok {
			g.err = g.end()
			return g.err
		}
		g.cur, g.rest, g.some = b, b.sealed(), true
	case <-g.s.closed:
		g.err = ErrSealerClosed
	}
	return g.err
}

func (g *segment) end() error {
	select {
	case <-g.s.closed:
		return ErrSealerClosed
	default:
	}
	g.s.open = false
	if g.s.err != nil && !g.some {
		return g.s.err
	}
	return io.EOF
}
