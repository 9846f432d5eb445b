package parcel

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"io"
	"slices"
	"sync"

	"teikyo/crypto"
	"teikyo/models"
	"teikyo/storage"
)

// headerBatch bounds the headers that are held at once: 6.5 MiB of hybrid ones.
const headerBatch = 4096

// Content is what Build makes a parcel of.
type Content struct {
	Head      crypto.ManifestHead
	Recipient crypto.Recipient
	Signer    crypto.SigningKey
	Issuer    crypto.Issuer
	Files     []File // in the order of their paths
	Partial   bool   // the files are a part of their version
	Schema    string // datapackage.json given at registration; may be empty
	Notice    string // NOTICE.txt
	Readme    string // README.txt
}

// Build writes new headers and the documents of a parcel as one object under a
// fresh key. Its time does not depend on the size of the files. The object is
// durable once stored has returned nil; with a store that is not near Build waits
// for that itself. An error leaves at most an object that no row names, which a
// sweep removes.
func Build(ctx context.Context, objects storage.Store, rand io.Reader, c Content) (pack Pack, stored func() error, err error) {
	key, err := storage.NewKey(rand)
	if err != nil {
		return Pack{}, nil, models.Wrap(models.Internal, err, "no randomness for a storage key")
	}
	key += KeySuffix
	body, out := io.Pipe()
	b := &builder{Content: c, out: out, sum: sha256.New(), pack: Pack{Key: key, HeaderSize: c.Recipient.HeaderSize()}}
	put := make(chan error, 1)
	go func() {
		_, err := objects.Put(ctx, key, body, -1)
		body.CloseWithError(err) // the builder must not wait for a store that gave up
		put <- err
	}()
	buildErr := b.write()
	out.CloseWithError(buildErr)
	b.pack.SHA256 = hex.EncodeToString(b.sum.Sum(nil))
	stored = sync.OnceValue(func() error {
		putErr := <-put
		if putErr == nil && buildErr == nil {
			return nil
		}
		return buildError(putErr, buildErr)
	})
	if buildErr != nil || !storage.IsNear(objects) {
		if err := stored(); err != nil {
			return Pack{}, nil, err
		}
	}
	return b.pack, stored, nil
}

// buildError tells a store that failed from a parcel that could not be made.
func buildError(putErr, buildErr error) error {
	var source *storage.SourceError
	switch {
	case asSource(putErr, &source) || putErr == nil:
		return models.Wrap(models.Internal, buildErr, "the parcel could not be made")
	case isFull(putErr):
		return models.Wrap(models.Full, putErr, "no space left in the object store; nothing was provided; "+
			"free some space and approve again")
	default:
		return models.Wrap(models.Unavailable, putErr, "the parcel could not be stored; nothing was provided; approve again")
	}
}

// builder writes the pack from front to back.
type builder struct {
	Content
	out     io.Writer
	sum     hash.Hash // of the whole object
	at      int64     // bytes written
	headers [][sha256.Size]byte
	pack    Pack
}

// Write implements io.Writer.
func (b *builder) Write(p []byte) (int, error) {
	n, err := b.out.Write(p)
	b.sum.Write(p[:n])
	b.at += int64(n)
	return n, err
}

