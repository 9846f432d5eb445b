package crypto

import (
	"fmt"
	"io"
)

const (
	// batchChunks is how many chunks travel together: enough that handing over
	// costs nothing beside hashing, few enough that small files stay cheap.
	batchChunks = 4
	// maxSealWorkers: the digests go in order, so more cores than this wait.
	maxSealWorkers = 8
	// maxEmptyReads is how often a source may return nothing, as in bufio.
	maxEmptyReads = 100
)

// batch holds up to batchChunks chunks, each at the place where its sealed form
// stands: sealing in place wipes the plaintext.
type batch struct {
	buf    []byte
	size   int // plaintext bytes read into it
	chunks int // of those, chunks to seal
	index  uint64
	last   bool // its last chunk ends the payload
	ready  chan struct{}
}

func (b *batch) space() []byte {
	at := b.size/ChunkSize*sealedChunk + b.size%ChunkSize
	return b.buf[at : b.size/ChunkSize*sealedChunk+ChunkSize]
}

func (b *batch) limit(chunks int64) int {
	return int(min(chunks, int64(len(b.buf)/sealedChunk))) * ChunkSize
}

func (b *batch) plain(i int) []byte {
	return b.buf[i*sealedChunk:][:min(ChunkSize, b.plainSize()-i*ChunkSize)]
}

func (b *batch) plainSize() int { return min(b.size, b.chunks*ChunkSize) }

func (b *batch) sealed() []byte { return b.buf[:b.plainSize()+b.chunks*ChunkOverhead] }

func (b *batch) seal(s *Stream) {
	for i := range b.chunks {
		plain := b.plain(i)
		s.SealChunk(plain[:0], plain, b.index+uint64(i), b.last && i == b.chunks-1)
	}
	b.ready <- struct{}{}
}

func (b *batch) wipe() {
	if b != nil {
		clear(b.buf)
	}
}

// maxBatches: two being filled, two being hashed, one read, the rest for the
// workers. No channel between the stages is shorter, so only the wait for a free
// batch ever blocks a stage.
func (s *Sealer) maxBatches() int { return 2*s.workers + 4 }

// start runs the stages for one segment of at most chunks chunks. They all end
// when the first one does, which is at the end of the segment or after Close.
func (s *Sealer) start(chunks int64) <-chan *batch {
	n := s.maxBatches()
	filled, work := make(chan *batch, n), make(chan *batch, n)
	order, out := make(chan *batch, n), make(chan *batch, n)
	go s.fill(chunks, filled)
	go s.hashPlain(filled, work, order)
	for range s.workers {
		go func() {
			for b := range work {
				b.seal(s.stream)
			}
		}()
	}
	go s.hashSealed(order, out)
	return out
}

// fill reads the source. It runs one read ahead of what it hands on.
func (s *Sealer) fill(chunks int64, to chan<- *batch) {
	defer close(to)
	defer s.wipeIfClosed()
	for chunks > 0 && !s.done && s.err == nil {
		b := s.ahead
		if b == nil {
			b = s.free()
		}
		s.ahead = nil
		for b != nil && b.size < b.limit(chunks) && s.srcErr == nil {
			s.readInto(b)
		}
		if s.srcErr == nil {
			s.lookAhead()
		}
		if b == nil || s.isClosed() {
			b.wipe()
			return
		}
		s.settle(b)
		chunks -= int64(b.chunks)
		if b.chunks == 0 {
			s.batches <- b
			return
		}
		to <- b
	}
}

func (s *Sealer) lookAhead() {
	next := s.free()
	if next == nil {
		return
	}
	if s.readInto(next); next.size > 0 {
		s.ahead = next
	} else {
		s.batches <- next
	}
}

// readInto reads at least one byte or sets srcErr.
func (s *Sealer) readInto(b *batch) {
	for range maxEmptyReads {
		n, err := s.src.Read(b.space())
		b.size += n
		s.srcErr = err
		if n > 0 || err != nil {
			return
		}
	}
	s.srcErr = io.ErrNoProgress
}

// settle decides how many chunks of b are sealed now and whether they end the
// payload.
func (s *Sealer) settle(b *batch) {
	b.index = s.index
	switch {
	case s.ahead != nil:
		b.chunks = b.size / ChunkSize
	case s.srcErr == io.EOF && b.size == 0 && s.index > 0:
		// The chunk before was sealed because more had been seen.
		s.err = &SourceError{fmt.Errorf("it is shorter than at the first attempt: %w", io.ErrUnexpectedEOF)}
	case s.srcErr == io.EOF: // itself: a wrapped one is a failure
		b.chunks, b.last = max(1, (b.size+ChunkSize-1)/ChunkSize), true
		s.done = true
	default:
		b.chunks = max(0, b.size-1) / ChunkSize
		s.err = &SourceError{s.srcErr}
		clear(b.buf[b.chunks*sealedChunk:]) // what arrived beyond the last whole chunk
	}
	s.index += uint64(b.chunks)
}

func (s *Sealer) hashPlain(from <-chan *batch, work, order chan<- *batch) {
	defer close(work)
	defer close(order)
	for b := range from {
		for i := range b.chunks {
			s.plainHash.Write(b.plain(i))
		}
		work <- b
		order <- b
	}
}

func (s *Sealer) hashSealed(from <-chan *batch, to chan<- *batch) {
	defer close(to)
	if s.offset == 0 {
		s.payloadHash.Reset()
		s.payloadHash.Write(s.nonce[:])
	}
	for b := range from {
		<-b.ready
		s.payloadHash.Write(b.sealed())
		s.offset += int64(b.plainSize())
		to <- b
	}
}

// free returns an empty batch, or nil after Close.
func (s *Sealer) free() *batch {
	var b *batch
	select {
	case b = <-s.batches:
	default:
		if s.made < s.maxBatches() {
			return s.newBatch()
		}
		select {
		case b = <-s.batches:
		case <-s.closed:
			return nil
		}
	}
	b.size, b.chunks, b.last = 0, 0, false
	return b
}

// newBatch makes the first one small: many files are.
func (s *Sealer) newBatch() *batch {
	chunks := batchChunks
	if s.made == 0 {
		chunks = 1
	}
	s.made++
	return &batch{buf: make([]byte, chunks*sealedChunk), ready: make(chan struct{}, 1)}
}

func (s *Sealer) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

func (s *Sealer) wipeIfClosed() {
	if s.isClosed() {
		s.ahead.wipe()
		s.ahead = nil
	}
}
