package checkpoints

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"teikyo/ledger"
)

// Names in a folder that serves as the second place.
const (
	checkpointFile = "checkpoint"         // the newest
	historyFile    = "checkpoint.history" // all of them, each followed by an empty line
	markerFile     = "checkpoint.place"   // shows that the right disk is mounted
)

// ErrPlaceGone means that a folder is not, or no longer, the second place.
var ErrPlaceGone = errors.New("the folder for checkpoints is gone")

// Folder is a second place in a folder, best on another disk or a network mount.
type Folder struct {
	dir string
}

// FolderPlace is the second place in dir, which Create has made.
func FolderPlace(dir string) *Folder { return &Folder{dir: dir} }

// Create makes the folder (0700) and marks it as a second place; it may be
// repeated. Call it while the log is empty: later, a folder without the mark is
// a disk that is not mounted.
func (f *Folder) Create() error {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return fmt.Errorf("make the second place for checkpoints: %w", err)
	}
	mark, err := os.OpenFile(f.path(markerFile), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("mark the second place for checkpoints: %w", err)
	}
	return errors.Join(mark.Sync(), mark.Close(), syncFolder(f.dir), syncFolder(filepath.Dir(f.dir)))
}

func (f *Folder) path(name string) string { return filepath.Join(f.dir, name) }

// Put implements SecondPlace: the file is replaced as a whole and synced with
// its folder.
func (f *Folder) Put(ctx context.Context, checkpoint []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := f.present(); err != nil {
		return err
	}
	if err := f.appendHistory(checkpoint); err != nil {
		return fmt.Errorf("history of checkpoints in %s: %w", f.dir, err)
	}
	if err := replaceFile(f.path(checkpointFile), checkpoint); err != nil {
		return fmt.Errorf("checkpoint in %s: %w", f.dir, err)
	}
	return nil
}

// Newest implements SecondPlace.
func (f *Folder) Newest(ctx context.Context) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := f.present(); err != nil {
		return nil, err
	}
	return readCheckpointFile(f.path(checkpointFile))
}

func (f *Folder) present() error {
	if _, err := os.Lstat(f.path(markerFile)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s has no file %s; mount the right disk, or create that file when this is to be the new place", ErrPlaceGone, f.dir, markerFile)
	} else if err != nil {
		return fmt.Errorf("second place for checkpoints: %w", err)
	}
	return nil
}

// appendHistory adds the checkpoint to the record for inquiries. It is not
// synced by itself: the file that decides is the one replaced after it.
func (f *Folder) appendHistory(checkpoint []byte) (err error) {
	h, err := os.OpenFile(f.path(historyFile), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	end, err := h.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := h.Write(append(checkpoint[:len(checkpoint):len(checkpoint)], '\n')); err != nil {
		return errors.Join(err, h.Truncate(end)) // half an entry would spoil the next
	}
	return nil
}

// readCheckpointFile is a checkpoint file's text, nil when there is none.
func readCheckpointFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, ledger.MaxCheckpointSize+1))
	if err != nil {
		return nil, err
	}
	if len(text) == 0 || len(text) > ledger.MaxCheckpointSize {
		return nil, fmt.Errorf("%s is no checkpoint", path)
	}
	return text, nil
}

// replaceFile puts text in place of the file at path, durably and as a whole.
func replaceFile(path string, text []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".checkpoint-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	_, err = tmp.Write(text)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a rename durable. Windows has no such call for folders.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
