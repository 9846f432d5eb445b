package legacy_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/japanese"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/database"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/legacy"
	"teikyo/models"
	"teikyo/provision"
	"teikyo/recipient"
	"teikyo/wording"
)

var (
	monday = time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)
	ana    = access.Actor{UserID: "u-ana", Name: "Ana", Role: models.Administrator}
)

type world struct {
	t   testing.TB
	db  *database.DB
	svc *legacy.Service
	out *provision.Service
}

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
	return &world{
		t: t, db: db,
		svc: &legacy.Service{
			Store: db, Recipients: &recipient.Service{Store: db, Now: now, Rand: rand.Reader, Zone: zone}, Texts: texts, Now: now, Rand: rand.Reader, Zone: zone,
		},
		out: &provision.Service{Store: db, Keys: keys, Texts: texts, Receipts: db, Now: now, Rand: rand.Reader, Zone: zone},
	}
}

// load imports and counts the outcomes.
func (w *world) load(kind, text string) ([]legacy.Result, map[string]int) {
	w.t.Helper()
	results, err := w.svc.Import(w.t.Context(), ana, legacy.File{Kind: kind, Name: kind + ".csv", Text: []byte(text)})
	if err != nil {
		w.t.Fatal(err)
	}
	counts := map[string]int{}
	for _, r := range results {
		counts[r.Status]++
	}
	return results, counts
}

// examples imports the files of docs/import in their order.
func (w *world) examples(want string) []legacy.Result {
	w.t.Helper()
	var all []legacy.Result
	for _, kind := range []string{"recipients", "agreements", "datasets", "provisions"} {
		text, err := os.ReadFile(filepath.Join("..", "docs", "import", kind+".csv"))
		if err != nil {
			w.t.Fatal(err)
		}
		results, counts := w.load(kind, string(text))
		if len(results) == 0 || counts[want] != len(results) {
			for _, r := range results {
				w.t.Errorf("%s line %d: %s %s %v", kind, r.Line, r.Status, r.Column, r.Err)
			}
		}
		all = append(all, results...)
	}
	return all
}

func TestExamplesAreTakenOverOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.examples(legacy.Imported)
	before, _ := w.db.Head(t.Context())
	second := w.examples(legacy.Unchanged)
	after, _ := w.db.Head(t.Context())
	if before.Size != after.Size || before.Size != int64(len(first)) {
		t.Errorf("%d rows, %d entries, then %d", len(first), before.Size, after.Size)
	}
	for i := range first {
		if first[i].ID != second[i].ID {
			t.Errorf("%v became %v", first[i], second[i])
		}
	}
	rcpt, err := w.db.Recipient(t.Context(), first[0].ID)
	if err != nil || rcpt.State != models.RecipientApplied || rcpt.Name != "国立健康研究所" {
		t.Errorf("%+v, %v", rcpt, err)
	}
	if id, err := w.db.UnrecordedProvision(t.Context()); id != "" || err != nil {
		t.Error(id, err)
	}
	ledgertest.CheckLedger(t, w.db, ledger.VerifyOptions{})
}

