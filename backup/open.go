package backup

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"teikyo/crypto"
	"teikyo/models"
)

// Limits of what is read from a backup, in bytes.
const (
	maxSmall = 64 << 20  // a part that is read whole
	maxLine  = 256 << 20 // a row
	maxKeys  = 16 << 20
	maxParts = 1 << 20
)

// File is a backup whose digests were all checked.
type File struct {
	Manifest Manifest
	SHA256   string // of the whole file, hex

	from  io.ReaderAt
	parts map[string]place
}

type place struct{ offset, size int64 }

// Open reads a whole backup and checks every digest. An Integrity error names
// the first part that is damaged.
func Open(from io.ReaderAt, size int64) (*File, error) {
	f := &File{from: from, parts: map[string]place{}}
	body := size - trailerSize
	if body < 0 {
		return nil, damaged("it is too short")
	}
	sum := sha256.New()
	found, readErr := f.scan(io.TeeReader(io.NewSectionReader(from, 0, body), sum))
	if part := f.firstDamaged(found); part != "" {
		return nil, damaged("its part " + part + " is not what was written")
	}
	if readErr != nil {
		return nil, damaged(readErr.Error())
	}
	end := make([]byte, trailerSize)
	if _, err := from.ReadAt(end, body); err != nil && !errors.Is(err, io.EOF) {
		return nil, models.Wrap(models.Unavailable, err, "the backup cannot be read: "+err.Error())
	}
	if !bytes.Equal(end, trailer(sum.Sum(nil))) {
		return nil, damaged("its digest is not that of its contents")
	}
	sum.Write(end)
	f.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return f, f.checkManifest(found)
}

func damaged(why string) error {
	return models.Errorf(models.Integrity, "the backup is damaged or incomplete (%s); use another copy of it, or another backup", why)
}

// scan notes where every part stands and its digest, and reads the manifest.
func (f *File) scan(r io.Reader) ([]Part, error) {
	at := &counted{r: r}
	archive := tar.NewReader(at)
	var found []Part
	for len(found) < maxParts {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		if header.Size > maxSmall || header.Typeflag != tar.TypeReg {
			return found, fmt.Errorf("its part %s is none that a backup has", header.Name)
		}
		offset, sum := at.n, sha256.New()
		var text bytes.Buffer
		var to io.Writer = sum
		if header.Name == manifestPart {
			to = io.MultiWriter(sum, &text)
		}
		if _, err := io.Copy(to, archive); err != nil {
			return found, err
		}
		if header.Name == manifestPart {
			if err := json.Unmarshal(text.Bytes(), &f.Manifest); err != nil {
				return found, fmt.Errorf("its part %s cannot be read", manifestPart)
			}
			continue
		}
		f.parts[header.Name] = place{offset, header.Size}
		found = append(found, Part{Name: header.Name, Size: header.Size, SHA256: hex.EncodeToString(sum.Sum(nil))})
	}
	return found, errors.New("it has too many parts")
}

type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// firstDamaged compares the parts with the manifest, as far as there is one.
func (f *File) firstDamaged(found []Part) string {
	for i, want := range f.Manifest.Parts {
		if i >= len(found) || found[i] != want {
			return want.Name
		}
	}
	return ""
}

func (f *File) checkManifest(found []Part) error {
	if f.Manifest.Format != format {
		return models.Errorf(models.Invalid, "this is no backup that this version of the program reads")
	}
	if len(found) != len(f.Manifest.Parts) || len(f.parts) != len(found) {
		return damaged("it holds parts that its manifest does not name")
	}
	return nil
}

// Small is a part that is read whole, nil when there is none of that name.
func (f *File) Small(name string) ([]byte, error) {
	p, ok := f.parts[name]
	if !ok {
		return nil, nil
	}
	data := make([]byte, p.size)
	if _, err := f.from.ReadAt(data, p.offset); err != nil {
		return nil, models.Wrap(models.Unavailable, err, "the backup cannot be read: "+err.Error())
	}
	return data, nil
}

// Rows yields the rows of a table. A row is valid until the next one.
func (f *File) Rows(table Table) iter.Seq2[[]byte, error] {
	return f.lines(tablesDir+table.Name, table.Rows)
}

// Fill hands every table to put, each after those that it refers to.
func (f *File) Fill(put func(models.Table, iter.Seq2[[]byte, error]) error) error {
	for _, table := range f.Manifest.Tables {
		if err := put(table.model(), f.Rows(table)); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) lines(dir string, want int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		count := int64(0)
		for number := 1; ; number++ {
			p, ok := f.parts[chunkName(dir, number)]
			if !ok {
				break
			}
			n, more, err := eachLine(io.NewSectionReader(f.from, p.offset, p.size), yield)
			count += n
			if err != nil {
				yield(nil, models.Wrap(models.Integrity, err, "the backup's part "+chunkName(dir, number)+" cannot be read"))
			}
			if err != nil || !more {
				return
			}
		}
		if count != want {
			yield(nil, damaged(fmt.Sprintf("%s has %d lines, not %d", strings.TrimPrefix(dir, tablesDir), count, want)))
		}
	}
}

// eachLine yields the lines of a compressed part; more is false when the reader
// wants no more of them.
func eachLine(r io.Reader, yield func([]byte, error) bool) (count int64, more bool, err error) {
	zip, err := gzip.NewReader(bufio.NewReader(r))
	if err != nil {
		return 0, false, err
	}
	lines := bufio.NewScanner(zip)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for lines.Scan() {
		count++
		if !yield(lines.Bytes(), nil) {
			return count, false, nil
		}
	}
	return count, true, lines.Err()
}

// Keys opens the key files with the identity that they were sealed for.
func (f *File) Keys(id crypto.Identity) ([]Small, error) {
	sealed, err := f.Small(KeysPart)
	if err != nil {
		return nil, err
	}
	if sealed == nil {
		return nil, models.Errorf(models.NotFound, "the backup holds no keys; put the keys folder in place by hand")
	}
	plain, err := crypto.OpenSmall(sealed, id, maxKeys)
	if errors.Is(err, crypto.ErrWrongIdentity) {
		return nil, models.Errorf(models.Denied, "the keys in the backup are sealed to %s, which is none of this identity's keys; name the right identity with -i", f.Manifest.KeysFor)
	}
	if err != nil {
		return nil, models.Wrap(models.Integrity, err, "the keys in the backup cannot be opened")
	}
	defer clear(plain)
	return untar(plain)
}

func untar(plain []byte) ([]Small, error) {
	var keys []Small
	archive := tar.NewReader(bytes.NewReader(plain))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return keys, nil
		}
		if err == nil && (header.Typeflag != tar.TypeReg || !plainName(header.Name)) {
			err = fmt.Errorf("%q is no name of a key file", header.Name)
		}
		var data []byte
		if err == nil {
			data, err = io.ReadAll(io.LimitReader(archive, maxKeys))
		}
		if err != nil {
			return nil, models.Wrap(models.Integrity, err, "the keys in the backup cannot be read")
		}
		keys = append(keys, Small{header.Name, data})
	}
}

// plainName reports whether name stays in the folder that it is put in.
func plainName(name string) bool {
	return name != "" && !strings.HasPrefix(name, ".") && !strings.ContainsAny(name, `/\:`)
}
