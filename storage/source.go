package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Source is the body of a Put as a store should read it: it ends with ctx,
// turns every failure of the body into a *SourceError so that no client library
// can take a broken connection for the end, and proves the announced size
// before it hands out the last bytes.
type Source struct {
	ctx  context.Context
	body io.Reader
	size int64 // -1: unknown
	n    int64 // bytes handed out
	err  error // sticky
}

// NewSource wraps body for one Put; size is its announced length or -1.
func NewSource(ctx context.Context, body io.Reader, size int64) *Source {
	return &Source{ctx: ctx, body: body, size: size}
}

// Count returns the number of bytes handed out.
func (s *Source) Count() int64 { return s.n }

// Err returns why the source ended: nil while it has not, or after a clean end.
func (s *Source) Err() error {
	if s.err == io.EOF {
		return nil
	}
	return s.err
}

// Read implements io.Reader. Its errors are io.EOF, a *SourceError, ErrSize or
// the error of the context, and they stay.
func (s *Source) Read(p []byte) (int, error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err == nil && s.size < -1 {
		s.err = fmt.Errorf("%w: %d announced", ErrSize, s.size)
	}
	if s.err != nil || len(p) == 0 {
		return 0, s.err
	}
	n, err := s.body.Read(p)
	if n < 0 || n > len(p) {
		n, err = 0, errors.New("invalid count from Read")
	}
	n, s.err = s.check(n, err)
	s.n += int64(n)
	return n, s.err
}

// check decides what n bytes and err mean for the announced size.
func (s *Source) check(n int, err error) (int, error) {
	if err != nil && err != io.EOF {
		return n, &SourceError{Err: err}
	}
	if s.size < 0 {
		return n, err
	}
	switch left := s.size - s.n - int64(n); {
	case left < 0:
		return 0, fmt.Errorf("%w: more than %d bytes", ErrSize, s.size)
	case left > 0 && err == io.EOF:
		return n, fmt.Errorf("%w: %d of %d bytes", ErrSize, s.n+int64(n), s.size)
	case left == 0 && err == nil && n > 0:
		return s.probeEnd(n)
	}
	return n, err
}

// probeEnd makes sure that nothing follows before the last n bytes are handed
// out: a store that reads exactly size bytes would never look.
func (s *Source) probeEnd(n int) (int, error) {
	var one [1]byte
	for range 100 {
		m, err := s.body.Read(one[:])
		switch {
		case m > 0:
			return 0, fmt.Errorf("%w: more than %d bytes", ErrSize, s.size)
		case err == io.EOF:
			return n, io.EOF
		case err != nil:
			return 0, &SourceError{Err: err}
		}
	}
	return 0, &SourceError{Err: io.ErrNoProgress}
}
