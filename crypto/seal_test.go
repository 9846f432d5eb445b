package crypto_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"filippo.io/age"
	"pgregory.net/rapid"

	"teikyo/crypto"
)

const (
	chunk   = crypto.ChunkSize
	sealed  = crypto.ChunkSize + crypto.ChunkOverhead
	nonce   = crypto.PayloadNonceSize
	noLimit = int64(1) << 50
)

// ageOpens opens header ‖ payload with age's own reader.
func ageOpens(t testing.TB, p person, header, payload []byte) []byte {
	t.Helper()
	ids, err := age.ParseIdentities(strings.NewReader(p.file))
	check(t, err)
	r, err := age.Decrypt(io.MultiReader(bytes.NewReader(header), bytes.NewReader(payload)), ids...)
	check(t, err)
	plain, err := io.ReadAll(r)
	check(t, err)
	return plain
}

func TestSealEdges(t *testing.T) {
	t.Parallel()
	p := newPerson(t, false)
	sizes := []int{0, 1, 15, chunk - 1, chunk, chunk + 1, 2 * chunk, 4*chunk - 1, 4 * chunk, 4*chunk + 1, 5 * chunk, 16 * chunk, 17*chunk + 3}
	segments := []int64{nonce + sealed, nonce + 3*sealed + 17, 4 * sealed, nonce + 4*sealed, noLimit}
	for _, size := range sizes {
		plain := randomBytes(t, size)
		for _, segment := range segments {
			t.Run(fmt.Sprintf("%d in %d", size, segment), func(t *testing.T) {
				t.Parallel()
				key := newKey(t)
				payload := seal(t, key, plain, segment)
				if int64(len(payload)) != crypto.PayloadSize(int64(size)) {
					t.Errorf("payload of %d bytes", len(payload))
				}
				header, err := crypto.WriteHeader(key, p.rcpt)
				check(t, err)
				if !bytes.Equal(ageOpens(t, p, header, payload), plain) {
					t.Error("age reads other bytes")
				}
				checkOpeners(t, key, payload, plain)
			})
		}
	}
}

func checkOpeners(t *testing.T, key crypto.FileKey, payload, plain []byte) {
	t.Helper()
	stream, err := crypto.NewOpener(key, iotest.HalfReader(bytes.NewReader(payload)))
	check(t, err)
	if err := iotest.TestReader(stream, plain); err != nil {
		t.Error(err)
	}
	at, err := crypto.NewOpenerAt(key, bytes.NewReader(payload), int64(len(payload)))
	check(t, err)
	if err := iotest.TestReader(io.NewSectionReader(at, 0, at.Size()), plain); err != nil {
		t.Error(err)
	}
}

func TestSegmentSizes(t *testing.T) {
	t.Parallel()
	s, err := crypto.NewSealer(newKey(t), rand.Reader, bytes.NewReader(make([]byte, 5*chunk+1)))
	check(t, err)
	defer s.Close()
	var sizes []int64
	for !s.Done() {
		n, err := io.Copy(io.Discard, s.NextSegment(2*sealed+nonce))
		check(t, err)
		sizes = append(sizes, n)
	}
	if want := []int64{nonce + 2*sealed, 2 * sealed, sealed + 1 + crypto.ChunkOverhead}; !slices.Equal(sizes, want) {
		t.Errorf("segments %v, want %v", sizes, want)
	}
	if n, err := io.Copy(io.Discard, s.NextSegment(noLimit)); n != 0 || err != nil {
		t.Errorf("after the end: %d bytes, %v", n, err)
	}
}

func TestSealDigests(t *testing.T) {
	t.Parallel()
	plain := randomBytes(t, 9*chunk+77)
	s, err := crypto.NewSealer(newKey(t), rand.Reader, iotest.OneByteReader(bytes.NewReader(plain)))
	check(t, err)
	defer s.Close()
	payload, err := io.ReadAll(s.NextSegment(noLimit))
	check(t, err)
	if !s.Done() || s.PlainSize() != int64(len(plain)) || s.PayloadSize() != int64(len(payload)) {
		t.Errorf("done %v, sizes %d and %d", s.Done(), s.PlainSize(), s.PayloadSize())
	}
	if s.PlainSHA256() != sha256.Sum256(plain) || s.PayloadSHA256() != sha256.Sum256(payload) {
		t.Error("wrong digest")
	}
}

