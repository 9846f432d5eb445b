package provision

import (
	"context"
	"time"

	"teikyo/access"
	"teikyo/models"
)

const (
	// defaultReceiptWait is the zero Service.ReceiptWait.
	defaultReceiptWait = 5 * time.Second
	// keepLimit bounds how long receipts wait to be written.
	keepLimit = 30 * time.Second
)

// Decision is the outcome of an approval.
type Decision struct {
	Request   models.Request
	Provision models.Provision
}

// Approve says yes to a request as a second, independent person, and by that
// makes the provision (DESIGN.md 3.18). What was asked for must still be so.
func (s *Service) Approve(ctx context.Context, actor access.Actor, id, reason string) (Decision, error) {
	d, err := s.approve(ctx, actor, id, reason)
	if err != nil {
		return Decision{}, err
	}
	s.awaitReceipts(ctx, &d.Provision)
	return d, nil
}

// ApproveAll approves many requests, each by itself.
func (s *Service) ApproveAll(ctx context.Context, actor access.Actor, ids []string, reason string) []Result[Decision] {
	results := make([]Result[Decision], len(ids))
	var made []*models.Provision
	for i, id := range ids {
		results[i].Value, results[i].Err = s.approve(ctx, actor, id, reason)
		if results[i].Err == nil {
			made = append(made, &results[i].Value.Provision)
		}
	}
	s.awaitReceipts(ctx, made...)
	return results
}

func (s *Service) approve(ctx context.Context, actor access.Actor, id, reason string) (Decision, error) {
	req, err := s.request(ctx, actor, access.DecideRequest, id)
	if err != nil {
		return Decision{}, err
	}
	if err := checkReason(reason, false); err != nil {
		return Decision{}, err
	}
	now := s.now()
	if err := s.checkOpen(req, now); err != nil {
		return Decision{}, err
	}
	if s.MayIssue != nil {
		if err := s.MayIssue(); err != nil {
			return Decision{}, err
		}
	}
	independence, err := s.People.Pair(ctx, req.RequestedBy, actor.UserID)
	if err != nil {
		return Decision{}, err
	}
	g, err := s.examine(ctx, req, now)
	if err != nil {
		return Decision{}, err
	}
	if err := checkFrozen(req, g); err != nil {
		return Decision{}, err
	}
	req.Reason, req.DecidedBy, req.DecidedAt, req.Independence = reason, actor.UserID, now, independence
	return s.fulfil(ctx, actor, req, g)
}

// checkOpen refuses a request that cannot be approved any more.
func (s *Service) checkOpen(req models.Request, now time.Time) error {
	if err := models.CheckTransition(req.State, models.RequestApproved); err != nil {
		return err
	}
	if !now.Before(req.ExpiresAt) {
		return models.Errorf(models.Expired, "the request expired on %s without a decision; make it again", s.lastDay(req.ExpiresAt))
	}
	return nil
}

// awaitReceipts fetches the receipts of provisions that were just made, as far
// as they come in time. Nobody waits until they are kept: one that is lost with
// the process is made again when it is needed.
func (s *Service) awaitReceipts(ctx context.Context, provs ...*models.Provision) {
	wait := s.ReceiptWait
	if wait == 0 {
		wait = defaultReceiptWait
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var made []models.Provision
	for _, prov := range provs {
		index, text, err := s.proof(waiting, *prov)
		if err == nil {
			prov.Receipt, prov.EntryIndex = string(text), index
			made = append(made, *prov)
		}
	}
	if len(made) > 0 {
		s.keeping.Go(func() { s.keepReceipts(context.WithoutCancel(ctx), made) })
	}
}

// keepReceipts saves receipts in one transaction. An error needs no answer: who
// needs a receipt that is not there makes it.
func (s *Service) keepReceipts(ctx context.Context, provs []models.Provision) {
	ctx, cancel := context.WithTimeout(ctx, keepLimit)
	defer cancel()
	_ = s.Store.Update(ctx, func(ctx context.Context) error {
		for _, prov := range provs {
			if err := s.Store.SaveReceipt(ctx, prov.ID, prov.ManifestSHA256, prov.EntryIndex, prov.Receipt); err != nil {
				return err
			}
		}
		return nil
	})
}

// Finish waits for what approvals still write; call it before the store closes.
func (s *Service) Finish() { s.keeping.Wait() }
