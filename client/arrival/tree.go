package arrival

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"teikyo/crypto"
	"teikyo/models"
)

// StateFolder in a Tree holds what is not part of a parcel: the session, the lock and
// files that are not whole.
const (
	StateFolder   = ".teikyo"
	partialFolder = StateFolder + "/partial"
)

// Tree is a folder that a parcel is received into. Nothing is written through
// links that lead out of it. One process at a time has it open.
type Tree struct {
	root *os.Root
	lock *os.File
}

// OpenTree opens a folder that was made by OpenTree before, or makes it. Conflict
// when it holds other things, or when another process receives into it.
func OpenTree(dir string) (*Tree, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, DiskError(err, "the folder "+dir+" cannot be made")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, DiskError(err, "the folder "+dir+" cannot be opened")
	}
	t := &Tree{root: root}
	if err := t.claim(dir); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (t *Tree) claim(dir string) error {
	info, err := t.root.Lstat(StateFolder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		names, err := fs.ReadDir(t.root.FS(), ".")
		if err != nil {
			return DiskError(err, "the folder "+dir+" cannot be read")
		}
		if len(names) > 0 {
			return models.Errorf(models.Conflict, "%s holds other files; choose a new or empty folder", dir)
		}
	case err != nil:
		return DiskError(err, "the folder "+dir+" cannot be read")
	case !info.IsDir():
		return models.Errorf(models.Conflict, "%s in %s is not a folder; choose a new or empty folder", StateFolder, dir)
	}
	if err := t.root.MkdirAll(partialFolder, 0o700); err != nil {
		return DiskError(err, "the folder "+dir+" cannot be written")
	}
	if t.lock, err = t.root.OpenFile(StateFolder+"/lock", os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return DiskError(err, "the folder "+dir+" cannot be written")
	}
	taken, err := lockFile(t.lock)
	if err == nil && !taken {
		return models.Errorf(models.Conflict, "another teikyo receives into %s; wait for it or choose another folder", dir)
	}
	return DiskError(err, "the folder "+dir+" cannot be locked")
}

// Close gives the folder free. Partial files stay for the next time.
func (t *Tree) Close() {
	if t.lock != nil {
		t.lock.Close()
	}
	t.root.Close()
}

// Name is the folder's path.
func (t *Tree) Name() string { return t.root.Name() }

// State reads a file that SetState wrote; nil when there is none.
func (t *Tree) State(name string) ([]byte, error) {
	text, err := t.root.ReadFile(StateFolder + "/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, DiskError(err, name+" cannot be read")
}

// SetState keeps a small file (0600) beside the parcel, durably.
func (t *Tree) SetState(name string, text []byte) error { return t.Put(StateFolder+"/"+name, text) }

// Put writes a small file whole or not at all, durably.
func (t *Tree) Put(name string, text []byte) error {
	temporary := partialName("put", name)
	f, err := t.partial(temporary)
	if err != nil {
		return err
	}
	defer f.Close()
	err = f.Truncate(0)
	if err == nil {
		_, err = f.Write(text)
	}
	if err != nil {
		return DiskError(err, name+" cannot be written")
	}
	return t.place(f, temporary, name)
}

// partial opens a file that is not whole yet, new or as far as it came.
func (t *Tree) partial(name string) (*os.File, error) {
	f, err := t.root.OpenFile(partialFolder+"/"+name, os.O_RDWR|os.O_CREATE, 0o600)
	return f, DiskError(err, "a file cannot be made in "+t.Name())
}

// place gives a whole partial file its final name: file durable first, name next.
func (t *Tree) place(f *os.File, partial, final string) error {
	err := f.Sync()
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = t.root.MkdirAll(filepath.FromSlash(path.Dir(final)), 0o700)
	}
	if err == nil {
		err = t.root.Rename(filepath.FromSlash(partialFolder+"/"+partial), filepath.FromSlash(final))
	}
	if err == nil {
		err = t.sync(path.Dir(final))
	}
	return DiskError(err, final+" cannot be written")
}

func (t *Tree) sync(dir string) error {
	f, err := t.root.Open(filepath.FromSlash(dir))
	if err != nil {
		return err
	}
	defer f.Close()
	return syncFolder(f)
}

// HasSize tells cheaply whether a file of that size stands at a path.
func (t *Tree) HasSize(name string, size int64) bool {
	info, err := t.root.Lstat(filepath.FromSlash(name))
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}

// Holds tells whether a file of the manifest stands at its path, with its
// digests.
func (t *Tree) Holds(f crypto.ManifestFile) bool { return t.has(f.Path, f.Size, sections(f)...) }

// HoldsOpened tells whether the opened file stands at its path, with its digest.
func (t *Tree) HoldsOpened(f File) bool {
	return t.has(f.OpenPath(), f.Size, section{f.Size, f.SHA256})
}

func (t *Tree) has(name string, size int64, parts ...section) bool {
	if !t.HasSize(name, size) {
		return false
	}
	f, err := t.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	for _, part := range parts {
		h := sha256.New()
		if _, err := io.CopyN(h, f, part.size); err != nil || hex.EncodeToString(h.Sum(nil)) != part.sha256 {
			return false
		}
	}
	return true
}

// Open reads a file of the tree.
func (t *Tree) Open(name string) (*os.File, error) { return t.root.Open(filepath.FromSlash(name)) }

// ReadSmall reads a file of the tree whole, at most limit bytes.
func (t *Tree) ReadSmall(name string, limit int64) ([]byte, error) {
	f, err := t.Open(name)
	if err != nil {
		return nil, DiskError(err, name+" cannot be read")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit))
	return text, DiskError(err, name+" cannot be read")
}

// Move gives a file another name in the tree, unless it is not there.
func (t *Tree) Move(from, to string) error {
	err := t.root.Rename(filepath.FromSlash(from), filepath.FromSlash(to))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = t.sync(path.Dir(to))
	}
	return DiskError(err, to+" cannot be written")
}

// PartialSize is how much of a file is there already, in bytes; sealed tells in
// which form it is wanted.
func (t *Tree) PartialSize(f File, sealed bool) int64 {
	name := openName(f)
	if sealed {
		name = keepName(f.Sealed)
	}
	info, err := t.root.Lstat(partialFolder + "/" + name)
	if err != nil {
		return 0
	}
	return info.Size()
}

// FoldsCase tells whether the file system takes names that differ only in case
// for the same.
func (t *Tree) FoldsCase() bool {
	_, err := t.root.Lstat(StateFolder + "/LOCK")
	return err == nil
}

// RemovePartials removes what is left of files that were never whole.
func (t *Tree) RemovePartials() error {
	if err := t.root.RemoveAll(partialFolder); err != nil {
		return DiskError(err, "partial files cannot be removed")
	}
	return DiskError(t.root.Mkdir(partialFolder, 0o700), "the folder cannot be written")
}

// CheckSpace refuses to start what cannot be finished. free is what is left at
// the tree's disk, need what is missing, in bytes.
func (t *Tree) CheckSpace(free uint64, need int64) error {
	if need <= 0 || free >= uint64(need) {
		return nil
	}
	return models.Errorf(models.Full, "%s more are needed in %s and only %s are free; free some space or choose another disk",
		Bytes(need), t.Name(), Bytes(int64(min(free, 1<<62)))) //nolint:gosec // bounded
}

// Bytes writes a size for people, such as 1.5 GiB.
func Bytes(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1024, 0
	for value >= 1023.95 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}
