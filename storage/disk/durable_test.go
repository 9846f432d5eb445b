package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"teikyo/storage"
)

const key = "abcdefgh"

func putString(s *Store, key, body string) error {
	_, err := s.Put(context.Background(), key, strings.NewReader(body), int64(len(body)))
	return err
}

func readString(t *testing.T, s *Store, key string) string {
	t.Helper()
	r, err := s.Open(context.Background(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// leftovers returns the names under .tmp.
func leftovers(t *testing.T, s *Store) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.root, tempFolder))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// recordSteps lets s note in steps what it makes durable, with paths relative
// to its root.
func recordSteps(s *Store, steps *[]string) {
	file, dir, move := s.syncFile, s.syncDir, s.move
	rel := func(path string) string {
		if filepath.Base(filepath.Dir(path)) == tempFolder {
			return "temp"
		}
		short, _ := filepath.Rel(s.root, path)
		return filepath.ToSlash(short)
	}
	s.syncFile = func(f *os.File) error {
		*steps = append(*steps, "sync "+rel(f.Name()))
		return file(f)
	}
	s.syncDir = func(path string) error {
		*steps = append(*steps, "syncdir "+rel(path))
		return dir(path)
	}
	s.move = func(from, to string) error {
		*steps = append(*steps, "move "+rel(from)+" "+rel(to))
		return move(from, to)
	}
}

func TestStepsInOrder(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	var steps []string
	recordSteps(s, &steps)
	if err := errors.Join(putString(s, "abcdefgh", "1"), putString(s, "abxxxxxx", "2"), s.Delete(t.Context(), "abcdefgh")); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"sync temp", "syncdir .", "move temp ab/abcdefgh", "syncdir ab",
		"sync temp", "move temp ab/abxxxxxx", "syncdir ab",
		"syncdir ab",
	}
	if !slices.Equal(steps, want) {
		t.Errorf("steps\n%q, want\n%q", steps, want)
	}
}

func TestNewSyncsTheFoldersItMakes(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	var synced []string
	s := &Store{root: filepath.Join(base, "a", "b"), syncDir: func(path string) error {
		rel, err := filepath.Rel(base, path)
		synced = append(synced, filepath.ToSlash(rel))
		return err
	}}
	if err := s.prepare(); err != nil {
		t.Fatal(err)
	}
	if want := []string{".", "a", "a/b", "a/b", "a"}; !slices.Equal(synced, want) {
		t.Errorf("synced %q, want %q", synced, want)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{file, filepath.Join(file, "below")} {
		if _, err := New(root); err == nil {
			t.Errorf("New(%s) took a file for a folder", filepath.Base(root))
		}
	}
}

// Every step of a Put fails once: nothing is visible, nothing is left over, the
// error says what it was, and the next Put of the same key works.
func TestFailingSteps(t *testing.T) {
	t.Parallel()
	ioError := errors.New("input/output error")
	tests := map[string]func(*Store){
		"sync":        func(s *Store) { s.syncFile = func(*os.File) error { return ioError } },
		"move":        func(s *Store) { s.move = func(string, string) error { return ioError } },
		"sync root":   func(s *Store) { s.syncDir = failOnce(s.syncDir, s.root, ioError) },
		"sync folder": func(s *Store) { s.syncDir = failOnce(s.syncDir, s.folder(key), ioError) },
	}
	for name, breakStep := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir())
			syncFile, move := s.syncFile, s.move
			breakStep(s)
			n, err := s.Put(context.Background(), key, strings.NewReader("first"), -1)
			var source *storage.SourceError
			if n != 0 || !errors.Is(err, ioError) || errors.As(err, &source) {
				t.Errorf("Put = %d, %v; want 0 and the error of the step", n, err)
			}
			if _, err := s.Stat(context.Background(), key); !errors.Is(err, storage.ErrNotExist) {
				t.Errorf("Stat gave %v, want ErrNotExist", err)
			}
			if left := leftovers(t, s); len(left) != 0 {
				t.Errorf("left over: %q", left)
			}
			s.syncFile, s.move = syncFile, move
			if err := putString(s, key, "second"); err != nil || readString(t, s, key) != "second" {
				t.Errorf("after the fault: %v", err)
			}
		})
	}
}

