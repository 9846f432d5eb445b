package datadir

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestSecondProcessIsKeptOut(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a", "データ")
	first, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(path)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "process ") {
		t.Fatalf("second: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFolderIsPrivate(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no mode bits on Windows")
	}
	path := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range []string{path, f.Path(DatabaseFile), f.Path(LockFile)} {
		if exposed, err := Exposed(name); err != nil || exposed {
			t.Errorf("%s can be read by others: %v", name, err)
		}
	}
}

func TestDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if free, err := FreeSpace(dir); err != nil || free == 0 {
		t.Fatal(free, err)
	}
	if same, err := SameDisk(dir, filepath.Dir(dir)); err != nil || !same {
		t.Fatal(same, err)
	}
	if _, err := FreeSpace(filepath.Join(dir, "none")); err == nil {
		t.Fatal("space in a folder that does not exist")
	}
}

func TestFileInTheWay(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil {
		t.Fatal("a file was taken for a folder")
	}
}
