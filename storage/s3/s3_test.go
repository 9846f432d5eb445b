package s3_test

import (
	"testing"

	"teikyo/storage"
	"teikyo/storage/s3/s3test"
	"teikyo/storage/storagetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	prefixes := make(chan string, 1)
	prefixes <- "a"
	storagetest.Run(t, func(t *testing.T) storage.Store {
		prefix := <-prefixes
		prefixes <- prefix + "a"
		return server.Open(t, "suite/"+prefix)
	})
}

// Not parallel: it watches the heap, which all tests share.
func TestStreaming(t *testing.T) {
	server := s3test.Start(t)
	storagetest.Streaming(t, server.Open(t, ""), 112<<20)
}
