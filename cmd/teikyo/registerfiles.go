package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"teikyo/client"
	"teikyo/models"
)

// localFile is a file to be registered.
type localFile struct {
	disk  string // where it is
	path  string // its path in the version
	size  int64
	items []string
}

func cannotRead(path string, err error) error {
	var known *models.Error
	if errors.As(err, &known) {
		return err
	}
	return models.Wrap(models.Invalid, err, path+" cannot be read: "+reason(err))
}

// reason is an error of the file system without the path, which is named once.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// localFiles lists the files of the arguments; a folder brings what is below it.
func localFiles(args []string) ([]localFile, error) {
	var files []localFile
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case err != nil:
			return nil, cannotRead(arg, err)
		case info.IsDir():
			below, err := filesBelow(arg)
			if err != nil {
				return nil, err
			}
			files = append(files, below...)
		case !info.Mode().IsRegular():
			return nil, models.Errorf(models.Invalid, "%s is no ordinary file", arg)
		default:
			files = append(files, localFile{disk: arg, path: filepath.Base(arg), size: info.Size()})
		}
	}
	return checkNames(files)
}

func filesBelow(dir string) ([]localFile, error) {
	var files []localFile
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return models.Errorf(models.Invalid, "%s is no ordinary file; name the file that it stands for", path)
		}
		rel, err := filepath.Rel(dir, path)
		files = append(files, localFile{disk: path, path: filepath.ToSlash(rel), size: info.Size()})
		return err
	})
	if err != nil {
		return nil, cannotRead(dir, err)
	}
	if len(files) == 0 {
		return nil, models.Errorf(models.Invalid, "there are no files in %s", dir)
	}
	return files, nil
}

// checkNames normalizes the paths, some systems hand them out decomposed, and
// refuses what the server would refuse, before anything is sent.
func checkNames(files []localFile) ([]localFile, error) {
	seen := map[string]string{}
	for i := range files {
		f := &files[i]
		f.path = norm.NFC.String(f.path)
		if err := models.CheckPath(f.path, norm.NFC.IsNormalString); err != nil {
			return nil, err
		}
		fold := models.FoldCase(f.path)
		if twin, found := seen[fold]; found {
			return nil, models.Errorf(models.Invalid, "%s and %s would have the same path (%s); rename one, or name a folder "+
				"instead of the files, so that they keep their folders", twin, f.disk, f.path)
		}
		seen[fold] = f.disk
		if f.size == 0 {
			return nil, models.Errorf(models.Invalid, "%s is empty; leave it out or write its contents", f.disk)
		}
	}
	slices.SortFunc(files, func(a, b localFile) int { return strings.Compare(a.path, b.path) })
	return files, nil
}

// Patience of a sender with a server that cannot be reached.
const (
	sendAttempts = 10 // in a row without one more byte kept
	firstPause   = 500 * time.Millisecond
	longestPause = 30 * time.Second
	answerTime   = 30 * time.Minute // after the last byte: the gate may read a resumed file again
)

// sender brings files to a draft.
type sender struct {
	api      *client.Client
	id       string
	version  int
	progress *sendProgress
	say      func(format string, args ...any)
}

// sendFiles makes the files of the draft those of the list.
func (c *cli) sendFiles(ctx context.Context, api *client.Client, id string, version int, files []localFile) error {
	patient := *api
	if transport, ok := http.DefaultTransport.(*http.Transport); ok {
		transport = transport.Clone()
		transport.ResponseHeaderTimeout = answerTime
		defer transport.CloseIdleConnections()
		patient.HTTP = &http.Client{Transport: transport, CheckRedirect: client.DefaultHTTP().CheckRedirect}
	}
	s := &sender{api: &patient, id: id, version: version, progress: c.startProgress(files), say: c.say}
	defer s.progress.stop()
	there, err := s.removeOthers(ctx, files)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := s.send(ctx, f, there[f.path]); err != nil {
			return err
		}
	}
	return nil
}

// removeOthers drops files of an earlier attempt that are not in the list any
// more, and tells what is there.
func (s *sender) removeOthers(ctx context.Context, files []localFile) (map[string]remoteFile, error) {
	wanted := map[string]bool{}
	for _, f := range files {
		wanted[f.path] = true
	}
	list, err := remoteFiles(ctx, s.api, s.id, s.version)
	if err != nil {
		return nil, err
	}
	there := map[string]remoteFile{}
	for _, f := range list {
		if wanted[f.Path] {
			there[f.Path] = f
			continue
		}
		if err := s.api.Call(ctx, "DELETE", s.address(f.Path), nil, nil); err != nil {
			return nil, err
		}
	}
	return there, nil
}

func (s *sender) address(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return versionPath(s.id, s.version) + "/files/" + strings.Join(parts, "/")
}

