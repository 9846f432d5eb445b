package provision

import (
	"context"
	"io"
	"sync"
	"time"

	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/storage"
	"teikyo/wording"
)

// Store is where the use cases keep and find what they speak of.
// *database.DB satisfies it; the parts below say what is read and what is
// written.
type Store interface {
	Changes
	Notices
	Requests
	Provisions
	Datasets
	Recipients
}

// Changes are transactions: rows and their ledger entries commit together.
type Changes interface {
	Update(ctx context.Context, fn func(ctx context.Context) error) error
	Append(ctx context.Context, e *ledger.Entry) error
	Revoke(ctx context.Context) error
	EntryIndex(ctx context.Context, noun, id string, kind ledger.Kind) (int64, error)
}

// Notices keeps the public notices.
type Notices interface {
	SaveNotice(ctx context.Context, n models.Notice) error
	Notice(ctx context.Context, id string) (models.Notice, error)
	// CurrentNotice is the highest version of a class, else NotFound.
	CurrentNotice(ctx context.Context, class models.DataClass) (models.Notice, error)
	NoticeList(ctx context.Context, page models.Page) ([]models.Notice, error)
}

// Requests keeps requests and the remarks on them.
type Requests interface {
	SaveRequest(ctx context.Context, r models.Request) error
	Request(ctx context.Context, id string) (models.Request, error)
	RequestList(ctx context.Context, filter models.RequestFilter, page models.Page) ([]models.Request, error)
	SaveComment(ctx context.Context, c models.Comment) error
	Comments(ctx context.Context, requestID string) ([]models.Comment, error)
}

// Provisions keeps the provisions.
type Provisions interface {
	// NextNumber counts up in a series without gaps: it is part of the
	// transaction of ctx.
	NextNumber(ctx context.Context, series string) (int64, error)
	SaveProvision(ctx context.Context, p models.Provision) error
	// SaveReceipt keeps the receipt of the parcel with that manifest unless one
	// is there already.
	SaveReceipt(ctx context.Context, id, manifestSHA256 string, index int64, receipt string) error
	// KnownPacks returns those of keys, at most models.MaxPage, that a provision
	// needs.
	KnownPacks(ctx context.Context, keys []string) ([]string, error)
	Provision(ctx context.Context, id string) (models.Provision, error)
	ProvisionList(ctx context.Context, filter models.ProvisionFilter, page models.Page) ([]models.Provision, error)
	// ImportedProvision and ImportedProvisions are those of an earlier register,
	// which stand apart; the list has the cursor of ProvisionList.
	ImportedProvision(ctx context.Context, id string) (models.Provision, error)
	ImportedProvisions(ctx context.Context, filter models.ProvisionFilter, page models.Page) ([]models.Provision, error)
}

// Datasets is the read side of package dataset.
type Datasets interface {
	Dataset(ctx context.Context, id string) (models.Dataset, error)
	Version(ctx context.Context, datasetID string, number int) (models.Version, error)
	// Files and SealedFilesOf page through the same rows in the order of paths.
	Files(ctx context.Context, datasetID string, version int, after string, limit int) ([]models.File, error)
	SealedFilesOf(ctx context.Context, datasetID string, version int, after string, limit int) ([]models.SealedFile, error)
	File(ctx context.Context, datasetID string, version int, path string) (models.File, error)
	SealedFile(ctx context.Context, id string) (models.SealedFile, error)
	LiveWaivers(ctx context.Context, datasetID string, now time.Time) ([]models.Waiver, error)
}

// Recipients is the read side of package recipient.
type Recipients interface {
	Recipient(ctx context.Context, id string) (models.Recipient, error)
	Agreement(ctx context.Context, id string) (models.Agreement, error)
	Agreements(ctx context.Context, recipientID string, page models.Page) ([]models.Agreement, error)
	RecipientKey(ctx context.Context, id string) (models.RecipientKey, error)
	RecipientKeys(ctx context.Context, recipientID string) ([]models.RecipientKey, error)
	Destination(ctx context.Context, id string) (models.Destination, error)
	Destinations(ctx context.Context, recipientID string) ([]models.Destination, error)
}

// People says whether two people may decide together (access.Service).
type People interface {
	Pair(ctx context.Context, requester, approver string) (models.Independence, error)
}

// Receipts gives ledger receipts.
type Receipts interface {
	// Receipt waits until the second place holds a checkpoint that covers the
	// entry, then gives its C2SP tlog-proof text.
	Receipt(ctx context.Context, index int64) ([]byte, error)
}

// Queue takes the deliveries of the methods other than download.
type Queue interface {
	// Enqueue is part of the transaction of ctx. destination is the id of where an
	// upload goes. A parcel that was made anew is queued again.
	Enqueue(ctx context.Context, prov models.Provision, destination string) error
}

// Service holds the use cases. Every field must be set unless it says that it
// may be zero.
type Service struct {
	Store    Store
	Objects  storage.Store
	KEK      crypto.KEK
	Keys     *crypto.SigningKeys // signs manifests, and gives the issuer file
	People   People
	Receipts Receipts
	Texts    *wording.Texts
	// Organisation and Contact are the issuer's, as notices name it; when
	// Organisation is empty the origin of Keys stands for it.
	Organisation string
	Contact      string
	// Queue may be nil while Methods holds download only.
	Queue Queue
	// Methods are those that this server can carry out; nil means download.
	Methods []models.Method
	// MayIssue says why nothing may be issued now: the second place is too far
	// behind, or the clock is wrong. Nil means always.
	MayIssue func() error
	// ReceiptWait bounds how long an approval waits for its receipt; zero means
	// 5 s. Without one the provision stands all the same, and the receipt is made
	// when it is needed.
	ReceiptWait time.Duration
	// Keep is how long records of a class are kept after the end of the provision,
	// in years; nil means ledger.DefaultRetentionYears.
	Keep func(class models.DataClass) int
	Now  func() time.Time
	Rand io.Reader
	// Zone is where dates that people give begin and end.
	Zone *time.Location
	// FiscalYearStart is the month in which running numbers start again; zero
	// means April.
	FiscalYearStart time.Month

	keeping sync.WaitGroup // receipts that are being kept; see Finish
}

// Provider is who provides, as people read it: the organisation's name, its
// origin when it has none.
func (s *Service) Provider() string { return s.organisation() }
