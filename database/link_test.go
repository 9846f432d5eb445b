package database

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"teikyo/models"
)

func someLink(n int) models.Link {
	at := someDay.Add(time.Duration(n) * time.Minute)
	return models.Link{
		ID: "l-" + string(rune('a'+n)), ProvisionID: "p-001", RecipientID: "r-" + string(rune('0'+n%2)), Bind: models.BindKey, MaxUses: 2,
		NotBefore: at, ExpiresAt: at.Add(time.Hour), CreatedBy: "u-1", CreatedAt: at,
	}
}

// linked is a database with links of one provision, and a session for each.
func linked(t *testing.T, n int) *DB {
	t.Helper()
	db := openTest(t)
	save(t, db, func(ctx context.Context) error {
		errs := []error{db.SaveNotice(ctx, someNotice(models.Test, 1)), db.SaveRequest(ctx, someRequest(1)), db.SaveProvision(ctx, someProvision(1))}
		for i := range n {
			l := someLink(i)
			errs = append(errs, db.AddLink(ctx, l), db.AddDownloadSession(ctx, models.DownloadSession{
				ID: "s-" + l.ID, LinkID: l.ID, ProvisionID: "p-001", RecipientID: l.RecipientID, Hash: "hash-" + l.ID, Holder: "somebody",
				OpenedAt: l.CreatedAt, Address: "192.0.2.1", Agent: "x",
			}))
		}
		return errors.Join(errs...)
	})
	return db
}

func TestLinksComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	db := linked(t, 5)
	for i := range 5 {
		if got, err := db.Link(t.Context(), someLink(i).ID); err != nil || got != someLink(i) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	if _, err := db.Link(t.Context(), "l-none"); !models.IsKind(err, models.NotFound) {
		t.Errorf("got %v", err)
	}
	var ids []string
	for page := (models.Page{Limit: 2}); ; {
		list, err := db.LinkList(t.Context(), models.LinkFilter{RecipientID: "r-0", ProvisionID: "p-001"}, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range list {
			ids = append(ids, l.ID)
			page.After = models.TimeCursor(l.CreatedAt, l.ID)
		}
		if len(list) < 2 {
			break
		}
	}
	if !slices.Equal(ids, []string{"l-e", "l-c", "l-a"}) {
		t.Errorf("listed %v", ids)
	}
}

func TestUsesEndAtTheirLimit(t *testing.T) {
	t.Parallel()
	db := linked(t, 2)
	at := someLink(0).CreatedAt
	use := func(id string, at time.Time) (used bool) {
		save(t, db, func(ctx context.Context) error {
			var err error
			used, err = db.UseLink(ctx, id, at)
			return err
		})
		return used
	}
	if use("l-a", someLink(0).ExpiresAt) {
		t.Error("used at its end")
	}
	if !use("l-a", at) || !use("l-a", at) || use("l-a", at) {
		t.Error("not exactly twice")
	}
	for range 2 {
		var first bool
		save(t, db, func(ctx context.Context) error {
			var err error
			first, err = db.RevokeLink(ctx, "l-b", "u-2", at)
			return err
		})
		if l, err := db.Link(t.Context(), "l-b"); err != nil || l.RevokedBy != "u-2" || !l.RevokedAt.Equal(at) {
			t.Errorf("revoked %v: %+v, %v", first, l, err)
		}
	}
	if use("l-b", at) || use("l-none", at) {
		t.Error("used a revoked or absent link")
	}
}

func TestSessionsOfLinksThatEnded(t *testing.T) {
	t.Parallel()
	db := linked(t, 4)
	save(t, db, func(ctx context.Context) error { _, err := db.RevokeLink(ctx, "l-d", "u-1", someDay); return err })
	ended := func(by time.Time) (ids []string) {
		list, err := db.OpenDownloadSessions(t.Context(), by, models.Page{})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			ids = append(ids, s.LinkID)
		}
		return ids
	}
	if got := ended(someLink(1).ExpiresAt); !slices.Equal(got, []string{"l-a", "l-b", "l-d"}) {
		t.Errorf("ended %v", got)
	}
	for i := range 2 {
		save(t, db, func(ctx context.Context) error {
			first, err := db.CloseDownloadSession(ctx, "s-l-a", someDay)
			if first != (i == 0) {
				t.Errorf("closing it the %d. time: %v", i+1, first)
			}
			return err
		})
	}
	if got := ended(time.Time{}); !slices.Equal(got, []string{"l-b", "l-c", "l-d"}) {
		t.Errorf("open %v", got)
	}
	s, err := db.DownloadSessionByHash(t.Context(), "hash-l-a")
	if again, err2 := db.DownloadSession(t.Context(), "s-l-a"); err != nil || err2 != nil || s != again || !s.ClosedAt.Equal(someDay) || s.Holder != "somebody" {
		t.Errorf("got %+v %+v, %v %v", s, again, err, err2)
	}
	if _, err := db.DownloadSessionByHash(t.Context(), ""); !models.IsKind(err, models.NotFound) {
		t.Errorf("got %v", err)
	}
}

func TestTransfersComeByPathAndOffset(t *testing.T) {
	t.Parallel()
	db := linked(t, 1)
	var list []models.Transfer
	for i := range 1200 {
		list = append(list, models.Transfer{
			ID: "x-" + string(rune(0x4e00+i)), SessionID: "s-l-a", Path: []string{"b", "a", "é", "Z"}[i%4], From: int64(1200 - i), Bytes: 3, At: someDay,
		})
	}
	save(t, db, func(ctx context.Context) error { return db.AddTransfers(ctx, list) })
	var got []models.Transfer
	for tr, err := range db.Transfers(t.Context(), "s-l-a") {
		if err != nil {
			t.Fatal(err)
		}
		if n := len(got); n > 0 && (got[n-1].Path > tr.Path || got[n-1].Path == tr.Path && got[n-1].From >= tr.From) {
			t.Fatalf("%+v after %+v", tr, got[n-1])
		}
		got = append(got, tr)
	}
	if len(got) != 1200 || got[0].Path != "Z" || !got[0].At.Equal(someDay) || got[0].Bytes != 3 {
		t.Errorf("%d transfers, the first %+v", len(got), got[0])
	}
}

// Who waits for early ends hears of those that were committed, and of no other.
func TestWaitersHearOfEarlyEnds(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	heard := 0
	db.OnRevoke(func() { heard++ })
	save(t, db, func(ctx context.Context) error { return db.Revoke(ctx) })
	_ = db.Update(t.Context(), func(ctx context.Context) error { return errors.Join(db.Revoke(ctx), errors.New("refused")) })
	if n, err := db.RevocationCounter(t.Context()); err != nil || n != 1 || heard != 1 {
		t.Errorf("heard %d times of %d, %v", heard, n, err)
	}
}