func (b *builder) write() error {
	steps := []func() error{
		b.writeHeaders, b.writeIndex, b.writeSums, b.writeDataPackage, b.writeTexts, b.writeManifest,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) writeHeaders() error {
	keys := make([]crypto.FileKey, 0, min(len(b.Files), headerBatch))
	defer func() { clear(keys[:cap(keys)]) }()
	b.headers = make([][sha256.Size]byte, 0, len(b.Files))
	for batch := range slices.Chunk(b.Files, headerBatch) {
		keys = keys[:0]
		for _, f := range batch {
			keys = append(keys, f.Key)
		}
		records, err := crypto.WriteHeaders(keys, b.Recipient)
		if err != nil {
			return err
		}
		for record := range slices.Chunk(records, b.pack.HeaderSize) {
			b.headers = append(b.headers, sha256.Sum256(record))
		}
		if _, err := b.Write(records); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) writeIndex() error {
	if !b.Partial {
		return nil
	}
	index := make([]byte, 0, indexSize*len(b.Files))
	for _, f := range b.Files {
		index = binary.BigEndian.AppendUint32(index, uint32(f.Number)) //nolint:gosec // at most 50,000
	}
	_, err := b.Write(index)
	return err
}

// document adds a document whose bytes write produces.
func (b *builder) document(path string, write func(io.Writer) error) error {
	start, sum := b.at, sha256.New()
	if err := write(io.MultiWriter(b, sum)); err != nil {
		return err
	}
	b.pack.Documents = append(b.pack.Documents, models.Document{
		Path: path, Offset: start, Size: b.at - start, SHA256: hex.EncodeToString(sum.Sum(nil)),
	})
	return nil
}

func (b *builder) text(path string, text []byte) error {
	return b.document(path, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// writeSums seals the digests of the plaintexts: in clear, small records could
// be guessed from them.
func (b *builder) writeSums() error {
	var size int
	for _, f := range b.Files {
		size += len(f.SHA256) + len(f.Path) + 3
	}
	lines := make([]byte, 0, size)
	for _, f := range b.Files {
		lines = append(lines, f.SHA256...)
		lines = append(lines, "  "...)
		lines = append(lines, f.Path...)
		lines = append(lines, '\n')
	}
	sealed, err := crypto.SealSmall(lines, b.Recipient)
	if err != nil {
		return err
	}
	return b.text(SumsPath, sealed)
}

func (b *builder) writeTexts() error {
	issuer, err := b.Issuer.JSON()
	if err != nil {
		return err
	}
	for _, d := range []struct {
		path string
		text []byte
	}{{IssuerPath, issuer}, {NoticePath, []byte(b.Notice)}, {ReadmePath, []byte(b.Readme)}} {
		if err := b.text(d.path, d.text); err != nil {
			return err
		}
		if d.path == NoticePath {
			b.pack.NoticeSHA256 = b.pack.Documents[len(b.pack.Documents)-1].SHA256
		}
	}
	return nil
}

// writeManifest streams the manifest, then its signature. It lists what stands
// in the pack before it and the sealed files, all by path.
func (b *builder) writeManifest() error {
	entries := b.manifestFiles()
	var m *crypto.ManifestWriter
	err := b.document(ManifestPath, func(w io.Writer) error {
		var err error
		if m, err = crypto.NewManifestWriter(w, b.Head); err != nil {
			return err
		}
		for _, entry := range entries {
			if err := m.File(entry()); err != nil {
				return err
			}
		}
		return m.Close()
	})
	if err != nil {
		return err
	}
	sum := m.SHA256()
	b.pack.ManifestSHA256 = hex.EncodeToString(sum[:])
	signature, err := crypto.SignManifestDigest(b.Signer, m.SHA512())
	if err != nil {
		return err
	}
	return b.text(SignaturePath, signature)
}

// manifestFiles orders the files of the manifest by path; each is made when its
// turn comes, so that the digests of 50,000 are not held twice.
func (b *builder) manifestFiles() []func() crypto.ManifestFile {
	order := make([]int, len(b.Files))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return comparePaths(b.Files[i].Path, b.Files[j].Path) })
	docs := slices.SortedFunc(slices.Values(b.pack.Documents), func(x, y models.Document) int { return compareText(x.Path, y.Path) })
	list := make([]func() crypto.ManifestFile, 0, len(order)+len(docs))
	for len(docs) > 0 && docs[0].Path < dataFolder {
		list, docs = append(list, plainFile(docs[0])), docs[1:]
	}
	for _, i := range order {
		list = append(list, func() crypto.ManifestFile { return b.sealedFile(i) })
	}
	for _, d := range docs {
		list = append(list, plainFile(d))
	}
	return list
}

func plainFile(d models.Document) func() crypto.ManifestFile {
	return func() crypto.ManifestFile {
		return crypto.ManifestFile{Path: d.Path, Size: d.Size, SHA256: d.SHA256}
	}
}

func (b *builder) sealedFile(i int) crypto.ManifestFile {
	f := b.Files[i]
	size := int64(b.pack.HeaderSize)
	entry := crypto.ManifestFile{
		Path: SealedPath(f.Path), Size: size + f.PayloadSize,
		HeaderSize: size, HeaderSHA256: hex.EncodeToString(b.headers[i][:]),
		PayloadSize: f.PayloadSize, PayloadSHA256: f.PayloadSHA256,
	}
	for _, item := range f.Items {
		entry.Items = append(entry.Items, string(item))
	}
	return entry
}
