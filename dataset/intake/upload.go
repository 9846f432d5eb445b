package intake

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"teikyo/crypto"
	"teikyo/deid"
	"teikyo/models"
	"teikyo/storage"
)

// maxMediaType is the longest media type, in bytes.
const maxMediaType = 200

// Upload is one request that brings a file or a part of it.
type Upload struct {
	DatasetID string
	Version   int
	Path      string
	Items     []models.Item
	MediaType string // may be empty
	Body      io.Reader
	Offset    int64  // plaintext bytes before the body
	Length    int64  // of the body, -1 unknown
	Total     int64  // of the file, -1 unknown
	SHA256    string // hex, of the whole file; may be empty
}

// upload is an Upload under way.
type upload struct {
	d       *Desk
	in      Upload
	file    models.File
	sealed  models.SealedFile
	old     models.SealedFile // what it replaces
	key     crypto.FileKey
	profile *deid.Profile
	src     *source
	gate    *gateRun // nil when the upload goes on from an earlier one
	segment string   // that Running holds
	pending string   // the object of the next segment, as the row says; empty before the first
	done    chan struct{}
}

// Put streams a file into a draft: digest, seal, store and gate in one pass at
// constant memory. A body that breaks off keeps its whole chunks, and a later
// request goes on from there. When the contents are not those of the announced
// digest nothing is left. Whether the caller may do so is decided before.
func (d *Desk) Put(ctx context.Context, in Upload) (Progress, error) {
	if err := d.checkUpload(in); err != nil {
		return Progress{}, err
	}
	key := fileKey(in.DatasetID, in.Version, in.Path)
	d.Running.settle(ctx, key)
	u, err := d.begin(ctx, in)
	if err != nil {
		return Progress{}, err
	}
	d.RemoveObjects(ctx, u.old)
	if u.file.SHA256 != "" {
		return Progress{File: u.file, Offset: u.file.Size, Complete: true}, nil
	}
	d.Running.add(key, u)
	defer d.Running.remove(key, u)
	// From here on the work ends with the body, not with the request: what has
	// arrived is kept even when the client is gone.
	return u.run(context.WithoutCancel(ctx))
}

func (d *Desk) checkUpload(in Upload) error {
	if err := models.CheckPath(in.Path, norm.NFC.IsNormalString); err != nil {
		return err
	}
	if err := models.CheckCodes("item", in.Items, models.Items()); err != nil {
		return err
	}
	limit := d.MaxFile
	switch {
	case in.Offset < 0 || in.Total >= 0 && in.Offset >= in.Total && in.Offset > 0:
		return models.Errorf(models.Invalid, "the offset lies outside the file")
	case in.Total > limit || in.Length > limit:
		return models.Errorf(models.TooLarge, "the file has %d bytes; this server takes at most %d in one file; split it",
			max(in.Total, in.Length), limit)
	case in.Total == 0:
		return errEmpty(in.Path)
	}
	if len(in.MediaType) > maxMediaType || !utf8.ValidString(in.MediaType) || strings.ContainsFunc(in.MediaType, unicode.IsControl) {
		return models.Errorf(models.Invalid, "the media type of %s is not a valid one", in.Path)
	}
	return nil
}

func errEmpty(path string) error {
	return models.Errorf(models.Invalid, "%s is empty; leave it out or send its contents", path)
}

// run is the pass: segment after segment becomes durable, then the row that
// names it.
func (u *upload) run(ctx context.Context) (Progress, error) {
	sealer, err := u.start(ctx)
	if err != nil {
		return Progress{}, err
	}
	defer sealer.Close()
	progress, err := u.segments(ctx, sealer)
	if u.gate != nil {
		u.gate.abort()
	}
	return progress, err
}

func (u *upload) segments(ctx context.Context, sealer *crypto.Sealer) (Progress, error) {
	for {
		segment, err := u.putSegment(ctx, sealer)
		switch {
		case err != nil:
			return u.stopped(ctx, err)
		case sealer.Done():
			return u.finish(ctx, sealer, segment)
		}
		if err := u.keep(ctx, sealer, segment); err != nil {
			return Progress{}, err
		}
		if err := sealer.Err(); err != nil {
			return u.stopped(ctx, err)
		}
	}
}

