//go:build unix

package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"teikyo/storage"
)

const errFullOfThisSystem = syscall.ENOSPC

func TestModes(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "objects"))
	if err := putString(s, key, "x"); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(s.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		want := fs.FileMode(0o600)
		if entry.IsDir() {
			want = 0o700
		}
		if err == nil && info.Mode().Perm() != want {
			t.Errorf("%s is %v, want %v", path, info.Mode().Perm(), want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestQuotaIsFull(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	s.move = func(string, string) error { return syscall.EDQUOT }
	if err := putString(s, key, "x"); !errors.Is(err, storage.ErrFull) {
		t.Errorf("Put gave %v, want ErrFull", err)
	}
}

func TestLinkAndRemove(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	s.move = linkAndRemove
	if err := putString(s, key, "first"); err != nil {
		t.Fatal(err)
	}
	if left := leftovers(t, s); len(left) != 0 {
		t.Errorf("left over: %q", left)
	}
	target := filepath.Join(s.root, "target")
	for name, move := range map[string]func(string, string) error{"link": linkAndRemove, "system": moveNoReplace} {
		from := filepath.Join(s.root, name)
		if err := errors.Join(os.WriteFile(from, []byte(name), 0o600), os.WriteFile(target, []byte("old"), 0o600)); err != nil {
			t.Fatal(err)
		}
		if err := move(from, target); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: move over a file gave %v, want fs.ErrExist", name, err)
		}
		if body, err := os.ReadFile(target); err != nil || string(body) != "old" {
			t.Errorf("%s: target now holds %q, %v", name, body, err)
		}
	}
}

func TestShrunkObjectIsNoCleanEnd(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if err := putString(s, key, "0123456789"); err != nil {
		t.Fatal(err)
	}
	readShrunk(t, s)
}
