// Package spill keeps what does not fit into memory in a temporary file that
// nobody can read: sealed chunk by chunk under a random key that only this
// process has, in memory, and that is forgotten with the file.
//
// What reads formats that need random access, and what sorts more than fits
// into memory (deid/risk), uses it; who runs a check says in which folder.
package spill

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

const (
	// ChunkSize is how many bytes are sealed at once.
	ChunkSize = 64 << 10
	overhead  = 16
	keySize   = 32
)

// ErrAltered: the file was changed by somebody else. What was read is useless.
var ErrAltered = errors.New("spill: a temporary file was altered while it was in use")

// Folder makes sealed temporary files in one folder.
type Folder struct {
	Dir   string    // "" is the system's folder for temporary files
	Rand  io.Reader // source of the keys
	Space *Space    // what the files may take together; nil: no bound
}

// Create makes an empty file. The error is that of the operating system.
func (d Folder) Create() (*File, error) {
	var key [keySize]byte
	if _, err := io.ReadFull(d.Rand, key[:]); err != nil {
		return nil, fmt.Errorf("spill: reading randomness for a key: %w", err)
	}
	block, err := aes.NewCipher(key[:])
	clear(key[:])
	if err != nil {
		return nil, fmt.Errorf("spill: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("spill: %w", err)
	}
	file, err := os.CreateTemp(d.Dir, prefix+"*")
	if err != nil {
		return nil, fmt.Errorf("spill: making a temporary file: %w", err)
	}
	f := &File{file: file, aead: aead, space: d.Space}
	// Where the system lets a file without a name live on, a crash leaves none.
	f.unlinked = os.Remove(file.Name()) == nil
	return f, nil
}

// File is written once from its beginning and can be read anywhere, also while
// it grows. It is safe for concurrent use.
type File struct {
	mu       sync.Mutex
	file     *os.File
	aead     cipher.AEAD
	unlinked bool

	size   int64
	tail   []byte // the chunk that is not full yet
	sealed []byte // scratch
	chunks [cached]chunk
	next   int // of chunks, to be replaced
	space  *Space
	closed bool
}

// cached is how many chunks that were read stay in memory: readers of formats go
// between a directory and the contents.
const cached = 4

// chunk is an opened chunk; number is its number + 1, 0 for none.
type chunk struct {
	number int64
	data   []byte
}

// Size is how many bytes were written.
func (f *File) Size() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.size
}

// Write appends p. The error is ErrFull, or that of the operating system, a full
// disk among them; nothing can be written after one.
func (f *File) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, os.ErrClosed
	}
	if err := f.space.take(int64(len(p))); err != nil {
		return 0, err
	}
	written := 0
	for len(p) > 0 {
		n := min(len(p), ChunkSize-len(f.tail))
		f.tail = append(f.tail, p[:n]...)
		p = p[n:]
		f.size += int64(n)
		written += n
		if len(f.tail) == ChunkSize {
			if err := f.seal(); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

// seal writes the full tail. Each number, and so each nonce, is used once.
func (f *File) seal() error {
	number := f.size/ChunkSize - 1
	f.sealed = f.aead.Seal(f.sealed[:0], nonce(number), f.tail, nil)
	f.tail = f.tail[:0]
	if _, err := f.file.WriteAt(f.sealed, number*(ChunkSize+overhead)); err != nil {
		return fmt.Errorf("spill: writing a temporary file: %w", err)
	}
	return nil
}

func nonce(number int64) []byte {
	n := make([]byte, 12)
	binary.BigEndian.PutUint64(n[4:], uint64(number))
	return n
}

// ReadAt implements io.ReaderAt. ErrAltered when what is on disk is not what was
// written.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off < 0 {
		return 0, errors.New("spill: a negative offset")
	}
	read := 0
	for read < len(p) && off < f.size {
		chunk, err := f.at(off / ChunkSize)
		if err != nil {
			return read, err
		}
		n := copy(p[read:], chunk[off%ChunkSize:])
		read, off = read+n, off+int64(n)
	}
	if read < len(p) {
		return read, io.EOF
	}
	return read, nil
}

// at is the chunk with that number, valid until the next call.
func (f *File) at(number int64) ([]byte, error) {
	if number == f.size/ChunkSize {
		return f.tail, nil
	}
	for i := range f.chunks {
		if f.chunks[i].number == number+1 {
			return f.chunks[i].data, nil
		}
	}
	c := &f.chunks[f.next]
	f.next = (f.next + 1) % cached
	c.number = 0
	if cap(f.sealed) < ChunkSize+overhead {
		f.sealed = make([]byte, ChunkSize+overhead)
	}
	f.sealed = f.sealed[:ChunkSize+overhead]
	if _, err := f.file.ReadAt(f.sealed, number*(ChunkSize+overhead)); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, ErrAltered
		}
		return nil, fmt.Errorf("spill: reading a temporary file: %w", err)
	}
	data, err := f.aead.Open(c.data[:0], nonce(number), f.sealed, nil)
	if err != nil {
		return nil, ErrAltered
	}
	c.data, c.number = data, number+1
	return data, nil
}

// Close removes the file and forgets its key. A second Close does nothing.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	name := f.file.Name()
	err := f.file.Close()
	f.space.free(f.size)
	f.aead, f.tail, f.chunks, f.size, f.closed = nil, nil, [cached]chunk{}, 0, true
	if !f.unlinked {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}