// start makes the sealer, from the beginning or from what the row keeps.
func (u *upload) start(ctx context.Context) (*crypto.Sealer, error) {
	if u.in.Offset == 0 {
		sealer, err := crypto.NewSealer(u.key, u.d.Rand, u.src)
		if err != nil {
			return nil, models.Wrap(models.Internal, err, "sealing could not start")
		}
		u.gate = startGate(ctx, u.d.Gate, u.file.Path, u.profile)
		u.src.gate = u.gate
		return sealer, nil
	}
	var state resume
	if err := json.Unmarshal(u.sealed.Resume, &state); err != nil {
		return nil, models.Wrap(models.Integrity, err, "the state of the upload is damaged; send the file from the start")
	}
	sealer, err := crypto.ResumeSealer(u.key, state.SealState, u.src)
	if err != nil {
		return nil, models.Wrap(models.Integrity, err, "the state of the upload is damaged; send the file from the start")
	}
	return sealer, nil
}

// putSegment makes the next segment durable. After a failure nothing names it.
func (u *upload) putSegment(ctx context.Context, sealer *crypto.Sealer) (models.Segment, error) {
	key := u.pending
	if key == "" {
		var err error
		if key, err = newSegmentKey(u.d.Rand); err != nil {
			return models.Segment{}, err
		}
	}
	u.d.Running.hold(u, key)
	n, err := u.d.Objects.Put(ctx, key, sealer.NextSegment(u.d.SegmentSize), -1)
	return models.Segment{Key: key, Size: n}, err
}

// keep writes down how far the upload is, so that it can go on from here.
func (u *upload) keep(ctx context.Context, sealer *crypto.Sealer, segment models.Segment) error {
	state, err := sealer.State()
	if err != nil {
		return models.Wrap(models.Internal, err, "the state of the upload cannot be kept")
	}
	pending, err := newSegmentKey(u.d.Rand)
	if err != nil {
		return err
	}
	next := u.sealed
	if next.Resume, err = json.Marshal(resume{state, pending}); err != nil {
		return models.Wrap(models.Internal, err, "the state of the upload cannot be kept")
	}
	next.Size = sealer.PlainSize()
	next.Segments = append(next.Segments[:len(next.Segments):len(next.Segments)], segment)
	if err := u.save(ctx, next, segment, nil); err != nil {
		return err
	}
	u.sealed, u.pending = next, pending
	return nil
}

// finish checks what was announced, lets the gate speak and makes the file
// complete.
func (u *upload) finish(ctx context.Context, sealer *crypto.Sealer, last models.Segment) (Progress, error) {
	plain, payload := sealer.PlainSHA256(), sealer.PayloadSHA256()
	next := u.sealed
	next.State, next.Resume, next.Size = models.SealedComplete, nil, sealer.PlainSize()
	next.SHA256, next.PayloadSHA256 = hex.EncodeToString(plain[:]), hex.EncodeToString(payload[:])
	next.PayloadSize = sealer.PayloadSize()
	next.Segments = append(next.Segments[:len(next.Segments):len(next.Segments)], last)
	if err := u.asAnnounced(next); err != nil {
		u.d.RemoveObjects(ctx, models.SealedFile{Segments: []models.Segment{last}})
		return Progress{}, errors.Join(err, u.drop(ctx))
	}
	report, err := u.report(ctx, next)
	if err != nil {
		return Progress{}, err
	}
	file := u.file
	file.Size, file.SHA256, file.ReportID = next.Size, next.SHA256, report.ID
	err = wrapping(func() error { return u.complete(ctx, next, last, file, report) })
	if err != nil {
		return Progress{}, err
	}
	return Progress{File: file, Offset: file.Size, Complete: true, Report: report}, nil
}

