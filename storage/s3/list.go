package s3

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"teikyo/storage"
)

// List implements storage.Store. Names that are no keys are none of ours and
// left out.
func (s *Store) List(ctx context.Context) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(storage.Object{}, err)
			return
		}
		pages, cancel := context.WithCancel(ctx)
		defer cancel()
		for info := range s.core.ListObjectsIter(pages, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix, Recursive: true}) {
			key := strings.TrimPrefix(info.Key, s.prefix)
			switch {
			case info.Err != nil:
				yield(storage.Object{}, failed("list", info.Err))
				return
			case storage.CheckKey(key) != nil:
				continue
			case !yield(storage.Object{Key: key, Size: info.Size, ModTime: info.LastModified}, nil):
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(storage.Object{}, err)
		}
	}
}

// Sweep implements storage.Store: it aborts uploads in parts that were begun
// before olderThan, by the store's clock. A running Put, of this or another
// node, that began before fails, so olderThan lies well in the past.
func (s *Store) Sweep(ctx context.Context, olderThan time.Time) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	removed, key, id := 0, "", ""
	for {
		page, err := s.core.ListMultipartUploads(ctx, s.bucket, s.prefix, key, id, "", 1000)
		if err != nil {
			return removed, failed("sweep", err)
		}
		n, err := s.abortOld(ctx, page.Uploads, olderThan)
		if removed += n; err != nil {
			return removed, failed("sweep", err)
		}
		switch {
		case !page.IsTruncated || n == 0 && page.NextKeyMarker == key && page.NextUploadIDMarker == id:
			return removed, nil
		case n > 0: // the marker may be one that is gone now
			key, id = "", ""
		default:
			key, id = page.NextKeyMarker, page.NextUploadIDMarker
		}
	}
}

// abortOld aborts those of the uploads that are ours and old.
func (s *Store) abortOld(ctx context.Context, uploads []minio.ObjectMultipartInfo, olderThan time.Time) (int, error) {
	aborted := 0
	for _, upload := range uploads {
		if !s.isOurs(upload.Key) || !upload.Initiated.Before(olderThan) {
			continue
		}
		err := s.core.AbortMultipartUpload(ctx, s.bucket, upload.Key, upload.UploadID)
		if err != nil && !hasCode(err, codeNoSuchUpload) {
			return aborted, err
		}
		aborted++
	}
	return aborted, nil
}

// isOurs reports whether a name in the bucket is an object of this store.
func (s *Store) isOurs(name string) bool {
	key, ok := strings.CutPrefix(name, s.prefix)
	return ok && storage.CheckKey(key) == nil
}
