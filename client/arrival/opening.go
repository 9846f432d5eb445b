package arrival

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"os"
	"sync"

	"teikyo/crypto"
	"teikyo/models"
)

const (
	sealedChunk = crypto.ChunkSize + crypto.ChunkOverhead
	// batchChunks is how many chunks are opened at once: 1 MiB.
	batchChunks = 16
)

// opening decrypts a sealed file while it arrives. Its partial file holds whole
// opened chunks; an interrupted one seals them again, which gives the same bytes
// as were received, to go on with the digest of the payload.
type opening struct {
	tree *Tree
	id   crypto.Identity
	of   File
	file *os.File

	head   []byte // header ‖ nonce, as far as they arrived
	stream *crypto.Stream
	chunks int64  // opened and on the disk
	sealed []byte // arrived after them, not opened yet
	plain  []byte // of one batch

	payloadSum, plainSum hash.Hash
}

// Receive takes a sealed file and opens it to data/PATH. The file must have its
// digest of the plaintext (Parcel.OpenSums).
func (t *Tree) Receive(f File, id crypto.Identity) (Incoming, error) {
	o := &opening{tree: t, id: id, of: f}
	batch := min(batchChunks, o.chunkCount()) // parcels may hold 50,000 small files
	o.sealed = make([]byte, 0, min(batch*sealedChunk, f.Sealed.PayloadSize))
	o.plain = make([]byte, 0, min(batch*crypto.ChunkSize, f.Size))
	o.reset()
	var err error
	if o.file, err = t.partial(openName(f)); err != nil {
		return nil, err
	}
	if err := o.resume(); err != nil {
		o.file.Close()
		return nil, err
	}
	return o, nil
}

// openName names a partial file by what it will be, so that it survives links,
// sessions, other manifests and keys.
func openName(f File) string { return partialName("open", f.Path, f.Sealed.PayloadSHA256) }

func (o *opening) reset() {
	o.head, o.stream, o.chunks, o.sealed = nil, nil, 0, o.sealed[:0]
	o.payloadSum, o.plainSum = sha256.New(), sha256.New()
}

// resume finds how many whole chunks are there.
func (o *opening) resume() error {
	info, err := o.file.Stat()
	if err != nil {
		return DiskError(err, "a partial file cannot be read")
	}
	switch size := info.Size(); {
	case size > o.of.Size:
		return o.Restart()
	case size == o.of.Size && size > 0:
		o.chunks = o.chunkCount()
	default:
		o.chunks = size / crypto.ChunkSize
	}
	return DiskError(o.file.Truncate(min(o.chunks*crypto.ChunkSize, o.of.Size)), "a partial file cannot be cut")
}

// headSize is the size of header and nonce.
func (o *opening) headSize() int64 { return o.of.Sealed.HeaderSize + crypto.PayloadNonceSize }

func (o *opening) chunkCount() int64 {
	return max(1, (o.of.Size+crypto.ChunkSize-1)/crypto.ChunkSize)
}

// sealedEnd is where the first n chunks end in the parcel's file.
func (o *opening) sealedEnd(n int64) int64 {
	return min(o.headSize()+n*sealedChunk, o.of.Sealed.Size)
}

// Want asks for header and nonce alone when chunks of an earlier run are there.
func (o *opening) Want() (from, until int64) {
	switch {
	case o.stream != nil:
		return o.sealedEnd(o.chunks) + int64(len(o.sealed)), o.of.Sealed.Size
	case o.chunks > 0:
		return int64(len(o.head)), o.headSize()
	}
	return int64(len(o.head)), o.of.Sealed.Size
}

