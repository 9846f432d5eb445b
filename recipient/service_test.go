package recipient_test

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/database"
	"teikyo/database/dbtest"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
	"teikyo/recipient"
)

// bench is a service on a real database, with a clock that the test moves.
type bench struct {
	*recipient.Service
	db  *database.DB
	now time.Time
}

var (
	manager = access.Actor{UserID: "u-manager", Role: models.Manager}
	admin   = access.Actor{UserID: "u-admin", Role: models.Administrator}
	auditor = access.Actor{UserID: "u-auditor", Role: models.Auditor}
)

// twoPeople refuses one person alone; the rules of independence are tested in
// package access.
type twoPeople struct{}

func (twoPeople) Pair(_ context.Context, requester, approver string) (models.Independence, error) {
	if requester == approver {
		return "", models.Errorf(models.Denied, "another person must approve it")
	}
	return models.IndependenceShown, nil
}

func setup(t *testing.T) *bench {
	t.Helper()
	b := &bench{now: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)}
	var err error
	b.db, err = database.Open(t.Context(), database.Options{
		URL: dbtest.URL(t, t.TempDir()), Rand: rand.Reader, Now: func() time.Time { return b.now },
	})
	check(t, err)
	t.Cleanup(func() { b.db.Close() })
	kek, err := crypto.OpenFileKeyring(filepath.Join(t.TempDir(), "keys"), rand.Reader)
	check(t, err)
	tokyo := time.FixedZone("JST", 9*3600)
	b.Service = &recipient.Service{
		Store: b.db, People: twoPeople{}, KEK: kek, Now: func() time.Time { return b.now }, Rand: rand.Reader, Zone: tokyo,
		Issuer: func() (string, string) { return "data.example.jp", "SHA256:issuer" },
	}
	return b
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused wants an error of that kind whose message holds the words.
func refused(t *testing.T, err error, kind models.ErrorKind, words string) {
	t.Helper()
	if !models.IsKind(err, kind) || !strings.Contains(err.Error(), words) {
		t.Fatalf("got %v (%s), want %s with %q", err, models.KindOf(err), kind, words)
	}
}

func (b *bench) checkLedger(t *testing.T) {
	t.Helper()
	ledgertest.CheckLedger(t, b.db, ledger.VerifyOptions{})
}

var hospital = recipient.Profile{
	Name: "東都大学 医学部", Country: "JP", Address: "東京都文京区1-1", Representative: "山田 花子", Email: "data@example.ac.jp",
}

func (b *bench) applied(t *testing.T) models.Recipient {
	t.Helper()
	rcpt, err := b.Apply(t.Context(), manager, hospital)
	check(t, err)
	return rcpt
}

func (b *bench) approved(t *testing.T) models.Recipient {
	t.Helper()
	rcpt, err := b.Approve(t.Context(), admin, b.applied(t).ID, "2027-03-31", "reviewed")
	check(t, err)
	return rcpt
}

func TestApprovalEndsAtTheEndOfTheDayInItsZone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rcpt := b.approved(t)
	b.checkLedger(t)
	want := time.Date(2027, 3, 31, 15, 0, 0, 0, time.UTC) // midnight in Tokyo
	if !rcpt.ApprovedUntil.Equal(want) {
		t.Errorf("ends %s, want %s", rcpt.ApprovedUntil, want)
	}
	if !rcpt.Active(want.Add(-time.Second)) || rcpt.Active(want) {
		t.Error("active on the wrong side of its end")
	}
	stored, err := b.Get(t.Context(), auditor, rcpt.ID)
	check(t, err)
	if stored.Name != hospital.Name || stored.Independence != models.IndependenceShown {
		t.Errorf("stored %+v", stored)
	}
}

