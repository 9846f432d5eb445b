package disposal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
)

// inlineWait is how long a confirmation carries its disposal out itself before it
// leaves the rest to Run.
const inlineWait = 20 * time.Second

// deciding is the right that a confirmation takes.
func deciding(kind models.DisposalKind) access.Act {
	switch kind {
	case models.DestroyVersion:
		return access.DestroyDataset
	case models.RedactEntry:
		return access.RedactLedger
	default:
		return access.ConfirmDisposal
	}
}

// confirmed are the details of disposal.confirmed.
type confirmed struct {
	Kind         models.DisposalKind `json:"kind"`
	Year         int                 `json:"year,omitempty"`
	Reason       string              `json:"reason"`
	Decision     string              `json:"decision,omitempty"`
	Items        int                 `json:"items"`
	ItemsSHA256  string              `json:"items_sha256"` // of their names, one a line
	Held         []heldItem          `json:"held,omitempty"`
	Unlisted     int                 `json:"held_unlisted,omitempty"`
	Independence models.Independence `json:"independence"`
}

type heldItem struct {
	Item   string `json:"item"`
	Reason string `json:"reason"`
	By     string `json:"by"`
}

// maxHeldListed bounds what one ledger entry lists.
const maxHeldListed = 50

// Confirm lets a disposal that another person proposed be carried out. From its
// commit on versions in it are unreadable for everybody: links and transfers end
// within a second. The rest is done at once or, when it takes long, in the
// background; the answer says whether it is done.
func (s *Service) Confirm(ctx context.Context, actor access.Actor, id, words string) (models.Disposal, error) {
	words, err := s.mayDecide(ctx, actor, id, words, false)
	if err != nil {
		return models.Disposal{}, err
	}
	var d models.Disposal
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		if d, err = s.decided(ctx, actor, id, words, models.DisposalConfirmed); err != nil {
			return err
		}
		if d.Independence, err = s.People.Pair(ctx, d.ProposedBy, actor.UserID); err != nil {
			return err
		}
		entry, err := s.begin(ctx, d)
		if err != nil {
			return err
		}
		if err := s.Store.SaveDisposal(ctx, d); err != nil {
			return err
		}
		if err := s.Store.Revoke(ctx); err != nil {
			return err
		}
		return s.Store.Append(ctx, entry)
	})
	if err != nil {
		return models.Disposal{}, err
	}
	return s.carryOutNow(ctx, d)
}

// carryOutNow gives the disposal a moment; Run has the patience for the rest.
func (s *Service) carryOutNow(ctx context.Context, d models.Disposal) (models.Disposal, error) {
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), inlineWait)
	defer cancel()
	if err := s.finish(limit, d.ID); err != nil {
		s.failed(err)
		s.Wake()
		return d, nil
	}
	return s.Store.Disposal(ctx, d.ID)
}

// begin marks what is destroyed, and says so in the ledger.
func (s *Service) begin(ctx context.Context, d models.Disposal) (*ledger.Entry, error) {
	details := confirmed{Kind: d.Kind, Year: d.Year, Reason: d.Reason, Decision: d.Decision, Independence: d.Independence}
	names := sha256.New()
	ids := map[string]string{"disposal": d.ID, "actor": d.ProposedBy, "second": d.DecidedBy}
	err := s.eachItem(ctx, d.ID, func(item models.DisposalItem) error {
		if item.Held() {
			details.hold(item)
			return nil
		}
		details.Items++
		fmt.Fprintln(names, item.Name())
		if item.Kind != models.ItemVersion {
			return nil
		}
		return s.beginVersion(ctx, d, item)
	})
	if err == nil && details.Items == 0 {
		err = models.Errorf(models.Conflict, "everything in it is held back; reject it (teikyo disposal reject %s)", d.ID)
	}
	details.ItemsSHA256 = hex.EncodeToString(names.Sum(nil))
	return &ledger.Entry{Kind: ledger.DisposalConfirmed, IDs: ids, Details: details}, err
}

func (c *confirmed) hold(item models.DisposalItem) {
	if len(c.Held) == maxHeldListed {
		c.Unlisted++
		return
	}
	c.Held = append(c.Held, heldItem{Item: item.Name(), Reason: item.HeldReason, By: item.HeldBy})
}

