package crypto

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

var (
	// ErrKeyFileReadable: other users of the machine can get at a key.
	ErrKeyFileReadable = errors.New("crypto: others can read a key")
	// ErrKeyFile: a key file that is damaged or has another name than contents.
	ErrKeyFile = errors.New("crypto: damaged key file")
)

const (
	keyFileVersion = "teikyo-key-v1"
	keyFileSuffix  = ".key"
)

// keyFile is one secret of 32 bytes in the keys folder, file ID.key, mode 0600:
// the line "teikyo-key-v1 ID BASE64". An id is KIND-NNNN-RANDOM; the random part
// keeps keys of two folders apart.
type keyFile struct {
	redacted
	id     string
	secret [32]byte
}

func createKeyFile(dir, kind string, version int, rand io.Reader) (keyFile, error) {
	k, err := newKeyFile(kind, version, rand)
	if err != nil {
		return keyFile{}, err
	}
	line := k.line()
	defer clear(line)
	return k, writeDurably(dir, k.id+keyFileSuffix, line)
}

func newKeyFile(kind string, version int, rand io.Reader) (keyFile, error) {
	var random [4]byte
	var k keyFile
	if _, err := io.ReadFull(rand, random[:]); err != nil {
		return keyFile{}, fmt.Errorf("crypto: reading randomness for a key: %w", err)
	}
	if _, err := io.ReadFull(rand, k.secret[:]); err != nil {
		return keyFile{}, fmt.Errorf("crypto: reading randomness for a key: %w", err)
	}
	k.id = fmt.Sprintf("%s-%04d-%s", kind, version, hex.EncodeToString(random[:]))
	return k, nil
}

// openKeyFolder makes the folder when it is missing and refuses one in which
// others could put files.
func openKeyFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("crypto: keys folder: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("crypto: keys folder: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%w: others can write to %s; run: chmod 700 %s", ErrKeyFileReadable, dir, dir)
	}
	return nil
}

// readKeyFiles returns the keys of a kind, oldest first.
func readKeyFiles(dir, kind string) ([]keyFile, error) {
	paths, err := filepath.Glob(filepath.Join(globEscape(dir), kind+"-*"+keyFileSuffix))
	if err != nil {
		return nil, fmt.Errorf("crypto: keys folder: %w", err)
	}
	slices.Sort(paths)
	keys := make([]keyFile, 0, len(paths))
	for _, path := range paths {
		k, err := readKeyFile(path)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func readKeyFile(path string) (keyFile, error) {
	data, err := readPrivate(path)
	if err != nil {
		return keyFile{}, err
	}
	defer clear(data)
	return parseKeyFile(path, keyFileSuffix, data)
}

// parseKeyFile reads the line of a key file, which names the file too.
func parseKeyFile(path, suffix string, data []byte) (keyFile, error) {
	k := keyFile{id: strings.TrimSuffix(filepath.Base(path), suffix)}
	encoded, ok := strings.CutPrefix(string(data), keyFileVersion+" "+k.id+" ")
	secret, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(encoded, "\n"))
	if !ok || err != nil || len(secret) != len(k.secret) {
		return keyFile{}, fmt.Errorf("%w: %s; restore it from a backup", ErrKeyFile, path)
	}
	k.secret = [32]byte(secret)
	return k, nil
}

// readPrivate reads a small file that nobody else may read. Windows has no such
// mode bits: there the folder's access list decides.
func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("crypto: key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("crypto: key file: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s; run: chmod 600 %s", ErrKeyFileReadable, path, path)
	}
	return io.ReadAll(io.LimitReader(f, 4<<10))
}

// writeDurably replaces dir/name as a whole, mode 0600, on disk when it returns.
func writeDurably(dir, name string, data []byte) (err error) {
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return fmt.Errorf("crypto: writing %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("crypto: writing %s: %w", name, errors.Join(err, removeIfThere(f.Name())))
		}
	}()
	_, writeErr := f.Write(data)
	if err := errors.Join(writeErr, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncFolder(dir)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func globEscape(dir string) string {
	if runtime.GOOS == "windows" {
		return dir // the backslash is the separator there
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}