func (o *opening) Write(p []byte) (n int, err error) {
	if o.stream == nil {
		n = int(min(int64(len(p)), o.headSize()-int64(len(o.head))))
		o.head = append(o.head, p[:n]...)
		if err := o.readHead(); err != nil {
			return n, err
		}
	}
	for n < len(p) {
		room := int(min(int64(cap(o.sealed)), o.of.Sealed.Size-o.sealedEnd(o.chunks))) - len(o.sealed)
		if room <= 0 {
			return n, models.Errorf(models.Integrity, "%s is longer than the manifest says", o.of.Path)
		}
		m := min(room, len(p)-n)
		o.sealed, n = append(o.sealed, p[n:n+m]...), n+m
		if m == room {
			if err := o.Flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// readHead checks the header against the manifest as soon as it is whole, then
// unwraps the file key.
func (o *opening) readHead() error {
	size := o.of.Sealed.HeaderSize
	if int64(len(o.head)) < o.headSize() {
		return nil
	}
	if sum := sha256.Sum256(o.head[:size]); hex.EncodeToString(sum[:]) != o.of.Sealed.HeaderSHA256 {
		return wrongDigest("the header of " + o.of.Path)
	}
	key, err := crypto.ReadHeader(o.head[:size], o.id)
	if errors.Is(err, crypto.ErrWrongIdentity) {
		return models.Wrap(models.Invalid, err, o.of.Path+" is sealed to another key than those in the identity file")
	}
	if err != nil {
		return models.Wrap(models.Integrity, err, "the header of "+o.of.Path+" is malformed")
	}
	if o.stream, err = crypto.NewStream(key, [crypto.PayloadNonceSize]byte(o.head[size:])); err != nil {
		return models.Wrap(models.Internal, err, "the payload key cannot be derived")
	}
	o.payloadSum.Write(o.head[size:])
	return o.reseal()
}

// reseal brings both digests to the end of the chunks of an earlier run.
func (o *opening) reseal() error {
	plain, sealed := make([]byte, crypto.ChunkSize), make([]byte, 0, sealedChunk)
	for i := range o.chunks {
		chunk := plain[:min(crypto.ChunkSize, o.of.Size-i*crypto.ChunkSize)]
		if _, err := o.file.ReadAt(chunk, i*crypto.ChunkSize); err != nil {
			return DiskError(err, "a partial file cannot be read")
		}
		o.plainSum.Write(chunk)
		sealed = o.stream.SealChunk(sealed[:0], chunk, uint64(i), i == o.chunkCount()-1)
		o.payloadSum.Write(sealed)
	}
	return nil
}

// Flush opens the whole chunks that arrived and writes them to the disk.
func (o *opening) Flush() error {
	size := len(o.sealed) / sealedChunk * sealedChunk
	if o.sealedEnd(o.chunks)+int64(len(o.sealed)) == o.of.Sealed.Size {
		size = len(o.sealed)
	}
	if o.stream == nil || size == 0 {
		return nil
	}
	if err := o.openBatch(o.sealed[:size]); err != nil {
		return err
	}
	o.chunks += int64((size + sealedChunk - 1) / sealedChunk)
	o.sealed = o.sealed[:copy(o.sealed, o.sealed[size:])]
	return nil
}

// openBatch hashes and opens beside each other, then hashes and writes.
func (o *opening) openBatch(sealed []byte) error {
	err := beside(func() { o.payloadSum.Write(sealed) }, func() error { return o.openChunks(sealed) })
	if err != nil {
		return err
	}
	return beside(func() { o.plainSum.Write(o.plain) }, func() error {
		_, err := o.file.WriteAt(o.plain, o.chunks*crypto.ChunkSize)
		return DiskError(err, o.of.Path+" cannot be written")
	})
}

func beside(first func(), second func() error) error {
	var group sync.WaitGroup
	group.Go(first)
	defer group.Wait()
	return second()
}

func (o *opening) openChunks(sealed []byte) error {
	o.plain = o.plain[:0]
	for index := o.chunks; len(sealed) > 0; index++ {
		chunk := sealed[:min(sealedChunk, len(sealed))]
		plain, err := o.stream.OpenChunk(o.plain, chunk, uint64(index), index == o.chunkCount()-1)
		if err != nil {
			return models.Wrap(models.Integrity, err, o.of.Path+" was altered on its way or at its source")
		}
		o.plain, sealed = plain, sealed[len(chunk):]
	}
	return nil
}

func (o *opening) Restart() error {
	o.reset()
	return DiskError(o.file.Truncate(0), "a partial file cannot be emptied")
}

// Finish compares both digests: recipients share the file key, so that a chunk
// that opens may still come from one of them.
func (o *opening) Finish() error {
	whole := o.stream != nil && o.chunks == o.chunkCount() && len(o.sealed) == 0
	if !whole || hex.EncodeToString(o.payloadSum.Sum(nil)) != o.of.Sealed.PayloadSHA256 ||
		hex.EncodeToString(o.plainSum.Sum(nil)) != o.of.SHA256 {
		return wrongDigest(o.of.Path)
	}
	return o.tree.place(o.file, openName(o.of), o.of.OpenPath())
}

func (o *opening) Close() error {
	err := o.Flush()
	clear(o.plain[:cap(o.plain)])
	if closeErr := closePartial(o.file); err == nil {
		err = closeErr
	}
	return err
}
