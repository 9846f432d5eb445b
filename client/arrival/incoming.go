package arrival

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"strings"

	"teikyo/crypto"
	"teikyo/models"
)

// Incoming takes the bytes of one file of a parcel in order, from any offset it
// asks for, over as many connections and runs as it takes. The file gets its
// final name in Finish, when all of it has the digests of the manifest.
//
// Errors of Write and Finish are Integrity (the bytes are wrong: Restart, or give
// up) or those of the disk.
type Incoming interface {
	// Want is the range of bytes that is needed next, in offsets of the parcel's
	// file; from equals until when nothing is.
	Want() (from, until int64)
	// Write takes bytes at the offset that Want said.
	Write(p []byte) (int, error)
	// Flush brings what arrived to the disk, as far as it can be used there.
	Flush() error
	// Restart forgets all that arrived.
	Restart() error
	// Finish checks the whole and gives the file its final name.
	Finish() error
	// Close keeps what arrived for the next time.
	Close() error
}

// section is a part of a file with a digest of its own.
type section struct {
	size   int64
	sha256 string // hex
}

func sections(f crypto.ManifestFile) []section {
	if f.Sealed() {
		return []section{{f.HeaderSize, f.HeaderSHA256}, {f.PayloadSize, f.PayloadSHA256}}
	}
	return []section{{f.Size, f.SHA256}}
}

// keeping keeps a file as it comes: a document, or a sealed file that is to stay
// sealed.
type keeping struct {
	tree     *Tree
	name     string // partial
	final    string
	file     *os.File
	sections []section
	size     int64

	at      int64 // bytes of the file that are here
	current int   // section
	inside  int64 // bytes of the current section
	sum     hash.Hash
}

// Keep receives a file of the manifest as it is to its path in the parcel.
func (t *Tree) Keep(f crypto.ManifestFile) (Incoming, error) {
	k := &keeping{tree: t, name: keepName(f), final: f.Path, size: f.Size, sections: sections(f)}
	var err error
	if k.file, err = t.partial(k.name); err != nil {
		return nil, err
	}
	if err := k.resume(); err != nil {
		k.file.Close()
		return nil, err
	}
	return k, nil
}

// keepName names a partial file by what it will be, so that it survives links,
// sessions and other manifests.
func keepName(f crypto.ManifestFile) string {
	return partialName("keep", f.Path, f.SHA256, f.HeaderSHA256, f.PayloadSHA256)
}

func partialName(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:16])
}

// resume takes in what an earlier run left.
func (k *keeping) resume() error {
	k.reset()
	info, err := k.file.Stat()
	if err != nil {
		return DiskError(err, "a partial file cannot be read")
	}
	if info.Size() > k.size {
		return k.Restart()
	}
	buf := make([]byte, 256<<10)
	for {
		n, err := k.file.Read(buf)
		if k.absorb(buf[:n]) != nil {
			return k.Restart()
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return DiskError(err, "a partial file cannot be read")
		}
	}
}

func (k *keeping) reset() {
	k.at, k.current, k.inside, k.sum = 0, 0, 0, sha256.New()
	k.absorbEmpty()
}

// absorb hashes bytes and compares every section that ends.
func (k *keeping) absorb(p []byte) error {
	for len(p) > 0 {
		if k.current == len(k.sections) {
			return models.Errorf(models.Integrity, "%s is longer than the manifest says", k.final)
		}
		n := min(int64(len(p)), k.sections[k.current].size-k.inside)
		k.sum.Write(p[:n])
		k.at, k.inside, p = k.at+n, k.inside+n, p[n:]
		if err := k.endSection(); err != nil {
			return err
		}
	}
	return nil
}

func (k *keeping) endSection() error {
	s := k.sections[k.current]
	if k.inside < s.size {
		return nil
	}
	if hex.EncodeToString(k.sum.Sum(nil)) != s.sha256 {
		return wrongDigest(k.final)
	}
	k.current, k.inside, k.sum = k.current+1, 0, sha256.New()
	return nil
}

// absorbEmpty ends the one section of an empty file; a wrong digest shows in
// Finish.
func (k *keeping) absorbEmpty() {
	if k.size == 0 {
		_ = k.endSection()
	}
}

func wrongDigest(name string) error {
	return models.Errorf(models.Integrity, "%s is not what the issuer signed: its digest is wrong", name)
}

func (k *keeping) Want() (from, until int64) { return k.at, k.size }

func (k *keeping) Write(p []byte) (int, error) {
	if _, err := k.file.WriteAt(p, k.at); err != nil {
		return 0, DiskError(err, k.final+" cannot be written")
	}
	if err := k.absorb(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (k *keeping) Flush() error { return nil }

func (k *keeping) Restart() error {
	k.reset()
	return DiskError(k.file.Truncate(0), "a partial file cannot be emptied")
}

func (k *keeping) Finish() error {
	if k.at != k.size || k.current != len(k.sections) {
		return wrongDigest(k.final)
	}
	return k.tree.place(k.file, k.name, k.final)
}

func (k *keeping) Close() error { return closePartial(k.file) }

// closePartial closes a file that Finish may have closed already.
func closePartial(f *os.File) error {
	if err := f.Close(); !errors.Is(err, os.ErrClosed) {
		return DiskError(err, "a partial file cannot be closed")
	}
	return nil
}

// Twice receives a file with bring, which feeds in until it wants nothing more,
// and finishes it. What an earlier run left may be damaged, so wrong bytes are
// brought once more from the start; then nothing of them stays.
func Twice(in Incoming, bring func() error) error {
	once := func() error {
		if err := bring(); err != nil {
			return err
		}
		return in.Finish()
	}
	err := once()
	if !models.IsKind(err, models.Integrity) {
		return err
	}
	if err := in.Restart(); err != nil {
		return err
	}
	if err = once(); models.IsKind(err, models.Integrity) {
		_ = in.Restart() // the verdict says more than a failure to empty the file
	}
	return err
}
