package provision_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"teikyo/models"
	"teikyo/provision"
)

func TestNoticesThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := provision.NoticeDraft{Class: models.Anonymized, Items: []models.Item{models.Tests}, Methods: []models.Method{models.Download}}
	for _, c := range []struct {
		name string
		edit func(*provision.NoticeDraft)
		part string
	}{
		{"class", func(d *provision.NoticeDraft) { d.Class = "anonymous" }, `unknown data class "anonymous"; use one of anonymized`},
		{"item", func(d *provision.NoticeDraft) { d.Items = []models.Item{"names"} }, `unknown item "names"; use one of claims.medical`},
		{"no item", func(d *provision.NoticeDraft) { d.Items = nil }, "no item given"},
		{"item twice", func(d *provision.NoticeDraft) { d.Items = []models.Item{models.Tests, models.Tests} }, "given twice"},
		{"method", func(d *provision.NoticeDraft) { d.Methods = []models.Method{"fax"} }, `unknown method "fax"`},
		{"text", func(d *provision.NoticeDraft) { d.Text = "a\x1b[31m" }, "control character"},
		{"long text", func(d *provision.NoticeDraft) { d.Text = strings.Repeat("お", 20_001) }, "longer than 20000"},
	} {
		draft := good
		c.edit(&draft)
		_, err := w.svc.PublishNotice(t.Context(), w.mia, draft)
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		wantError(t, err, models.Invalid, c.part)
	}
	_, err := w.svc.PublishNotice(t.Context(), w.rex, good)
	wantError(t, err, models.Denied, "may not publish a notice")
	list, err := w.svc.Notices(t.Context(), models.Page{})
	if err != nil || len(list) != 0 {
		t.Errorf("left %v, %v", list, err)
	}
}

func TestNoticeVersionsCountUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for want := 1; want <= 3; want++ {
		w.clock.add(time.Hour)
		n := w.notice(models.Anonymized)
		if n.Version != want || !strings.Contains(n.Text, "Public notice") || !strings.Contains(n.Text, "匿名加工情報") {
			t.Errorf("got %+v, want version %d in two languages", n, want)
		}
	}
	w.notice(models.Test)
	current, err := w.svc.CurrentNotices(t.Context())
	if err != nil || len(current) != 2 || current[0].Version != 3 || current[1].Class != models.Test {
		t.Errorf("got %+v, %v", current, err)
	}
	w.check()
}

func TestRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dataset("ds-claims", models.Anonymized, claims)
	w.dataset("ds-pseudo", models.Pseudonymized, claims)
	w.dataset("ds-limited", models.USLimitedDataSet, claims)
	w.dataset("ds-unpublished", models.USDeidentified, claims)
	w.notice(models.Anonymized)
	w.notice(models.Pseudonymized)
	w.notice(models.USLimitedDataSet)
	type draft = provision.Draft
	for _, c := range []struct {
		name string
		edit func(*draft)
		kind models.ErrorKind
		part string
	}{
		{"purpose", func(d *draft) { d.Purpose = "fun" }, models.Invalid, `unknown purpose "fun"; use one of product-development`},
		{"method", func(d *draft) { d.Method = "fax" }, models.Invalid, `unknown method "fax"; use one of download`},
		{"basis", func(d *draft) { d.Basis = "trust" }, models.Invalid, `unknown basis "trust"; use one of third_party`},
		{"words that steer a terminal", func(d *draft) { d.Words = "statistics\u009b2J" }, models.Invalid, "control character (U+009B)"},
		{"words that turn around", func(d *draft) { d.Words = "statistics \u202exfer" }, models.Invalid, "control character (U+202E)"},
		{"no words", func(d *draft) { d.Words = " \n" }, models.Invalid, "recipient's own words"},
		{"words with control characters", func(d *draft) { d.Words = "a\x00b" }, models.Invalid, "control character"},
		{"words too long", func(d *draft) { d.Words = strings.Repeat("a", 4001) }, models.Invalid, "longer than 4000"},
		{"DUO", func(d *draft) { d.DUO = []string{"GRU"} }, models.Invalid, "DUO:0000042"},
		{"DUO twice", func(d *draft) { d.DUO = []string{"DUO:0000042", "DUO:0000042"} }, models.Invalid, "twice"},
		{"reference", func(d *draft) { d.References = []models.Reference{{Name: "x"}} }, models.Invalid, "NAME=VALUE"},
		{"reference twice", func(d *draft) {
			d.References = []models.Reference{{Name: "x", Value: "1"}, {Name: "x", Value: "2"}}
		}, models.Invalid, "twice"},
		{"end in the past", func(d *draft) { d.Until = "2026-11-22" }, models.Invalid, "lies in the past"},
		{"end that is no date", func(d *draft) { d.Until = "soon" }, models.Invalid, "is not a date"},
		{"end after the agreement", func(d *draft) { d.Until = "2028-05-24" }, models.Invalid, "after that of the agreement C-2026/1; the last possible day is"},
		{"end after the key", func(d *draft) { d.Until = "2027-12-31" }, models.Invalid, "after that of the key"},
		{"pattern", func(d *draft) { d.PathGlob = "a[" }, models.Invalid, "not valid"},
		{"absolute pattern", func(d *draft) { d.PathGlob = "/etc/*" }, models.Invalid, "absolute"},
		{"pattern without a file", func(d *draft) { d.PathGlob = "*.parquet" }, models.Invalid, `no file of version 1 matches "*.parquet"`},
		{"dataset", func(d *draft) { d.DatasetID = "ds-none" }, models.NotFound, "there is no dataset ds-none"},
		{"version", func(d *draft) { d.Version = 7 }, models.NotFound, "there is no version"},
		{"recipient", func(d *draft) { d.RecipientID = "r-none" }, models.NotFound, "not found"},
		{"agreement", func(d *draft) { d.Agreement = "C-1" }, models.NotFound, `has no agreement "C-1"`},
		{"agreement by id", func(d *draft) { d.Agreement = "a-bbbbbbbbbbbbbbbb" }, models.NotFound, `has no agreement "a-bbbbbbbbbbbbbbbb"`},
		{"purpose not agreed", func(d *draft) { d.Purpose = models.PublicHealth }, models.Conflict, "has no agreement that is active and covers"},
		{"purpose not in the named agreement", func(d *draft) { d.Purpose, d.Agreement = models.PublicHealth, "C-2026/1" }, models.Conflict, "does not cover the purpose public-health"},
		{"key", func(d *draft) { d.Key = "abcde" }, models.NotFound, `has no key "abcde"`},
		{"pseudonymized without a basis", func(d *draft) { d.DatasetID = "ds-pseudo" }, models.Invalid, "say on which basis"},
		{"pseudonymized to a third party", func(d *draft) { d.DatasetID, d.Basis = "ds-pseudo", models.ThirdParty }, models.Invalid, "APPI Art. 41(6) and 42(1)"},
		{"pseudonymized with consent", func(d *draft) { d.DatasetID, d.Basis = "ds-pseudo", models.Consent }, models.Invalid, "even with the person's prior consent"},
		{"anonymized with consent", func(d *draft) { d.Basis = models.Consent }, models.Invalid, "without consent"},
		{"limited data set for statistics", func(d *draft) { d.DatasetID, d.Purpose = "ds-limited", models.Statistics }, models.Invalid, "164.514(e)(3)"},
		{"no notice", func(d *draft) { d.DatasetID = "ds-unpublished" }, models.Conflict, "no public notice for us-deidentified data exists; publish one first"},
	} {
		d := w.draft("ds-claims")
		c.edit(&d)
		_, err := w.svc.Submit(t.Context(), w.mia, d)
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		wantError(t, err, c.kind, c.part)
		if _, err := w.svc.Preview(t.Context(), w.mia, d); models.KindOf(err) != c.kind {
			t.Errorf("%s: the dry run says %v", c.name, err)
		}
	}
	list, err := w.svc.Requests(t.Context(), w.mia, models.RequestFilter{}, models.Page{})
	if err != nil || len(list) != 0 {
		t.Errorf("left %v, %v", list, err)
	}
	w.check()
}

// ends are acts of others that end what a provision stands on.
func (w *world) ends() map[string]struct {
	act  func(ctx context.Context) error
	part string
} {
	rcpt, agreement, key := w.rcpt, w.agreement, w.key
	version := func(state models.VersionState) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			v, err := w.db.Version(ctx, "ds-claims", 1)
			v.State = state
			return errors.Join(err, w.db.SaveVersion(ctx, v))
		}
	}
	type end = struct {
		act  func(ctx context.Context) error
		part string
	}
	return map[string]end{
		"recipient suspended": {func(ctx context.Context) error {
			rcpt.State = models.RecipientSuspended
			return w.db.SaveRecipient(ctx, rcpt)
		}, "the recipient"},
		"recipient's approval over": {func(ctx context.Context) error {
			rcpt.ApprovedUntil = monday.Add(time.Second)
			return w.db.SaveRecipient(ctx, rcpt)
		}, "approval of the recipient"},
		"agreement ended": {func(ctx context.Context) error {
			agreement.EndedAt = monday
			return w.db.SaveAgreement(ctx, agreement)
		}, "agreement"},
		"agreement over": {func(ctx context.Context) error {
			agreement.ValidUntil = monday.Add(time.Second)
			return w.db.SaveAgreement(ctx, agreement)
		}, "agreement"},
		"key revoked": {func(ctx context.Context) error {
			key.State = models.KeyRevoked
			return w.db.SaveRecipientKey(ctx, key)
		}, "key"},
		"key expired": {func(ctx context.Context) error {
			key.ExpiresAt = monday.Add(time.Second)
			return w.db.SaveRecipientKey(ctx, key)
		}, "key"},
		"version recalled":  {version(models.VersionRecalled), "recalled"},
		"version destroyed": {version(models.VersionDestroyed), "destroyed"},
	}
}

