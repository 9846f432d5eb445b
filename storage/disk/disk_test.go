package disk

import (
	"testing"

	"teikyo/storage"
	"teikyo/storage/storagetest"
)

func open(t *testing.T, root string) *Store {
	t.Helper()
	s, err := New(root)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Store { return open(t, t.TempDir()) })
}

// Not parallel: it watches the heap, which all tests share.
func TestStreaming(t *testing.T) {
	storagetest.Streaming(t, open(t, t.TempDir()), 16<<20)
}
