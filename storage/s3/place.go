package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7"

	"teikyo/storage"
)

const (
	checkpointsFolder = "checkpoints/"
	placeMark         = "place"  // shows that this is the right bucket and prefix
	maxCheckpoint     = 64 << 10 // bytes; a checkpoint is a few lines
)

// ErrPlaceGone means that a prefix is not, or no longer, the second place.
var ErrPlaceGone = errors.New("the place for checkpoints is gone")

// Place is the second place for the ledger's checkpoints in a bucket
// (checkpoints.SecondPlace). Every checkpoint is an object of its own, named by
// the size of its tree and written once, so that the bucket keeps all of them
// and nodes do not overwrite each other: PREFIX/checkpoints/NUMBER, where NUMBER
// is 2^63-1 less the size, so that the newest comes first in a listing.
type Place struct {
	store  *Store
	prefix string
}

// NewPlace makes a client of the place that opts describe.
func NewPlace(opts Options) (*Place, error) {
	store, err := New(opts)
	if err != nil {
		return nil, err
	}
	return &Place{store: store, prefix: opts.folder(checkpointsFolder)}, nil
}

// Create marks the prefix as a second place; it may be repeated. Call it while
// the log is empty: later, a prefix without the mark is the wrong one.
func (p *Place) Create() error {
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	if err := p.write(ctx, placeMark, []byte("second place of a ledger\n")); err != nil && !errors.Is(err, storage.ErrExists) {
		return fmt.Errorf("mark the second place for checkpoints: %w", err)
	}
	return nil
}

// write stores an object unless there is one of that name.
func (p *Place) write(ctx context.Context, name string, text []byte) error {
	sum := crcText(crc32.Checksum(text, castagnoli))
	opts := minio.PutObjectOptions{ContentType: "text/plain", UserMetadata: map[string]string{crcHeader: sum}}
	opts.SetMatchETagExcept("*")
	_, err := p.store.core.PutObject(ctx, p.store.bucket, p.prefix+name, bytes.NewReader(text), int64(len(text)), "", "", opts)
	if err != nil {
		return failed("checkpoint", err)
	}
	return nil
}

// Put implements checkpoints.SecondPlace. A checkpoint of the same size must be
// the same one, or the log has two histories.
func (p *Place) Put(ctx context.Context, checkpoint []byte) error {
	size, err := treeSize(checkpoint)
	if err != nil {
		return err
	}
	if err := p.present(ctx); err != nil {
		return err
	}
	name := fmt.Sprintf("%019d", math.MaxInt64-size)
	err = p.write(ctx, name, checkpoint)
	if !errors.Is(err, storage.ErrExists) {
		return err
	}
	there, err := p.read(ctx, name)
	if err != nil {
		return err
	}
	if body(there) != body(checkpoint) {
		return fmt.Errorf("%w: the second place holds another checkpoint of %d entries; two servers write two histories", storage.ErrCorrupt, size)
	}
	return nil
}

// treeSize is the second line of a checkpoint (C2SP tlog-checkpoint).
func treeSize(checkpoint []byte) (int64, error) {
	lines := strings.SplitN(string(checkpoint), "\n", 3)
	if len(lines) < 3 {
		return 0, errors.New("storage/s3: no checkpoint")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return 0, errors.New("storage/s3: a checkpoint without a size")
	}
	return size, nil
}

// body is what of a checkpoint is signed: origin, size and hash.
func body(checkpoint []byte) string {
	text, _, _ := strings.Cut(string(checkpoint), "\n\n")
	return text
}

// Newest implements checkpoints.SecondPlace.
func (p *Place) Newest(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opts := minio.ListObjectsOptions{Prefix: p.prefix, Recursive: true, MaxKeys: 2}
	for info := range p.store.core.ListObjectsIter(ctx, p.store.bucket, opts) {
		name := strings.TrimPrefix(info.Key, p.prefix)
		switch {
		case info.Err != nil:
			return nil, failed("newest checkpoint", info.Err)
		case name == placeMark:
			return nil, nil
		case len(name) == 19:
			if err := p.present(ctx); err != nil {
				return nil, err
			}
			return p.read(ctx, name)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, p.present(ctx)
}

func (p *Place) read(ctx context.Context, name string) ([]byte, error) {
	r, _, _, err := p.store.core.GetObject(ctx, p.store.bucket, p.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, failed("read a checkpoint", err)
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxCheckpoint+1))
	if err != nil {
		return nil, failed("read a checkpoint", err)
	}
	if len(text) == 0 || len(text) > maxCheckpoint {
		return nil, fmt.Errorf("storage/s3: %s is no checkpoint: %w", name, storage.ErrCorrupt)
	}
	return text, nil
}

// present makes sure that the mark is there.
func (p *Place) present(ctx context.Context) error {
	_, err := p.store.core.StatObject(ctx, p.store.bucket, p.prefix+placeMark, minio.StatObjectOptions{})
	if hasCode(err, codeNoSuchKey) {
		return fmt.Errorf("%w: %s has no object %s; correct checkpoints_url, or make that object when this is to be the new place",
			ErrPlaceGone, p.store.bucket, p.prefix+placeMark)
	}
	if err != nil {
		return failed("second place for checkpoints", err)
	}
	return nil
}
