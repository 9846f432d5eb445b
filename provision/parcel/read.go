package parcel

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"teikyo/ledger"
	"teikyo/models"
	"teikyo/storage"
)

// listPage is how many files are read at once while listing.
const listPage = 500

// Rows is where a Reader finds the files of a version.
type Rows interface {
	Files(ctx context.Context, datasetID string, version int, after string, limit int) ([]models.File, error)
	SealedFilesOf(ctx context.Context, datasetID string, version int, after string, limit int) ([]models.SealedFile, error)
	File(ctx context.Context, datasetID string, version int, path string) (models.File, error)
	SealedFile(ctx context.Context, id string) (models.SealedFile, error)
}

// Entry is one file of a parcel as the recipient sees it.
type Entry struct {
	Path string
	Size int64  // bytes: header and payload for a sealed file
	ETag string // strong and quoted (RFC 9110, 8.8.3); stable across restarts

	document *models.Document
	record   int64 // number of the header in the pack
	segments []storage.Segment
}

// Sealed reports whether the entry is a sealed file: header ‖ payload.
func (e Entry) Sealed() bool { return e.segments != nil }

// Reader reads one parcel. It is safe for concurrent use.
type Reader struct {
	rows    Rows
	objects storage.Store
	prov    models.Provision
	receipt []byte
	index   []int   // numbers of the files of a part; nil for a whole version
	docs    []Entry // sorted by path
}

// NewReader opens the parcel of prov. Without a verified receipt for exactly
// this provision and manifest there is no reader: no byte leaves that the ledger
// does not know.
func NewReader(ctx context.Context, rows Rows, objects storage.Store, prov models.Provision, receipt ledger.Receipt) (*Reader, error) {
	leaf := receipt.Leaf()
	if receipt.IsZero() || leaf.IDs["provision"] != prov.ID || leaf.ManifestSHA256 != prov.ManifestSHA256 {
		return nil, models.Errorf(models.Integrity, "the receipt does not belong to this provision; run teikyo ledger verify")
	}
	r := &Reader{rows: rows, objects: objects, prov: prov, receipt: receipt.Text()}
	for _, d := range prov.Documents {
		r.docs = append(r.docs, Entry{Path: d.Path, Size: d.Size, ETag: quote(d.SHA256), document: &d})
	}
	sum := sha256.Sum256(r.receipt)
	r.docs = append(r.docs, Entry{Path: ReceiptPath, Size: int64(len(r.receipt)), ETag: quote(hex.EncodeToString(sum[:]))})
	slices.SortFunc(r.docs, func(a, b Entry) int { return compareText(a.Path, b.Path) })
	if prov.PathGlob == "" {
		return r, nil
	}
	return r, r.readIndex(ctx)
}

func quote(tag string) string { return `"` + tag + `"` }

func compareText(a, b string) int { return strings.Compare(a, b) }

func (r *Reader) readIndex(ctx context.Context) error {
	size := int64(r.prov.FileCount) * indexSize
	body, err := r.objects.Open(ctx, r.prov.PackKey, int64(r.prov.FileCount)*int64(r.prov.HeaderSize), size)
	if err != nil {
		return storeError(err)
	}
	defer body.Close()
	raw := make([]byte, size)
	if _, err := io.ReadFull(body, raw); err != nil {
		return storeError(err)
	}
	r.index = make([]int, r.prov.FileCount)
	for i := range r.index {
		r.index[i] = int(binary.BigEndian.Uint32(raw[i*indexSize:]))
	}
	return nil
}

// record is the number of a file's header in the pack.
func (r *Reader) record(number int) (int64, bool) {
	if r.prov.PathGlob == "" {
		return int64(number), number < r.prov.FileCount
	}
	at, ok := slices.BinarySearch(r.index, number)
	return int64(at), ok
}

// Stat finds the entry at a path of the parcel, else a NotFound error.
func (r *Reader) Stat(ctx context.Context, path string) (Entry, error) {
	for _, d := range r.docs {
		if d.Path == path {
			return d, nil
		}
	}
	inner, ok := filePath(path)
	if !ok {
		return Entry{}, noSuchFile()
	}
	file, err := r.rows.File(ctx, r.prov.DatasetID, r.prov.Version, inner)
	if models.IsKind(err, models.NotFound) {
		return Entry{}, noSuchFile()
	}
	if err != nil {
		return Entry{}, err
	}
	record, ok := r.record(file.Number)
	if !ok {
		return Entry{}, noSuchFile()
	}
	sealed, err := r.rows.SealedFile(ctx, file.SealedID)
	if err != nil {
		return Entry{}, err
	}
	return r.entry(file, sealed, record), nil
}

func noSuchFile() error {
	return models.Errorf(models.NotFound, "there is no such file in this parcel; see its listing")
}

func (r *Reader) entry(file models.File, sealed models.SealedFile, record int64) Entry {
	e := Entry{Path: SealedPath(file.Path), Size: int64(r.prov.HeaderSize) + sealed.PayloadSize, record: record}
	tag := sha256.Sum256([]byte(r.prov.PackSHA256 + " " + strconv.FormatInt(record, 10) + " " + sealed.PayloadSHA256))
	e.ETag = quote(hex.EncodeToString(tag[:]))
	e.segments = make([]storage.Segment, len(sealed.Segments))
	for i, s := range sealed.Segments {
		e.segments[i] = storage.Segment{Key: s.Key, Size: s.Size}
	}
	return e
}

