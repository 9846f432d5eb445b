package received

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"teikyo/client/arrival"
	"teikyo/models"
)

// Folders are the folders that together hold one parcel, such as the disks it
// came on. A file is read from the first one that has it, and never through a
// link that leads out.
type Folders []*os.Root

// OpenFolders opens the folders for reading.
func OpenFolders(names ...string) (Folders, error) {
	var f Folders
	for _, name := range names {
		info, err := os.Stat(name)
		if err == nil && !info.IsDir() {
			err = models.Errorf(models.Invalid, "%s is not a folder; disk images cannot be read yet: mount it and give the folder", name)
		} else if err != nil {
			err = models.Wrap(models.NotFound, err, "there is no folder "+name)
		}
		var root *os.Root
		if err == nil {
			root, err = os.OpenRoot(name)
		}
		if err != nil {
			f.Close()
			if models.KindOf(err) == models.Internal {
				err = arrival.DiskError(err, "the folder "+name+" cannot be read")
			}
			return nil, err
		}
		f = append(f, root)
	}
	return f, nil
}

// Close closes the folders.
func (f Folders) Close() {
	for _, root := range f {
		root.Close()
	}
}

// open finds a file by its path in the parcel; fs.ErrNotExist when none has it.
func (f Folders) open(name string) (*os.File, error) {
	for _, root := range f {
		// Looked at before it is opened: opening a pipe would wait for ever.
		info, err := root.Stat(filepath.FromSlash(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && !info.Mode().IsRegular() {
			return nil, models.Errorf(models.Integrity, "%s is not a file", name)
		}
		var file *os.File
		if err == nil {
			file, err = root.Open(filepath.FromSlash(name))
		}
		if err != nil {
			return nil, arrival.DiskError(err, name+" cannot be read (links that lead out of the folder are not followed)")
		}
		if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
			file.Close()
			return nil, models.Errorf(models.Integrity, "%s is not a file", name)
		}
		return file, nil
	}
	return nil, fs.ErrNotExist
}

// readSmall reads a document of at most limit bytes that every parcel has.
func (f Folders) readSmall(name string, limit int64) ([]byte, error) {
	file, err := f.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, models.Errorf(models.Integrity, "%s is missing: this is not a parcel, or not all of it", name)
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := readSmall(file, limit)
	if err != nil {
		return nil, integrity(err, name+" cannot be read or is too large")
	}
	return text, nil
}

// ReadParcel reads and verifies the documents that say what the parcel is: the
// issuer, the receipt, the manifest and its signature.
func (f Folders) ReadParcel(trust Trust) (*Parcel, error) {
	text, err := f.readSmall(IssuerPath, maxIssuerFile)
	if err != nil {
		return nil, err
	}
	offered, err := ParseIssuer(text)
	if err != nil {
		return nil, err
	}
	issuer, err := trust.Accept(offered)
	if err != nil {
		return nil, err
	}
	receipt, err := f.readSmall(ReceiptPath, maxIssuerFile)
	if err != nil {
		return nil, err
	}
	proof, err := Prove(issuer, receipt)
	if err != nil {
		return nil, err
	}
	signature, err := f.readSmall(SignaturePath, maxIssuerFile)
	if err != nil {
		return nil, err
	}
	manifest, err := f.open(ManifestPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, models.Errorf(models.Integrity, "%s is missing: this is not a parcel, or not all of it", ManifestPath)
	}
	if err != nil {
		return nil, err
	}
	defer manifest.Close()
	return proof.ReadManifest(manifest, signature)
}

// walk yields the paths of all files, as they stand in a parcel.
func (f Folders) walk(ctx context.Context, each func(name string)) error {
	for _, root := range f {
		err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil:
				return err
			case d.IsDir() && strings.EqualFold(name, arrival.StateFolder):
				return fs.SkipDir
			case !d.IsDir():
				each(name)
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			return arrival.DiskError(err, "the folder "+root.Name()+" cannot be read")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// feed gives an incoming file what it wants from a local one.
func feed(ctx context.Context, in arrival.Incoming, src io.ReaderAt) error {
	buf := make([]byte, 256<<10)
	for {
		from, until := in.Want()
		if from >= until {
			return nil
		}
		part := &contextReader{ctx, io.NewSectionReader(src, from, until-from)}
		n, err := io.CopyBuffer(struct{ io.Writer }{in}, part, buf)
		if err == nil {
			err = in.Flush()
		}
		if err == nil && n == 0 {
			err = models.Errorf(models.Integrity, "shorter than the manifest says")
		}
		if err != nil {
			return err
		}
	}
}

// contextReader ends reading with its context; it lives for one copy.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
