package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"teikyo/storage/s3/s3test"
)

// bucketPrefix is where the server of the bench keeps its objects.
const bucketPrefix = "bench"

// s3Part compares a server whose objects are in a bucket with minio-go at the
// same bucket: what it adds is HTTP, sealing and the record.
func s3Part(ctx context.Context, b *bench) (err error) {
	bucket, err := startBucket(b)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bucket.stop()) }()
	h, err := openHouse(ctx, b, "TEIKYO_STORAGE_URL="+bucket.server.URL(bucketPrefix))
	if err != nil {
		return err
	}
	defer h.close()
	size := pick(b, int64(1<<30), 64<<20)
	b.out.table("Objects in a bucket")
	if err := bucket.uploads(ctx, h, size); err != nil {
		return err
	}
	return bucket.downloads(ctx, h, size)
}

// bucket is an S3 server with a client of its own.
type bucket struct {
	tb     *benchTB
	server *s3test.Server
	client *minio.Client
}

func startBucket(b *bench) (_ *bucket, err error) {
	made := &bucket{tb: &benchTB{}}
	defer func() {
		if failure, ok := recover().(error); ok {
			err = failure
		}
	}()
	made.server = s3test.Start(made.tb)
	made.client, err = minio.New(made.server.Address, &minio.Options{
		Creds: credentials.NewStaticV4(s3test.AccessKey, s3test.SecretKey, ""), Secure: true, BucketLookup: minio.BucketLookupPath,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: made.server.Roots()}, DisableCompression: true, MaxIdleConnsPerHost: 16},
	})
	return made, err
}

func (s *bucket) stop() error { return s.tb.end() }

// uploads compares registering a file with putting the same bytes.
func (s *bucket) uploads(ctx context.Context, h *house, size int64) error {
	source := filepath.Join(h.dir, "noise.bin")
	if err := makeFile(source, size, 1, noise); err != nil {
		return err
	}
	defer os.Remove(source)
	peer := func() (time.Duration, error) {
		took, err := timed(func() error {
			_, err := s.client.FPutObject(ctx, s3test.Bucket, "peer", source, minio.PutObjectOptions{PartSize: 16 << 20})
			return err
		})
		return took, errors.Join(err, s.client.RemoveObject(ctx, s3test.Bucket, "peer", minio.RemoveObjectOptions{}))
	}
	ours, err := h.registering(ctx, source, false)
	if err != nil {
		return err
	}
	d, err := fight(pick(h.b, 5, 1), peer, ours)
	if err != nil {
		return err
	}
	h.b.out.duel(fmt.Sprintf("PUT of %d MiB; peer: minio-go puts the file, parts of 16 MiB, 4 at once", size>>20), d, rate(size), 0.9)
	return nil
}

// downloads compares fetching a file with reading its objects.
func (s *bucket) downloads(ctx context.Context, h *house, size int64) error {
	ours, err := h.publish(ctx, size)
	if err != nil {
		return err
	}
	keys, err := s.objects(ctx, 1<<20)
	if err != nil {
		return err
	}
	resp, err := ours.get(ctx, http.DefaultClient)
	if err != nil {
		return err
	}
	resp.Body.Close()
	core := minio.Core{Client: s.client}
	peer := func() (time.Duration, error) {
		return timed(func() error {
			for _, key := range keys {
				if err := discardObject(ctx, core, key); err != nil {
					return err
				}
			}
			return nil
		})
	}
	own := func() (time.Duration, error) {
		return timed(func() error { return fetch(ctx, ours.whole(), resp.ContentLength) })
	}
	d, err := fight(pick(h.b, 7, 1), peer, own)
	if err != nil {
		return err
	}
	h.b.out.duel(fmt.Sprintf("download of %d MiB; peer: minio-go reads the same objects", size>>20), d, rate(size), 0.9)
	return nil
}

// objects are the keys of the server's objects of at least that many bytes.
func (s *bucket) objects(ctx context.Context, least int64) ([]string, error) {
	var keys []string
	for object := range s.client.ListObjects(ctx, s3test.Bucket, minio.ListObjectsOptions{Prefix: bucketPrefix, Recursive: true}) {
		if object.Err != nil {
			return nil, object.Err
		}
		if object.Size >= least {
			keys = append(keys, object.Key)
		}
	}
	return keys, nil
}

func discardObject(ctx context.Context, core minio.Core, key string) error {
	body, _, _, err := core.GetObject(ctx, s3test.Bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, body, make([]byte, 256<<10))
	return err
}
