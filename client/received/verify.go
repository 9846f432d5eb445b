package received

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"

	"teikyo/client/arrival"
	"teikyo/crypto"
	"teikyo/models"
)

// Report is what Verify found about a parcel that holds.
type Report struct {
	Parcel  *Parcel
	Checked int // data files whose digests hold
	Bytes   int64
	// Unchecked are opened files that cannot be compared without the identity.
	Unchecked int
	// Extra are files that are not part of the parcel.
	Extra []string
}

// Verify checks a parcel's files offline: the digests of every document and data
// file, header and payload apart, or of the plaintext where the file was opened
// (with id). include chooses data files as in Parcel.Select. Integrity names the
// files that do not hold or are missing.
func (f Folders) Verify(ctx context.Context, p *Parcel, id crypto.Identity, include []string) (Report, error) {
	report := Report{Parcel: p}
	chosen, err := p.Select(include)
	if err != nil {
		return report, err
	}
	if report.Extra, err = f.extra(ctx, p); err != nil {
		return report, err
	}
	err = Each(ctx, workers(), p.Documents, func(d crypto.ManifestFile) string { return d.Path }, func(_ context.Context, d crypto.ManifestFile) error {
		return f.checkPlain(ctx, d.Path, d.Size, d.SHA256)
	})
	if err != nil {
		return report, err
	}
	if len(id.Recipients()) > 0 {
		if err := f.openSums(p, id); err != nil {
			return report, err
		}
	}
	unchecked := make(chan struct{}, len(chosen))
	err = Each(ctx, workers(), chosen, func(d arrival.File) string { return d.Path }, func(_ context.Context, d arrival.File) error {
		checked, err := f.checkFile(ctx, d)
		if !checked && err == nil {
			unchecked <- struct{}{}
		}
		return err
	})
	report.Unchecked = len(unchecked)
	report.Checked = len(chosen) - report.Unchecked
	for _, d := range chosen {
		report.Bytes += d.Size
	}
	return report, err
}

// openSums reads the digests of the plaintexts; the document was checked before.
func (f Folders) openSums(p *Parcel, id crypto.Identity) error {
	if err := p.CheckKey(id); err != nil {
		return err
	}
	if _, err := p.Document(SumsPath); err != nil {
		return err
	}
	sealed, err := f.readSmall(SumsPath, MaxManifest)
	if err != nil {
		return err
	}
	return p.OpenSums(sealed, id)
}

// checkFile checks a data file in the form it is there, sealed or opened; an
// opened one without a known digest stays unchecked.
func (f Folders) checkFile(ctx context.Context, d arrival.File) (checked bool, err error) {
	file, err := f.open(d.Sealed.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return f.checkOpened(ctx, d)
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	return true, checkSealed(ctx, d, file)
}

func (f Folders) checkOpened(ctx context.Context, d arrival.File) (checked bool, err error) {
	if d.SHA256 != "" {
		return true, f.checkPlain(ctx, d.OpenPath(), d.Size, d.SHA256)
	}
	file, err := f.open(d.OpenPath())
	if errors.Is(err, fs.ErrNotExist) {
		return false, missing(d.Sealed.Path)
	}
	if err != nil {
		return false, err
	}
	return false, file.Close()
}

func missing(name string) error { return models.Errorf(models.Integrity, "%s is missing", name) }

// checkSealed compares header and payload with the manifest. Whose payload it is
// shows in its digest alone: recipients share the file key (DESIGN.md 3.3).
func checkSealed(ctx context.Context, d arrival.File, file *os.File) error {
	if err := checkSize(file, d.Sealed.Size); err != nil {
		return err
	}
	header, payload := sha256.New(), sha256.New()
	r := &contextReader{ctx, file}
	if _, err := io.CopyN(header, r, d.Sealed.HeaderSize); err != nil {
		return readError(ctx, err, d.Sealed.Path)
	}
	if hex.EncodeToString(header.Sum(nil)) != d.Sealed.HeaderSHA256 {
		return wrongDigest("its header")
	}
	if _, err := io.CopyN(payload, r, d.Sealed.PayloadSize); err != nil {
		return readError(ctx, err, d.Sealed.Path)
	}
	if hex.EncodeToString(payload.Sum(nil)) != d.Sealed.PayloadSHA256 {
		return wrongDigest("its payload")
	}
	return nil
}

func checkSize(file *os.File, want int64) error {
	info, err := file.Stat()
	if err != nil {
		return arrival.DiskError(err, "a file cannot be read")
	}
	if info.Size() != want {
		return models.Errorf(models.Integrity, "it has %d bytes instead of %d", info.Size(), want)
	}
	return nil
}

func (f Folders) checkPlain(ctx context.Context, name string, size int64, sum string) error {
	file, err := f.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return missing(name)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if err := checkSize(file, size); err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.CopyN(h, &contextReader{ctx, file}, size); err != nil {
		return readError(ctx, err, name)
	}
	if hex.EncodeToString(h.Sum(nil)) != sum {
		return wrongDigest("it")
	}
	return nil
}

func readError(ctx context.Context, err error, name string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return arrival.DiskError(err, name+" cannot be read")
}

// extra lists the files that the manifest does not name.
func (f Folders) extra(ctx context.Context, p *Parcel) ([]string, error) {
	known := map[string]bool{ManifestPath: true, SignaturePath: true, ReceiptPath: true}
	for _, d := range p.Documents {
		known[d.Path] = true
	}
	for _, d := range p.Files {
		known[d.Sealed.Path], known[d.OpenPath()] = true, true
	}
	var extra []string
	err := f.walk(ctx, func(name string) {
		if !known[name] {
			extra = append(extra, name)
		}
	})
	slices.Sort(extra)
	return slices.Compact(extra), err
}
