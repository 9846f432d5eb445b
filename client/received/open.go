package received

import (
	"context"
	"errors"
	"io/fs"

	"teikyo/client/arrival"
	"teikyo/crypto"
)

// Open opens a parcel's data files, all or those that include chooses, into a
// tree, with the documents beside them. A file that is there already stays. The
// parcel was read from the same folders.
func (f Folders) Open(ctx context.Context, p *Parcel, id crypto.Identity, into *arrival.Tree, include []string) (Report, error) {
	report := Report{Parcel: p}
	if err := p.CheckKey(id); err != nil {
		return report, err
	}
	files, err := p.Select(include)
	if err == nil {
		err = CheckClashes(files, into.FoldsCase())
	}
	if err == nil {
		err = f.copyDocuments(ctx, p, into)
	}
	if err == nil {
		err = f.openSums(p, id)
	}
	if err != nil {
		return report, err
	}
	files, _ = p.Select(include) // again: now with the digests of the plaintexts
	report.Checked = len(files)
	for _, file := range files {
		report.Bytes += file.Size
	}
	err = Each(ctx, workers(), files, func(d arrival.File) string { return d.Path }, func(ctx context.Context, d arrival.File) error {
		if into.HoldsOpened(d) {
			return nil
		}
		in, err := into.Receive(d, id)
		if err != nil {
			return err
		}
		return f.take(ctx, d.Sealed.Path, d.Sealed.Size, in)
	})
	return report, err
}

// copyDocuments brings the documents over, each after its digest was checked.
func (f Folders) copyDocuments(ctx context.Context, p *Parcel, into *arrival.Tree) error {
	for _, d := range p.Documents {
		if into.Holds(d) {
			continue
		}
		in, err := into.Keep(d)
		if err != nil {
			return err
		}
		if err := f.take(ctx, d.Path, d.Size, in); err != nil {
			return err
		}
	}
	for _, name := range []string{SignaturePath, ReceiptPath, ManifestPath} {
		text, err := f.readSmall(name, MaxManifest)
		if err != nil {
			return err
		}
		if err := into.Put(name, text); err != nil {
			return err
		}
	}
	return nil
}

// take receives one file from the folders.
func (f Folders) take(ctx context.Context, name string, size int64, in arrival.Incoming) error {
	defer in.Close()
	src, err := f.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return missing(name)
	}
	if err != nil {
		return err
	}
	defer src.Close()
	if err := checkSize(src, size); err != nil {
		return err
	}
	return arrival.Twice(in, func() error { return feed(ctx, in, src) })
}
