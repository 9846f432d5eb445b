package report_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/database"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
	"teikyo/provision"
	"teikyo/report"
	"teikyo/report/sheet"
	"teikyo/wording"
)

var monday = time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)

type world struct {
	t   testing.TB
	db  *database.DB
	svc *report.Service
}

// newWorld is the reports on a real database, with two recipients.
func newWorld(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	now := func() time.Time { return monday }
	db, err := database.Open(context.Background(), database.Options{URL: "sqlite:" + filepath.Join(dir, "t.db"), Rand: rand.Reader, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	texts, err := wording.Load("")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := crypto.OpenSigningKeys(filepath.Join(dir, "keys"), "hospital.example", rand.Reader, monday)
	if err != nil {
		t.Fatal(err)
	}
	zone := time.FixedZone("JST", 9*3600)
	provisions := &provision.Service{Store: db, Keys: keys, Texts: texts, Organisation: "一般財団法人 Example 病院", Now: now, Rand: rand.Reader, Zone: zone}
	w := &world{t: t, db: db, svc: &report.Service{Store: db, Provisions: provisions, Texts: texts, Now: now, Zone: zone}}
	for _, id := range []string{"r-first", "r-second"} {
		w.save(func(ctx context.Context) error {
			return db.SaveRecipient(ctx, models.Recipient{
				ID: id, Name: "Institute " + id, Country: "JP", Address: "東京都千代田区1-1", Representative: "佐藤", Email: "i@example.jp",
				State: models.RecipientApproved, ApprovedUntil: monday.AddDate(0, 0, 20), AppliedBy: "u-mia", AppliedAt: monday, UpdatedAt: monday,
			})
		})
	}
	return w
}

func (w *world) save(fn func(ctx context.Context) error) {
	w.t.Helper()
	if err := w.db.Update(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// provisions are the rows of n provisions, an hour apart, made the short way.
func (w *world) provisions(n int, edit func(i int, r *provision.Record)) {
	w.t.Helper()
	w.save(func(ctx context.Context) error {
		return w.db.SaveNotice(ctx, models.Notice{ID: "n-1", Class: models.Anonymized, Version: 1, PublishedAt: monday})
	})
	for start := 0; start < n; start += 1000 {
		w.save(func(ctx context.Context) error {
			for i := start; i < min(n, start+1000); i++ {
				if err := w.provision(ctx, i, edit); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func (w *world) provision(ctx context.Context, i int, edit func(i int, r *provision.Record)) error {
	r := provision.Record{
		ID: fmt.Sprintf("p-%06d", i), Number: fmt.Sprintf("2026-%06d", i), OccurredAt: monday.Add(-time.Duration(i) * time.Hour),
		DatasetID: "ds-a", DatasetTitle: "健診データ 2026", DatasetVersion: 1, Class: models.Anonymized, Basis: models.ThirdParty,
		RecipientID: "r-first", RecipientOrg: "国立研究所", RecipientAddress: "東京都千代田区1-1", RecipientRepresentative: "佐藤 一郎", Country: "JP",
		Method: models.Download, Items: []models.Item{models.Checkups, models.Tests}, Purpose: models.Research, PurposeText: "治療の効果を比べる",
		AgreementNumber: "C-2026/1", NoticeDay: "2026-04-01", Files: 3, RecordCount: 12000, Source: "hospital", Operator: "u-mia", Approver: "u-ben",
		Independence: models.IndependenceShown, Until: monday.AddDate(0, 0, 10), PackageSHA256: strings.Repeat("ab", 32),
	}
	if edit != nil {
		edit(i, &r)
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	request := models.Request{ID: "q" + r.ID[1:], State: models.RequestApproved, RecipientID: r.RecipientID, DatasetID: r.DatasetID, NoticeID: "n-1", Facts: []byte("{}"), RequestedAt: r.OccurredAt}
	if err := w.db.SaveRequest(ctx, request); err != nil {
		return err
	}
	return w.db.SaveProvision(ctx, models.Provision{
		ID: r.ID, Number: r.Number, RequestID: request.ID, DatasetID: r.DatasetID, Version: 1, RecipientID: r.RecipientID, Method: r.Method,
		Class: r.Class, Until: r.Until, State: models.ProvisionIssued, PackKey: "pack-" + r.ID, EntryIndex: int64(i), IssuedAt: r.OccurredAt, Record: text,
	})
}

func (w *world) user(id string, role models.Role) access.Actor {
	w.t.Helper()
	w.save(func(ctx context.Context) error {
		return w.db.AddUser(ctx, models.User{ID: id, Email: id + "@example.jp", Name: "Name of " + id, Role: role, State: models.UserActive, CreatedAt: monday, LastSignIn: monday})
	})
	recipient := ""
	if role == models.RecipientUser {
		recipient = "r-first"
	}
	return access.Actor{UserID: id, Name: id, Role: role, RecipientID: recipient}
}

// items writes a report as JSON and reads its rows.
func items(t testing.TB, doc sheet.Document, err error) []map[string]any {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := doc.Write(&out, sheet.JSON, sheet.English); err != nil {
		t.Fatal(err)
	}
	var list struct{ Items []map[string]any }
	if err := json.Unmarshal(out.Bytes(), &list); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	keep(t, doc)
	return list.Items
}

// keep writes the printed forms into TEIKYO_REPORTS, for whoever wants to look at
// them.
func keep(t testing.TB, doc sheet.Document) {
	dir := os.Getenv("TEIKYO_REPORTS")
	if dir == "" {
		return
	}
	for _, lang := range []sheet.Lang{sheet.English, sheet.Japanese} {
		var out bytes.Buffer
		if err := doc.Write(&out, sheet.HTML, lang); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, string(lang)+"-"+doc.FileName(sheet.HTML)), out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhoMayReadReports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	roles := map[models.Role]string{ // register, statement of r-first, of r-second, disclosures, access, open
		models.Administrator: "yyyyyy", models.Auditor: "yyyyyy", models.Manager: "yyyydy", models.RecipientUser: "dynddd", "": "dddddd",
	}
	for role, want := range roles {
		actor := access.Actor{UserID: "u-1", Role: role, RecipientID: "r-first"}
		if role == "" {
			actor = access.Actor{}
		}
		calls := []func() (sheet.Document, error){
			func() (sheet.Document, error) { return w.svc.Register(ctx, actor, report.RegisterQuery{}) },
			func() (sheet.Document, error) {
				return w.svc.Statement(ctx, actor, report.StatementQuery{RecipientID: "r-first"})
			},
			func() (sheet.Document, error) {
				return w.svc.Statement(ctx, actor, report.StatementQuery{RecipientID: "r-second"})
			},
			func() (sheet.Document, error) { return w.svc.Disclosures(ctx, actor, report.DisclosuresQuery{}) },
			func() (sheet.Document, error) { return w.svc.AccessReview(ctx, actor, report.Period{}, nil) },
			func() (sheet.Document, error) { return w.svc.OpenEnds(ctx, actor, 0, nil) },
		}
		got := ""
		for _, call := range calls {
			doc, err := call()
			switch {
			case err == nil:
				got += "y"
			case doc != nil:
				got += "!"
			case models.IsKind(err, models.Denied):
				got += "d"
			case models.IsKind(err, models.NotFound):
				got += "n"
			default:
				got += "?"
			}
		}
		if got != want {
			t.Errorf("%q: %s, want %s", role, got, want)
		}
	}
	if _, err := w.svc.Statement(ctx, access.Actor{UserID: "u-1", Role: models.Auditor}, report.StatementQuery{RecipientID: "r-none"}); !models.IsKind(err, models.NotFound) {
		t.Error(err)
	}
}

var auditor = access.Actor{UserID: "u-aud", Name: "Aud", Role: models.Auditor}

func TestRegisterAndStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.user("u-ben", models.Administrator)
	w.provisions(1200, func(i int, r *provision.Record) {
		if i%3 == 0 {
			r.RecipientID, r.DatasetID = "r-second", "ds-b"
		}
		if i == 1 {
			r.Class, r.Test = models.Test, true
		}
	})
	doc, err := w.svc.Register(t.Context(), auditor, report.RegisterQuery{})
	all := items(t, doc, err)
	if len(all) != 1199 || all[0]["number"] != "2026-000000" || all[1198]["number"] != "2026-001199" {
		t.Errorf("%d rows from %v", len(all), all[0]["number"])
	}
	doc, err = w.svc.Register(t.Context(), auditor, report.RegisterQuery{DatasetID: "ds-b", Period: report.Period{From: "2026-11-22", To: "2026-11-22"}})
	if day := items(t, doc, err); len(day) != 8 {
		t.Errorf("%d rows on a day", len(day))
	}
	doc, err = w.svc.Statement(t.Context(), access.Actor{UserID: "u-rex", Role: models.RecipientUser, RecipientID: "r-first"}, report.StatementQuery{})
	own := items(t, doc, err)
	if len(own) != 799 || own[0]["approver"] != nil || own[0]["operator"] != nil {
		t.Errorf("%d rows; %v", len(own), own[0])
	}
	var page bytes.Buffer
	doc, err = w.svc.Register(t.Context(), auditor, report.RegisterQuery{Period: report.Period{From: "2026-11-23"}})
	if err == nil {
		err = doc.Write(&page, sheet.HTML, sheet.Japanese)
	}
	for _, part := range []string{"データ提供記録簿", "匿名加工情報", "一般財団法人 Example 病院", "承認：Name of u-ben", "国立研究所", "対象期間", "承認者"} {
		if err != nil || !strings.Contains(page.String(), part) {
			t.Errorf("%v: the printed register lacks %s", err, part)
		}
	}
}

func TestAccountingOfDisclosures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	classes := []struct {
		class  models.DataClass
		basis  models.Basis
		listed bool
	}{
		{models.Personal, models.Law, true}, {models.Personal, models.Consent, false}, {models.USLimitedDataSet, models.ThirdParty, false},
		{models.USDeidentified, models.ThirdParty, false}, {models.Anonymized, models.ThirdParty, false}, {models.Personal, models.Law, true},
	}
	w.provisions(len(classes)+1, func(i int, r *provision.Record) {
		if i == len(classes) {
			r.OccurredAt, r.Class, r.Basis = monday.AddDate(-7, 0, 0), models.Personal, models.Law
			return
		}
		r.Class, r.Basis = classes[i].class, classes[i].basis
	})
	doc, err := w.svc.Disclosures(t.Context(), auditor, report.DisclosuresQuery{})
	list := items(t, doc, err)
	if len(list) != 2 {
		t.Fatalf("%d lines: %v", len(list), list)
	}
	want := map[string]any{
		"date": "2026-11-23", "recipient_name": "国立研究所", "recipient_address": "東京都千代田区1-1 (JP)", "number": "2026-000000",
	}
	for name, value := range want {
		if list[0][name] != value {
			t.Errorf("%s is %v, want %v", name, list[0][name], value)
		}
	}
	if d, p := fmt.Sprint(list[0]["description"]), fmt.Sprint(list[0]["purpose"]); !strings.Contains(d, "健診データ") || !strings.Contains(p, "治療") {
		t.Errorf("%q, %q", d, p)
	}
	doc, err = w.svc.Disclosures(t.Context(), auditor, report.DisclosuresQuery{Every: true})
	if every := items(t, doc, err); len(every) != len(classes) || every[2]["not_required_because"] != "limited data set, 45 CFR 164.528(a)(1)(viii)" {
		t.Errorf("%v", every)
	}
	doc, err = w.svc.Disclosures(t.Context(), auditor, report.DisclosuresQuery{Summarize: true, Period: report.Period{From: "2019-01-01"}})
	sum := items(t, doc, err)
	if len(sum) != 1 || sum[0]["times"] != 3.0 || sum[0]["date"] != "2019-11-23" || sum[0]["last_date"] != "2026-11-23" {
		t.Errorf("%v", sum)
	}
}

func TestAccessReviewFollowsTheLedger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.user("u-eve", models.Administrator)
	at := monday
	for _, d := range []map[string]any{
		{"what": "invited", "role": "manager"}, {"what": "accepted"}, {"what": "confirmed", "role": "manager"},
		{"what": "role changed", "role": "administrator"}, {"what": "disabled"}, {"what": "enabled"}, {"what": "reset"}, {"what": "token created"},
	} {
		at = at.AddDate(0, 0, 1)
		w.save(func(ctx context.Context) error {
			return w.db.Append(ctx, &ledger.Entry{Kind: ledger.UserChanged, IDs: map[string]string{"user": "u-eve", "actor": "u-ana"}, Details: d})
		})
	}
	w.save(func(ctx context.Context) error {
		return w.db.AddToken(ctx, models.Token{ID: "t-1", UserID: "u-eve", Kind: models.APIToken, Name: "ci", Hash: "c0ffee", CreatedAt: monday, LastUsed: monday})
	})
	doc, err := w.svc.AccessReview(t.Context(), auditor, report.Period{}, nil)
	list := items(t, doc, err)
	if len(list) != 1 || list[0]["second_factor"] != "none" {
		t.Fatalf("%v", list)
	}
	var roles []string
	for _, p := range list[0]["roles"].([]any) {
		m := p.(map[string]any)
		roles = append(roles, fmt.Sprint(m["role"], m["to"] != nil, m["by"]))
	}
	if got := strings.Join(roles, " "); got != "manager true u-ana administrator true u-ana administrator true u-ana" &&
		got != "managertrueu-ana administratortrueu-ana administratortrueu-ana" {
		t.Errorf("roles: %s", got)
	}
	if tokens := fmt.Sprint(list[0]["tokens"]); !strings.Contains(tokens, "ci") || strings.Contains(tokens, "c0ffee") {
		t.Error(tokens)
	}
	doc, err = w.svc.AccessReview(t.Context(), auditor, report.Period{To: "2020-01-01"}, nil)
	if early := items(t, doc, err); len(early) != 0 {
		t.Errorf("%v", early)
	}
	ledgertest.CheckLedger(t, w.db, ledger.VerifyOptions{})
}

func TestOpenEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.user("u-new", models.Manager)
	w.provisions(2, func(i int, r *provision.Record) {
		if i == 1 {
			r.Until = monday.AddDate(1, 0, 0)
		}
	})
	w.save(func(ctx context.Context) error {
		if err := w.db.SaveRequest(ctx, models.Request{
			ID: "q-open", State: models.RequestSubmitted, RecipientID: "r-first", NoticeID: "n-1", Facts: []byte("{}"), RequestedAt: monday, ExpiresAt: monday.Add(-time.Hour), Words: "compare",
		}); err != nil {
			return err
		}
		if err := w.db.SaveAgreement(ctx, models.Agreement{ID: "a-1", RecipientID: "r-first", Number: "C-1", ValidFrom: monday.AddDate(-1, 0, 0), ValidUntil: monday.AddDate(0, 0, -1), AddedAt: monday}); err != nil {
			return err
		}
		if err := w.db.SaveRecipientKey(ctx, models.RecipientKey{ID: "k-1", RecipientID: "r-first", Public: "age1x", State: models.KeyProved, Holder: "佐藤", AddedAt: monday}); err != nil {
			return err
		}
		return w.db.AddLink(ctx, models.Link{ID: "l-1", ProvisionID: "p-000000", RecipientID: "r-first", Bind: models.BindKey, MaxUses: 2, ExpiresAt: monday.Add(time.Hour), CreatedAt: monday})
	})
	doc, err := w.svc.OpenEnds(t.Context(), auditor, 0, nil)
	got := map[string]string{}
	for _, end := range items(t, doc, err) {
		got[fmt.Sprint(end["what"], " ", end["id"])] = fmt.Sprint(end["overdue"])
	}
	want := map[string]string{
		"request.undecided q-open": "true", "agreement.ends a-1": "true", "key.unapproved k-1": "false", "link.ends l-1": "false",
		"provision.unacknowledged p-000000": "false", "account.unconfirmed u-new": "false", "recipient.ends r-first": "false", "recipient.ends r-second": "false",
	}
	for name, overdue := range want {
		if got[name] != overdue {
			t.Errorf("%s: %q", name, got[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
	if _, err := w.svc.OpenEnds(t.Context(), auditor, 99_999, nil); !models.IsKind(err, models.Invalid) {
		t.Error(err)
	}
}

// pull keeps a sequence in use without its rows, for the benchmark.
func pull[T any](rows iter.Seq2[T, error]) (n int, err error) {
	for _, err = range rows {
		n++
	}
	return n, err
}

func BenchmarkRegister100k(b *testing.B) {
	w := newWorld(b)
	w.provisions(100_000, nil)
	for b.Loop() {
		rows, err := w.svc.Provisions.Report(b.Context(), auditor, provision.ReportQuery{})
		if err != nil {
			b.Fatal(err)
		}
		if n, err := pull(rows); n != 100_000 || err != nil {
			b.Fatal(n, err)
		}
	}
}
