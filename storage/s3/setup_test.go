package s3_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"teikyo/storage"
	"teikyo/storage/s3"
	"teikyo/storage/s3/s3test"
)

const (
	mib = 1 << 20
	key = "abcdefgh"
)

// zeros gives left bytes.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	return int(n), nil
}

// raw is the client library itself, for what this package would never do.
func raw(t *testing.T, server *s3test.Server) *minio.Core {
	t.Helper()
	transport, err := minio.DefaultTransport(true)
	if err != nil {
		t.Fatal(err)
	}
	transport.TLSClientConfig.RootCAs = server.Roots()
	t.Cleanup(transport.CloseIdleConnections)
	core, err := minio.NewCore(server.Address, &minio.Options{
		Creds: credentials.NewStaticV4(s3test.AccessKey, s3test.SecretKey, ""), Secure: true, Region: "us-east-1",
		Transport: transport, BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		t.Fatal(err)
	}
	return core
}

// uploads are the unfinished uploads of the bucket.
func uploads(t *testing.T, core *minio.Core) int {
	t.Helper()
	page, err := core.ListMultipartUploads(t.Context(), s3test.Bucket, "", "", "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Uploads)
}

func wantAbsent(t *testing.T, s *s3.Store, key string) {
	t.Helper()
	if _, err := s.Stat(t.Context(), key); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("Stat of %s gave %v, want ErrNotExist", key, err)
	}
}

// gated is a store behind a gate, with little patience.
func gated(t *testing.T, server *s3test.Server) (*s3.Store, *s3test.Gate) {
	t.Helper()
	gate := server.Gate(t)
	opts, err := s3.ParseURL(server.URLAt(gate.Address, "gated"))
	if err != nil {
		t.Fatal(err)
	}
	opts.Idle = 2 * time.Second
	return s3test.OpenWith(t, opts), gate
}

func put(s *s3.Store, key string, size int64) error {
	_, err := s.Put(context.Background(), key, &zeros{size}, -1)
	return err
}

// read reads the object to its end and returns how many bytes it gave.
func read(s *s3.Store, key string, offset, length int64) (int64, error) {
	r, err := s.Open(context.Background(), key, offset, length)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, r)
	return n, errors.Join(err, r.Close())
}

func isComplete(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}
