package intake

import (
	"context"
	"io"
	"time"

	"teikyo/crypto"
	"teikyo/deid"
	"teikyo/models"
	"teikyo/storage"
)

// Desk takes files in. Every field must be set.
type Desk struct {
	Store   Store
	Objects storage.Store
	KEK     crypto.KEK
	// Profile is the gate's profile for a version.
	Profile func(v models.Version) (*deid.Profile, error)
	Gate    deid.Gate // may be zero
	Now     func() time.Time
	Rand    io.Reader
	Running *Running

	MaxFile     int64 // plaintext bytes of one file
	MaxFiles    int   // files of a version
	SegmentSize int64 // bytes of a stored segment
}

// now is the clock at the precision of the rows.
func (d *Desk) now() time.Time { return d.Now().UTC().Truncate(time.Microsecond) }

// Store keeps the rows that an upload changes; its methods are described in
// package dataset.
type Store interface {
	Update(ctx context.Context, fn func(ctx context.Context) error) error
	Version(ctx context.Context, datasetID string, number int) (models.Version, error)
	TouchDraft(ctx context.Context, datasetID string, number int, at time.Time) error

	File(ctx context.Context, datasetID string, version int, path string) (models.File, error)
	CountFiles(ctx context.Context, datasetID string, version int) (int, error)
	PathTwins(ctx context.Context, datasetID string, version int, path string) ([]string, error)
	SaveFile(ctx context.Context, f models.File) error
	DeleteFile(ctx context.Context, id string) error

	SaveReport(ctx context.Context, r models.GateReport) error
	DeleteReport(ctx context.Context, id string) error

	SealedFile(ctx context.Context, id string) (models.SealedFile, error)
	SaveSealedFile(ctx context.Context, f models.SealedFile) error
	DeleteSealedFile(ctx context.Context, id string) error
}

// Progress says how much of a file has arrived.
type Progress struct {
	File     models.File
	Offset   int64 // plaintext bytes that are kept: an upload goes on here
	Complete bool
	Report   models.GateReport // of a file that this request completed
}