func TestDecisionsAboutRecipients(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	id := b.applied(t).ID
	steps := []struct {
		name  string
		do    func() error
		kind  models.ErrorKind // empty: it works
		words string
	}{
		{"a manager may not decide", func() error { _, err := b.Approve(ctx, manager, id, "2027-03-31", ""); return err }, models.Denied, "may not"},
		{"end in the past", func() error { _, err := b.Approve(ctx, admin, id, "2026-11-21", ""); return err }, models.Invalid, "past"},
		{"end that is no date", func() error { _, err := b.Approve(ctx, admin, id, "31.3.2027", ""); return err }, models.Invalid, "2027-03-31"},
		{"suspended before approval", func() error { _, err := b.Suspend(ctx, admin, id, "why not"); return err }, models.Conflict, "applied"},
		{"approved", func() error { _, err := b.Approve(ctx, admin, id, "2027-03-31", ""); return err }, "", ""},
		{"suspended without a reason", func() error { _, err := b.Suspend(ctx, admin, id, ""); return err }, models.Invalid, "reason"},
		{"suspended", func() error { _, err := b.Suspend(ctx, admin, id, "lost a disk"); return err }, "", ""},
		{"approved while suspended", func() error { _, err := b.Approve(ctx, admin, id, "2028-03-31", ""); return err }, models.Conflict, "reinstate"},
		{"reinstated", func() error { _, err := b.Reinstate(ctx, admin, id, "found again"); return err }, "", ""},
		{"revoked", func() error { _, err := b.Revoke(ctx, admin, id, "contract broken"); return err }, "", ""},
		{"reinstated after the end", func() error { _, err := b.Reinstate(ctx, admin, id, "please"); return err }, models.Conflict, "revoked"},
		{"unknown", func() error { _, err := b.Revoke(ctx, admin, "r-nobody", "reason"); return err }, models.NotFound, "not found"},
	}
	for _, step := range steps {
		err := step.do()
		if step.kind == "" {
			if err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
		} else {
			refused(t, err, step.kind, step.words)
		}
		b.checkLedger(t)
	}
	counter, err := b.db.RevocationCounter(ctx)
	check(t, err)
	if counter != 2 {
		t.Errorf("%d early ends counted, want 2", counter)
	}
}

func TestSelfApprovalIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rcpt, err := b.Apply(t.Context(), admin, hospital)
	check(t, err)
	_, err = b.Approve(t.Context(), admin, rcpt.ID, "2027-03-31", "")
	refused(t, err, models.Denied, "another person")
}

func TestWhoChangesAnApplicationDoesNotApproveIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	id := b.applied(t).ID
	_, err := b.Update(ctx, admin, id, func(p *recipient.Profile) { p.Name, p.Email = "別の会社", "other@example.com" })
	check(t, err)
	_, err = b.Approve(ctx, admin, id, "2027-03-31", "")
	refused(t, err, models.Denied, "another person")
	_, err = b.Update(ctx, manager, id, func(*recipient.Profile) {}) // takes nothing over
	check(t, err)
	_, err = b.Approve(ctx, admin, id, "2027-03-31", "")
	refused(t, err, models.Denied, "another person")
	second := access.Actor{UserID: "u-second", Role: models.Administrator}
	_, err = b.Approve(ctx, second, id, "2027-03-31", "")
	check(t, err)
	b.checkLedger(t)
}

func TestWordsDoNotSteerATerminal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, bad := range []string{"\x1b]0;title\a", "\u009b2J", "\u202egro.elpmaxe"} {
		profile := hospital
		profile.Name = "Clinic " + bad
		_, err := b.Apply(t.Context(), manager, profile)
		refused(t, err, models.Invalid, "control")
		profile = hospital
		profile.Contacts = []models.Contact{{Role: "legal", Name: bad, Email: "a@example.jp"}}
		_, err = b.Apply(t.Context(), manager, profile)
		refused(t, err, models.Invalid, "control")
		_, err = b.Reject(t.Context(), admin, b.applied(t).ID, "because "+bad)
		refused(t, err, models.Invalid, "control")
	}
}

func TestRecipientsSeeThemselvesOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	mine, other := b.approved(t), b.approved(t)
	me := access.Actor{UserID: "u-me", Role: models.RecipientUser, RecipientID: mine.ID}
	if _, err := b.Get(t.Context(), me, mine.ID); err != nil {
		t.Error(err)
	}
	_, err := b.Get(t.Context(), me, other.ID)
	refused(t, err, models.NotFound, "not found")
	list, err := b.List(t.Context(), me, models.RecipientFilter{}, models.Page{})
	check(t, err)
	if len(list) != 1 || list[0].ID != mine.ID {
		t.Errorf("sees %d recipients", len(list))
	}
}

