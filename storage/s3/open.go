package s3

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"

	"teikyo/storage"
)

// maxResumes is how often a reader goes on after a cut without a byte between.
const maxResumes = 4

// Open implements storage.Store with one GET. A connection that breaks while the
// object is read is replaced by another one.
func (s *Store) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := check(ctx, key); err != nil {
		return nil, err
	}
	if offset < 0 || length < -1 || length == 0 || length > math.MaxInt64-offset {
		return s.openNothing(ctx, key, offset, length) // no range of HTTP
	}
	r := &reader{ctx: ctx, store: s, key: key, next: offset, left: length}
	err := r.connect()
	switch {
	case err == nil:
		return r, nil
	case errors.Is(err, storage.ErrRange):
		return s.openNothing(ctx, key, offset, length)
	}
	return nil, err
}

// openNothing gives the error of a range that no GET can ask for, or a reader
// without bytes.
func (s *Store) openNothing(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	obj, err := s.Stat(ctx, key)
	if err != nil {
		return nil, err
	}
	n, err := storage.ResolveRange(obj.Size, offset, length)
	if err != nil {
		return nil, fmt.Errorf("storage/s3: open: %w", err)
	}
	if n > 0 {
		return nil, fmt.Errorf("storage/s3: open: the store refuses a range of an object of %d bytes: %w", obj.Size, storage.ErrCorrupt)
	}
	return &reader{ctx: ctx, store: s, key: key}, nil
}

// reader reads a range of an object.
type reader struct {
	ctx   context.Context
	store *Store
	key   string
	next  int64 // offset of the next byte
	left  int64 // bytes to give; -1 before it is known

	body    io.ReadCloser
	closed  bool
	etag    string
	resumes int // without a byte between

	sum  string // CRC-32C of the whole object, when all of it is read
	crc  uint32
	fail error // sticky
}

// connect asks for what is left.
func (r *reader) connect() error {
	opts := minio.GetObjectOptions{}
	ranged := r.next > 0 || r.left >= 0
	switch {
	case !ranged:
		opts.Checksum = true
		opts.Set("Accept-Encoding", "identity")
	case r.left < 0:
		opts.Set("Range", fmt.Sprintf("bytes=%d-", r.next))
	default:
		opts.Set("Range", fmt.Sprintf("bytes=%d-%d", r.next, r.next+r.left-1))
	}
	if r.etag != "" {
		opts.Set("If-Match", `"`+r.etag+`"`)
	}
	body, info, header, err := r.store.core.GetObject(r.ctx, r.store.bucket, r.store.object(r.key), opts)
	switch {
	case hasCode(err, codePrecondition):
		return fmt.Errorf("storage/s3: open: %w: the object changed while it was read", storage.ErrCorrupt)
	case err != nil:
		return failed("open", err)
	}
	if err := r.accept(ranged, info, header); err != nil {
		return errors.Join(fmt.Errorf("storage/s3: open: %w", err), body.Close())
	}
	r.body, r.etag = body, info.ETag
	return nil
}

// accept checks that the answer is what was asked for.
func (r *reader) accept(ranged bool, info minio.ObjectInfo, header http.Header) error {
	if !ranged {
		if header.Get("Content-Length") == "" || info.Size < 0 {
			return errors.New("the store does not tell the size")
		}
		r.left = info.Size
		if sum := header.Get(crcHeader); isFullObject(header.Get(crcType), sum) {
			r.sum = sum
		}
		return nil
	}
	var from, to, total int64
	if _, err := fmt.Sscanf(header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &total); err != nil {
		return errors.New("the store does not answer with the range that was asked for")
	}
	switch {
	case from != r.next || to < from || to >= total:
		return fmt.Errorf("the store answers with another range (%s)", header.Get("Content-Range"))
	case r.left >= 0 && to-from+1 < r.left:
		return fmt.Errorf("%w: offset %d, length %d, size %d", storage.ErrRange, r.next, r.left, total)
	}
	r.left = to - from + 1
	return nil
}

// isFullObject reports whether a checksum is of the bytes of the whole object,
// and not of the checksums of its parts ("abc=-3").
func isFullObject(mode, sum string) bool {
	return sum != "" && (mode == "" || mode == fullObject) && !strings.Contains(sum, "-")
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	for {
		if err := r.ctx.Err(); err != nil {
			return 0, err
		}
		switch {
		case r.closed:
			return 0, fmt.Errorf("storage/s3: read: %w", fs.ErrClosed)
		case r.fail != nil:
			return 0, r.fail
		case r.left == 0:
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.left)])
		if n > 0 {
			return r.took(p[:n])
		}
		if err != nil {
			r.fail = r.resume(err)
		}
	}
}

// took books bytes. The last ones are only given when the sum is right.
func (r *reader) took(p []byte) (int, error) {
	r.next += int64(len(p))
	r.left -= int64(len(p))
	r.resumes = 0
	if r.sum == "" {
		return len(p), nil
	}
	r.crc = crc32.Update(r.crc, castagnoli, p)
	if r.left == 0 && crcText(r.crc) != r.sum {
		r.fail = fmt.Errorf("storage/s3: read %s: %w", r.key, storage.ErrCorrupt)
		return 0, r.fail
	}
	return len(p), nil
}

// resume goes on after a connection that broke.
func (r *reader) resume(cause error) error {
	if r.resumes++; r.resumes > maxResumes {
		if cause == io.EOF {
			cause = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("storage/s3: read: the object store breaks off %d bytes before the end: %w", r.left, cause)
	}
	_ = r.body.Close()
	sum := r.sum
	if err := r.connect(); err != nil {
		return err
	}
	r.sum = sum
	return nil
}

// Close ends the request.
func (r *reader) Close() error {
	r.closed = true
	if r.body == nil {
		return nil
	}
	return r.body.Close()
}
