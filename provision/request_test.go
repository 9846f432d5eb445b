package provision_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"teikyo/models"
	"teikyo/provision"
)

func TestReturnedRequestIsChangedAndApproved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.submitted(models.Anonymized)
	_, err := w.svc.Comment(t.Context(), w.ben, first.ID, "だれが使いますか。")
	w.must(err)
	_, err = w.svc.Comment(t.Context(), w.rex, first.ID, "二人です。")
	w.must(err)
	_, err = w.svc.Return(t.Context(), w.ben, first.ID, " ")
	wantError(t, err, models.Invalid, "say why")
	_, err = w.svc.Return(t.Context(), w.ben, first.ID, "say who uses it")
	w.must(err)
	_, err = w.svc.Approve(t.Context(), w.ben, first.ID, "")
	wantError(t, err, models.Conflict, "it is returned and cannot become approved")
	draft := w.draft("ds-claims")
	draft.RecipientID, draft.Words = "", "two researchers compare treatments"
	second, err := w.svc.Resubmit(t.Context(), w.mia, first.ID, draft)
	w.must(err)
	if second.ID != first.ID || second.Frozen == first.Frozen || second.State != models.RequestSubmitted {
		t.Errorf("got %+v", second)
	}
	draft.RecipientID = "r-other"
	_, err = w.svc.Resubmit(t.Context(), w.mia, first.ID, draft)
	wantError(t, err, models.Conflict, "it is submitted and cannot become submitted")
	d, err := w.svc.Approve(t.Context(), w.ben, first.ID, "now fine")
	w.must(err)
	req, comments, err := w.svc.Request(t.Context(), w.rex, first.ID)
	w.must(err)
	if req.ProvisionID != d.Provision.ID || len(comments) != 2 || comments[0].UserID != "u-ben" {
		t.Errorf("got %+v, %+v", req, comments)
	}
	w.check()
}

func TestDecidedRequestsStayDecided(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.submitted(models.Anonymized)
	for name, decide := range map[string]func(id string) error{
		"withdrawn": func(id string) error { _, err := w.svc.Withdraw(t.Context(), w.mia, id, ""); return err },
		"rejected":  func(id string) error { _, err := w.svc.Reject(t.Context(), w.ben, id, "no"); return err },
		"approved":  func(id string) error { _, err := w.svc.Approve(t.Context(), w.ben, id, ""); return err },
	} {
		req, err := w.svc.Submit(t.Context(), w.mia, w.draft("ds-claims"))
		w.must(err)
		w.must(decide(req.ID))
		for _, again := range []func() error{
			func() error { _, err := w.svc.Approve(t.Context(), w.ben, req.ID, ""); return err },
			func() error { _, err := w.svc.Reject(t.Context(), w.ben, req.ID, "no"); return err },
			func() error { _, err := w.svc.Withdraw(t.Context(), w.mia, req.ID, ""); return err },
			func() error { _, err := w.svc.Return(t.Context(), w.ben, req.ID, "no"); return err },
			func() error { _, err := w.svc.Resubmit(t.Context(), w.mia, req.ID, w.draft("ds-claims")); return err },
		} {
			wantError(t, again(), models.Conflict, "it is "+name)
		}
	}
	w.check()
}

func TestManyAtOnceGiveAResultEach(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.submitted(models.Anonymized)
	own, err := w.svc.Submit(t.Context(), w.ben, w.draft("ds-claims"))
	w.must(err)
	results := w.svc.ApproveAll(t.Context(), w.ben, []string{good.ID, own.ID, "q-none", good.ID}, "fine")
	if results[0].Err != nil || results[0].Value.Provision.Receipt == "" {
		t.Errorf("got %+v", results[0])
	}
	wantError(t, results[1].Err, models.Denied, "asked for themselves")
	wantError(t, results[2].Err, models.NotFound, "not found")
	wantError(t, results[3].Err, models.Conflict, "approved")
	w.check()
}

func TestPreviewStoresNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dataset("ds-claims", models.Anonymized, claims)
	notice := w.notice(models.Anonymized)
	draft := w.draft("ds-claims")
	draft.PathGlob = "tests/**"
	p, err := w.svc.Preview(t.Context(), w.rex, draft)
	w.must(err)
	if p.Request.FileCount != 3 || p.Request.TotalSize != 180_002 || p.Notice.ID != notice.ID || p.Request.ID != "" ||
		p.Request.KeyFingerprint != w.key.Fingerprint || p.Request.AgreementID != w.agreement.ID || p.Request.Basis != models.ThirdParty {
		t.Errorf("got %+v", p)
	}
	list, err := w.db.RequestList(t.Context(), models.RequestFilter{}, models.Page{})
	if err != nil || len(list) != 0 {
		t.Errorf("left %v, %v", list, err)
	}
}

func TestSeveralKeysNeedAName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dataset("ds-claims", models.Anonymized, claims)
	w.notice(models.Anonymized)
	pq, identity := w.addKey("k-second", true)
	_, err := w.svc.Submit(t.Context(), w.mia, w.draft("ds-claims"))
	wantError(t, err, models.Conflict, "several usable keys")
	v, err := w.db.Version(t.Context(), "ds-claims", 1)
	w.must(err)
	v.PQRequired = true
	w.save(func(ctx context.Context) error { return w.db.SaveVersion(ctx, v) })
	draft := w.draft("ds-claims")
	draft.Key = w.key.Fingerprint
	_, err = w.svc.Submit(t.Context(), w.mia, draft)
	wantError(t, err, models.Conflict, "post-quantum keys only")
	draft.Key = pq.ID
	req, err := w.svc.Submit(t.Context(), w.mia, draft)
	w.must(err)
	d, err := w.svc.Approve(t.Context(), w.ben, req.ID, "")
	w.must(err)
	if d.Provision.HeaderSize != 1627 {
		t.Errorf("headers of %d bytes", d.Provision.HeaderSize)
	}
	w.verify(w.received(d.Provision), identity)
	for state, part := range map[models.KeyState]string{
		models.KeyAdded: "only added", models.KeyProved: "only proved", models.KeyRevoked: "is revoked",
	} {
		pq.State = state
		w.save(func(ctx context.Context) error { return w.db.SaveRecipientKey(ctx, pq) })
		_, err := w.svc.Submit(t.Context(), w.mia, draft)
		wantError(t, err, models.Conflict, part)
	}
}

func TestReissueToAnotherKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.provided()
	before := w.received(d.Provision)
	other, identity := w.addKey("k-second", true)
	_, err := w.svc.Reissue(t.Context(), w.mia, d.Provision.ID, other.Fingerprint)
	wantError(t, err, models.Denied, "themselves")
	_, err = w.svc.Reissue(t.Context(), w.rex, d.Provision.ID, other.Fingerprint)
	wantError(t, err, models.Denied, "may not reissue")
	_, err = w.svc.Reissue(t.Context(), w.ben, d.Provision.ID, "")
	wantError(t, err, models.Invalid, "--key")
	_, err = w.svc.Reissue(t.Context(), w.ben, d.Provision.ID, w.key.Fingerprint)
	wantError(t, err, models.Conflict, "already")
	counter, err := w.db.RevocationCounter(t.Context())
	w.must(err)
	prov, err := w.svc.Reissue(t.Context(), w.ben, d.Provision.ID, other.Fingerprint)
	w.must(err)
	w.check()
	if prov.Number != d.Provision.Number || prov.Reissue != 1 || prov.KeyFingerprint != other.Fingerprint || prov.Receipt == "" ||
		prov.Receipt == d.Provision.Receipt || prov.ManifestSHA256 == d.Provision.ManifestSHA256 {
		t.Errorf("got %+v", prov)
	}
	if after, err := w.db.RevocationCounter(t.Context()); err != nil || after == counter {
		t.Error("transfers of the old parcel go on")
	}
	after := w.received(prov)
	w.verify(after, identity)
	const sealed = "data/tests/blood.csv.age"
	if !slices.Equal(before[sealed][168:], after[sealed][1627:]) {
		t.Error("the payload changed: the recipient must fetch it again")
	}
	if removed, err := w.svc.Sweep(t.Context(), w.clock.now()); err != nil || removed != 1 {
		t.Errorf("swept %d, %v; want the old pack", removed, err)
	}
	w.received(prov)
	_, err = w.svc.Revoke(t.Context(), w.mia, prov.ID, "a mistake")
	w.must(err)
	_, err = w.svc.Reissue(t.Context(), w.ben, prov.ID, w.key.Fingerprint)
	wantError(t, err, models.Conflict, "revoked; make a new request")
}