// complete binds the key to the payload's digest and writes the rows of a whole
// file.
func (u *upload) complete(
	ctx context.Context, next models.SealedFile, last models.Segment, file models.File, report models.GateReport,
) error {
	bound, err := WrapContext(next)
	if err != nil {
		return err
	}
	if next.KEKID, next.WrappedKey, err = crypto.WrapFileKey(ctx, u.d.KEK, u.key, bound); err != nil {
		return models.Wrap(models.Unavailable, err, "the file's key could not be wrapped; check the server's keys")
	}
	return u.save(ctx, next, last, func(ctx context.Context) error {
		if err := u.d.Store.SaveReport(ctx, report); err != nil {
			return err
		}
		return u.d.Store.SaveFile(ctx, file)
	})
}

func (u *upload) asAnnounced(f models.SealedFile) error {
	switch {
	case f.Size == 0:
		return errEmpty(u.in.Path)
	case u.in.Total >= 0 && f.Size != u.in.Total:
		return models.Errorf(models.Integrity, "%s has %d bytes and not the announced %d; nothing was kept; send it again",
			u.in.Path, f.Size, u.in.Total)
	case u.in.SHA256 != "" && f.SHA256 != u.in.SHA256:
		return models.Errorf(models.Integrity, "the contents of %s have the SHA-256 %s and not the announced %s; "+
			"nothing was kept; send it again", u.in.Path, f.SHA256, u.in.SHA256)
	}
	return nil
}

// report is what the gate says about the whole contents.
func (u *upload) report(ctx context.Context, f models.SealedFile) (models.GateReport, error) {
	var report deid.Report
	var err error
	if u.gate != nil {
		report, err = u.gate.finish()
		u.gate = nil
	} else {
		report, err = u.checkStored(ctx, f)
	}
	if err != nil {
		return models.GateReport{}, models.Wrap(models.Unavailable, err, "the gate could not look at the file; send it again")
	}
	return u.d.StoredReport(report, f.SHA256)
}

// checkStored runs the gate over what an upload in several requests has sealed.
func (u *upload) checkStored(ctx context.Context, f models.SealedFile) (deid.Report, error) {
	payload := storage.OpenSegments(ctx, u.d.Objects, Segments(f), 0, -1)
	defer payload.Close()
	plain, err := crypto.NewOpener(u.key, payload)
	if err != nil {
		return deid.Report{}, err
	}
	return u.d.Gate.Check(ctx, u.file.Path, plain, u.profile)
}

// stopped says why the pass ended early.
func (u *upload) stopped(ctx context.Context, err error) (Progress, error) {
	var broken *crypto.SourceError
	if !errors.As(err, &broken) {
		return Progress{}, StoreError(err)
	}
	var refused *models.Error
	switch {
	case errors.Is(err, errPart) && u.sealed.Size == u.in.Offset:
		return Progress{}, models.Errorf(models.Invalid, "this part of %s is too small to be kept; send more than %d bytes at once, "+
			"or the rest of the file", u.in.Path, crypto.ChunkSize)
	case errors.Is(err, errPart):
		return Progress{File: u.file, Offset: u.sealed.Size}, nil
	case errors.As(err, &refused):
		return Progress{}, errors.Join(refused, u.drop(ctx))
	}
	return Progress{}, models.Wrap(models.Unavailable, err, fmt.Sprintf(
		"the connection broke while %s was sent; %d bytes are kept; send the rest from there", u.in.Path, u.sealed.Size))
}

// StoreError says what a failure of the object store means.
func StoreError(err error) error {
	var known *models.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, storage.ErrFull):
		return models.Wrap(models.Full, err, "no space left for objects; what was complete is kept; free some space and go on")
	}
	if errors.Is(err, storage.ErrDenied) {
		return models.Wrap(models.Unavailable, err, "the object store does not accept the server's credentials; tell the operator (see /readyz)")
	}
	return models.Wrap(models.Unavailable, err, "the object store failed; what was complete is kept; try again")
}
