package dataset

import (
	"context"
	"io"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/dataset/intake"
	"teikyo/deid"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/storage"
)

// Service holds the use cases of datasets. Every field must be set unless it
// says otherwise; it is safe for concurrent use.
type Service struct {
	Store   Store
	Objects storage.Store
	KEK     crypto.KEK
	People  People
	// Gate is the profile of versions that name none; nil is deid.DefaultProfile.
	Gate *deid.Profile
	// Profiles finds the profile of a name; nil knows the shipped ones.
	Profiles func(name string) (*deid.Profile, error)
	// Scan are the means of the gate; zero means no temporary files.
	Scan deid.Gate
	Now  func() time.Time
	Rand io.Reader
	// Zone is where days that people give begin and end; nil is UTC.
	Zone *time.Location
	// Limits may be zero: then the defaults hold.
	Limits Limits

	running intake.Running
}

// now is the clock at the precision of the rows.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// Limits bound what one registration may hold. A zero field is its default.
type Limits struct {
	MaxFile     int64         // plaintext bytes of one file; default 16 TiB
	MaxFiles    int           // files of a version; default 50,000
	SegmentSize int64         // bytes of a stored segment; default 256 MiB
	OrphanAge   time.Duration // objects without a row younger than this are not swept; default 1 h
	DraftAge    time.Duration // drafts untouched for longer are dropped; default 14 days
}

// The default limits.
const (
	DefaultMaxFile     = 16 << 40
	DefaultMaxFiles    = 50_000
	DefaultSegmentSize = 256 << 20
	DefaultOrphanAge   = time.Hour
	DefaultDraftAge    = 14 * 24 * time.Hour
)

func (l Limits) orDefault() Limits {
	if l.MaxFile == 0 {
		l.MaxFile = DefaultMaxFile
	}
	if l.MaxFiles == 0 {
		l.MaxFiles = DefaultMaxFiles
	}
	if l.SegmentSize == 0 {
		l.SegmentSize = DefaultSegmentSize
	}
	if l.OrphanAge == 0 {
		l.OrphanAge = DefaultOrphanAge
	}
	if l.DraftAge == 0 {
		l.DraftAge = DefaultDraftAge
	}
	return l
}

// Upload and Progress are those of package intake.
type (
	Upload   = intake.Upload
	Progress = intake.Progress
)

// Put streams a file, or a part of one, into a draft.
func (s *Service) Put(ctx context.Context, actor access.Actor, in Upload) (Progress, error) {
	if err := access.Can(actor, access.RegisterDataset, access.Of("")); err != nil {
		return Progress{}, err
	}
	return s.desk().Put(ctx, in)
}

func (s *Service) desk() *intake.Desk {
	limits := s.Limits.orDefault()
	return &intake.Desk{
		Store: s.Store, Objects: s.Objects, KEK: s.KEK, Profile: s.profileOf, Gate: s.Scan, Now: s.Now, Rand: s.Rand, Running: &s.running,
		MaxFile: limits.MaxFile, MaxFiles: limits.MaxFiles, SegmentSize: limits.SegmentSize,
	}
}

// People knows whether two people may decide together (DESIGN decision 18).
type People interface {
	Pair(ctx context.Context, requester, approver string) (models.Independence, error)
}

// Store keeps the rows; *database.DB satisfies it. Reads outside Update see the
// last commit; writes work inside Update only. Absent rows give
// models.NotFound.
type Store interface {
	Transactions
	DatasetRows
	FileRows
	SealedRows
	WaiverRows
	RecheckRows
}

// Transactions bundle rows with their ledger entries.
type Transactions interface {
	Update(ctx context.Context, fn func(ctx context.Context) error) error
	Append(ctx context.Context, e *ledger.Entry) error
	Revoke(ctx context.Context) error
}

