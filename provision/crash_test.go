package provision_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
	"teikyo/provision"
	"teikyo/provision/parcel"
	"teikyo/storage"
	"teikyo/storage/storagetest"
)

var errInjected = errors.New("injected")

// breaking is a store in which one step fails once: before it did anything, or
// (persists) after.
type breaking struct {
	provision.Store
	step     string
	persists bool
	struck   bool
}

func (b *breaking) at(step string, do func() error) error {
	if b.struck || b.step != step {
		return do()
	}
	b.struck = true
	if b.persists {
		return errors.Join(do(), errInjected)
	}
	return errInjected
}

func (b *breaking) Update(ctx context.Context, fn func(ctx context.Context) error) error {
	return b.at("commit", func() error { return b.Store.Update(ctx, fn) })
}

func (b *breaking) NextNumber(ctx context.Context, series string) (n int64, err error) {
	err = b.at("number", func() error { n, err = b.Store.NextNumber(ctx, series); return err })
	return n, err
}

func (b *breaking) SaveRequest(ctx context.Context, r models.Request) error {
	return b.at("request", func() error { return b.Store.SaveRequest(ctx, r) })
}

func (b *breaking) SaveProvision(ctx context.Context, p models.Provision) error {
	return b.at("provision", func() error { return b.Store.SaveProvision(ctx, p) })
}

func (b *breaking) Append(ctx context.Context, e *ledger.Entry) error {
	return b.at(string(e.Kind), func() error { return b.Store.Append(ctx, e) })
}

func (b *breaking) SaveReceipt(ctx context.Context, id, manifest string, index int64, receipt string) error {
	return b.at("receipt", func() error { return b.Store.SaveReceipt(ctx, id, manifest, index, receipt) })
}

func (b *breaking) SealedFilesOf(ctx context.Context, ds string, v int, after string, limit int) (list []models.SealedFile, err error) {
	err = b.at("files", func() error { list, err = b.Store.SealedFilesOf(ctx, ds, v, after, limit); return err })
	return list, err
}

// invariants are those of DESIGN.md 5 that a provision can break.
func (w *world) invariants() {
	w.t.Helper()
	ctx := context.Background()
	w.check()
	provs, err := w.db.ProvisionList(ctx, models.ProvisionFilter{}, models.Page{})
	w.must(err)
	approved, err := w.db.RequestList(ctx, models.RequestFilter{State: models.RequestApproved}, models.Page{})
	w.must(err)
	issued := map[string]bool{}
	for rec, err := range w.db.Records(ctx, 0) {
		w.must(err)
		if rec.Kind == ledger.ProvisionIssued {
			issued[rec.IDs["provision"]] = true
		}
	}
	if len(provs) != len(approved) || len(provs) != len(issued) {
		w.t.Errorf("%d provisions, %d approved requests, %d entries", len(provs), len(approved), len(issued))
	}
	for i, prov := range provs {
		if want := fmt.Sprintf("2026-%04d", len(provs)-i); prov.Number != want {
			w.t.Errorf("number %s, want %s", prov.Number, want)
		}
		if !issued[prov.ID] {
			w.t.Errorf("%s has no entry", prov.ID)
		}
	}
	all := w.clock.now()
	if now := time.Now(); now.After(all) { // a bucket dates its objects itself
		all = now
	}
	if _, err := w.svc.Sweep(ctx, all.Add(time.Minute)); err != nil {
		w.t.Error(err)
	}
	packs := 0
	for obj, err := range w.objects.List(ctx) {
		w.must(err)
		if strings.HasSuffix(obj.Key, parcel.KeySuffix) {
			packs++
		}
	}
	if packs != len(provs) {
		w.t.Errorf("%d packs for %d provisions after the sweep", packs, len(provs))
	}
	for _, prov := range provs {
		w.verify(w.received(prov), w.identity)
	}
}

