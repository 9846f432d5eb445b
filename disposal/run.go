package disposal

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"teikyo/ledger"
	"teikyo/models"
)

// How often Run looks for what is confirmed and not done, and how long a process
// that stopped keeps others from it.
const (
	retryEvery = 15 * time.Second
	claimTime  = 30 * time.Second
)

// Wake makes Run look now; it never blocks.
func (s *Service) Wake() {
	select {
	case s.awake() <- struct{}{}:
	default:
	}
}

func (s *Service) awake() chan struct{} {
	s.prepare()
	return s.wake
}

func (s *Service) prepare() {
	s.once.Do(func() { s.wake, s.name = make(chan struct{}, 1), rand.Text() })
}

// claim makes sure, inside a transaction, that this process carries the disposal
// out and goes on doing so. One that was too slow finds here that another one has
// taken it over, and changes nothing.
func (s *Service) claim(ctx context.Context, id string) error {
	s.prepare()
	now := s.now()
	free := now
	if s.Alone {
		free = now.Add(2 * claimTime)
	}
	mine, err := s.Store.ClaimDisposal(ctx, id, s.name, free, now.Add(claimTime))
	if err == nil && !mine {
		err = errNotMine
	}
	return err
}

// errNotMine: another process carries the disposal out, or has done so.
var errNotMine = models.Errorf(models.Unavailable, "another server carries the disposal out")

// Run carries out what is confirmed: what another process began before it
// stopped, and what a confirmation left. It ends with ctx.
func (s *Service) Run(ctx context.Context) error {
	ticker := time.NewTicker(retryEvery)
	defer ticker.Stop()
	for {
		if err := s.FinishAll(ctx); err != nil && ctx.Err() == nil {
			s.failed(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		case <-s.awake():
		}
	}
}

// FinishAll carries out every confirmed disposal. One that fails does not keep
// the others from it.
func (s *Service) FinishAll(ctx context.Context) error {
	var errs []error
	page := models.Page{Limit: itemPage}
	for {
		list, err := s.Store.Disposals(ctx, models.DisposalConfirmed, page)
		if err != nil || len(list) == 0 {
			return errors.Join(append(errs, err)...)
		}
		for _, d := range list {
			if err := s.finish(ctx, d.ID); err != nil {
				errs = append(errs, err)
			}
		}
		last := list[len(list)-1]
		page.After = models.TimeCursor(last.ProposedAt, last.ID)
	}
}

func (s *Service) failed(err error) {
	if err != nil && s.Failed != nil {
		s.Failed(err)
	}
}

// finish carries out a confirmed disposal from wherever it is. Every step is a
// transaction that can be repeated, so it may stop anywhere.
func (s *Service) finish(ctx context.Context, id string) error {
	s.running.Lock()
	defer s.running.Unlock()
	d, err := s.Store.Disposal(ctx, id)
	if err != nil || d.State != models.DisposalConfirmed {
		return err
	}
	err = s.Store.Update(ctx, func(ctx context.Context) error { return s.claim(ctx, id) })
	if errors.Is(err, errNotMine) {
		return nil
	}
	if err != nil {
		return err
	}
	err = s.eachItem(ctx, id, func(item models.DisposalItem) error {
		if item.Held() || item.Done {
			return nil
		}
		return s.carryOut(ctx, d, item)
	})
	if err != nil {
		return err
	}
	if err := s.Store.Scrub(ctx); err != nil {
		return err
	}
	return s.complete(ctx, d)
}

func (s *Service) carryOut(ctx context.Context, d models.Disposal, item models.DisposalItem) error {
	if err := s.deleteDoomed(ctx, item); err != nil { // left by a process that stopped
		return err
	}
	switch item.Kind {
	case models.ItemVersion:
		return s.destroyVersion(ctx, d, item)
	case models.ItemEntry:
		return s.redactEntry(ctx, d, item)
	case models.ItemProvision:
		return s.forgetProvision(ctx, d, item)
	case models.ItemApplication:
		return s.forgetRecipient(ctx, d, item)
	default:
		return models.Errorf(models.Integrity, "the disposal %s holds a thing of an unknown kind: %s", d.ID, item.Kind)
	}
}

// done marks an item in the transaction of ctx.
func (s *Service) done(ctx context.Context, item models.DisposalItem, result any) error {
	var err error
	if item.Result, err = json.Marshal(result); err != nil {
		return models.Wrap(models.Internal, err, "the result of a disposal cannot be written")
	}
	item.Done = true
	return s.Store.SaveDisposalItem(ctx, item)
}

// again is the item as it stands now, inside a transaction; done means that
// another process was first.
func (s *Service) again(ctx context.Context, item models.DisposalItem) (now models.DisposalItem, done bool, err error) {
	if err := s.claim(ctx, item.DisposalID); err != nil {
		return item, false, err
	}
	list, err := s.Store.DisposalItems(ctx, item.DisposalID, item.Number-1, 1)
	if err != nil || len(list) == 0 {
		return item, false, err
	}
	return list[0], list[0].Done, nil
}

// people are the ids of an entry about a disposal.
func people(d models.Disposal, more ...string) map[string]string {
	ids := map[string]string{"disposal": d.ID, "actor": d.ProposedBy, "second": d.DecidedBy}
	for i := 0; i+1 < len(more); i += 2 {
		ids[more[i]] = more[i+1]
	}
	return ids
}

// completed are the details of disposal.completed.
type completed struct {
	Kind  models.DisposalKind `json:"kind"`
	Year  int                 `json:"year,omitempty"`
	Items int                 `json:"items"`
	Held  int                 `json:"held,omitempty"`
}

// complete writes the certificate and says in the ledger that it is done. The
// leaf names the certificate's digest, so that a receipt of it proves it.
func (s *Service) complete(ctx context.Context, d models.Disposal) error {
	d.State, d.FinishedAt = models.DisposalDone, s.now()
	cert, err := s.certify(ctx, &d)
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, func(ctx context.Context) error {
		if err := s.claim(ctx, d.ID); err != nil {
			return err
		}
		if err := s.Store.SaveDisposal(ctx, d); err != nil {
			return err
		}
		return s.Store.Append(ctx, &ledger.Entry{
			Kind: ledger.DisposalCompleted, IDs: people(d, "certificate", digestOf(d.Certificate)),
			Details: completed{Kind: d.Kind, Year: d.Year, Items: cert.Destroyed, Held: cert.HeldBack},
		})
	})
}
