package disposal_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"teikyo/disposal"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
)

// application appends an entry with personal data in it.
func (h *house) application(name string) int64 {
	h.t.Helper()
	e := &ledger.Entry{
		Kind: ledger.RecipientApplied, IDs: map[string]string{"recipient": "r-first", "actor": mia.UserID},
		Details: map[string]string{"representative": name},
	}
	h.save(func(ctx context.Context) error { return h.db.Append(ctx, e) })
	return e.Index
}

func TestRedactByTwoPeople(t *testing.T) {
	t.Parallel()
	const name = "佐藤 花子 canary-4711"
	h := setup(t)
	other := h.application("somebody else")
	index := h.application(name)
	receipt, err := h.db.Receipt(t.Context(), index)
	h.must(err)
	_, err = h.s.ProposeRedact(t.Context(), ana, index, "she asked")
	wantKind(t, err, models.Conflict, "2032-04-01")
	_, err = h.s.ProposeRedact(t.Context(), mia, index, "she asked")
	wantKind(t, err, models.Denied, "manager")
	_, err = h.s.ProposeRedact(t.Context(), ana, 99, "she asked")
	wantKind(t, err, models.NotFound, "99")

	h.pass(6, 1)
	d, err := h.s.ProposeRedact(t.Context(), ana, index, "retention ended")
	h.must(err)
	secret := map[string][]byte{"name": []byte(name)}
	if len(h.seek(secret)) == 0 {
		t.Fatal("the search does not find the name before")
	}
	d, err = h.s.Confirm(t.Context(), ben, d.ID, "")
	h.must(err)
	if d.State != models.DisposalDone {
		t.Fatal(d.State)
	}
	if hits := h.seek(secret); len(hits) > 0 {
		t.Errorf("left: %v", hits)
	}
	report := ledgertest.CheckLedger(t, h.db, ledger.VerifyOptions{
		Receipts: [][]byte{receipt}, Verifiers: h.verifiers(), Manifest: h.db.ManifestOf,
	})
	if report.Redacted != 1 {
		t.Errorf("%d entries count as redacted", report.Redacted)
	}
	_, err = h.s.ProposeRedact(t.Context(), ana, index, "again")
	wantKind(t, err, models.Conflict, "gone already")
	redacted, err := h.db.EntryIndex(t.Context(), "disposal", d.ID, ledger.EntryRedacted)
	h.must(err)
	h.pass(7, 0)
	_, err = h.s.ProposeRedact(t.Context(), ana, redacted, "trace")
	wantKind(t, err, models.Conflict, "stays")
	// A redaction behind the program's back is none.
	h.save(func(ctx context.Context) error { _, err := h.db.RedactEntry(ctx, other); return err })
	if report, err := ledger.Verify(t.Context(), h.db, ledger.VerifyOptions{}); err != nil || report.OK {
		t.Errorf("details that were removed by nobody pass: %+v, %v", report, err)
	}
}

func (h *house) verifiers() []ledger.Verifier {
	h.t.Helper()
	var list []ledger.Verifier
	for _, key := range h.keys.Issuer().CheckpointKeys() {
		v, err := ledger.NewVerifier(key.Verifier)
		h.must(err)
		list = append(list, v)
	}
	return list
}

// Two disposals of the same entry, decided before either was carried out.
func TestRedactionsThatMeet(t *testing.T) {
	t.Parallel()
	h := setup(t)
	index := h.application("Sato")
	h.pass(7, 0)
	for range 2 {
		d, err := h.s.ProposeRedact(t.Context(), ana, index, "retention ended")
		if err != nil {
			wantKind(t, err, models.Conflict, "disposal")
			continue
		}
		_, err = h.s.Reject(t.Context(), ana, d.ID, "not yet")
		h.must(err)
	}
	h.check()
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	h := setup(t)
	p := h.pair()
	proposed, err := h.s.ProposeDestroy(t.Context(), mia, p.first.DatasetID, 1, "<b>ended</b>")
	h.must(err)
	_, err = h.s.CertificateOf(t.Context(), aud, proposed.ID)
	wantKind(t, err, models.Conflict, "proposed")
	_, err = h.s.Confirm(t.Context(), ben, proposed.ID, "seen")
	h.must(err)
	cert, err := h.s.CertificateOf(t.Context(), aud, proposed.ID)
	h.must(err)
	receipt, err := ledger.VerifyReceipt(cert.Receipt, nil, h.verifiers()...)
	h.must(err)
	leaf := receipt.Leaf()
	if leaf.Kind != ledger.DisposalCompleted || leaf.IDs["certificate"] != digest(string(cert.JSON)) || leaf.IDs["certificate"] != cert.SHA256 {
		t.Errorf("the leaf names %v", leaf.IDs)
	}
	if cert.Destroyed != 1 || cert.HeldBack != 0 || cert.ConfirmedBy != ben.UserID || cert.Organisation != "Example 株式会社" {
		t.Errorf("%+v", cert.Certificate)
	}
	for lang, want := range map[string][]string{
		"en": {"Certificate of destruction", "2 files", "1 sealed files destroyed", "headers of 1 provisions", "Mia (" + mia.UserID + ")", "&lt;b&gt;ended", cert.SHA256},
		"ja": {"廃棄証明書", "ファイル 2 件", "他の版が使用するため保持", "Ben (" + ben.UserID + ")", `lang="ja"`},
	} {
		page, err := h.s.Print(t.Context(), aud, proposed.ID, lang)
		h.must(err)
		for _, part := range want {
			if !strings.Contains(string(page), part) {
				t.Errorf("%s: the page lacks %q", lang, part)
			}
		}
	}
	if _, err := h.s.Print(t.Context(), aud, proposed.ID, "pt"); !models.IsKind(err, models.Invalid) {
		t.Error(err)
	}
	if _, err := h.s.CertificateOf(t.Context(), rcpt, proposed.ID); !models.IsKind(err, models.NotFound) {
		t.Error(err)
	}
	var _ disposal.Certificate = cert.Certificate
	if cert.FinishedAt.Before(cert.ConfirmedAt) || cert.FinishedAt.Location() != time.UTC {
		t.Error(cert.FinishedAt)
	}
	h.check()
}
