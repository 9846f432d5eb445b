package legacy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"time"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/recipient"
	"teikyo/wording"
)

// Store is the database; *database.DB.
type Store interface {
	Update(ctx context.Context, fn func(ctx context.Context) error) error
	Append(ctx context.Context, e *ledger.Entry) error
	Imported(ctx context.Context, kind, reference string) (models.Imported, error)
	SaveImported(ctx context.Context, i models.Imported) error
	SaveImportedProvision(ctx context.Context, p models.Provision, by string, at time.Time) error

	Recipient(ctx context.Context, id string) (models.Recipient, error)
	Agreement(ctx context.Context, id string) (models.Agreement, error)
	SaveAgreement(ctx context.Context, a models.Agreement) error
	Dataset(ctx context.Context, id string) (models.Dataset, error)
	CreateDataset(ctx context.Context, ds models.Dataset) error
}

// Recipients enters organisations; *recipient.Service.
type Recipients interface {
	Apply(ctx context.Context, actor access.Actor, p recipient.Profile) (models.Recipient, error)
}

// Service takes over an earlier register. Every field must be set.
type Service struct {
	Store      Store
	Recipients Recipients
	Texts      *wording.Texts // codes may be written as people read them
	Now        func() time.Time
	Rand       io.Reader
	Zone       *time.Location
}

// File is a file to take over.
type File struct {
	Kind   string // recipients, agreements, datasets or provisions
	Name   string // for messages and the record
	Text   []byte
	DryRun bool // say what would happen and store nothing
}

// The outcomes of a row.
const (
	Imported  = "imported"
	Ready     = "ready"     // would be imported
	Unchanged = "unchanged" // was imported before
	Failed    = "failed"
)

// Result is the outcome of one row.
type Result struct {
	Line      int
	Reference string
	Status    string
	ID        string // of what it became; empty when nothing
	Column    string // in which something is wrong, when it is one
	Err       error  // with Failed
}

// kind is one kind of file.
type kind struct {
	name    string // of the reference: recipient, agreement, dataset, provision
	columns []column
	// take takes over one row inside a transaction and returns the new id.
	take func(ctx context.Context, actor access.Actor, r row) (id string, err error)
}

func (s *Service) kind(name string) (kind, error) {
	switch name {
	case "recipients":
		return kind{"recipient", recipientColumns(), s.takeRecipient}, nil
	case "agreements":
		return kind{"agreement", agreementColumns(), s.takeAgreement}, nil
	case "datasets":
		return kind{"dataset", datasetColumns(), s.takeDataset}, nil
	case "provisions":
		return kind{"provision", provisionColumns(), s.takeProvision}, nil
	}
	return kind{}, models.Errorf(models.Invalid, "%q cannot be imported; use recipients, agreements, datasets or provisions", name)
}

// Import takes over the rows of a file, each by itself. The error is about the
// file as a whole, of which then nothing was taken over.
func (s *Service) Import(ctx context.Context, actor access.Actor, f File) ([]Result, error) {
	if err := access.Can(actor, access.ImportRegister, access.Whole()); err != nil {
		return nil, err
	}
	k, err := s.kind(f.Kind)
	if err != nil {
		return nil, err
	}
	rows, err := parse(f.Name, f.Text, k.columns)
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(rows))
	lines := map[string]int{}
	for i, r := range rows {
		reference := r.get("reference")
		if before, twice := lines[reference]; twice && reference != "" {
			results[i] = Result{Line: r.line, Reference: reference, Status: Failed, Column: "reference",
				Err: models.Errorf(models.Invalid, "line %d has the same reference; remove one of the two", before)}
			continue
		}
		lines[reference] = r.line
		results[i] = s.importRow(ctx, actor, k, f, r)
	}
	return results, nil
}

// errDryRun rolls a transaction back that would have worked.
var errDryRun = errors.New("dry run")

func (s *Service) importRow(ctx context.Context, actor access.Actor, k kind, f File, r row) Result {
	result := Result{Line: r.line, Reference: r.get("reference"), Status: Imported}
	err := r.check(k.columns)
	if err == nil {
		err = s.Store.Update(ctx, func(ctx context.Context) error {
			id, status, err := s.once(ctx, actor, k, r)
			result.ID, result.Status = id, status
			if err == nil && f.DryRun {
				err = errDryRun
			}
			return err
		})
	}
	switch {
	case errors.Is(err, errDryRun):
		if result.Status == Imported {
			result.Status, result.ID = Ready, ""
		}
	case err != nil:
		var cell *cellError
		result.Status, result.ID, result.Err = Failed, "", err
		if errors.As(err, &cell) {
			result.Column, result.Err = cell.column, models.Errorf(models.Invalid, "%s", cell.msg)
		}
	}
	return result
}

// once takes a row over unless it was before. The same reference with other
// contents is refused: what was taken over is changed here, not there.
func (s *Service) once(ctx context.Context, actor access.Actor, k kind, r row) (id, status string, err error) {
	digest := digestOf(r)
	before, err := s.Store.Imported(ctx, k.name, r.get("reference"))
	switch {
	case err == nil && before.Digest == digest:
		return before.ID, Unchanged, nil
	case err == nil:
		return "", Failed, wrong("reference", "was imported before as "+before.ID+" with other contents; change it in teikyo, or use another reference")
	case !models.IsKind(err, models.NotFound):
		return "", Failed, err
	}
	if id, err = k.take(ctx, actor, r); err != nil {
		return "", Failed, err
	}
	return id, Imported, s.Store.SaveImported(ctx, models.Imported{
		Kind: k.name, Reference: r.get("reference"), ID: id, Digest: digest, By: actor.UserID, At: s.now(),
	})
}

// digestOf is the same for the same cells, in whatever order they stand.
func digestOf(r row) string {
	text, _ := json.Marshal(r.cells) // a map of strings always has its JSON, sorted
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// resolve gives the id of something that is named by its id or by its reference
// in the earlier register.
func (s *Service) resolve(ctx context.Context, kind, prefix, column, value string) (string, error) {
	if models.IsID(value, prefix) {
		return value, nil
	}
	known, err := s.Store.Imported(ctx, kind, value)
	if models.IsKind(err, models.NotFound) {
		return "", wrong(column, "names no "+kind+" that was imported, and is no id; import the "+kind+"s first")
	}
	return known.ID, err
}
