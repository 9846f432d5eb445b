package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"teikyo/crypto"
	"teikyo/models"
	"teikyo/storage"
)

// segmentSuffix ends the keys of all segments: the sweep deletes no other
// object. No key of storage.NewKey has a hyphen.
const segmentSuffix = "-s"

// IsSegment reports whether an object is a segment of a sealed file.
func IsSegment(key string) bool { return strings.HasSuffix(key, segmentSuffix) }

func newSegmentKey(rand io.Reader) (string, error) {
	key, err := storage.NewKey(rand)
	if err != nil {
		return "", models.Wrap(models.Internal, err, "no randomness for a new object")
	}
	return key + segmentSuffix, nil
}

// begin writes the rows of an upload that starts or goes on. An earlier attempt
// that still runs somewhere loses its right to save.
func (d *Desk) begin(ctx context.Context, in Upload) (*upload, error) {
	u := &upload{d: d, in: in, src: newSource(in, d.MaxFile), done: make(chan struct{})}
	if err := wrapping(func() error { return u.enter(ctx) }); err != nil || in.Offset == 0 || u.file.SHA256 != "" {
		return u, err
	}
	var err error
	u.key, err = crypto.UnwrapFileKey(ctx, d.KEK, u.sealed.KEKID, u.sealed.WrappedKey, draftContext(u.sealed.ID))
	if err != nil {
		return nil, models.Wrap(models.Unavailable, err, "the file's key cannot be unwrapped; check the server's keys")
	}
	return u, u.clean(ctx)
}

// wrapping does something again when the version that it wrapped under is being
// destroyed: another one wraps by now.
func wrapping(do func() error) error {
	err := do()
	for n := 1; n < 3 && errors.Is(err, models.ErrKEKClosing); n++ {
		err = do()
	}
	return err
}

// enter writes the rows that an upload begins with.
func (u *upload) enter(ctx context.Context) error {
	d, in := u.d, u.in
	if in.Offset == 0 {
		if err := u.newSealed(ctx); err != nil {
			return err
		}
	}
	return d.Store.Update(ctx, func(ctx context.Context) error {
		v, err := d.Store.Version(ctx, in.DatasetID, in.Version)
		if err != nil {
			return err
		}
		if u.profile, err = d.Profile(v); err != nil {
			return err
		}
		if err := d.Store.TouchDraft(ctx, v.DatasetID, v.Number, d.Now()); err != nil {
			return err
		}
		return u.beginFile(ctx)
	})
}

// WrapContext is what the wrapped key of a sealed file is bound to.
func WrapContext(f models.SealedFile) (crypto.WrapContext, error) {
	if f.State == models.SealedUploading {
		return draftContext(f.ID), nil
	}
	sum, err := hex.DecodeString(f.PayloadSHA256)
	if err != nil || len(sum) != sha256.Size {
		return crypto.WrapContext{}, models.Errorf(models.Integrity, "the row of sealed file %s is damaged", f.ID)
	}
	return crypto.WrapContext{Purpose: crypto.WrapFile, FileID: f.ID, PayloadSHA256: [sha256.Size]byte(sum)}, nil
}

func draftContext(sealedID string) crypto.WrapContext {
	return crypto.WrapContext{Purpose: crypto.WrapDraft, FileID: sealedID}
}

// newSealed makes the key and the row of contents that start anew.
func (u *upload) newSealed(ctx context.Context) error {
	id, err := models.NewID(u.d.Rand, models.SealedID)
	if err != nil {
		return err
	}
	if u.key, err = crypto.NewFileKey(u.d.Rand); err != nil {
		return models.Wrap(models.Internal, err, "no randomness for a new key")
	}
	now := u.d.now()
	u.sealed = models.SealedFile{ID: id, State: models.SealedUploading, CreatedAt: now, UpdatedAt: now}
	u.sealed.KEKID, u.sealed.WrappedKey, err = crypto.WrapFileKey(ctx, u.d.KEK, u.key, draftContext(id))
	if err != nil {
		return models.Wrap(models.Unavailable, err, "a new key could not be wrapped; check the server's keys")
	}
	return nil
}

