package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"teikyo/storage"
)

// transferSlice is how many bytes WriteTo hands over between two looks at the
// context.
const transferSlice = 4 << 20

// Open implements storage.Store. The reader implements io.WriterTo: a writer
// that implements io.ReaderFrom, such as a TCP connection, gets the file itself
// and may use sendfile; any other is fed from pooled buffers.
func (s *Store) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := check(ctx, key); err != nil {
		return nil, err
	}
	f, err := os.Open(s.path(key))
	if err != nil {
		return nil, failed("open", err)
	}
	n, err := seekRange(f, offset, length)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("storage/disk: open: %w", err), f.Close())
	}
	return &reader{ctx: ctx, store: s, file: f, left: n}, nil
}

// seekRange goes to offset and returns how many bytes to read from there.
func seekRange(f *os.File, offset, length int64) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, errors.New("not a regular file")
	}
	n, err := storage.ResolveRange(info.Size(), offset, length)
	if err != nil || offset == 0 {
		return n, err
	}
	_, err = f.Seek(offset, io.SeekStart)
	return n, err
}

// reader reads a range of an object.
type reader struct {
	ctx   context.Context
	store *Store
	file  *os.File
	left  int64
}

// Read implements io.Reader. A file that ends before its range does gives
// io.ErrUnexpectedEOF.
func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.file.Read(p)
	r.left -= int64(n)
	return n, r.short(err)
}

// WriteTo implements io.WriterTo.
func (r *reader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for r.left > 0 {
		if err := r.ctx.Err(); err != nil {
			return total, err
		}
		n, err := r.writeSlice(w, min(r.left, transferSlice))
		total += n
		r.left -= n
		if err != nil {
			return total, r.short(err)
		}
	}
	return total, nil
}

// writeSlice copies n bytes; it gives io.EOF when the file ends before that.
func (r *reader) writeSlice(w io.Writer, n int64) (int64, error) {
	if rf, ok := w.(io.ReaderFrom); ok {
		got, err := rf.ReadFrom(&io.LimitedReader{R: r.file, N: n})
		if err == nil && got < n {
			err = io.EOF
		}
		return got, err
	}
	buf := r.store.buffers.Get().(*[bufferSize]byte)
	defer r.store.buffers.Put(buf)
	m, err := r.file.Read(buf[:min(n, bufferSize)])
	written, werr := w.Write(buf[:m])
	if werr == nil && written < m {
		werr = io.ErrShortWrite
	}
	if werr != nil {
		return int64(written), werr
	}
	return int64(written), err
}

// short makes an end of the file that comes before the end of the range an
// error that nobody takes for a clean one.
func (r *reader) short(err error) error {
	if err == io.EOF && r.left > 0 {
		return fmt.Errorf("storage/disk: object lacks %d bytes: %w", r.left, io.ErrUnexpectedEOF)
	}
	return err
}

// Close closes the file.
func (r *reader) Close() error { return r.file.Close() }
