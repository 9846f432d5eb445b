package disk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
)

// readShrunk truncates the object after it was opened and reads it in each way.
func readShrunk(t *testing.T, s *Store) {
	t.Helper()
	readers := map[string]func(io.Reader) (int64, error){
		"Read":     func(r io.Reader) (int64, error) { return io.Copy(io.Discard, struct{ io.Reader }{r}) },
		"buffers":  func(r io.Reader) (int64, error) { return io.Copy(struct{ io.Writer }{io.Discard}, r) },
		"ReadFrom": func(r io.Reader) (int64, error) { return io.Copy(&bytes.Buffer{}, r) },
	}
	for name, copyAll := range readers {
		if err := os.Truncate(s.path(key), 10); err != nil {
			t.Fatal(err)
		}
		r, err := s.Open(context.Background(), key, 2, 8)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(s.path(key), 5); err != nil {
			t.Fatal(err)
		}
		if n, err := copyAll(r); n != 3 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s = %d, %v; want 3, io.ErrUnexpectedEOF", name, n, err)
		}
		r.Close()
	}
}

// readFromSpy notes what it is asked to read from, as a TCP connection would.
type readFromSpy struct {
	bytes.Buffer
	files int
}

func (s *readFromSpy) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if _, ok := limited.R.(*os.File); ok {
			s.files++
		}
	}
	return s.Buffer.ReadFrom(r)
}

func TestConnectionsGetTheFileItself(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	body := bytes.Repeat([]byte("0123456789abcdef"), 600_000) // 9.6 MB: three slices
	if _, err := s.Put(t.Context(), key, bytes.NewReader(body), int64(len(body))); err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(t.Context(), key, 1, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var spy readFromSpy
	if n, err := io.Copy(&spy, r); err != nil || n != int64(len(body)-1) || spy.files != 3 {
		t.Errorf("copied %d in %d slices, %v", n, spy.files, err)
	}
	if !bytes.Equal(spy.Bytes(), body[1:]) {
		t.Error("copied other bytes")
	}
}

func TestOverTCP(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	body := bytes.Repeat([]byte("0123456789abcdef"), 600_000)
	if _, err := s.Put(t.Context(), key, bytes.NewReader(body), -1); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	sent := make(chan error, 1)
	go func() { sent <- serveOnce(listener, s) }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got, err := io.ReadAll(conn)
	if err := errors.Join(err, <-sent); err != nil || !bytes.Equal(got, body[100:len(body)-100]) {
		t.Errorf("received %d bytes, %v", len(got), err)
	}
}

// serveOnce sends the object but its first and last 100 bytes.
func serveOnce(listener net.Listener, s *Store) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	obj, err := s.Stat(context.Background(), key)
	if err != nil {
		return err
	}
	r, err := s.Open(context.Background(), key, 100, obj.Size-200)
	if err != nil {
		return err
	}
	_, err = io.Copy(conn, r)
	return errors.Join(err, r.Close())
}

// brokenWriter takes 10 bytes.
type brokenWriter struct{ err error }

func (w brokenWriter) Write(p []byte) (int, error) { return min(len(p), 10), w.err }

func TestBrokenWriters(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if err := putString(s, key, "0123456789abcdef"); err != nil {
		t.Fatal(err)
	}
	reset := errors.New("connection reset")
	for given, want := range map[error]error{nil: io.ErrShortWrite, reset: reset, io.EOF: io.ErrUnexpectedEOF} {
		r, err := s.Open(t.Context(), key, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(brokenWriter{given}, r); n != 10 || !errors.Is(err, want) {
			t.Errorf("io.Copy = %d, %v; want 10, %v", n, err, want)
		}
		r.Close()
	}
}