func TestEveryStepOfAnApprovalCanFail(t *testing.T) {
	t.Parallel()
	steps := []string{"files", "object", "number", "request", "provision", "request.approved", "provision.issued", "commit", "receipt"}
	for _, step := range steps {
		for _, persists := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s persists %v", step, persists), func(t *testing.T) {
				t.Parallel()
				w := newBucketWorld(t)
				req := w.submitted(models.Anonymized)
				w.svc.Store = &breaking{Store: w.db, step: step, persists: persists}
				if step == "object" {
					flavour := map[bool]storagetest.Flavour{false: storagetest.Fails, true: storagetest.FailsButPersists}[persists]
					w.objects.Fail(storagetest.OpPut, 1, flavour, nil)
				}
				_, err := w.svc.Approve(t.Context(), w.ben, req.ID, "")
				saved := err == nil
				if wantSaved := step == "receipt"; saved != wantSaved {
					t.Errorf("approved: %v", err)
				}
				w.restart() // what was not committed is gone, as after a crash
				w.invariants()
				_, err = w.svc.Approve(t.Context(), w.ben, req.ID, "")
				if saved || step == "commit" && persists {
					wantError(t, err, models.Conflict, "approved")
				} else if err != nil {
					t.Errorf("the second try: %v", err)
				}
				w.restart()
				w.invariants()
			})
		}
	}
}

func TestFullObjectStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	req := w.submitted(models.Anonymized)
	w.objects.Fail(storagetest.OpPut, 1, storagetest.Fails, storage.ErrFull)
	_, err := w.svc.Approve(t.Context(), w.ben, req.ID, "")
	wantError(t, err, models.Full, "no space left in the object store; nothing was provided")
	w.nothingProvided()
}

func TestSecondPlaceOutOfOrder(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]ledgertest.Fault{"fails": ledgertest.Fails, "keeps": ledgertest.FailsButKeeps, "hangs": ledgertest.Hangs} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newBucketWorld(t)
			req := w.submitted(models.Anonymized)
			w.svc.ReceiptWait = 50 * time.Millisecond
			w.place.Set(fault)
			d, err := w.svc.Approve(t.Context(), w.ben, req.ID, "")
			w.must(err)
			if d.Provision.Receipt != "" {
				t.Error("a receipt without the second place")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := w.svc.Parcel(ctx, d.Provision); err == nil {
				t.Error("bytes go out without a receipt")
			}
			w.place.Set(ledgertest.NoFault)
			w.restart()
			stored, err := w.db.Provision(t.Context(), d.Provision.ID)
			w.must(err)
			w.verify(w.received(stored), w.identity)
			w.invariants()
		})
	}
}

func TestNothingIsIssuedWhileItMustNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	req := w.submitted(models.Anonymized)
	w.svc.MayIssue = func() error { return models.Errorf(models.Unavailable, "the second place is behind") }
	_, err := w.svc.Approve(t.Context(), w.ben, req.ID, "")
	wantError(t, err, models.Unavailable, "behind")
	w.nothingProvided()
}

func TestForgedReceiptOpensNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.provided()
	second, err := w.svc.Submit(t.Context(), w.mia, w.draft("ds-claims"))
	w.must(err)
	other, err := w.svc.Approve(t.Context(), w.ben, second.ID, "")
	w.must(err)
	for name, receipt := range map[string]string{
		"of another provision": other.Provision.Receipt,
		"edited":               strings.Replace(d.Provision.Receipt, "index ", "index 1", 1),
		"no receipt":           "hello",
	} {
		prov := d.Provision
		prov.Receipt = receipt
		if _, err := w.svc.Parcel(t.Context(), prov); !models.IsKind(err, models.Integrity) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Two people who approve the same request at once make one provision.
func TestRacingApprovals(t *testing.T) {
	t.Parallel()
	w := newBucketWorld(t)
	req := w.submitted(models.Anonymized)
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() { _, err := w.svc.Approve(context.Background(), w.ben, req.ID, ""); errs <- err }()
	}
	made := 0
	for range cap(errs) {
		if err := <-errs; err == nil {
			made++
		} else if !models.IsKind(err, models.Conflict) {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d approvals went through", made)
	}
	w.invariants()
}
