package sftp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"teikyo/delivery"
	"teikyo/models"
)

// block is how much goes out before all of it must be acknowledged.
const block = 8 << 20

type session struct {
	files  *pkgsftp.Client
	client *ssh.Client
	raw    *patient
	stop   func() bool // the context of Connect does not cut any more
	folder string

	made     map[string]bool // folders that we made or found
	buffer   []byte
	noRename bool // the server refuses to rename
}

// Close implements delivery.Session.
func (s *session) Close() error {
	s.stop()
	return errors.Join(s.files.Close(), s.client.Close())
}

// Send implements delivery.Session.
func (s *session) Send(ctx context.Context, p delivery.Parcel, t *delivery.Track) error {
	defer context.AfterFunc(ctx, s.raw.cut)()
	number := 0
	for f, err := range p.Files {
		if err != nil {
			return err
		}
		number++
		if number <= t.Done {
			continue
		}
		if err := s.sendFile(ctx, path.Join(s.folder, p.Folder, f.Path), f, t); err != nil {
			return s.failure(ctx, f.Path, err)
		}
		t.FileDone()
	}
	return nil
}

// sendFile brings a file to its name, unless it stands there already.
func (s *session) sendFile(ctx context.Context, name string, f delivery.File, t *delivery.Track) error {
	if size, known := s.size(name); known && size == f.Size {
		return nil
	}
	s.makeFolder(path.Dir(name))
	if s.noRename {
		return s.write(ctx, name, f, 0, t)
	}
	temporary := path.Join(path.Dir(name), temporaryName(f))
	from := int64(0)
	if size, known := s.size(temporary); known && size > 0 && size <= f.Size {
		from = (size - 1) / block * block // blocks before it were acknowledged
	}
	if err := s.write(ctx, temporary, f, from, t); err != nil {
		return err
	}
	err := s.rename(temporary, name)
	if err == nil || ctx.Err() != nil || lost(err) {
		return err
	}
	s.noRename = true
	if err := s.write(ctx, name, f, 0, t); err != nil {
		return err
	}
	_ = s.files.Remove(temporary) // where we may not rename we often may not remove
	return nil
}

// temporaryName is the same for the same contents, so that a later attempt finds
// it, and no name of a parcel.
func temporaryName(f delivery.File) string {
	sum := sha256.Sum256([]byte(f.Path + "\n" + f.Tag))
	return ".teikyo-" + hex.EncodeToString(sum[:8]) + ".part"
}

// size is that of a file at the target; not known when it is not there, or the
// server does not say.
func (s *session) size(name string) (int64, bool) {
	info, err := s.files.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return 0, false
	}
	return info.Size(), true
}

// makeFolder makes a folder and those above it as far as they are below ours.
// Whether that worked shows when a file is opened: some servers let us neither
// look nor say that a folder exists.
func (s *session) makeFolder(folder string) {
	if s.made[folder] || len(folder) <= len(s.folder) {
		return
	}
	s.makeFolder(path.Dir(folder))
	_ = s.files.Mkdir(folder)
	s.made[folder] = true
}

// write sends a file from an offset on, a block at a time.
func (s *session) write(ctx context.Context, name string, f delivery.File, from int64, t *delivery.Track) error {
	flags := os.O_WRONLY | os.O_CREATE
	if from == 0 {
		flags |= os.O_TRUNC
	}
	out, err := s.files.OpenFile(name, flags)
	if err != nil {
		return err
	}
	err = s.copy(ctx, out, f, from, t)
	if _, can := s.files.HasExtension("fsync@openssh.com"); err == nil && can {
		err = out.Sync()
	}
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}

func (s *session) copy(ctx context.Context, out *pkgsftp.File, f delivery.File, from int64, t *delivery.Track) error {
	t.Moved(from)
	in, err := f.Open(ctx, from)
	if err != nil {
		return sourceError{err}
	}
	defer in.Close()
	if s.buffer == nil {
		s.buffer = make([]byte, block)
	}
	for at := from; at < f.Size; {
		part := s.buffer[:min(block, f.Size-at)]
		if _, err := io.ReadFull(in, part); err != nil {
			return sourceError{err}
		}
		if _, err := out.WriteAt(part, at); err != nil {
			return err
		}
		at += int64(len(part))
		t.Moved(at)
	}
	return nil
}

// rename replaces what may stand at the name. Without the extension of OpenSSH a
// file that is in the way is removed first.
func (s *session) rename(temporary, name string) error {
	if _, can := s.files.HasExtension("posix-rename@openssh.com"); can {
		err := s.files.PosixRename(temporary, name)
		if err == nil || lost(err) {
			return err
		}
	}
	err := s.files.Rename(temporary, name)
	if err == nil || lost(err) {
		return err
	}
	_ = s.files.Remove(name)
	return s.files.Rename(temporary, name)
}

// sourceError is a failure to read our own parcel.
type sourceError struct{ err error }

func (e sourceError) Error() string { return e.err.Error() }
func (e sourceError) Unwrap() error { return e.err }

// failure puts what went wrong with a file into words.
func (s *session) failure(ctx context.Context, name string, err error) error {
	var ours sourceError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &ours):
		var known *models.Error
		if errors.As(ours.err, &known) {
			return known
		}
		return models.Wrap(models.Unavailable, err, "the parcel cannot be read; it is tried again")
	case lost(err):
		return models.Wrap(models.Unavailable, err, "the connection broke or the server fell silent; it goes on where it stopped")
	case errors.Is(err, fs.ErrPermission):
		return models.Wrap(models.Denied, err, "the server does not let us write "+quoted(name)+"; the recipient must permit it")
	case errors.Is(err, fs.ErrNotExist):
		return models.Wrap(models.NotFound, err, "the folder of the destination is not there; the recipient must make it")
	case s.full():
		return models.Wrap(models.Full, err, "the disk of the destination is full; the recipient must make room")
	default:
		return models.Wrap(models.Unavailable, err, "the server could not store "+quoted(name)+", perhaps because its disk is full; it is tried again")
	}
}

func quoted(name string) string { return `"` + name + `"` }

// full asks whether the disk of the target is, where it tells.
func (s *session) full() bool {
	if _, can := s.files.HasExtension("statvfs@openssh.com"); !can {
		return false
	}
	disk, err := s.files.StatVFS(s.folder)
	return err == nil && disk.FreeSpace() < block
}

// lost reports whether the connection is gone.
func lost(err error) bool {
	var status *pkgsftp.StatusError
	if errors.As(err, &status) {
		code := pkgsftp.ErrSSHFxConnectionLost
		return errors.Is(err, code)
	}
	return errors.Is(err, pkgsftp.ErrSSHFxConnectionLost) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, os.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded)
}

func isAuth(err error) bool { return strings.Contains(err.Error(), "unable to authenticate") }
