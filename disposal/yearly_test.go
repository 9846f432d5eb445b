package disposal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"teikyo/disposal"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
)

const canary = "山本 次郎 canary-0815"

// old is a house in which something of every kind has ended: a version was
// withdrawn, a provision ended, an organisation was rejected.
func old(t *testing.T) (h *house, v models.Version, p models.Provision) {
	t.Helper()
	h = setup(t)
	h.db.KeepYears(h.s.Policy.EntryYears)
	v = h.register("", map[string]string{"a.csv": claims(1)})
	h.register("", map[string]string{"kept.csv": claims(5)})
	p = h.provide(v, 1)
	_, err := h.data.Withdraw(t.Context(), mia, v.DatasetID, 1, "old")
	h.must(err)
	h.save(func(ctx context.Context) error {
		return errors.Join(h.db.SaveRecipient(ctx, models.Recipient{
			ID: "r-rejected", Name: "Nobody Ltd", Country: "JP", Address: "1-1", Representative: canary, Email: "x@example.jp",
			State: models.RecipientRejected, AppliedAt: h.clock(), DecidedAt: h.clock(), UpdatedAt: h.clock(),
		}), h.db.SaveRecipient(ctx, models.Recipient{
			ID: "r-live", Name: "Live", Country: "JP", Representative: "Ito", State: models.RecipientApproved, UpdatedAt: h.clock(),
		}), h.db.Append(ctx, &ledger.Entry{
			Kind: ledger.RecipientApplied, IDs: map[string]string{"recipient": "r-rejected"}, Details: map[string]string{"representative": canary},
		}), h.db.AddLink(ctx, models.Link{ID: "l-one", ProvisionID: p.ID, CreatedAt: h.clock(), MaxUses: 1}),
			h.db.AddDownloadSession(ctx, models.DownloadSession{
				ID: "s-one", LinkID: "l-one", ProvisionID: p.ID, Hash: "1", OpenedAt: h.clock(), ClosedAt: h.clock(), Address: "192.0.2.77", Agent: "curl/canary",
			}), h.db.AddTransfers(ctx, []models.Transfer{{ID: "x-one", SessionID: "s-one", Path: "data/a.csv.age", Bytes: 7, At: h.clock()}}))
	})
	return h, v, p
}

func names(items []models.DisposalItem) string {
	var list []string
	for _, i := range items {
		list = append(list, i.Name())
	}
	return strings.Join(list, " ")
}

func TestYearlyDisposal(t *testing.T) {
	t.Parallel()
	h, v, p := old(t)
	version, provision, application := "version:"+v.DatasetID+"@1", "provision:"+p.ID, "application:r-rejected"
	due := func(year int) string {
		d, err := h.s.DueIn(t.Context(), aud, year)
		h.must(err)
		return names(d.Items)
	}
	if got := due(2026); got != "" {
		t.Errorf("due in 2026: %s", got)
	}
	_, err := h.s.ProposeYear(t.Context(), mia, 2026, "year's end", nil)
	wantKind(t, err, models.Conflict, "nothing is due")
	_, err = h.s.DueIn(t.Context(), aud, 2027)
	wantKind(t, err, models.Invalid, "year")
	h.pass(1, 1)
	if got := due(2027); got != version {
		t.Errorf("due in 2027: %s", got)
	}
	h.pass(6, 0) // 2033-04-02
	if got := due(2032); got != version+" "+provision+" "+application && got != version+" "+application {
		t.Errorf("due in 2032: %s", got)
	}
	_, err = h.s.ProposeYear(t.Context(), mia, 2033, "year's end", []disposal.Held{{Item: "version:ds-nothing@1", Reason: "lawsuit"}})
	wantKind(t, err, models.Invalid, "not due")
	d, err := h.s.ProposeYear(t.Context(), mia, 2033, "year's end", []disposal.Held{{Item: version, Reason: "lawsuit 12/33"}})
	h.must(err)
	items, err := h.s.Items(t.Context(), aud, d.ID, 0, 10)
	h.must(err)
	if got := names(items); got != version+" "+provision+" "+application || !items[0].Held() {
		t.Fatalf("proposed: %s", got)
	}
	if again := due(2033); again != version {
		t.Errorf("due beside the proposal: %s", again)
	}
	_, err = h.s.Confirm(t.Context(), mia, d.ID, "")
	wantKind(t, err, models.Denied, "manager")
	d, err = h.s.Confirm(t.Context(), ben, d.ID, "seen")
	h.must(err)
	if d.State != models.DisposalDone || h.version(v).State != models.VersionWithdrawn {
		t.Fatalf("%s, the version that was held back is %s", d.State, h.version(v).State)
	}
	h.forgotten(p)
	if again := due(2033); again != version {
		t.Errorf("due after it: %s", again)
	}
	cert, err := h.s.CertificateOf(t.Context(), aud, d.ID)
	h.must(err)
	if cert.Destroyed != 2 || cert.HeldBack != 1 || cert.Items[0].Held != "lawsuit 12/33" {
		t.Errorf("%+v", cert.Certificate)
	}
	page, err := h.s.Print(t.Context(), aud, d.ID, "ja")
	h.must(err)
	for _, part := range []string{"年次廃棄 2033", "廃棄を保留：lawsuit 12/33", "台帳の記載事項 1 件を消去", "提供記録"} {
		if !bytes.Contains(page, []byte(part)) {
			t.Errorf("the page lacks %s", part)
		}
	}
}

