package disposal

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/storage"
)

// Store keeps the rows; *database.DB satisfies it. Writes work inside Update only.
type Store interface {
	Changes
	Disposals
	Versions
	Provisions
	Retentions
	User(ctx context.Context, id string) (models.User, error)
}

// Changes are transactions and what happens in the ledger.
type Changes interface {
	Update(ctx context.Context, fn func(ctx context.Context) error) error
	Append(ctx context.Context, e *ledger.Entry) error
	Revoke(ctx context.Context) error
	// RedactEntry removes details and salt of an entry, and says whether they were there.
	RedactEntry(ctx context.Context, index int64) (bool, error)
	Entries(ctx context.Context, f models.EntryFilter, page models.Page) ([]ledger.Record, error)
	EntryIndex(ctx context.Context, noun, id string, kind ledger.Kind) (int64, error)
	// Scrub makes what was deleted vanish from the database's files.
	Scrub(ctx context.Context) error
}

// Disposals are the rows of this package.
type Disposals interface {
	SaveDisposal(ctx context.Context, d models.Disposal) error
	Disposal(ctx context.Context, id string) (models.Disposal, error)
	// Disposals lists the newest first; the cursor is models.TimeCursor.
	Disposals(ctx context.Context, state models.DisposalState, page models.Page) ([]models.Disposal, error)
	// ClaimDisposal lets one process carry it out, as part of the transaction of ctx.
	ClaimDisposal(ctx context.Context, id, by string, now, until time.Time) (bool, error)
	SaveDisposalItem(ctx context.Context, i models.DisposalItem) error
	DisposalItems(ctx context.Context, id string, after, limit int) ([]models.DisposalItem, error)
	// DisposalOf is the disposal under way for a thing, or that disposed of it;
	// empty when there is none.
	DisposalOf(ctx context.Context, kind models.DisposalItemKind, ref string) (string, error)
	AddDoomed(ctx context.Context, i models.DisposalItem, keys []string) error
	Doomed(ctx context.Context, i models.DisposalItem, limit int) ([]string, error)
	ForgetDoomed(ctx context.Context, keys []string) error
}

// Versions are datasets, their files and sealed files.
type Versions interface {
	Dataset(ctx context.Context, id string) (models.Dataset, error)
	Version(ctx context.Context, datasetID string, number int) (models.Version, error)
	SaveVersion(ctx context.Context, v models.Version) error
	// SealedFilesOf lists in the order of Files.
	Files(ctx context.Context, datasetID string, version int, after string, limit int) ([]models.File, error)
	SealedFilesOf(ctx context.Context, datasetID string, version int, after string, limit int) ([]models.SealedFile, error)
	// SealedUsedElsewhere returns those of ids that another version still needs.
	SealedUsedElsewhere(ctx context.Context, datasetID string, version int, ids []string) ([]string, error)
	DestroySealed(ctx context.Context, id string, at time.Time) error
}

// Provisions are the provisions of a version.
type Provisions interface {
	Provision(ctx context.Context, id string) (models.Provision, error)
	ProvisionList(ctx context.Context, f models.ProvisionFilter, page models.Page) ([]models.Provision, error)
	SaveProvision(ctx context.Context, p models.Provision) error
}

// Retentions are the periods, and what they let go.
type Retentions interface {
	Retentions(ctx context.Context) ([]models.Retention, error)
	SaveRetention(ctx context.Context, r models.Retention) error
	Purge(ctx context.Context, before models.PurgeBefore) (models.Purged, error)
	// EndedVersions, EndedProvisions and EndedRecipients list what ended before an
	// instant and stands in no other disposal, by reference.
	EndedVersions(ctx context.Context, q models.DueQuery) ([]models.Version, error)
	EndedProvisions(ctx context.Context, classes []models.DataClass, q models.DueQuery) ([]models.Provision, error)
	EndedRecipients(ctx context.Context, q models.DueQuery) ([]models.Recipient, error)
	// ForgetProvision and ForgetRecipient remove people from rows.
	ForgetProvision(ctx context.Context, id, requestID string) error
	ForgetRecipient(ctx context.Context, id string) error
}

// People knows whether two people may decide together (DESIGN decision 18).
type People interface {
	Pair(ctx context.Context, requester, approver string) (models.Independence, error)
}

// Receipts gives ledger receipts, once the second place covers the entry.
type Receipts interface {
	Receipt(ctx context.Context, index int64) ([]byte, error)
}

// Service holds the use cases. Every field must be set unless it says otherwise;
// it is safe for concurrent use.
type Service struct {
	Store    Store
	Objects  storage.Store
	People   People
	Receipts Receipts
	Keys     *crypto.SigningKeys // the manifest key signs certificates
	// Organisation is whose certificates these are; empty: the origin of Keys.
	Organisation string
	Now          func() time.Time
	Rand         io.Reader
	// Zone is where years begin and end; nil is UTC.
	Zone *time.Location
	// Alone says that no other process works on the database: what one that is gone
	// had claimed is free.
	Alone bool
	// Policy says how long records stay; LoadPolicy fills it.
	Policy Policy
	// Failed hears of what went wrong in the background; may be nil.
	Failed func(error)

	running sync.Mutex // one disposal at a time is carried out in a process
	once    sync.Once
	wake    chan struct{}
	name    string // of this process, in claims
}

// now is the clock at the precision of the rows.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

func (s *Service) zone() *time.Location {
	if s.Zone == nil {
		return time.UTC
	}
	return s.Zone
}

// maxReason bounds reasons, in bytes.
const maxReason = 4000

// reasonOf is the reason as it is kept, or why it cannot be.
func reasonOf(text string, needed bool) (string, error) {
	text = strings.TrimSpace(text)
	odd := func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\n\t", r) }
	switch {
	case text == "" && needed:
		return "", models.Errorf(models.Invalid, "give the reason; it stays in the ledger")
	case len(text) > maxReason:
		return "", models.Errorf(models.TooLarge, "the reason has %d bytes; at most %d are allowed", len(text), maxReason)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, odd):
		return "", models.Errorf(models.Invalid, "the reason holds control characters; remove them")
	}
	return text, nil
}
