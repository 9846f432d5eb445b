package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/minio/minio-go/v7"

	"teikyo/storage"
)

const (
	// partSize is how many bytes of a body are held at once; what is not longer
	// goes in one request. With 10,000 parts an object ends at 156 GiB.
	partSize = 16 << 20
	maxParts = 10_000
	// firstRead is the buffer of a body that may well be small.
	firstRead = 64 << 10
	// spareParts bounds the parts, of all Puts together, that are sent while
	// the next is being read; each Put has one buffer of its own besides.
	spareParts = 8
	sparePer   = 3

	markHeader   = "Teikyo-Put" // metadata: which Put an object is of
	crcHeader    = "X-Amz-Checksum-Crc32c"
	crcType      = "X-Amz-Checksum-Type"
	crcAlgorithm = "X-Amz-Checksum-Algorithm"
	fullObject   = "FULL_OBJECT"
	contentType  = "application/octet-stream"
)

// castagnoli is the polynomial of CRC-32C (RFC 3720 section 12.1).
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crcText is a CRC-32C as S3 writes it: base64 of four bytes, big endian.
func crcText(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// partPool keeps buffers of partSize bytes.
type partPool struct{ pool sync.Pool }

func (p *partPool) get() []byte {
	if buf, ok := p.pool.Get().(*[partSize]byte); ok {
		return buf[:]
	}
	return new([partSize]byte)[:]
}

func (p *partPool) put(buf []byte) {
	if cap(buf) == partSize {
		p.pool.Put((*[partSize]byte)(buf[:partSize]))
	}
}

// put is one running Put.
type put struct {
	s    *Store
	ctx  context.Context
	key  string
	src  *storage.Source
	mark string // random, stored with the object
	crc  uint32 // of what was read
	size int64
}

// Put implements storage.Store. The body is read into memory part by part and
// sent from there, so that each request can be repeated and nothing is published
// before the body came to a clean end.
func (s *Store) Put(ctx context.Context, key string, body io.Reader, size int64) (int64, error) {
	if err := check(ctx, key); err != nil {
		return 0, err
	}
	var mark [16]byte
	if _, err := io.ReadFull(s.rand, mark[:]); err != nil {
		return 0, fmt.Errorf("storage/s3: put: no randomness: %w", err)
	}
	p := &put{s: s, ctx: ctx, key: key, src: storage.NewSource(ctx, body, size), mark: hex.EncodeToString(mark[:]), size: size}
	first, last, err := p.readFirst()
	if err != nil {
		return 0, err
	}
	if last {
		defer s.buffers.put(first)
		err = p.single(first)
	} else {
		err = p.multipart(first)
	}
	if err != nil {
		return 0, err
	}
	return p.src.Count(), nil
}

// readFirst reads the first part; last means that it is all. Small bodies do not
// cost a whole part of memory.
func (p *put) readFirst() (part []byte, last bool, err error) {
	size := int64(firstRead)
	if p.size >= 0 {
		size = min(max(p.size, 1), firstRead)
	}
	buf, n := make([]byte, size), 0
	for {
		m, last, err := p.fill(buf[n:])
		if n += m; err != nil || last || n == partSize {
			return buf[:n], last, err
		}
		bigger := p.s.buffers.get()
		if next := 8 * len(buf); next < partSize {
			p.s.buffers.put(bigger)
			bigger = make([]byte, next)
		}
		copy(bigger, buf[:n])
		buf = bigger
	}
}

// fill reads until buf is full or the body ends (last), and keeps the sum.
func (p *put) fill(buf []byte) (n int, last bool, err error) {
	for n < len(buf) && !last && err == nil {
		var m int
		m, err = p.src.Read(buf[n:])
		n += m
		if err == io.EOF {
			last, err = true, nil
		}
	}
	p.crc = crc32.Update(p.crc, castagnoli, buf[:n])
	return n, last, err
}

// single sends the body in one request. If-None-Match makes it fail when the key
// is taken.
func (p *put) single(body []byte) error {
	opts := minio.PutObjectOptions{
		ContentType:  contentType,
		UserMetadata: map[string]string{crcHeader: crcText(p.crc), markHeader: p.mark},
	}
	opts.SetMatchETagExcept("*")
	info, err := p.s.core.PutObject(p.ctx, p.s.bucket, p.s.object(p.key), bytes.NewReader(body), int64(len(body)), "", "", opts)
	return p.settle(info, err)
}

// settle finds out what became of the write: the store may have stored the
// object although its answer says otherwise, or got lost.
func (p *put) settle(info minio.UploadInfo, err error) error {
	if err == nil && info.ChecksumCRC32C == crcText(p.crc) {
		return nil
	}
	if err != nil && definite(err) {
		return failed("put", err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), settleTimeout)
	defer cancel()
	there, statErr := p.s.stat(ctx, p.key)
	mine := statErr == nil && there.UserMetadata[markHeader] == p.mark
	switch {
	case mine && p.whole(there) && p.ctx.Err() == nil:
		return nil
	case mine && p.ctx.Err() == nil:
		err = fmt.Errorf("%w: %d bytes were stored of %d, or others", storage.ErrCorrupt, there.Size, p.src.Count())
		return fmt.Errorf("storage/s3: put: %w", p.undo(ctx, there, err))
	case mine:
		return p.undo(ctx, there, p.ctx.Err())
	case statErr == nil:
		return fmt.Errorf("storage/s3: put: %w", storage.ErrExists)
	case err == nil:
		return failed("put: look at what was stored", statErr)
	}
	return failed("put", err)
}

// whole reports whether the stored object is what was read.
func (p *put) whole(there minio.ObjectInfo) bool {
	sum := there.ChecksumCRC32C
	return there.Size == p.src.Count() && (sum == "" || sum == crcText(p.crc) || !isFullObject(there.ChecksumMode, sum))
}

// undo removes an object that must not be visible.
func (p *put) undo(ctx context.Context, there minio.ObjectInfo, err error) error {
	if removeErr := p.s.remove(ctx, p.key, there.VersionID); removeErr != nil {
		return fmt.Errorf("%w (and it could not be removed: %w)", err, removeErr)
	}
	return err
}