// forgotten wants that nothing names the people of old any more, and that the
// ledger holds all the same.
func (h *house) forgotten(p models.Provision) {
	h.t.Helper()
	secrets := map[string][]byte{
		"representative": []byte(canary), "address": []byte("192.0.2.77"), "program": []byte("curl/canary"),
		"words": []byte("a study by Dr. Tanaka"), "record": []byte(`"Sato"`), "document": []byte(docs),
	}
	if hits := h.seek(secrets); len(hits) > 0 {
		h.t.Errorf("left: %v", hits)
	}
	prov, err := h.db.Provision(context.Background(), p.ID)
	if err != nil || prov.Number != p.Number || prov.ManifestSHA256 != p.ManifestSHA256 || len(prov.Documents) != 0 {
		h.t.Errorf("%+v, %v", prov, err)
	}
	live, err := h.db.Recipient(context.Background(), "r-live")
	if err != nil || live.Representative != "Ito" {
		h.t.Errorf("%+v, %v", live, err)
	}
	report := ledgertest.CheckLedger(h.t, h.db, ledger.VerifyOptions{Manifest: h.db.ManifestOf})
	if report.Redacted != 2 {
		h.t.Errorf("%d entries are redacted", report.Redacted)
	}
}

// Whatever fails in a yearly disposal, the next start completes it.
func TestYearlyDisposalCanStopAnywhere(t *testing.T) {
	t.Parallel()
	for _, persist := range []bool{false, true} {
		for step, hit := 2, true; hit; step++ { // 1 is the confirmation
			t.Run(fmt.Sprintf("transaction %d persists %v", step, persist), func(t *testing.T) {
				h, v, p := old(t)
				h.pass(7, 1)
				d, err := h.s.ProposeYear(t.Context(), mia, 2033, "year's end", nil)
				h.must(err)
				h.store.at, h.store.count, h.store.persist = step, 0, persist
				_, err = h.s.Confirm(t.Context(), ben, d.ID, "")
				h.must(err)
				hit = h.store.count >= step
				h.reopen()
				h.must(h.s.FinishAll(t.Context()))
				if d, err = h.db.Disposal(t.Context(), d.ID); err != nil || d.State != models.DisposalDone {
					t.Fatal(d.State, err)
				}
				if state := h.version(v).State; state != models.VersionDestroyed {
					t.Error(state)
				}
				h.forgottenTwice(p)
			})
		}
	}
}

// forgottenTwice is forgotten for a version that is destroyed, too.
func (h *house) forgottenTwice(p models.Provision) {
	h.t.Helper()
	if hits := h.seek(map[string][]byte{"representative": []byte(canary), "document": []byte(docs)}); len(hits) > 0 {
		h.t.Errorf("left: %v", hits)
	}
	ledgertest.CheckLedger(h.t, h.db, ledger.VerifyOptions{Manifest: h.db.ManifestOf})
	h.wantEntries(ledger.DisposalCompleted, 1)
	h.wantEntries(ledger.ProvisionRevoked, 1)
}