// send brings one file, however often the connection breaks.
func (s *sender) send(ctx context.Context, f localFile, there remoteFile) error {
	s.progress.begin(f)
	if there.Complete && there.Size == f.size {
		same, err := s.isSame(ctx, f, there)
		if err != nil || same {
			return err
		}
	}
	fromStart := there.Path == "" || there.Complete
	pause, kept := firstPause, int64(-1)
	for attempt := 1; ; attempt++ {
		offset, err := s.offset(ctx, f, fromStart)
		if err == nil {
			if offset > kept {
				attempt, pause = 1, firstPause
			}
			kept, fromStart = max(offset, kept), false
			err = s.sendFrom(ctx, f, offset)
		}
		var differs *errDiffers
		switch {
		case errors.As(err, &differs) && offset > 0: // what was kept is of other contents
			fromStart = true
		case !models.IsKind(err, models.Unavailable) || attempt >= sendAttempts || ctx.Err() != nil:
			return err
		default:
			s.say("%s: %v; trying again in %s", f.path, shortError(err), pause)
			if err := sleep(ctx, pause); err != nil {
				return err
			}
			pause = min(2*pause, longestPause)
		}
	}
}

func shortError(err error) string {
	var known *models.Error
	if errors.As(err, &known) {
		return known.Msg
	}
	return err.Error()
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// isSame compares with a file that is there in full; only its items may be new.
func (s *sender) isSame(ctx context.Context, f localFile, there remoteFile) (bool, error) {
	sum, err := digestOf(f)
	if err != nil || hex.EncodeToString(sum) != there.SHA256 {
		return false, err
	}
	s.progress.add(f.size)
	if slices.Equal(f.items, there.Items) {
		return true, nil
	}
	header := http.Header{"Repr-Digest": {reprDigest(sum)}, "Content-Range": {wholeRange(0, f.size)}}
	return true, s.api.Send(ctx, "PUT", s.query(f), header, bytes.NewReader(nil), nil)
}

func digestOf(f localFile) ([]byte, error) {
	file, err := os.Open(f.disk)
	if err != nil {
		return nil, cannotRead(f.disk, err)
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return nil, cannotRead(f.disk, err)
	}
	return h.Sum(nil), nil
}

func reprDigest(sum []byte) string { return "sha-256=:" + base64.StdEncoding.EncodeToString(sum) + ":" }

func wholeRange(offset, size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", offset, size-1, size)
}

func (s *sender) query(f localFile) string {
	return s.address(f.path) + "?" + url.Values{"items": {strings.Join(f.items, ",")}}.Encode()
}

// offset asks how much of the file is kept.
func (s *sender) offset(ctx context.Context, f localFile, fromStart bool) (int64, error) {
	if fromStart {
		return 0, nil
	}
	resp, err := s.api.Do(ctx, "HEAD", s.address(f.path), nil, nil)
	if models.IsKind(err, models.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	offset, err := strconv.ParseInt(resp.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || offset < 0 || offset >= f.size {
		return 0, nil //nolint:nilerr // of other contents, or complete after all: the digest tells
	}
	return offset, nil
}

// errDiffers says that the server has other contents than this file.
type errDiffers struct{ path string }

func (e *errDiffers) Error() string { return e.path + " changed while it was sent" }

// sendFrom sends the file from the offset to its end. The digest of the whole is
// made on the way and compared with the server's.
func (s *sender) sendFrom(ctx context.Context, f localFile, offset int64) error {
	source, err := openSource(f, s.progress)
	if err != nil {
		return err
	}
	defer source.file.Close()
	if err := source.skip(offset); err != nil {
		return err
	}
	var answer remoteFile
	header := http.Header{"Content-Range": {wholeRange(offset, f.size)}, "Expect": {"100-continue"}}
	err = s.api.Send(ctx, "PUT", s.query(f), header, source, &answer)
	if source.failed != nil {
		return source.failed
	}
	if err != nil {
		return err
	}
	if answer.SHA256 != hex.EncodeToString(source.digest.Sum(nil)) {
		drop := s.api.Call(ctx, "DELETE", s.address(f.path), nil, nil)
		return errors.Join(models.Wrap(models.Integrity, &errDiffers{f.disk},
			f.disk+" changed while it was sent; run the command again when nobody writes to it"), drop)
	}
	return nil
}

// source reads a file that must not change meanwhile.
type source struct {
	f        localFile
	file     *os.File
	digest   hash.Hash
	n        int64
	failed   error
	progress *sendProgress
}

func openSource(f localFile, p *sendProgress) (*source, error) {
	file, err := os.Open(f.disk)
	if err != nil {
		return nil, cannotRead(f.disk, err)
	}
	return &source{f: f, file: file, digest: sha256.New(), progress: p}, nil
}

// skip takes what the server has into the digest.
func (s *source) skip(n int64) error {
	s.progress.restart()
	if _, err := io.CopyN(io.Discard, s, n); err != nil {
		if s.failed != nil {
			return s.failed
		}
		return cannotRead(s.f.disk, err)
	}
	return nil
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.file.Read(p)
	s.n += int64(n)
	s.digest.Write(p[:n])
	s.progress.add(int64(n))
	switch {
	case s.n > s.f.size || errors.Is(err, io.EOF) && s.n < s.f.size:
		s.failed = models.Errorf(models.Invalid, "%s changed its size while it was read (%d bytes at first); run the command again "+
			"when nobody writes to it", s.f.disk, s.f.size)
	case err != nil && !errors.Is(err, io.EOF):
		s.failed = cannotRead(s.f.disk, err)
	}
	if s.failed != nil {
		return 0, s.failed
	}
	return n, err
}
