package disposal

import (
	"context"
	"strconv"
	"strings"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
)

// itemPage is how many things are read at once.
const itemPage = 200

// ProposeDestroy asks that the contents of a version and the keys to them be
// destroyed. Nothing happens until an independent second person confirms it.
func (s *Service) ProposeDestroy(ctx context.Context, actor access.Actor, id string, number int, reason string) (models.Disposal, error) {
	if err := access.Can(actor, access.DestroyDataset, access.Of("")); err != nil {
		return models.Disposal{}, err
	}
	v, err := s.Store.Version(ctx, id, number)
	if err != nil {
		return models.Disposal{}, err
	}
	if v.State == models.VersionDraft {
		return models.Disposal{}, models.Errorf(models.Conflict, "%s@%d is a draft, which is dropped and not destroyed; "+
			"it goes by itself when nobody works on it", id, number)
	}
	if err := models.CheckTransition(v.State, models.VersionDestroying); err != nil {
		return models.Disposal{}, err
	}
	item := models.DisposalItem{Kind: models.ItemVersion, Ref: versionRef(id, number), Due: s.now()}
	return s.propose(ctx, actor, models.DestroyVersion, reason, item)
}

// ProposeRedact asks that the details of a ledger entry be removed. Its leaf and
// every receipt stay; its kind, time and ids, too.
func (s *Service) ProposeRedact(ctx context.Context, actor access.Actor, index int64, reason string) (models.Disposal, error) {
	if err := access.Can(actor, access.RedactLedger, access.Of("")); err != nil {
		return models.Disposal{}, err
	}
	rec, err := s.entry(ctx, index)
	if err != nil {
		return models.Disposal{}, err
	}
	if err := s.redactable(rec); err != nil {
		return models.Disposal{}, err
	}
	item := models.DisposalItem{Kind: models.ItemEntry, Ref: indexText(index), Due: rec.RetentionUntil}
	return s.propose(ctx, actor, models.RedactEntry, reason, item)
}

// propose writes a disposal of one thing.
func (s *Service) propose(
	ctx context.Context, actor access.Actor, kind models.DisposalKind, reason string, items ...models.DisposalItem,
) (models.Disposal, error) {
	reason, err := reasonOf(reason, true)
	if err != nil {
		return models.Disposal{}, err
	}
	id, err := models.NewID(s.Rand, models.DisposalID)
	if err != nil {
		return models.Disposal{}, err
	}
	d := models.Disposal{
		ID: id, Kind: kind, Reason: reason, State: models.DisposalProposed, ProposedBy: actor.UserID, ProposedAt: s.now(),
	}
	return d, s.save(ctx, d, items)
}

// save writes a new disposal; nothing of it may be in another one.
func (s *Service) save(ctx context.Context, d models.Disposal, items []models.DisposalItem) error {
	return s.Store.Update(ctx, func(ctx context.Context) error {
		if err := s.Store.SaveDisposal(ctx, d); err != nil {
			return err
		}
		for n, item := range items {
			other, err := s.Store.DisposalOf(ctx, item.Kind, item.Ref)
			if err != nil {
				return err
			}
			if other != "" && !item.Held() {
				return models.Errorf(models.Conflict, "%s is in the disposal %s already; see teikyo disposal show %s", item.Name(), other, other)
			}
			item.DisposalID, item.Number = d.ID, n+1
			if err := s.Store.SaveDisposalItem(ctx, item); err != nil {
				return err
			}
		}
		return nil
	})
}

func indexText(index int64) string { return strconv.FormatInt(index, 10) }

func versionRef(id string, number int) string { return id + "@" + strconv.Itoa(number) }

// parseVersionRef is the inverse of versionRef.
func parseVersionRef(ref string) (id string, number int, err error) {
	id, text, _ := strings.Cut(ref, "@")
	if number, err = strconv.Atoi(text); err != nil {
		return "", 0, models.Wrap(models.Integrity, err, "the disposal names no version: "+ref)
	}
	return id, number, nil
}

// entry finds a ledger entry with its details.
func (s *Service) entry(ctx context.Context, index int64) (ledger.Record, error) {
	page := models.Page{Limit: 1}
	if index > 0 {
		page.After = indexText(index - 1)
	}
	list, err := s.Store.Entries(ctx, models.EntryFilter{}, page)
	if err != nil {
		return ledger.Record{}, err
	}
	if index < 0 || len(list) == 0 || list[0].Index != index {
		return ledger.Record{}, models.Errorf(models.NotFound, "the ledger has no entry %d", index)
	}
	return list[0], nil
}

// redactable says why the details of an entry cannot go now.
func (s *Service) redactable(rec ledger.Record) error {
	switch {
	case rec.Kind == ledger.EntryRedacted:
		return models.Errorf(models.Conflict, "entry %d says why another one was redacted, and stays", rec.Index)
	case rec.Details == nil:
		return models.Errorf(models.Conflict, "the details of entry %d are gone already", rec.Index)
	case s.Now().Before(rec.RetentionUntil):
		return models.Errorf(models.Conflict, "the details of entry %d must be kept until %s; the date stands in the ledger and cannot be changed "+
			"(see teikyo retention show)", rec.Index, rec.RetentionUntil.In(s.zone()).Format("2006-01-02"))
	}
	return nil
}