// cutReader gives limit bytes of data and then fails.
func cutReader(data []byte, limit int, err error) io.Reader {
	return io.MultiReader(bytes.NewReader(data[:min(limit, len(data))]), iotest.ErrReader(err))
}

// Wherever the source breaks and however often, what was kept is the beginning
// of one valid payload.
func TestResumeAnywhere(t *testing.T) {
	t.Parallel()
	p := newPerson(t, false)
	rapid.Check(t, func(rt *rapid.T) {
		plain := bytes.Repeat([]byte("0123456789abcde"), rapid.IntRange(0, 30_000).Draw(rt, "size"))
		key := newKey(t)
		state := crypto.SealState{Nonce: [nonce]byte(randomBytes(t, nonce))}
		var kept bytes.Buffer
		for done := false; !done; {
			cut := rapid.IntRange(0, len(plain)+chunk).Draw(rt, "cut")
			src := cutReader(plain[state.Offset:], cut, io.ErrUnexpectedEOF)
			if cut > len(plain)-int(state.Offset) {
				src = bytes.NewReader(plain[state.Offset:])
			}
			segment := int64(rapid.IntRange(nonce+sealed, 6*sealed).Draw(rt, "segment"))
			state, done = keepSegments(t, key, state, src, segment, &kept)
		}
		header, err := crypto.WriteHeader(key, p.rcpt)
		check(t, err)
		if !bytes.Equal(ageOpens(t, p, header, kept.Bytes()), plain) {
			rt.Fatal("other bytes")
		}
	})
}

// keepSegments acts as the server: it keeps a segment that ends cleanly and the
// state after it, and drops one that fails.
func keepSegments(t *testing.T, key crypto.FileKey, st crypto.SealState, src io.Reader, size int64, kept *bytes.Buffer) (crypto.SealState, bool) {
	t.Helper()
	s, err := crypto.ResumeSealer(key, st, src)
	check(t, err)
	defer s.Close()
	for {
		segment, err := io.ReadAll(s.NextSegment(size))
		if err != nil {
			if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(s.Err(), err) {
				t.Fatal(err)
			}
			return st, false
		}
		kept.Write(segment)
		if s.Done() {
			if s.PayloadSHA256() != sha256.Sum256(kept.Bytes()) {
				t.Fatal("digest of the payload after a break")
			}
			return st, true
		}
		st, err = s.State()
		check(t, err)
		if int64(kept.Len()) != nonce+st.Offset/chunk*sealed {
			t.Fatalf("offset %d with %d bytes kept", st.Offset, kept.Len())
		}
		if s.Err() != nil {
			return st, false
		}
	}
}

func TestFailedSourceKeepsWholeChunks(t *testing.T) {
	t.Parallel()
	broken := errors.New("line went dead")
	for _, tt := range []struct{ arrived, kept int }{
		{0, 0}, {1, 0}, {chunk, 0}, {chunk + 1, 1}, {4 * chunk, 3}, {4*chunk + 1, 4}, {8 * chunk, 7}, {9*chunk + 5, 9},
	} {
		t.Run(fmt.Sprint(tt.arrived), func(t *testing.T) {
			t.Parallel()
			src := cutReader(make([]byte, tt.arrived), tt.arrived, fmt.Errorf("%w: %w", broken, io.EOF))
			s, err := crypto.NewSealer(newKey(t), rand.Reader, src)
			check(t, err)
			defer s.Close()
			_, err = io.ReadAll(s.NextSegment(noLimit))
			var source *crypto.SourceError
			if (err != nil) != (tt.kept == 0) || s.Done() || !errors.As(s.Err(), &source) || !errors.Is(s.Err(), broken) {
				t.Errorf("read %v, done %v, Err %v", err, s.Done(), s.Err())
			}
			st, err := s.State()
			check(t, err)
			if st.Offset != int64(tt.kept*chunk) {
				t.Errorf("kept %d bytes", st.Offset)
			}
			if _, err := s.NextSegment(noLimit).Read(make([]byte, 1)); !errors.Is(err, broken) {
				t.Errorf("next segment: %v", err)
			}
		})
	}
}