func TestNothingIsProvidedOnWhatHasEnded(t *testing.T) {
	t.Parallel()
	for name, end := range newWorld(t).ends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			req := w.submitted(models.Anonymized)
			w.save(w.ends()[name].act)
			w.clock.add(time.Minute)
			_, err := w.svc.Submit(t.Context(), w.mia, w.draft("ds-claims"))
			if err == nil {
				t.Error("a request was accepted")
			}
			_, err = w.svc.Approve(t.Context(), w.ben, req.ID, "")
			wantError(t, err, models.Conflict, strings.Fields(end.part)[0])
			w.nothingProvided()
		})
	}
}

func TestAccessEndsByItself(t *testing.T) {
	t.Parallel()
	for name, end := range newWorld(t).ends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			prov := w.provided().Provision
			until, err := w.svc.Live(t.Context(), prov, w.clock.now())
			if err != nil || !until.Equal(prov.Until) {
				t.Fatalf("got %v, %v; want %v", until, err, prov.Until)
			}
			w.save(w.ends()[name].act)
			w.clock.add(time.Minute)
			_, err = w.svc.Live(t.Context(), prov, w.clock.now())
			wantError(t, err, models.Expired, end.part)
		})
	}
	t.Run("the end itself", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		prov := w.provided().Provision
		if _, err := w.svc.Live(t.Context(), prov, prov.Until.Add(-time.Microsecond)); err != nil {
			t.Error(err)
		}
		_, err := w.svc.Live(t.Context(), prov, prov.Until)
		wantError(t, err, models.Expired, "the provision ended on 2027-05-31")
	})
	t.Run("a withdrawn version stays", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		prov := w.provided().Provision
		w.save(func(ctx context.Context) error {
			v, err := w.db.Version(ctx, "ds-claims", 1)
			v.State = models.VersionWithdrawn
			return errors.Join(err, w.db.SaveVersion(ctx, v))
		})
		if _, err := w.svc.Live(t.Context(), prov, w.clock.now()); err != nil {
			t.Error(err)
		}
		_, err := w.svc.Submit(t.Context(), w.mia, w.draft("ds-claims"))
		wantError(t, err, models.Conflict, "withdrawn")
	})
}

// nothingProvided checks that a refusal left nothing half done.
func (w *world) nothingProvided() {
	w.t.Helper()
	provs, err := w.db.ProvisionList(context.Background(), models.ProvisionFilter{}, models.Page{})
	w.must(err)
	requests, err := w.db.RequestList(context.Background(), models.RequestFilter{State: models.RequestApproved}, models.Page{})
	w.must(err)
	if len(provs) != 0 || len(requests) != 0 {
		w.t.Errorf("left %d provisions, %d approved requests", len(provs), len(requests))
	}
	w.check()
}

func TestTwoPeopleAreNeeded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	req := w.submitted(models.Anonymized)
	_, err := w.svc.Approve(t.Context(), w.mia, req.ID, "")
	wantError(t, err, models.Denied, "nobody decides about what they asked for themselves")
	_, err = w.svc.Approve(t.Context(), w.rex, req.ID, "")
	wantError(t, err, models.Denied, "may not decide about a request")
	mia, err := w.db.User(t.Context(), "u-mia")
	w.must(err)
	mia.InvitedBy, mia.SoleConfirmed = "u-ben", true
	w.save(func(ctx context.Context) error { return w.db.SaveUser(ctx, mia) })
	_, err = w.svc.Approve(t.Context(), w.ben, req.ID, "")
	wantError(t, err, models.Denied, "not shown to be independent")
	w.nothingProvided()
	if _, err := w.svc.Approve(t.Context(), w.ana, req.ID, ""); err != nil {
		t.Error(err)
	}
}

