package sftp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"io/fs"
	"path"

	"golang.org/x/sync/errgroup"

	"teikyo/delivery"
	"teikyo/models"
)

// Confirm implements delivery.Session: it reads every file back. A server on
// which we may only write, or where files are taken away as they arrive, cannot
// confirm; that is no error.
func (s *session) Confirm(ctx context.Context, p delivery.Parcel) (delivery.Seen, error) {
	defer context.AfterFunc(ctx, s.raw.cut)()
	for f, err := range p.Files {
		if err != nil {
			return delivery.Seen{}, err
		}
		name := path.Join(s.folder, p.Folder, f.Path)
		why, err := s.compare(ctx, name, f)
		if err != nil {
			return delivery.Seen{}, s.confirmFailure(ctx, name, f, err)
		}
		if why != "" {
			return delivery.Seen{Why: why}, nil
		}
	}
	return delivery.Seen{Confirmed: true}, nil
}

const noReading = "the server does not let us read what it holds"

var errOther = errors.New("other contents")

// compare says why a file cannot be compared, or errOther when it differs.
func (s *session) compare(ctx context.Context, name string, f delivery.File) (why string, err error) {
	info, err := s.files.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "the files are not there any more: the recipient takes them away as they arrive", nil
	case err != nil && !lost(err):
		return "the server does not let us look at what it holds", nil
	case err != nil:
		return "", err
	case info.Size() != f.Size:
		return "", errOther
	}
	there, err := s.files.Open(name)
	if err != nil {
		if lost(err) {
			return "", err
		}
		return noReading, nil
	}
	defer there.Close()
	here, err := f.Open(ctx, 0)
	if err != nil {
		return "", sourceError{err}
	}
	defer here.Close()
	err = same(there, here)
	var ours sourceError
	if errors.Is(err, fs.ErrPermission) && !errors.As(err, &ours) {
		return noReading, nil
	}
	return "", err
}

// same compares two streams by their digests, both read at once.
func same(there, here io.Reader) error {
	var group errgroup.Group
	theirs, ours := sha256.New(), sha256.New()
	group.Go(func() error { return digest(theirs, there) })
	group.Go(func() error {
		if err := digest(ours, here); err != nil {
			return sourceError{err}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	if !bytes.Equal(theirs.Sum(nil), ours.Sum(nil)) {
		return errOther
	}
	return nil
}

func digest(h hash.Hash, from io.Reader) error {
	_, err := io.Copy(h, from)
	return err
}

// confirmFailure puts a failure into words. A file with other contents is taken
// away, so that the next attempt writes it again.
func (s *session) confirmFailure(ctx context.Context, name string, f delivery.File, err error) error {
	if ctx.Err() == nil && errors.Is(err, errOther) {
		_ = s.files.Remove(name)
		return models.Errorf(models.Integrity, "the destination holds %s with other contents than were sent; it is sent again", quoted(f.Path))
	}
	return s.failure(ctx, f.Path, err)
}
