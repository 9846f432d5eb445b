package database

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
)

var someDay = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func save(t *testing.T, db *DB, fn func(ctx context.Context) error) {
	t.Helper()
	if err := db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
	ledgertest.CheckLedger(t, db, ledger.VerifyOptions{})
}

func someNotice(class models.DataClass, version int) models.Notice {
	return models.Notice{
		ID: fmt.Sprintf("n-%s-%d", class, version), Class: class, Version: version, Text: "お知らせ",
		Items:   []models.Item{models.Demographics, models.Tests},
		Methods: []models.Method{models.Download}, PublishedBy: "u-1", PublishedAt: someDay.Add(time.Duration(version) * time.Hour),
	}
}

func someRequest(n int) models.Request {
	return models.Request{
		ID: fmt.Sprintf("q-%03d", n), State: models.RequestSubmitted, DatasetID: "ds-1", Version: 2, PathGlob: "a/**",
		RecipientID: fmt.Sprintf("r-%d", n%2), AgreementID: "a-1", KeyID: "k-1", KeyFingerprint: "abc",
		Purpose: models.Research, Words: "治療の研究", DUO: []string{"DUO:0000042"}, Basis: models.ThirdParty,
		Method: models.Download, Destination: "", NoticeID: "n-test-1", Items: []models.Item{models.Tests},
		FileCount: 3, TotalSize: 1 << 40, Until: someDay.AddDate(1, 0, 0),
		References: []models.Reference{{Name: "contract", Value: "C-1"}}, Frozen: "ff", Facts: []byte(`{"a":1}`),
		RequestedBy: "u-1", RequestedAt: someDay.Add(time.Duration(n) * time.Second), ExpiresAt: someDay.AddDate(0, 0, 30),
	}
}

func someProvision(n int) models.Provision {
	return models.Provision{
		ID: fmt.Sprintf("p-%03d", n), Number: fmt.Sprintf("2026-%04d", n), RequestID: fmt.Sprintf("q-%03d", n),
		DatasetID: "ds-1", Version: 2, RecipientID: fmt.Sprintf("r-%d", n%2), AgreementID: "a-1", KeyID: "k-1",
		KeyFingerprint: "abc", Method: models.Download, Class: models.Test, Until: someDay.AddDate(1, 0, 0),
		State: models.ProvisionIssued, FileCount: 3, PathGlob: "a/**", PackKey: fmt.Sprintf("pack%04d", n), PackSHA256: "aa",
		HeaderSize: 168, Documents: []models.Document{{Path: "NOTICE.txt", Offset: 504, Size: 7, SHA256: "bb"}},
		ManifestSHA256: "cc", EntryIndex: -1, IssuedBy: "u-2", IssuedAt: someDay.Add(time.Duration(n) * time.Second),
		Independence: models.IndependenceShown, Record: []byte(`{"id":"p"}`),
	}
}

func TestProvisionRowsRoundTrip(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	notice, req, prov := someNotice(models.Test, 1), someRequest(1), someProvision(1)
	comment := models.Comment{RequestID: req.ID, UserID: "u-2", Text: "なぜ?", At: someDay}
	save(t, db, func(ctx context.Context) error {
		return errors.Join(db.SaveNotice(ctx, notice), db.SaveRequest(ctx, req), db.SaveComment(ctx, comment), db.SaveProvision(ctx, prov))
	})
	check := func(got any, err error, want any) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
	}
	gotNotice, err := db.Notice(t.Context(), notice.ID)
	check(gotNotice, err, notice)
	gotRequest, err := db.Request(t.Context(), req.ID)
	check(gotRequest, err, req)
	gotProvision, err := db.Provision(t.Context(), prov.ID)
	check(gotProvision, err, prov)
	comments, err := db.Comments(t.Context(), req.ID)
	check(comments, err, []models.Comment{comment})

	// Every field is written again, also those that became zero.
	req.State, req.DUO, req.Words, req.Facts, req.ProvisionID = models.RequestApproved, nil, "", []byte("{}"), prov.ID
	prov.State, prov.RevokedAt, prov.Reissue, prov.FileCount = models.ProvisionRevoked, someDay, 1, 0
	save(t, db, func(ctx context.Context) error {
		return errors.Join(db.SaveRequest(ctx, req), db.SaveProvision(ctx, prov))
	})
	gotRequest, err = db.Request(t.Context(), req.ID)
	check(gotRequest, err, req)
	gotProvision, err = db.Provision(t.Context(), prov.ID)
	check(gotProvision, err, prov)
}