func (u *upload) beginFile(ctx context.Context) error {
	f, err := u.d.Store.File(ctx, u.in.DatasetID, u.in.Version, u.in.Path)
	switch {
	case models.IsKind(err, models.NotFound) && u.in.Offset > 0:
		return models.Errorf(models.Conflict, "nothing of %s is kept; send it from the start", u.in.Path)
	case models.IsKind(err, models.NotFound):
		return u.addFile(ctx)
	case err != nil:
		return err
	}
	u.file = f
	u.file.Items, u.file.MediaType = u.in.Items, mediaType(u.in)
	switch {
	case f.SHA256 != "" && f.SHA256 == u.in.SHA256:
		return u.d.Store.SaveFile(ctx, u.file)
	case u.in.Offset > 0:
		return u.goOn(ctx)
	default:
		return u.replace(ctx)
	}
}

func (u *upload) addFile(ctx context.Context) error {
	count, err := u.d.Store.CountFiles(ctx, u.in.DatasetID, u.in.Version)
	if err != nil {
		return err
	}
	if limit := u.d.MaxFiles; count >= limit {
		return models.Errorf(models.TooLarge, "a version holds at most %d files; pack them: tar -cf files.tar DIR, and register "+
			"the tar file", limit)
	}
	twins, err := u.d.Store.PathTwins(ctx, u.in.DatasetID, u.in.Version, u.in.Path)
	if err != nil {
		return err
	}
	if len(twins) > 0 {
		return models.Errorf(models.Conflict, "%s cannot stand beside %s: on some systems the two are the same name, or one "+
			"would be a folder and a file at once; rename one", u.in.Path, twins[0])
	}
	id, err := models.NewID(u.d.Rand, models.FileID)
	if err != nil {
		return err
	}
	u.file = models.File{
		ID: id, DatasetID: u.in.DatasetID, Version: u.in.Version, Number: -1, Path: u.in.Path, Items: u.in.Items,
		MediaType: mediaType(u.in), SealedID: u.sealed.ID, CreatedAt: u.d.now(),
	}
	if err := u.d.Store.SaveSealedFile(ctx, u.sealed); err != nil {
		return err
	}
	return u.d.Store.SaveFile(ctx, u.file)
}

// goOn takes an upload over from its last segment.
func (u *upload) goOn(ctx context.Context) error {
	sealed, err := u.d.Store.SealedFile(ctx, u.file.SealedID)
	if err != nil {
		return err
	}
	switch {
	case sealed.State != models.SealedUploading:
		return models.Errorf(models.Conflict, "%s is complete; to replace it send it from the start", u.in.Path)
	case sealed.Size != u.in.Offset:
		return models.Errorf(models.Conflict, "%d bytes of %s are kept; send the rest from there", sealed.Size, u.in.Path)
	}
	sealed.Epoch++
	u.sealed = sealed
	if err := u.d.Store.SaveSealedFile(ctx, sealed); err != nil {
		return err
	}
	return u.d.Store.SaveFile(ctx, u.file)
}

// replace starts the contents of a file anew. A draft's sealed file belongs to
// this file alone: others share it only once it is registered.
func (u *upload) replace(ctx context.Context) error {
	var err error
	if u.old, err = u.d.Store.SealedFile(ctx, u.file.SealedID); err != nil {
		return err
	}
	oldReport := u.file.ReportID
	u.file.SealedID, u.file.Size, u.file.SHA256, u.file.ReportID = u.sealed.ID, 0, "", ""
	if err := u.d.Store.SaveSealedFile(ctx, u.sealed); err != nil {
		return err
	}
	if err := u.d.Store.SaveFile(ctx, u.file); err != nil {
		return err
	}
	if err := u.d.Store.DeleteReport(ctx, oldReport); err != nil {
		return err
	}
	return u.d.Store.DeleteSealedFile(ctx, u.old.ID)
}

// save writes the next state of the sealed file, unless another attempt has
// taken over: then the new segment goes. The key of an upload under way may have
// been wrapped anew meanwhile: the row's wrap stays.
func (u *upload) save(
	ctx context.Context, next models.SealedFile, segment models.Segment, also func(ctx context.Context) error,
) error {
	next.UpdatedAt = u.d.now()
	refused := false
	err := u.d.Store.Update(ctx, func(ctx context.Context) error {
		row, err := u.stillMine(ctx)
		if err != nil {
			refused = true
			return err
		}
		if next.State == models.SealedUploading {
			next.KEKID, next.WrappedKey = row.KEKID, row.WrappedKey
		}
		if err := u.d.Store.SaveSealedFile(ctx, next); err != nil || also == nil {
			return err
		}
		return also(ctx)
	})
	if refused && segment.Key != "" { // any other failure may be on disk all the same: the sweep decides
		u.d.RemoveObjects(ctx, models.SealedFile{Segments: []models.Segment{segment}})
	}
	return err
}