func TestRevokeAndAcknowledge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	prov := w.provided().Provision
	w.clock.add(time.Hour)
	first, err := w.svc.Acknowledge(t.Context(), w.rex, prov.ID)
	w.must(err)
	head, err := w.db.Head(t.Context())
	w.must(err)
	again, err := w.svc.Acknowledge(t.Context(), w.mia, prov.ID)
	w.must(err)
	if later, err := w.db.Head(t.Context()); err != nil || later.Size != head.Size || again.AcknowledgedBy != "u-rex" || !again.AcknowledgedAt.Equal(first.AcknowledgedAt) {
		t.Errorf("acknowledged again: %+v, %v", again, err)
	}
	_, err = w.svc.Revoke(t.Context(), w.mia, prov.ID, "")
	wantError(t, err, models.Invalid, "say why")
	_, err = w.svc.Revoke(t.Context(), w.rex, prov.ID, "x")
	wantError(t, err, models.Denied, "may not revoke a provision")
	before, err := w.db.RevocationCounter(t.Context())
	w.must(err)
	revoked, err := w.svc.Revoke(t.Context(), w.mia, prov.ID, "wrong recipient")
	w.must(err)
	if after, err := w.db.RevocationCounter(t.Context()); err != nil || after <= before {
		t.Error("the nodes do not hear of it")
	}
	_, err = w.svc.Live(t.Context(), revoked, w.clock.now())
	wantError(t, err, models.Expired, "the provision is revoked")
	_, err = w.svc.Revoke(t.Context(), w.mia, prov.ID, "again")
	wantError(t, err, models.Conflict, "it is revoked")
	rows, err := w.svc.Report(t.Context(), w.ana, provision.ReportQuery{From: "2026-11-23", To: "2026-11-23", RecipientID: w.rcpt.ID})
	w.must(err)
	n := 0
	for row, err := range rows {
		w.must(err)
		n++
		if row.State != models.ProvisionRevoked || row.RevokeReason != "wrong recipient" || row.AcknowledgedAt.IsZero() || row.Number != prov.Number {
			t.Errorf("row %+v", row)
		}
	}
	if n != 1 {
		t.Errorf("%d rows", n)
	}
	_, err = w.svc.Report(t.Context(), w.ana, provision.ReportQuery{From: "2026-12-01", To: "2026-11-01"})
	wantError(t, err, models.Invalid, "end before it begins")
	receipt, err := w.svc.Receipt(t.Context(), w.rex, prov.ID)
	if err != nil || !strings.HasPrefix(string(receipt), "c2sp.org/tlog-proof@v1") {
		t.Errorf("receipt of a revoked provision: %v", err)
	}
	manifest, size, err := w.svc.Manifest(t.Context(), w.rex, prov.ID)
	w.must(err)
	if got := readAll(t, manifest); int64(len(got)) != size {
		t.Errorf("manifest of %d bytes, said %d", len(got), size)
	}
	w.check()
}