func TestProvisionRowsAbsent(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	_, noticeErr := db.Notice(t.Context(), "n-1")
	_, currentErr := db.CurrentNotice(t.Context(), models.Test)
	_, requestErr := db.Request(t.Context(), "")
	_, provisionErr := db.Provision(t.Context(), "p-1 OR 1=1")
	for _, err := range []error{noticeErr, currentErr, requestErr, provisionErr} {
		if !models.IsKind(err, models.NotFound) {
			t.Errorf("got %v", err)
		}
	}
}

func TestNoticeVersionsAreUnique(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	save(t, db, func(ctx context.Context) error {
		return errors.Join(db.SaveNotice(ctx, someNotice(models.Test, 1)), db.SaveNotice(ctx, someNotice(models.Test, 2)),
			db.SaveNotice(ctx, someNotice(models.Personal, 1)))
	})
	again := someNotice(models.Test, 2)
	again.ID = "n-other"
	err := db.Update(t.Context(), func(ctx context.Context) error { return db.SaveNotice(ctx, again) })
	if !models.IsKind(err, models.Conflict) {
		t.Fatalf("got %v", err)
	}
	current, err := db.CurrentNotice(t.Context(), models.Test)
	if err != nil || current.Version != 2 {
		t.Fatalf("got %+v, %v", current, err)
	}
	list, err := db.NoticeList(t.Context(), models.Page{})
	if err != nil || len(list) != 3 || list[0].Version != 2 {
		t.Fatalf("got %+v, %v", list, err)
	}
}

func TestListsPageFromTheNewest(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	save(t, db, func(ctx context.Context) error {
		errs := []error{db.SaveNotice(ctx, someNotice(models.Test, 1))}
		for n := range 7 {
			errs = append(errs, db.SaveRequest(ctx, someRequest(n)), db.SaveProvision(ctx, someProvision(n)))
		}
		return errors.Join(errs...)
	})
	var requests, provisions []string
	for page := (models.Page{Limit: 3}); ; {
		list, err := db.RequestList(t.Context(), models.RequestFilter{RecipientID: "r-0", State: models.RequestSubmitted}, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			requests = append(requests, r.ID)
		}
		if len(list) < 3 {
			break
		}
		page.After = models.TimeCursor(list[2].RequestedAt, list[2].ID)
	}
	list, err := db.ProvisionList(t.Context(), models.ProvisionFilter{
		DatasetID: "ds-1", Version: 2, From: someDay.Add(2 * time.Second), To: someDay.Add(5 * time.Second),
	}, models.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		provisions = append(provisions, p.ID)
	}
	if want := []string{"q-006", "q-004", "q-002", "q-000"}; !reflect.DeepEqual(requests, want) {
		t.Errorf("requests %v, want %v", requests, want)
	}
	if want := []string{"p-004", "p-003", "p-002"}; !reflect.DeepEqual(provisions, want) {
		t.Errorf("provisions %v, want %v", provisions, want)
	}
	if _, err := db.RequestList(t.Context(), models.RequestFilter{}, models.Page{After: "x' OR 1=1"}); !models.IsKind(err, models.Invalid) {
		t.Errorf("got %v", err)
	}
}

func TestRunningNumbersHaveNoGaps(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	var mu sync.Mutex
	seen := map[int64]bool{}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for round := range 8 {
				var n int64
				err := db.Update(context.Background(), func(ctx context.Context) error {
					var err error
					if n, err = db.NextNumber(ctx, "2026"); err != nil {
						return err
					}
					if (worker+round)%3 == 0 {
						return errors.New("refused")
					}
					return nil
				})
				if err == nil {
					mu.Lock()
					seen[n] = true
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for n := range int64(len(seen)) {
		if !seen[n+1] {
			t.Fatalf("number %d is missing of %d", n+1, len(seen))
		}
	}
}

func TestFirstReceiptStays(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	save(t, db, func(ctx context.Context) error {
		return errors.Join(db.SaveNotice(ctx, someNotice(models.Test, 1)), db.SaveRequest(ctx, someRequest(1)),
			db.SaveProvision(ctx, someProvision(1)))
	})
	for _, try := range []struct{ manifest, receipt string }{{"other", "wrong"}, {"cc", "first"}, {"cc", "second"}} {
		save(t, db, func(ctx context.Context) error { return db.SaveReceipt(ctx, "p-001", try.manifest, 5, try.receipt) })
	}
	prov, err := db.Provision(t.Context(), "p-001")
	if err != nil || prov.Receipt != "first" || prov.EntryIndex != 5 {
		t.Fatalf("got %q %d, %v", prov.Receipt, prov.EntryIndex, err)
	}
	known, err := db.KnownPacks(t.Context(), []string{"pack0001", "pack0002"})
	if err != nil || !reflect.DeepEqual(known, []string{"pack0001"}) {
		t.Fatalf("got %v, %v", known, err)
	}
}
