package memory_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"teikyo/storage"
	"teikyo/storage/memory"
	"teikyo/storage/storagetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(*testing.T) storage.Store { return memory.New(time.Now) })
}

func TestModTimeIsTheInjectedClock(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)
	s := memory.New(func() time.Time { return noon })
	if _, err := s.Put(context.Background(), "abcdefgh", strings.NewReader("x"), 1); err != nil {
		t.Fatal(err)
	}
	obj, err := s.Stat(context.Background(), "abcdefgh")
	if err != nil || !obj.ModTime.Equal(noon) {
		t.Errorf("Stat = %+v, %v; want %v", obj, err, noon)
	}
}
