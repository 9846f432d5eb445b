package intake

import (
	"errors"
	"io"
	"sync/atomic"

	"teikyo/models"
)

// errPart says that a body ended where it should, before the end of the file:
// the rest comes in another request.
var errPart = errors.New("intake: more of the file is to come")

// source is the body of one request: it holds the client to what it announced
// and lets the gate see the bytes.
type source struct {
	body   io.Reader
	n      int64
	length int64 // announced for the body, -1 unknown
	left   int64 // announced bytes from the body's start to the end of the file, -1 unknown
	limit  int64 // bytes that are allowed
	gate   *gateRun
	broken atomic.Bool // the client is gone: what is kept will be saved in a moment
}

func newSource(in Upload, limit int64) *source {
	s := &source{body: in.Body, length: in.Length, left: -1, limit: limit - in.Offset}
	if in.Total >= 0 {
		s.left = in.Total - in.Offset
	}
	return s
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	s.n += int64(n)
	err = s.judge(err)
	if err != nil && err != io.EOF {
		s.broken.Store(true)
	}
	if s.gate != nil {
		s.gate.feed(p[:n])
	}
	return n, err
}

func (s *source) judge(err error) error {
	switch {
	case s.n > s.limit:
		return errTooLarge
	case s.length >= 0 && s.n > s.length, s.left >= 0 && s.n > s.left:
		return errLonger
	case err != io.EOF:
		return err
	case s.length >= 0 && s.n < s.length:
		return io.ErrUnexpectedEOF
	case s.left >= 0 && s.n < s.left:
		return errPart
	}
	return err
}

var (
	errTooLarge = models.Errorf(models.TooLarge, "the file is larger than this server takes; split it")
	errLonger   = models.Errorf(models.Invalid, "more bytes came than the request announced; nothing of this request counts; "+
		"send the file again")
)
