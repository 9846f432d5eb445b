package storage

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestSourceOfReaderThatReadsExactlySize(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	tests := []struct {
		name string
		body io.Reader
		size int64
		want error
	}{
		{"exact", strings.NewReader("12345"), 5, nil},
		{"longer", strings.NewReader("123456"), 5, ErrSize},
		{"shorter", strings.NewReader("1234"), 5, ErrSize},
		{"fails after the last byte", io.MultiReader(strings.NewReader("12345"), iotest.ErrReader(gone)), 5, gone},
		{"cut at the last byte", io.MultiReader(strings.NewReader("12345"), iotest.ErrReader(io.ErrUnexpectedEOF)), 5, io.ErrUnexpectedEOF},
		{"one byte at a time", iotest.OneByteReader(strings.NewReader("12345")), 5, nil},
		{"negative", strings.NewReader("12345"), -7, ErrSize},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			src := NewSource(context.Background(), test.body, test.size)
			// A client library of an object store looks no further than this.
			_, err := io.ReadFull(src, make([]byte, 5))
			if !errors.Is(err, test.want) || !errors.Is(src.Err(), test.want) {
				t.Errorf("ReadFull gave %v, Err %v; want %v", err, src.Err(), test.want)
			}
		})
	}
}

func TestSourceErrorIsNeverTheBareCause(t *testing.T) {
	t.Parallel()
	src := NewSource(context.Background(), iotest.ErrReader(io.ErrUnexpectedEOF), -1)
	_, err := src.Read(make([]byte, 1))
	if err == io.ErrUnexpectedEOF {
		t.Fatal("a library that compares with == takes this for the end")
	}
	if _, again := src.Read(make([]byte, 1)); again != err {
		t.Errorf("second Read gave %v, want the same error", again)
	}
}

// liar is a reader that breaks the contract of io.Reader.
type liar int

func (l liar) Read([]byte) (int, error) { return int(l), nil }

func TestSourceOfBrokenReaders(t *testing.T) {
	t.Parallel()
	for _, body := range []io.Reader{liar(-1), liar(100)} {
		var source *SourceError
		n, err := NewSource(context.Background(), body, -1).Read(make([]byte, 10))
		if n != 0 || !errors.As(err, &source) {
			t.Errorf("Read = %d, %v; want 0 and a *SourceError", n, err)
		}
	}
	endless := io.MultiReader(strings.NewReader("x"), liar(0))
	if _, err := io.ReadAll(NewSource(context.Background(), endless, 1)); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a body that never ends gave %v, want io.ErrNoProgress", err)
	}
}