func TestSourceShorterThanBefore(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	s, err := crypto.NewSealer(key, rand.Reader, bytes.NewReader(make([]byte, 2*chunk)))
	check(t, err)
	defer s.Close()
	_, err = io.ReadAll(s.NextSegment(nonce + sealed))
	check(t, err)
	st, err := s.State()
	check(t, err)
	again, err := crypto.ResumeSealer(key, st, strings.NewReader(""))
	check(t, err)
	defer again.Close()
	if _, err := io.ReadAll(again.NextSegment(noLimit)); !errors.Is(err, io.ErrUnexpectedEOF) || again.Done() {
		t.Errorf("error %v, done %v", err, again.Done())
	}
}

func TestSealStateHoldsNoPlaintext(t *testing.T) {
	t.Parallel()
	plain := bytes.Repeat([]byte("secret line 0123"), 3*chunk/16)
	s, err := crypto.NewSealer(newKey(t), rand.Reader, bytes.NewReader(plain))
	check(t, err)
	defer s.Close()
	_, err = io.ReadAll(s.NextSegment(nonce + 2*sealed))
	check(t, err)
	st, err := s.State()
	check(t, err)
	if bytes.Contains(st.PlainHash, []byte("secret")) {
		t.Error("the hash state holds plaintext")
	}
}

func TestSealStateMustFit(t *testing.T) {
	t.Parallel()
	s, err := crypto.NewSealer(newKey(t), rand.Reader, bytes.NewReader(make([]byte, 3*chunk)))
	check(t, err)
	defer s.Close()
	_, err = io.ReadAll(s.NextSegment(nonce + sealed))
	check(t, err)
	good, err := s.State()
	check(t, err)
	for name, spoil := range map[string]func(*crypto.SealState){
		"offset inside a chunk": func(st *crypto.SealState) { st.Offset++ },
		"other offset":          func(st *crypto.SealState) { st.Offset += chunk },
		"negative offset":       func(st *crypto.SealState) { st.Offset = -chunk },
		"no plaintext hash":     func(st *crypto.SealState) { st.PlainHash = nil },
		"swapped hashes":        func(st *crypto.SealState) { st.PlainHash, st.PayloadHash = st.PayloadHash, st.PlainHash },
		"cut hash":              func(st *crypto.SealState) { st.PayloadHash = st.PayloadHash[8:] },
	} {
		st := good
		spoil(&st)
		if _, err := crypto.ResumeSealer(newKey(t), st, nil); !errors.Is(err, crypto.ErrSealState) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSealerMisuse(t *testing.T) {
	t.Parallel()
	s, err := crypto.NewSealer(newKey(t), rand.Reader, bytes.NewReader(make([]byte, 100*chunk)))
	check(t, err)
	if _, err := s.NextSegment(sealed).Read(make([]byte, 9)); !errors.Is(err, crypto.ErrSegmentTooSmall) {
		t.Errorf("small segment: %v", err)
	}
	open := s.NextSegment(noLimit)
	if _, err := s.NextSegment(noLimit).Read(nil); !errors.Is(err, crypto.ErrSegmentOpen) {
		t.Errorf("two segments: %v", err)
	}
	if _, err := s.State(); !errors.Is(err, crypto.ErrSegmentOpen) {
		t.Errorf("state inside a segment: %v", err)
	}
	s.Close()
	s.Close()
	if _, err := io.ReadAll(open); !errors.Is(err, crypto.ErrSealerClosed) {
		t.Errorf("read after close: %v", err)
	}
}

// Closing frees what waits for a reader that never comes (goleak looks at the
// end of all tests).
func TestCloseUnreadSegment(t *testing.T) {
	t.Parallel()
	s, err := crypto.NewSealer(newKey(t), rand.Reader, io.LimitReader(rand.Reader, 64<<20))
	check(t, err)
	_, err = io.CopyN(io.Discard, s.NextSegment(noLimit), 3*sealed)
	check(t, err)
	s.Close()
}