// stillMine gives the row as it is, unless another attempt has taken over.
func (u *upload) stillMine(ctx context.Context) (models.SealedFile, error) {
	var row models.SealedFile
	if err := u.d.Store.TouchDraft(ctx, u.in.DatasetID, u.in.Version, u.d.Now()); err != nil {
		return row, err
	}
	row, err := u.d.Store.SealedFile(ctx, u.sealed.ID)
	if err != nil && !models.IsKind(err, models.NotFound) {
		return row, err
	}
	if err != nil || row.Epoch != u.sealed.Epoch {
		return row, models.Errorf(models.Conflict, "another upload of %s has taken over; nothing of this one counts any more", u.in.Path)
	}
	return row, nil
}

// drop leaves nothing of the file.
func (u *upload) drop(ctx context.Context) error {
	err := u.d.Store.Update(ctx, func(ctx context.Context) error {
		if _, err := u.stillMine(ctx); err != nil {
			return err
		}
		return u.d.DropFile(ctx, u.file)
	})
	if err == nil {
		u.d.RemoveObjects(ctx, u.sealed)
	}
	return err
}

// DropFile removes the rows of a draft's file.
func (d *Desk) DropFile(ctx context.Context, f models.File) error {
	if err := d.Store.DeleteFile(ctx, f.ID); err != nil {
		return err
	}
	if f.ReportID != "" {
		if err := d.Store.DeleteReport(ctx, f.ReportID); err != nil {
			return err
		}
	}
	return d.Store.DeleteSealedFile(ctx, f.SealedID)
}

// RemoveObjects deletes objects that no row names any more. What stays behind
// after a failure is an orphan, and the sweep's business.
func (d *Desk) RemoveObjects(ctx context.Context, files ...models.SealedFile) {
	for _, f := range files {
		for _, segment := range f.Segments {
			_ = d.Objects.Delete(context.WithoutCancel(ctx), segment.Key)
		}
	}
}

// mediaType is the announced one, or that of a known file name.
func mediaType(in Upload) string {
	if in.MediaType != "" && in.MediaType != "application/octet-stream" {
		return in.MediaType
	}
	switch strings.ToLower(path.Ext(in.Path)) {
	case ".csv":
		return "text/csv"
	case ".tsv":
		return "text/tab-separated-values"
	case ".json":
		return "application/json"
	case ".ndjson", ".jsonl":
		return "application/x-ndjson"
	case ".parquet":
		return "application/vnd.apache.parquet"
	case ".dcm":
		return "application/dicom"
	case ".tar":
		return "application/x-tar"
	case ".zip":
		return "application/zip"
	case ".gz":
		return "application/gzip"
	}
	return "application/octet-stream"
}

func fileKey(id string, version int, path string) string {
	return id + "@" + strconv.Itoa(version) + "/" + path
}

// Running knows the uploads of this process.
type Running struct {
	mu     sync.Mutex
	byFile map[string]*upload
	held   map[string]bool // segments that wait for their rows
}

// Holds reports whether a segment belongs to an upload that has not written its
// row yet: the gate may read a large file again before it does.
func (r *Running) Holds(segment string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held[segment]
}

// hold keeps the next segment of an upload from being swept, in place of the one
// before, which has its row.
func (r *Running) hold(u *upload, segment string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.held, u.segment)
	u.segment = segment
	if segment == "" {
		return
	}
	if r.held == nil {
		r.held = map[string]bool{}
	}
	r.held[segment] = true
}

func (r *Running) add(key string, u *upload) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byFile == nil {
		r.byFile = map[string]*upload{}
	}
	r.byFile[key] = u
}

func (r *Running) remove(key string, u *upload) {
	r.hold(u, "")
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byFile[key] == u {
		delete(r.byFile, key)
	}
	close(u.done)
}

// settleTime is how long a new request waits for one that broke off to save
// what it has.
const settleTime = 10 * time.Second

// Settle waits for an upload of the file in this process that has lost its
// client to save what it has.
func (d *Desk) Settle(ctx context.Context, id string, version int, path string) {
	d.Running.settle(ctx, fileKey(id, version, path))
}

// settle waits for an upload of the file that has lost its client.
func (r *Running) settle(ctx context.Context, key string) {
	r.mu.Lock()
	u := r.byFile[key]
	r.mu.Unlock()
	if u == nil || !u.src.broken.Load() {
		return
	}
	timer := time.NewTimer(settleTime)
	defer timer.Stop()
	select {
	case <-u.done:
	case <-timer.C:
	case <-ctx.Done():
	}
}
