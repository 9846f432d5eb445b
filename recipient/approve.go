package recipient

import (
	"context"
	"time"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
)

// decision is the details of the entries that end or begin a recipient's
// approval.
type decision struct {
	Reason        string              `json:"reason,omitempty"`
	ApprovedUntil time.Time           `json:"approved_until,omitzero"`
	Independence  models.Independence `json:"independence,omitempty"`
	Profile       *Profile            `json:"profile,omitempty"`
}

// Approve lets a recipient receive data until the end of the day until (date,
// inclusive, or RFC 3339). The approver is not who entered it, or changed it
// last. Approving again moves the end.
func (s *Service) Approve(ctx context.Context, actor access.Actor, id, until, reason string) (models.Recipient, error) {
	return s.decide(ctx, actor, id, ledger.RecipientApproved, func(ctx context.Context, rcpt *models.Recipient) (decision, error) {
		end, err := s.futureEnd(until)
		if err != nil {
			return decision{}, err
		}
		if err := checkReason(reason); err != nil {
			return decision{}, err
		}
		if rcpt.State == models.RecipientSuspended {
			return decision{}, models.Errorf(models.Conflict, "the recipient is suspended; reinstate it (teikyo recipient reinstate)")
		}
		independence, err := s.People.Pair(ctx, rcpt.AppliedBy, actor.UserID)
		if err != nil {
			return decision{}, err
		}
		if err := s.move(rcpt, models.RecipientApproved); err != nil {
			return decision{}, err
		}
		if end.Before(rcpt.ApprovedUntil) { // running downloads must hear of it
			if err := s.Store.Revoke(ctx); err != nil {
				return decision{}, err
			}
		}
		rcpt.ApprovedUntil, rcpt.Independence, rcpt.Reason = end, independence, reason
		profile := profileOf(*rcpt)
		return decision{reason, end, independence, &profile}, nil
	})
}

// Reject answers an application with no.
func (s *Service) Reject(ctx context.Context, actor access.Actor, id, reason string) (models.Recipient, error) {
	return s.end(ctx, actor, id, reason, models.RecipientRejected, ledger.RecipientRejected)
}

// Suspend stops everything that goes to a recipient until it is reinstated.
func (s *Service) Suspend(ctx context.Context, actor access.Actor, id, reason string) (models.Recipient, error) {
	return s.end(ctx, actor, id, reason, models.RecipientSuspended, ledger.RecipientSuspended)
}

// Revoke ends a recipient for good.
func (s *Service) Revoke(ctx context.Context, actor access.Actor, id, reason string) (models.Recipient, error) {
	return s.end(ctx, actor, id, reason, models.RecipientRevoked, ledger.RecipientRevoked)
}

// Reinstate ends a suspension; the end of the approval stays. Whoever
// reinstates is not who entered the recipient, or changed it last.
func (s *Service) Reinstate(ctx context.Context, actor access.Actor, id, reason string) (models.Recipient, error) {
	return s.decide(ctx, actor, id, ledger.RecipientReinstated, func(ctx context.Context, rcpt *models.Recipient) (decision, error) {
		if err := needReason(reason); err != nil {
			return decision{}, err
		}
		if rcpt.State != models.RecipientSuspended {
			return decision{}, models.Errorf(models.Conflict, "the recipient is %s, not suspended", rcpt.State)
		}
		independence, err := s.People.Pair(ctx, rcpt.AppliedBy, actor.UserID)
		if err != nil {
			return decision{}, err
		}
		rcpt.Reason, rcpt.Independence = reason, independence
		return decision{Reason: reason, ApprovedUntil: rcpt.ApprovedUntil, Independence: independence},
			s.move(rcpt, models.RecipientApproved)
	})
}

// end moves a recipient to a state in which nothing reaches it, and cuts what
// is running.
func (s *Service) end(ctx context.Context, actor access.Actor, id, reason string, to models.RecipientState, kind ledger.Kind) (models.Recipient, error) {
	return s.decide(ctx, actor, id, kind, func(ctx context.Context, rcpt *models.Recipient) (decision, error) {
		if err := needReason(reason); err != nil {
			return decision{}, err
		}
		if err := s.move(rcpt, to); err != nil {
			return decision{}, err
		}
		rcpt.Reason = reason
		return decision{Reason: reason}, s.Store.Revoke(ctx)
	})
}

func (s *Service) move(rcpt *models.Recipient, to models.RecipientState) error {
	if err := models.CheckTransition(rcpt.State, to); err != nil {
		return err
	}
	rcpt.State = to
	return nil
}

// decide loads the recipient, lets change decide, and saves it with its entry.
func (s *Service) decide(ctx context.Context, actor access.Actor, id string, kind ledger.Kind,
	change func(context.Context, *models.Recipient) (decision, error),
) (models.Recipient, error) {
	var rcpt models.Recipient
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		var err error
		if rcpt, err = s.load(ctx, actor, access.DecideRecipient, id); err != nil {
			return err
		}
		details, err := change(ctx, &rcpt)
		if err != nil {
			return err
		}
		rcpt.DecidedBy, rcpt.DecidedAt, rcpt.UpdatedAt = actor.UserID, s.now(), s.now()
		if err := s.Store.SaveRecipient(ctx, rcpt); err != nil {
			return err
		}
		return s.Store.Append(ctx, entry(kind, actor, map[string]string{"recipient": id}, details))
	})
	return rcpt, err
}

// futureEnd reads the last day of something that begins now.
func (s *Service) futureEnd(until string) (time.Time, error) {
	if until == "" {
		return time.Time{}, models.Errorf(models.Invalid, "say until when (--until 2027-03-31)")
	}
	end, err := models.EndOfDay(until, s.Zone)
	if err != nil {
		return time.Time{}, err
	}
	if !s.now().Before(end) {
		return time.Time{}, models.Errorf(models.Invalid, "the end %s is in the past", until)
	}
	return end, nil
}
