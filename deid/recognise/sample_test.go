package recognise_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"teikyo/deid/recognise"
)

// TestSampleIsUniform: the share of marked values is that of the whole column,
// in whatever order and however often they come.
func TestSampleIsUniform(t *testing.T) {
	t.Parallel()
	s := recognise.Sample{Limit: 1024}
	const distinct = 50_000
	for round := range 2 {
		for i := range distinct {
			at, isNew := s.Add(recognise.HashOf(fmt.Appendf(nil, "value-%d", i)))
			if isNew && round == 1 {
				t.Fatalf("value %d is new again", i)
			}
			if isNew && i >= distinct*3/4 {
				s.Set(at, recognise.FormPhone)
			}
		}
	}
	share := float64(s.Count(recognise.FormPhone)) / float64(s.Len())
	if s.Len() < 256 || s.Len() > 1024 || math.Abs(share-0.25) > 0.06 {
		t.Errorf("%d values, share %.3f, want about 0.25", s.Len(), share)
	}
}

func TestSampleOfFewValues(t *testing.T) {
	t.Parallel()
	s := recognise.Sample{Limit: 100}
	for i := range 10_000 {
		s.Add(recognise.HashOf([]byte(strings.Repeat("x", i%40))))
	}
	if s.Len() != 40 {
		t.Errorf("%d values, want 40", s.Len())
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"090-1234-5678": "0●●-●●●●-●●78", "山田 太郎": "山● ●●", "山田": "●●", "": "", "1980-03-01": "1●●●-●●-01",
		strings.Repeat("a", 40): "a" + strings.Repeat("●", 21) + "aa…",
	} {
		if got := recognise.Mask(in); got != want {
			t.Errorf("Mask(%q) = %q, want %q", in, got, want)
		}
	}
}