// beginVersion ends a version: nothing of it goes out from the commit on.
func (s *Service) beginVersion(ctx context.Context, d models.Disposal, item models.DisposalItem) error {
	id, number, err := parseVersionRef(item.Ref)
	if err != nil {
		return err
	}
	if _, err := s.Store.Dataset(ctx, id); err != nil { // held: see destroyPage
		return err
	}
	v, err := s.Store.Version(ctx, id, number)
	if err != nil {
		return err
	}
	if err := models.CheckTransition(v.State, models.VersionDestroying); err != nil {
		return err
	}
	v.State, v.EndedBy, v.EndedAt, v.EndReason = models.VersionDestroying, d.ProposedBy, d.DecidedAt, d.Reason
	return s.Store.SaveVersion(ctx, v)
}

// eachItem calls f for every thing of a disposal.
func (s *Service) eachItem(ctx context.Context, id string, f func(models.DisposalItem) error) error {
	for after := 0; ; {
		items, err := s.Store.DisposalItems(ctx, id, after, itemPage)
		if err != nil || len(items) == 0 {
			return err
		}
		for _, item := range items {
			if err := f(item); err != nil {
				return err
			}
			after = item.Number
		}
	}
}

// Reject refuses a disposal; who proposed it may take it back this way.
func (s *Service) Reject(ctx context.Context, actor access.Actor, id, words string) (models.Disposal, error) {
	words, err := s.mayDecide(ctx, actor, id, words, true)
	if err != nil {
		return models.Disposal{}, err
	}
	var d models.Disposal
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		if d, err = s.decided(ctx, actor, id, words, models.DisposalRejected); err != nil {
			return err
		}
		return s.Store.SaveDisposal(ctx, d)
	})
	return d, err
}

// mayDecide asks for the right that this kind of disposal takes.
func (s *Service) mayDecide(ctx context.Context, actor access.Actor, id, words string, needed bool) (string, error) {
	if err := access.Can(actor, access.ReadDisposal, access.Of("")); err != nil {
		return "", err
	}
	d, err := s.Store.Disposal(ctx, id)
	if err != nil {
		return "", err
	}
	if err := access.Can(actor, deciding(d.Kind), access.Of("")); err != nil {
		return "", err
	}
	return reasonOf(words, needed)
}

// decided is the disposal with the decision in it, not saved yet.
func (s *Service) decided(ctx context.Context, actor access.Actor, id, words string, to models.DisposalState) (models.Disposal, error) {
	d, err := s.Store.Disposal(ctx, id)
	if err != nil {
		return d, err
	}
	if err := models.CheckTransition(d.State, to); err != nil {
		return d, err
	}
	d.State, d.DecidedBy, d.DecidedAt, d.Decision = to, actor.UserID, s.now(), words
	return d, nil
}

// Hold keeps one thing back, for example because of a lawsuit: this disposal does
// not touch it, and a later one has to propose it again. It cannot be undone.
func (s *Service) Hold(ctx context.Context, actor access.Actor, id string, number int, reason string) (models.DisposalItem, error) {
	if err := access.Can(actor, access.ProposeDisposal, access.Of("")); err != nil {
		return models.DisposalItem{}, err
	}
	reason, err := reasonOf(reason, true)
	if err != nil {
		return models.DisposalItem{}, err
	}
	var item models.DisposalItem
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		d, err := s.Store.Disposal(ctx, id)
		if err != nil {
			return err
		}
		if d.State != models.DisposalProposed {
			return models.Errorf(models.Conflict, "the disposal is %s; only a proposed one can be changed", d.State)
		}
		list, err := s.Store.DisposalItems(ctx, id, number-1, 1)
		if err != nil {
			return err
		}
		if len(list) == 0 || list[0].Number != number {
			return models.Errorf(models.NotFound, "the disposal has no item %d; see teikyo disposal show %s", number, id)
		}
		item = list[0]
		if item.Held() {
			return models.Errorf(models.Conflict, "item %d is held back already", number)
		}
		item.HeldBy, item.HeldAt, item.HeldReason = actor.UserID, s.now(), reason
		return s.Store.SaveDisposalItem(ctx, item)
	})
	return item, err
}