func TestAnyChangeStopsForAPerson(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(w *world, ctx context.Context) error
		part string
	}{
		{"recipient's name", func(w *world, ctx context.Context) error {
			w.rcpt.Name = "Another institute"
			return w.db.SaveRecipient(ctx, w.rcpt)
		}, "request was made: recipient;"},
		{"agreement's end", func(w *world, ctx context.Context) error {
			w.agreement.ValidUntil = w.agreement.ValidUntil.AddDate(0, 1, 0)
			return w.db.SaveAgreement(ctx, w.agreement)
		}, "agreement;"},
		{"notice", func(w *world, ctx context.Context) error {
			return w.db.SaveNotice(ctx, models.Notice{
				ID: "n-new", Class: models.Anonymized, Version: 2, Items: models.Items(), Methods: models.Methods(), PublishedAt: monday,
			})
		}, "notice;"},
		{"waiver", func(w *world, ctx context.Context) error {
			return w.db.SaveWaiver(ctx, models.Waiver{
				ID: "w-new", DatasetID: "ds-claims", Version: 1, ApprovedBy: "u-ben", ApprovedAt: monday,
				RequestedAt: monday, ExpiresAt: monday.AddDate(1, 0, 0),
			})
		}, "waivers;"},
		{"key text", func(w *world, ctx context.Context) error {
			w.key.Fingerprint = "other"
			return w.db.SaveRecipientKey(ctx, w.key)
		}, "key;"},
		{"words", func(w *world, ctx context.Context) error {
			reqs, err := w.db.RequestList(ctx, models.RequestFilter{}, models.Page{})
			reqs[0].Words = "something else"
			return errors.Join(err, w.db.SaveRequest(ctx, reqs[0]))
		}, "words;"},
		{"end", func(w *world, ctx context.Context) error {
			reqs, err := w.db.RequestList(ctx, models.RequestFilter{}, models.Page{})
			reqs[0].Until = reqs[0].Until.Add(time.Hour)
			return errors.Join(err, w.db.SaveRequest(ctx, reqs[0]))
		}, "end;"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			req := w.submitted(models.Anonymized)
			w.save(func(ctx context.Context) error { return c.edit(w, ctx) })
			_, err := w.svc.Approve(t.Context(), w.ben, req.ID, "")
			wantError(t, err, models.Conflict, c.part)
			w.nothingProvided()
		})
	}
	t.Run("facts and digest", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		req := w.submitted(models.Anonymized)
		req.Facts = []byte(strings.Replace(string(req.Facts), "research", "statistics", 1))
		w.save(func(ctx context.Context) error { return w.db.SaveRequest(ctx, req) })
		_, err := w.svc.Approve(t.Context(), w.ben, req.ID, "")
		wantError(t, err, models.Integrity, "does not have the digest")
		w.nothingProvided()
	})
}

func TestRequestsExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	req := w.submitted(models.Anonymized)
	w.clock.add(30 * 24 * time.Hour)
	_, err := w.svc.Approve(t.Context(), w.ben, req.ID, "")
	wantError(t, err, models.Expired, "the request expired on 2026-12-23 without a decision; make it again")
	w.nothingProvided()
}

func TestForeignObjectsLookAbsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.provided()
	stranger := w.rex
	stranger.RecipientID = "r-other"
	for _, id := range []string{d.Request.ID, "q-none", ""} {
		for _, call := range []func() error{
			func() error { _, _, err := w.svc.Request(t.Context(), stranger, id); return err },
			func() error { _, err := w.svc.Comment(t.Context(), stranger, id, "x"); return err },
			func() error { _, err := w.svc.Withdraw(t.Context(), stranger, id, "x"); return err },
			func() error { _, err := w.svc.Provision(t.Context(), stranger, id); return err },
		} {
			wantError(t, call(), models.NotFound, "not found; check the id")
		}
	}
	for _, id := range []string{d.Provision.ID, "p-none"} {
		_, err := w.svc.Receipt(t.Context(), stranger, id)
		wantError(t, err, models.NotFound, "not found; check the id")
		_, err = w.svc.Acknowledge(t.Context(), stranger, id)
		wantError(t, err, models.NotFound, "not found; check the id")
	}
	requests, err := w.svc.Requests(t.Context(), stranger, models.RequestFilter{RecipientID: w.rcpt.ID}, models.Page{})
	if err != nil || len(requests) != 0 {
		t.Errorf("a stranger sees %v, %v", requests, err)
	}
	provs, err := w.svc.Provisions(t.Context(), stranger, models.ProvisionFilter{RecipientID: w.rcpt.ID}, models.Page{})
	if err != nil || len(provs) != 0 {
		t.Errorf("a stranger sees %v, %v", provs, err)
	}
	if _, err := w.svc.Report(t.Context(), w.rex, provision.ReportQuery{}); !models.IsKind(err, models.Denied) {
		t.Errorf("the recipient gets the report: %v", err)
	}
	if provs, err := w.svc.Provisions(t.Context(), w.rex, models.ProvisionFilter{}, models.Page{}); err != nil || len(provs) != 1 {
		t.Errorf("the recipient sees %v, %v", provs, err)
	}
}