// DatasetRows are datasets and their versions.
type DatasetRows interface {
	CreateDataset(ctx context.Context, ds models.Dataset) error
	// SetLatest moves the number of the highest registered version.
	SetLatest(ctx context.Context, id string, version int) error
	Dataset(ctx context.Context, id string) (models.Dataset, error)
	// Datasets lists newest first; the cursor is models.TimeCursor.
	Datasets(ctx context.Context, q models.DatasetQuery, p models.Page) ([]models.Dataset, error)
	// DeleteDataset removes a dataset that has no version.
	DeleteDataset(ctx context.Context, id string) error

	CreateVersion(ctx context.Context, v models.Version) error
	SaveVersion(ctx context.Context, v models.Version) error
	Version(ctx context.Context, datasetID string, number int) (models.Version, error)
	// Versions lists newest first; the cursor is the number.
	Versions(ctx context.Context, datasetID string, p models.Page) ([]models.Version, error)
	// VersionByKey finds what the same person made with the same idempotency key.
	VersionByKey(ctx context.Context, userID, key string) (models.Version, error)
	// TouchDraft counts a change; Conflict when the version is no draft any more.
	TouchDraft(ctx context.Context, datasetID string, number int, at time.Time) error
	// StaleDrafts lists drafts untouched since before, oldest first.
	StaleDrafts(ctx context.Context, before time.Time, limit int) ([]models.Version, error)
	DeleteVersion(ctx context.Context, datasetID string, number int) error
}

// FileRows are the files of versions and their gate reports.
type FileRows interface {
	// Files lists by path; after is the last path seen.
	Files(ctx context.Context, datasetID string, version int, after string, limit int) ([]models.File, error)
	File(ctx context.Context, datasetID string, version int, path string) (models.File, error)
	CountFiles(ctx context.Context, datasetID string, version int) (int, error)
	// PathTwins lists paths of the version that another path could not stand
	// beside on every file system: equal by models.FoldCase, a folder of it, or
	// below it.
	PathTwins(ctx context.Context, datasetID string, version int, path string) ([]string, error)
	SaveFile(ctx context.Context, f models.File) error
	DeleteFile(ctx context.Context, id string) error
	// NumberFiles gives the files of a version their numbers, by path from 0.
	NumberFiles(ctx context.Context, datasetID string, version int) error

	SaveReport(ctx context.Context, r models.GateReport) error
	Report(ctx context.Context, id string) (models.GateReport, error)
	Reports(ctx context.Context, ids []string) ([]models.GateReport, error)
	DeleteReport(ctx context.Context, id string) error
}

// SealedRows are sealed files and their segments.
type SealedRows interface {
	SealedFile(ctx context.Context, id string) (models.SealedFile, error)
	SealedFilesOf(ctx context.Context, datasetID string, version int, after string, limit int) ([]models.SealedFile, error)
	// SaveSealedFile writes the row and the segments that are not there yet.
	SaveSealedFile(ctx context.Context, f models.SealedFile) error
	// DeleteSealedFile removes the row and its segments' rows.
	DeleteSealedFile(ctx context.Context, id string) error
	// ReuseSealed points files of the version to the sealed file of an earlier
	// registered version with the same contents, schema and key strength, and
	// returns the sealed files that nothing points to any more.
	ReuseSealed(ctx context.Context, v models.Version) (dropped []models.SealedFile, err error)
	// KnownSegments returns those of keys that a row names.
	KnownSegments(ctx context.Context, keys []string) ([]string, error)
}

// WaiverRows are the waivers.
type WaiverRows interface {
	SaveWaiver(ctx context.Context, w models.Waiver) error
	Waiver(ctx context.Context, id string) (models.Waiver, error)
	// Waivers lists by time of request; the cursor is models.TimeCursor.
	Waivers(ctx context.Context, q models.WaiverQuery, p models.Page) ([]models.Waiver, error)
	// LiveWaivers lists the approved waivers of a dataset that have not expired.
	LiveWaivers(ctx context.Context, datasetID string, now time.Time) ([]models.Waiver, error)
}