// Entries yields every file of the parcel by path. Rows are read a page at a
// time. An error is the last thing yielded.
func (r *Reader) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		docs := r.docs
		for ; len(docs) > 0 && docs[0].Path < dataFolder; docs = docs[1:] {
			if !yield(docs[0], nil) {
				return
			}
		}
		if !inParcelOrder(r.sealedEntries(ctx), yield) {
			return
		}
		for _, d := range docs {
			if !yield(d, nil) {
				return
			}
		}
	}
}

// sealedEntries yields the sealed files by the path in their version.
func (r *Reader) sealedEntries(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for after, more := "", true; more; {
			files, sealed, err := r.page(ctx, after)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, f := range files {
				record, ok := r.record(f.Number)
				if ok && !yield(r.entry(f, sealed[f.SealedID], record), nil) {
					return
				}
				after = f.Path
			}
			more = len(files) == listPage
		}
	}
}

func (r *Reader) page(ctx context.Context, after string) ([]models.File, map[string]models.SealedFile, error) {
	files, err := r.rows.Files(ctx, r.prov.DatasetID, r.prov.Version, after, listPage)
	if err != nil {
		return nil, nil, err
	}
	list, err := r.rows.SealedFilesOf(ctx, r.prov.DatasetID, r.prov.Version, after, listPage)
	if err != nil {
		return nil, nil, err
	}
	sealed := make(map[string]models.SealedFile, len(list))
	for _, s := range list {
		sealed[s.ID] = s
	}
	for _, f := range files {
		if _, ok := sealed[f.SealedID]; !ok {
			return nil, nil, models.Errorf(models.Integrity, "the sealed contents of %s are missing; run teikyo doctor", f.Path)
		}
	}
	return files, sealed, nil
}

// inParcelOrder turns the order of paths in a version into that of their sealed
// paths (see comparePaths). Only a path that begins another one can change its
// place, so what waits is a chain of such paths and never long.
func inParcelOrder(entries iter.Seq2[Entry, error], yield func(Entry, error) bool) bool {
	var waiting []Entry
	release := func(before func(Entry) bool) bool {
		for len(waiting) > 0 && before(waiting[len(waiting)-1]) {
			e := waiting[len(waiting)-1]
			waiting = waiting[:len(waiting)-1]
			if !yield(e, nil) {
				return false
			}
		}
		return true
	}
	for e, err := range entries {
		if err != nil {
			yield(Entry{}, err)
			return false
		}
		if !release(func(w Entry) bool { return w.Path < e.Path || !strings.HasPrefix(e.Path, stem(w.Path)) }) {
			return false
		}
		waiting = append(waiting, e)
	}
	return release(func(Entry) bool { return true })
}

func stem(sealed string) string { return strings.TrimSuffix(sealed, sealedSuffix) }

// Open reads length bytes of an entry from offset; length -1 means to the end.
// A range that is negative or passes the end is Invalid.
func (r *Reader) Open(ctx context.Context, e Entry, offset, length int64) (io.ReadCloser, error) {
	length, err := storage.ResolveRange(e.Size, offset, length)
	if err != nil {
		return nil, models.Wrap(models.Invalid, err, "the range lies outside the file")
	}
	switch {
	case e.Sealed():
		return r.openSealed(ctx, e, offset, length)
	case e.document != nil:
		return r.openPack(ctx, e.document.Offset+offset, length)
	default:
		return io.NopCloser(strings.NewReader(string(r.receipt[offset : offset+length]))), nil
	}
}

func (r *Reader) openPack(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	body, err := r.objects.Open(ctx, r.prov.PackKey, offset, length)
	if err != nil {
		return nil, storeError(err)
	}
	return body, nil
}

// openSealed joins the header record and the payload: offset o of the parcel's
// file at or after the header of length h is payload offset o − h.
func (r *Reader) openSealed(ctx context.Context, e Entry, offset, length int64) (io.ReadCloser, error) {
	size := int64(r.prov.HeaderSize)
	if offset >= size {
		return storage.OpenSegments(ctx, r.objects, e.segments, offset-size, length), nil
	}
	fromHeader := min(size-offset, length)
	header, err := r.openPack(ctx, e.record*size+offset, fromHeader)
	if err != nil || fromHeader == length {
		return header, err
	}
	payload := storage.OpenSegments(ctx, r.objects, e.segments, 0, length-fromHeader)
	return &joined{header: header, payload: payload}, nil
}

// joined reads a header and then its payload.
type joined struct {
	header, payload io.ReadCloser
	past            bool // the header is read
}

// Read implements io.Reader.
func (j *joined) Read(p []byte) (int, error) {
	if !j.past {
		n, err := j.header.Read(p)
		if err == io.EOF {
			j.past, err = true, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return j.payload.Read(p)
}

// WriteTo implements io.WriterTo: the payload keeps its own fast path.
func (j *joined) WriteTo(w io.Writer) (int64, error) {
	var n int64
	if !j.past {
		var err error
		if n, err = io.Copy(w, j.header); err != nil {
			return n, err
		}
		j.past = true
	}
	m, err := io.Copy(w, j.payload)
	return n + m, err
}

// Close implements io.Closer.
func (j *joined) Close() error { return errors.Join(j.header.Close(), j.payload.Close()) }

func storeError(err error) error {
	switch {
	case errors.Is(err, storage.ErrNotExist) || errors.Is(err, storage.ErrRange):
		return models.Wrap(models.Integrity, err, "a part of the parcel is missing in the object store; run teikyo doctor")
	case errors.Is(err, storage.ErrCorrupt):
		return models.Wrap(models.Integrity, err, "a part of the parcel was changed in the object store; tell the operator")
	}
	return models.Wrap(models.Unavailable, err, "the object store does not answer; try again")
}

func isFull(err error) bool { return errors.Is(err, storage.ErrFull) }

func asSource(err error, target **storage.SourceError) bool { return errors.As(err, target) }
