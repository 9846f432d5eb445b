package dataset

import (
	"context"
	"strings"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
)

// ended are the details of the entries that end a version.
type ended struct {
	Reason string `json:"reason"`
	Digest string `json:"digest"`
}

// Withdraw ends the provision of a version: no new request or provision of it is
// made. Provisions that stand go on; Recall ends those.
func (s *Service) Withdraw(ctx context.Context, actor access.Actor, id string, number int, reason string) (models.Version, error) {
	if err := access.Can(actor, access.WithdrawDataset, access.Of("")); err != nil {
		return models.Version{}, err
	}
	return s.end(ctx, actor, id, number, reason, models.VersionWithdrawn, ledger.DatasetWithdrawn)
}

// Recall withdraws a version and says that those who have it must stop using it;
// links, pending deliveries and further headers end with it.
func (s *Service) Recall(ctx context.Context, actor access.Actor, id string, number int, reason string) (models.Version, error) {
	if err := access.Can(actor, access.WithdrawDataset, access.Of("")); err != nil {
		return models.Version{}, err
	}
	return s.end(ctx, actor, id, number, reason, models.VersionRecalled, ledger.Recalled)
}

func (s *Service) end(
	ctx context.Context, actor access.Actor, id string, number int, reason string, to models.VersionState, kind ledger.Kind,
) (models.Version, error) {
	reason = strings.TrimSpace(reason)
	if err := needReason(reason); err != nil {
		return models.Version{}, err
	}
	var v models.Version
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		var err error
		if v, err = s.Store.Version(ctx, id, number); err != nil {
			return err
		}
		if err := models.CheckTransition(v.State, to); err != nil {
			return err
		}
		v.State, v.EndedBy, v.EndedAt, v.EndReason = to, actor.UserID, s.now(), reason
		if err := s.Store.SaveVersion(ctx, v); err != nil {
			return err
		}
		if err := s.Store.Revoke(ctx); err != nil {
			return err
		}
		return s.Store.Append(ctx, &ledger.Entry{
			Kind: kind, IDs: versionIDs(v, actor), Details: ended{Reason: reason, Digest: v.Digest},
		})
	})
	return v, err
}

func needReason(reason string) error {
	if reason == "" {
		return models.Errorf(models.Invalid, "give the reason; it stays in the ledger")
	}
	return checkText("reason", reason, maxDescription)
}

// Discard drops a draft with all its files.
func (s *Service) Discard(ctx context.Context, actor access.Actor, id string, number int) error {
	if err := access.Can(actor, access.RegisterDataset, access.Of("")); err != nil {
		return err
	}
	v, err := s.Store.Version(ctx, id, number)
	if err != nil {
		return err
	}
	return s.dropDraft(ctx, v)
}

// Remove drops one file of a draft.
func (s *Service) Remove(ctx context.Context, actor access.Actor, id string, number int, path string) error {
	if err := access.Can(actor, access.RegisterDataset, access.Of("")); err != nil {
		return err
	}
	var sealed models.SealedFile
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		f, err := s.Store.File(ctx, id, number, path)
		if err != nil {
			return err
		}
		if err := s.Store.TouchDraft(ctx, id, number, s.Now()); err != nil {
			return err
		}
		if sealed, err = s.Store.SealedFile(ctx, f.SealedID); err != nil {
			return err
		}
		return s.desk().DropFile(ctx, f)
	})
	if err == nil {
		s.desk().RemoveObjects(ctx, sealed)
	}
	return err
}

// dropDraft removes a draft's files page by page, then the draft, and the
// dataset when that was all of it. It can stop anywhere and be run again.
func (s *Service) dropDraft(ctx context.Context, v models.Version) error {
	for {
		more, err := s.dropPage(ctx, v)
		if err != nil || !more {
			return err
		}
	}
}

func (s *Service) dropPage(ctx context.Context, v models.Version) (more bool, err error) {
	var dropped []models.SealedFile
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		if err := s.Store.TouchDraft(ctx, v.DatasetID, v.Number, v.UpdatedAt); err != nil {
			return err
		}
		files, err := s.Store.Files(ctx, v.DatasetID, v.Number, "", models.MaxPage)
		if err != nil {
			return err
		}
		if more = len(files) > 0; !more {
			return s.dropVersion(ctx, v)
		}
		if dropped, err = s.Store.SealedFilesOf(ctx, v.DatasetID, v.Number, "", models.MaxPage); err != nil {
			return err
		}
		for _, f := range files {
			if err := s.desk().DropFile(ctx, f); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.desk().RemoveObjects(ctx, dropped...)
	}
	return more, err
}

func (s *Service) dropVersion(ctx context.Context, v models.Version) error {
	if err := s.Store.DeleteVersion(ctx, v.DatasetID, v.Number); err != nil {
		return err
	}
	rest, err := s.Store.Versions(ctx, v.DatasetID, models.Page{Limit: 1})
	if err != nil || len(rest) > 0 {
		return err
	}
	return s.Store.DeleteDataset(ctx, v.DatasetID)
}