// What was imported is shown as such, and is no proof of ours.
func TestImportedIsNoProofOfOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	results := w.examples(legacy.Imported)
	id := results[len(results)-1].ID
	if !strings.HasPrefix(id, "pi-") {
		t.Fatal(id)
	}
	ctx := t.Context()
	prov, err := w.out.Provision(ctx, ana, id)
	if err != nil || prov.State != models.ProvisionImported || prov.ManifestSHA256 != "" || prov.Receipt != "" || prov.Number != "2023-002" {
		t.Errorf("%+v, %v", prov, err)
	}
	for what, call := range map[string]func() error{
		"receipt":     func() error { _, err := w.out.Receipt(ctx, ana, id); return err },
		"manifest":    func() error { _, _, err := w.out.Manifest(ctx, ana, id); return err },
		"revoke":      func() error { _, err := w.out.Revoke(ctx, ana, id, "why not"); return err },
		"reissue":     func() error { _, err := w.out.Reissue(ctx, ana, id, "key"); return err },
		"acknowledge": func() error { _, err := w.out.Acknowledge(ctx, ana, id); return err },
	} {
		if err := call(); !models.IsKind(err, models.Conflict) || !strings.Contains(err.Error(), "imported from an earlier register") {
			t.Errorf("%s: %v", what, err)
		}
	}
	rex := access.Actor{UserID: "u-rex", Role: models.RecipientUser, RecipientID: "r-other"}
	if _, err := w.out.Provision(ctx, rex, id); !models.IsKind(err, models.NotFound) {
		t.Error(err)
	}
	if _, err := w.out.Receipt(ctx, rex, id); !models.IsKind(err, models.NotFound) {
		t.Error(err)
	}
	list, err := w.out.Provisions(ctx, ana, models.ProvisionFilter{}, models.Page{Limit: 1})
	if err != nil || len(list) != 1 || list[0].ID != id {
		t.Errorf("%v, %v", list, err)
	}
	next, err := w.out.Provisions(ctx, ana, models.ProvisionFilter{}, models.Page{Limit: 1, After: models.TimeCursor(list[0].IssuedAt, list[0].ID)})
	if err != nil || len(next) != 1 || next[0].Number != "2023-001" {
		t.Errorf("%v, %v", next, err)
	}
	rows, err := w.out.Report(ctx, ana, provision.ReportQuery{From: "2023-01-01", To: "2023-06-30"})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for row, err := range rows {
		n++
		if err != nil || row.State != models.ProvisionImported || row.RecordCount != 12000 || row.Approver != "山本" || row.PackageSHA256 != "" {
			t.Errorf("%+v, %v", row, err)
		}
	}
	if index, err := w.db.EntryIndex(ctx, "provision", id, ledger.ProvisionImported); n != 1 || err != nil || index < 0 {
		t.Error(n, index, err)
	}
	if _, err := w.db.EntryIndex(ctx, "provision", id, ledger.ProvisionIssued); !models.IsKind(err, models.NotFound) {
		t.Error(err)
	}
}

func TestDryRunStoresNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := []byte("reference,title,class\nD,t,test\nE,t,nonsense\n")
	results, err := w.svc.Import(t.Context(), ana, legacy.File{Kind: "datasets", Name: "d.csv", Text: text, DryRun: true})
	if err != nil || results[0].Status != legacy.Ready || results[0].ID != "" || results[1].Status != legacy.Failed {
		t.Errorf("%+v, %v", results, err)
	}
	if head, err := w.db.Head(t.Context()); err != nil || head.Size != 0 {
		t.Error(head.Size, err)
	}
	if _, err := w.db.Imported(t.Context(), "dataset", "D"); !models.IsKind(err, models.NotFound) {
		t.Error(err)
	}
}

func TestWrongRowsAreNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.examples(legacy.Imported)
	const heads = "reference,date,recipient,dataset,items,purpose_text,method,agreement,version,record_count\n"
	good := []string{"X-1", "2024-01-31", "R-01", "D-01", "checkups", "a study", "media", "", "", ""}
	tests := []struct {
		at            int
		cell          string
		column, words string
	}{
		{0, "2023-001", "reference", "imported before as pi-"},
		{0, "", "reference", "is empty"},
		{1, "2024-02-30", "date", "is not a date; write it as 2024-03-31"},
		{1, "2099-01-01", "date", "lies in the future"},
		{2, "R-99", "recipient", "import the recipients first"},
		{2, "r-aaaaaaaaaaaaaaaa", "recipient", "there is none with this id"},
		{3, "D-99", "dataset", "import the datasets first"},
		{4, "checkups;names", "items", `"names" is not known; use one of claims.medical`},
		{5, strings.Repeat("x", 4001), "purpose_text", "longer than 4000"},
		{5, "a\u202eb", "purpose_text", "control characters"},
		{6, "pigeon", "method", "use one of download"},
		{7, "A-99", "agreement", "import the agreements first"},
		{8, "two", "version", "is not a whole number"},
		{9, "-1", "record_count", "is not a whole number"},
	}
	before, _ := w.db.Head(t.Context())
	for i, test := range tests {
		cells := append([]string{}, good...)
		cells[0] = fmt.Sprintf("X-%d", i)
		cells[test.at] = test.cell
		results, counts := w.load("provisions", heads+"\n"+strings.Join(cells, ",")+"\n")
		r := results[0]
		if counts[legacy.Failed] != 1 || r.Line != 3 || r.Column != test.column || !strings.Contains(fmt.Sprint(r.Err), test.words) {
			t.Errorf("%q: line %d, %s, %s: %v", test.cell, r.Line, r.Status, r.Column, r.Err)
		}
	}
	if after, _ := w.db.Head(t.Context()); after.Size != before.Size {
		t.Error("a failed row left something behind")
	}
	results, counts := w.load("datasets", "reference,title,class\nA,one,test\nB,,test\nA,three,test\nC,four,test\n")
	if counts[legacy.Imported] != 2 || counts[legacy.Failed] != 2 || !strings.Contains(fmt.Sprint(results[2].Err), "line 2 has the same reference") {
		t.Errorf("%+v", results)
	}
}

func TestWrongFilesAreRefusedWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for text, want := range map[string]string{
		"":                                 "needs a first line",
		"reference,title\n":                "has no column class (情報の区分/区分)",
		"reference,title,class,x\n":        `the column "x" of f.csv is unknown or there twice`,
		"reference,title,title\n":          "there twice",
		"reference,title,class\na,b":       "line 2 of f.csv has 2 cells",
		"reference,title,class\na,\"b,c\n": "is not CSV",
		"reference,title,class\na,\x81\xff\xff,test\n":                             "line 2 of f.csv holds bytes that are neither",
		"reference,title,class\n" + strings.Repeat("a,b,test\n", legacy.MaxRows+1): "over 5000 rows",
		strings.Repeat("x", legacy.MaxFile+1):                                      "over 8388608 bytes",
	} {
		_, err := w.svc.Import(t.Context(), ana, legacy.File{Kind: "datasets", Name: "f.csv", Text: []byte(text)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	for _, role := range []models.Role{models.Manager, models.Auditor, models.RecipientUser} {
		_, err := w.svc.Import(t.Context(), access.Actor{UserID: "u-x", Role: role}, legacy.File{Kind: "datasets"})
		if !models.IsKind(err, models.Denied) {
			t.Errorf("%s: %v", role, err)
		}
	}
	if _, err := w.svc.Import(t.Context(), ana, legacy.File{Kind: "users"}); !models.IsKind(err, models.Invalid) {
		t.Error(err)
	}
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const table = "管理番号,名称,区分,説明\r\nＤ１,髙橋の健診①,匿名加工情報,説明～\r\n"
	sjis, err := japanese.ShiftJIS.NewEncoder().Bytes([]byte(table))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"UTF-8": []byte(table), "BOM": []byte("\ufeff" + table), "CP932": sjis} {
		results, err := w.svc.Import(t.Context(), ana, legacy.File{Kind: "datasets", Name: name, Text: text})
		if err != nil || len(results) != 1 || results[0].Reference != "Ｄ１" || results[0].Status == legacy.Failed {
			t.Errorf("%s: %+v, %v", name, results, err)
			continue
		}
		ds, err := w.db.Dataset(t.Context(), results[0].ID)
		if err != nil || ds.Title != "髙橋の健診①" || ds.Class != models.Anonymized {
			t.Errorf("%s: %+v, %v", name, ds, err)
		}
	}
}

// Whatever the file holds, an import neither panics nor leaves a row half done.
func FuzzImport(f *testing.F) {
	w := newWorld(f)
	f.Add("datasets", []byte("reference,title,class\na,b,test\n"))
	f.Add("recipients", []byte("\ufeffreference,name,country,address,representative,email\na,b,JP,c,d,e@f.example\n"))
	f.Add("provisions", []byte("提供番号,提供年月日\n\"a\nb\",2023年5月10日\n"))
	f.Add("agreements", []byte("\x8a\xc7\x97\x9d\x94\xd4\x8d\x86\n"))
	f.Fuzz(func(t *testing.T, kind string, text []byte) {
		results, err := w.svc.Import(context.Background(), ana, legacy.File{Kind: kind, Name: "f.csv", Text: bytes.Clone(text), DryRun: true})
		for _, r := range results {
			if err != nil || r.Status == legacy.Imported || (r.Status == legacy.Failed) != (r.Err != nil) {
				t.Errorf("%+v, %v", r, err)
			}
		}
	})
}