// failOnce fails the first call for path.
func failOnce(next func(string) error, path string, err error) func(string) error {
	return func(p string) error {
		if p == path && err != nil {
			defer func() { err = nil }()
			return err
		}
		return next(p)
	}
}

func TestFailedBodiesLeaveNothing(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	body := io.MultiReader(bytes.NewReader(make([]byte, 20<<20)), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := s.Put(context.Background(), key, body, -1); err == nil {
		t.Error("a broken body was stored")
	}
	if _, err := s.Put(context.Background(), key, strings.NewReader("x"), 2); !errors.Is(err, storage.ErrSize) {
		t.Errorf("a short body gave %v", err)
	}
	if left := leftovers(t, s); len(left) != 0 {
		t.Errorf("left over: %q", left)
	}
}

func TestAnotherHandleSeesTheObject(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "objects")
	if err := putString(open(t, root), key, "body"); err != nil {
		t.Fatal(err)
	}
	again := open(t, root)
	if got := readString(t, again, key); got != "body" {
		t.Errorf("read %q", got)
	}
	if err := putString(again, key, "other"); !errors.Is(err, storage.ErrExists) {
		t.Errorf("Put gave %v, want ErrExists", err)
	}
}

func TestSweepRemovesOldLeftovers(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	now := time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)
	for name, age := range map[string]time.Duration{"old": 2 * time.Hour, "older": 48 * time.Hour, "young": time.Minute} {
		path := filepath.Join(s.root, tempFolder, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, now.Add(-age), now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	if err := putString(s, key, "kept"); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(t.Context(), now.Add(-time.Hour)); n != 2 || err != nil {
		t.Errorf("Sweep = %d, %v; want 2, nil", n, err)
	}
	if left := leftovers(t, s); !slices.Equal(left, []string{"young"}) {
		t.Errorf("left over: %q, want young", left)
	}
	if readString(t, s, key) != "kept" {
		t.Error("the object suffered")
	}
}

func TestSweptPutFails(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	sweepThenEnd := readFunc(func([]byte) (int, error) {
		if _, err := s.Sweep(context.Background(), time.Now().Add(time.Hour)); err != nil {
			return 0, err
		}
		return 0, io.EOF
	})
	_, err := s.Put(context.Background(), key, io.MultiReader(strings.NewReader("x"), sweepThenEnd), -1)
	var source *storage.SourceError
	if err == nil || errors.Is(err, storage.ErrNotExist) || errors.As(err, &source) {
		t.Errorf("Put gave %v, want an error that is neither ErrNotExist nor a *SourceError", err)
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func TestListKeepsToItsOwn(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if err := putString(s, key, "x"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ab/.DS_Store", "ab/zzzzzzzz", "ab/abc", "lost+found", "ab/abCDEFGH", "tmpfile1"} {
		if err := os.WriteFile(filepath.Join(s.root, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(s.root, "ab", "abfolder"), 0o700), os.Mkdir(filepath.Join(s.root, "long"), 0o700)); err != nil {
		t.Fatal(err)
	}
	var found []string
	for obj, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, obj.Key)
	}
	if !slices.Equal(found, []string{key}) {
		t.Errorf("List shows %q", found)
	}
	if _, err := s.Stat(t.Context(), "abfolder"); err == nil {
		t.Error("Stat takes a folder for an object")
	}
	if _, err := s.Open(t.Context(), "abfolder", 0, -1); err == nil {
		t.Error("Open takes a folder for an object")
	}
}

func TestFullIsTold(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	s.syncFile = func(f *os.File) error { return &fs.PathError{Op: "sync", Path: f.Name(), Err: errFullOfThisSystem} }
	if err := putString(s, key, "x"); !errors.Is(err, storage.ErrFull) || !errors.Is(err, errFullOfThisSystem) {
		t.Errorf("Put gave %v, want ErrFull", err)
	}
	source := fmt.Errorf("spill: %w", errFullOfThisSystem)
	if _, err := s.Put(t.Context(), key, iotest.ErrReader(source), -1); errors.Is(err, storage.ErrFull) {
		t.Errorf("a full disk at the source gave %v, want no ErrFull", err)
	}
}