func TestUpdateKeepsWhatWasApproved(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.approved(t).ID
	_, err := b.Update(t.Context(), manager, id, func(p *recipient.Profile) { p.Name = "別の会社" })
	refused(t, err, models.Conflict, "belong to the approval")
	rcpt, err := b.Update(t.Context(), manager, id, func(p *recipient.Profile) { p.Address = "大阪府大阪市1-1" })
	check(t, err)
	if rcpt.Address != "大阪府大阪市1-1" {
		t.Error("not changed")
	}
	b.checkLedger(t)
}

func TestProfilesThatAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for words, change := range map[string]func(*recipient.Profile){
		"name":      func(p *recipient.Profile) { p.Name = " " },
		"country":   func(p *recipient.Profile) { p.Country = "Japan" },
		"e-mail":    func(p *recipient.Profile) { p.Email = "nobody" },
		"too long":  func(p *recipient.Profile) { p.Address = strings.Repeat("x", 501) },
		"control":   func(p *recipient.Profile) { p.Representative = "a\nb" },
		"not valid": func(p *recipient.Profile) { p.Contacts = []models.Contact{{Email: "x"}} },
	} {
		p := hospital
		change(&p)
		_, err := b.Apply(t.Context(), manager, p)
		refused(t, err, models.Invalid, words)
	}
}

func contract(recipientID string) recipient.AgreementInput {
	return recipient.AgreementInput{
		RecipientID: recipientID, Number: "2026-17", DocumentName: "契約書.pdf", Document: []byte("%PDF-1.7 …"),
		Purposes: []models.Purpose{models.Research}, Methods: []models.Method{models.Download},
		Classes: []models.DataClass{models.Anonymized}, Handlers: []string{"山田"}, Places: []string{"東京"},
		From: "2026-04-01", Until: "2027-03-31",
	}
}

func TestAgreement(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	rcpt := b.approved(t)
	a, err := b.AddAgreement(ctx, manager, contract(rcpt.ID))
	check(t, err)
	_, document, err := b.Document(ctx, auditor, a.ID)
	check(t, err)
	if string(document) != "%PDF-1.7 …" {
		t.Error("another document came back")
	}
	_, err = b.AddAgreement(ctx, manager, contract(rcpt.ID))
	refused(t, err, models.Conflict, "number")
	if !a.Active(b.now) || a.Active(a.ValidUntil) {
		t.Error("active on the wrong side of its end")
	}
	a, err = b.EndAgreement(ctx, manager, a.ID, "the project is over")
	check(t, err)
	if a.Active(b.now) {
		t.Error("ended, yet active")
	}
	_, err = b.EndAgreement(ctx, manager, a.ID, "again")
	refused(t, err, models.Conflict, "already")
	b.checkLedger(t)
}

func TestAgreementsThatAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.approved(t).ID
	for words, change := range map[string]func(*recipient.AgreementInput){
		"unknown purpose":    func(a *recipient.AgreementInput) { a.Purposes = []models.Purpose{"fun"} },
		"no method":          func(a *recipient.AgreementInput) { a.Methods = nil },
		"unknown data class": func(a *recipient.AgreementInput) { a.Classes = []models.DataClass{"secret"} },
		"before it begins":   func(a *recipient.AgreementInput) { a.From = "2028-01-01" },
		"in the past":        func(a *recipient.AgreementInput) { a.Until = "2026-01-01" },
		"document":           func(a *recipient.AgreementInput) { a.Document = nil },
		"number":             func(a *recipient.AgreementInput) { a.Number = "" },
		"given twice":        func(a *recipient.AgreementInput) { a.Purposes = append(a.Purposes, a.Purposes...) },
	} {
		in := contract(id)
		change(&in)
		_, err := b.AddAgreement(t.Context(), manager, in)
		refused(t, err, models.Invalid, words)
	}
	in := contract("r-nobody")
	_, err := b.AddAgreement(t.Context(), manager, in)
	refused(t, err, models.NotFound, "not found")
}