func TestRetentionFloors(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.db.KeepYears(h.s.Policy.EntryYears)
	for _, rule := range models.RetentionRules() {
		if rule.Default < rule.Floor || rule.Law == "" || rule.From == "" {
			t.Errorf("%+v", rule)
		}
		if rule.Floor == 0 {
			continue
		}
		_, err := h.s.SetRetention(t.Context(), ana, rule.Kind, rule.Floor-1, "less")
		wantKind(t, err, models.Invalid, "at least")
	}
	_, err := h.s.SetRetention(t.Context(), mia, models.RecipientRecords, 7, "more")
	wantKind(t, err, models.Denied, "manager")
	_, err = h.s.SetRetention(t.Context(), ana, "minutes", 7, "more")
	wantKind(t, err, models.Invalid, "no kind")
	_, err = h.s.SetRetention(t.Context(), ana, models.RecipientRecords, 700, "more")
	wantKind(t, err, models.Invalid, "at most")
	_, err = h.s.SetRetention(t.Context(), ana, models.RecipientRecords, 3, "")
	wantKind(t, err, models.Invalid, "reason")
	_, err = h.s.SetRetention(t.Context(), ana, models.RecipientRecords, 3, "shorter")
	h.must(err)
	before := h.application("Sato")
	if rec := h.record(before); !rec.RetentionUntil.Equal(h.clock().AddDate(3, 0, 0)) {
		t.Errorf("kept until %s", rec.RetentionUntil)
	}
	// A row below the floor counts as the floor: somebody wrote into the table.
	h.save(func(ctx context.Context) error {
		return h.db.SaveRetention(ctx, models.Retention{Kind: models.RecipientRecords, Period: 0, SetAt: h.clock()})
	})
	h.must(h.s.LoadPolicy(t.Context()))
	if got := h.s.Policy.Period(models.RecipientRecords); got != 3 {
		t.Errorf("period %d", got)
	}
	h.wantEntries(ledger.ConfigChanged, 1)
	rows, err := h.s.Retention(t.Context(), aud)
	if err != nil || len(rows) != len(models.RetentionRules()) {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	for class, want := range map[models.DataClass]int{models.USDeidentified: 6, models.Anonymized: 6, models.Test: 6} {
		if got := h.s.Policy.ClassYears(class); got != want {
			t.Errorf("%s: %d years", class, got)
		}
	}
	h.check()
}

func (h *house) record(index int64) ledger.Record {
	h.t.Helper()
	for rec, err := range h.db.Records(context.Background(), index) {
		h.must(err)
		return rec
	}
	h.t.Fatal("no entry")
	return ledger.Record{}
}

func TestPurge(t *testing.T) {
	t.Parallel()
	h, _, _ := old(t)
	add := func(id string, expires, revoked time.Time) {
		h.save(func(ctx context.Context) error {
			return h.db.AddToken(ctx, models.Token{ID: id, UserID: ana.UserID, Kind: models.BrowserSession, Hash: id, CreatedAt: h.clock(), ExpiresAt: expires, RevokedAt: revoked})
		})
	}
	now := h.clock()
	add("t-lasting", time.Time{}, time.Time{})
	add("t-expired", now.AddDate(0, 0, 1), time.Time{})
	add("t-revoked", time.Time{}, now)
	add("t-fresh", now.AddDate(2, 0, 0), time.Time{})
	_, taken, err := h.db.BeginAnswer(t.Context(), models.KeptAnswer{Actor: ana.UserID, Key: "k", At: now}, now.AddDate(0, 0, -1))
	if err != nil || !taken {
		t.Fatal(err)
	}
	purged, err := h.s.Purge(t.Context())
	if err != nil || purged != (models.Purged{}) {
		t.Errorf("%+v, %v", purged, err)
	}
	h.pass(0, 100)
	if purged, err = h.s.Purge(t.Context()); err != nil || purged != (models.Purged{Answers: 1, Tokens: 2}) {
		t.Errorf("%+v, %v", purged, err)
	}
	for id, want := range map[string]bool{"t-lasting": true, "t-fresh": true, "t-expired": false, "t-revoked": false} {
		if _, err := h.db.Token(t.Context(), id); (err == nil) != want {
			t.Errorf("%s: %v", id, err)
		}
	}
	h.pass(1, 0)
	if purged, err = h.s.Purge(t.Context()); err != nil || purged != (models.Purged{Downloads: 1}) {
		t.Errorf("%+v, %v", purged, err)
	}
	session, err := h.db.DownloadSession(t.Context(), "s-one")
	if err != nil || session.Address != "" || session.Agent != "" || session.Hash == "" {
		t.Errorf("%+v, %v", session, err)
	}
	for transfer := range h.db.Transfers(t.Context(), "s-one") {
		t.Error(transfer)
	}
	if purged, err = h.s.Purge(t.Context()); err != nil || purged != (models.Purged{}) {
		t.Errorf("%+v, %v", purged, err)
	}
	h.check()
}
