// Package s3 keeps sealed segments in a bucket of an S3 store.
//
//	PREFIX/objects/KEY            an object, written once under a random key
//	PREFIX/checkpoints/…          checkpoints, when the bucket is the second place (Place)
//
// What object stores and their client libraries get wrong is kept out here: a
// body is read into part buffers by this package, so that a broken connection is
// never taken for its end; each request with bytes carries their CRC-32C, which
// the store compares; each Put marks its object, so that an answer that got lost
// can be told from a key that was taken; a key is never written twice; ranges
// are read with one GET and no HEAD before it; a download that is cut goes on
// where it stopped.
//
// put.go and multipart.go write, open.go reads, list.go lists and sweeps,
// url.go, credentials.go and transport.go say where the store is and how it is
// reached, errors.go what its errors mean.
package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"

	"teikyo/storage"
)

const (
	objectsFolder = "objects/"
	// settleTimeout bounds the requests that find out what became of a write.
	settleTimeout = 20 * time.Second
	// attempts is how often the library tries one request.
	attempts = 4
)

// Store is a storage.Store in a bucket. Make it with New.
type Store struct {
	core   *minio.Core
	bucket string
	prefix string // of objects, with a slash at the end
	rand   io.Reader
	close  func()

	spare   chan struct{} // permits for parts that are sent beside the one being read
	buffers partPool
}

var _ storage.Store = (*Store)(nil)

// New makes a client of the store that opts describe, without asking it
// anything: see Check. Errors say which part of opts to change and hold no
// secret.
func New(opts Options) (*Store, error) {
	core, transport, err := opts.connect()
	if err != nil {
		return nil, fmt.Errorf("storage/s3: %w", err)
	}
	return &Store{
		core: core, bucket: opts.Bucket, prefix: opts.folder(objectsFolder), rand: rand.Reader,
		close: transport.CloseIdleConnections, spare: make(chan struct{}, spareParts),
	}, nil
}

// connect makes the client library.
func (o Options) connect() (*minio.Core, *http.Transport, error) {
	if err := o.check(); err != nil {
		return nil, nil, err
	}
	creds, err := o.credentials()
	if err != nil {
		return nil, nil, err
	}
	transport, err := o.transport()
	if err != nil {
		return nil, nil, err
	}
	lookup := minio.BucketLookupDNS
	if o.PathStyle {
		lookup = minio.BucketLookupPath
	}
	core, err := minio.NewCore(o.host(), &minio.Options{
		Creds: creds, Secure: true, Transport: transport, Region: o.region(), BucketLookup: lookup, MaxRetries: attempts,
	})
	return core, transport, err
}

// Check asks the store whether the bucket is there and the credentials count.
func (s *Store) Check(ctx context.Context) error {
	there, err := s.core.BucketExists(ctx, s.bucket)
	if err != nil {
		return failed("check", err)
	}
	if !there {
		return fmt.Errorf("storage/s3: there is no bucket %s; make it, or correct storage.url", s.bucket)
	}
	return nil
}

// Close ends idle connections. The store can still be used.
func (s *Store) Close() error {
	s.close()
	return nil
}

func (s *Store) object(key string) string { return s.prefix + key }

// Stat implements storage.Store.
func (s *Store) Stat(ctx context.Context, key string) (storage.Object, error) {
	if err := check(ctx, key); err != nil {
		return storage.Object{}, err
	}
	info, err := s.stat(ctx, key)
	if err != nil {
		return storage.Object{}, failed("stat", err)
	}
	return storage.Object{Key: key, Size: info.Size, ModTime: info.LastModified}, nil
}

func (s *Store) stat(ctx context.Context, key string) (minio.ObjectInfo, error) {
	return s.core.StatObject(ctx, s.bucket, s.object(key), minio.StatObjectOptions{Checksum: true})
}

// Delete implements storage.Store. In a bucket with versions the version itself
// goes, not only its name.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	info, err := s.stat(ctx, key)
	if err == nil {
		err = s.remove(ctx, key, info.VersionID)
	}
	if err != nil {
		return failed("delete", err)
	}
	return nil
}

func (s *Store) remove(ctx context.Context, key, version string) error {
	return s.core.RemoveObject(ctx, s.bucket, s.object(key), minio.RemoveObjectOptions{VersionID: version})
}

func check(ctx context.Context, key string) error {
	if err := storage.CheckKey(key); err != nil {
		return err
	}
	return ctx.Err()
}

// errSwept means that an upload was aborted under a running Put.
var errSwept = errors.New("the unfinished upload is gone: swept, or aborted from outside")
