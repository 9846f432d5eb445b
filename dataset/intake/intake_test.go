package intake

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"teikyo/deid"
	"teikyo/models"
)

func TestSourceHoldsTheClientToItsWord(t *testing.T) {
	t.Parallel()
	broken := errors.New("reset")
	tests := []struct {
		name   string
		body   io.Reader
		in     Upload
		limit  int64
		want   error
		broken bool
	}{
		{"as announced", strings.NewReader("abc"), Upload{Length: 3, Total: 3}, 9, nil, false},
		{"nothing announced", strings.NewReader("abc"), Upload{Length: -1, Total: -1}, 9, nil, false},
		{"the last part", strings.NewReader("abc"), Upload{Offset: 4, Length: 3, Total: 7}, 9, nil, false},
		{"a part", strings.NewReader("abc"), Upload{Offset: 4, Length: 3, Total: 9}, 9, errPart, true},
		{"shorter", strings.NewReader("ab"), Upload{Length: 3, Total: 3}, 9, io.ErrUnexpectedEOF, true},
		{"longer", strings.NewReader("abcd"), Upload{Length: 3, Total: 3}, 9, errLonger, true},
		{"longer than the file", strings.NewReader("abcd"), Upload{Offset: 2, Length: -1, Total: 5}, 9, errLonger, true},
		{"over the limit", strings.NewReader("abcd"), Upload{Offset: 6, Length: -1, Total: -1}, 9, errTooLarge, true},
		{"broken", io.MultiReader(strings.NewReader("a"), iotest.ErrReader(broken)), Upload{Length: 3, Total: 3}, 9, broken, true},
	}
	for _, test := range tests {
		test.in.Body = test.body
		s := newSource(test.in, test.limit)
		_, err := io.Copy(io.Discard, s)
		if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) || s.broken.Load() != test.broken {
			t.Errorf("%s: %v, broken %t", test.name, err, s.broken.Load())
		}
	}
}

// However the bytes are cut, the gate sees all of them, in order.
func TestGateSeesEverything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := &gateRun{
			blocks: make(chan []byte, gateQueue), spare: make(chan []byte, gateQueue+2),
			quit: make(chan struct{}), over: make(chan struct{}),
		}
		var seen []byte
		go func() {
			defer close(g.over)
			seen, g.err = io.ReadAll(iotest.OneByteReader(g))
		}()
		var sent []byte
		for _, part := range rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 40), 0, 200).Draw(t, "parts") {
			sent = append(sent, part...)
			g.feed(part)
			clear(part) // the source's buffer is used again at once
		}
		if _, err := g.finish(); err != nil || !bytes.Equal(seen, sent) {
			t.Fatalf("%d of %d bytes, %v", len(seen), len(sent), err)
		}
	})
}

// A gate that has seen enough stops nobody.
func TestGateMayStopEarly(t *testing.T) {
	t.Parallel()
	g := startGate(t.Context(), deid.Gate{}, "a.bin", deid.DefaultProfile())
	block := bytes.Repeat([]byte{0, 1, 2, 255}, 16<<10)
	for range 4 * gateQueue {
		g.feed(block)
	}
	report, err := g.finish()
	if err != nil || report.Verdict != deid.WaiverRequired {
		t.Fatalf("%s, %v", report.Verdict, err)
	}
}

// Ending a check while the source still feeds it neither blocks nor panics.
func TestGateIsAborted(t *testing.T) {
	t.Parallel()
	for range 50 {
		g := startGate(t.Context(), deid.Gate{}, "a.csv", deid.DefaultProfile())
		var group sync.WaitGroup
		group.Go(func() {
			for range 2 * gateQueue {
				g.feed([]byte("2024-01,30,1\n"))
			}
		})
		g.abort()
		group.Wait()
		if !errors.Is(g.err, errGateAborted) && g.err != nil {
			t.Fatal(g.err)
		}
	}
}

func TestSegmentKeys(t *testing.T) {
	t.Parallel()
	key, err := newSegmentKey(bytes.NewReader(make([]byte, 64)))
	if err != nil || !IsSegment(key) || IsSegment(strings.TrimSuffix(key, segmentSuffix)) {
		t.Fatalf("%q, %v", key, err)
	}
	if _, err := newSegmentKey(iotest.ErrReader(io.ErrUnexpectedEOF)); !models.IsKind(err, models.Internal) {
		t.Fatal(err)
	}
}

func TestWrapContextRefusesADamagedRow(t *testing.T) {
	t.Parallel()
	for _, sum := range []string{"", "zz", "abcd"} {
		_, err := WrapContext(models.SealedFile{ID: "sf-x", State: models.SealedComplete, PayloadSHA256: sum})
		if !models.IsKind(err, models.Integrity) {
			t.Errorf("%q: %v", sum, err)
		}
	}
}

func TestAPanicOfTheGateIsAnError(t *testing.T) {
	t.Parallel()
	for _, v := range []any{"東都 花子", errors.New("東都 花子"), nil} {
		g := &gateRun{}
		func() {
			defer g.survive()
			if v == nil {
				_ = []int{}[len(g.cur)]
			}
			panic(v)
		}()
		if g.err == nil || strings.Contains(g.err.Error(), "花子") {
			t.Errorf("%v: %v", v, g.err)
		}
	}
}
