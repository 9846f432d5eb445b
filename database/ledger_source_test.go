package database

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/database/dbtest"
	"teikyo/ledger"
	"teikyo/ledger/checkpoints"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
)

// filled is a database with n entries, some of them with details and manifest.
func filled(t *testing.T, n int) *DB {
	t.Helper()
	db := openTest(t)
	for i := range n {
		e := &ledger.Entry{Kind: ledger.RecipientApplied, Details: map[string]any{"number": i},
			IDs: map[string]string{"recipient": "r-abc", "actor": "u-abc"}}
		if i%3 == 2 {
			e.Kind = ledger.ProvisionIssued
			e.IDs["provision"] = "p-abc"
			e.ManifestSHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
		}
		if err := db.Update(t.Context(), func(ctx context.Context) error { return db.Append(ctx, e) }); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// blobLiteral is how SQLite writes bytes.
var blobLiteral = regexp.MustCompile(`x'([0-9a-f]*)'`)

func (db *DB) tamper(t *testing.T, statement string) {
	t.Helper()
	pool, err := db.pool()
	if err != nil {
		t.Fatal(err)
	}
	if db.isPostgres() {
		_, err := pool.Exec("ALTER TABLE ledger_head DROP CONSTRAINT IF EXISTS ledger_head_id_check; " +
			"BEGIN; SET LOCAL session_replication_role = replica; " + blobLiteral.ReplaceAllString(statement, `'\x$1'`) + "; COMMIT")
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		return
	}
	for _, s := range []string{"PRAGMA foreign_keys = 0", "PRAGMA ignore_check_constraints = 1", statement, "PRAGMA foreign_keys = 1"} {
		if _, err := pool.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func TestVerifyReadsTheWholeLog(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	ledgertest.CheckLedger(t, db, ledger.VerifyOptions{})
	for range 7 {
		if _, err := appendEntry(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		ledgertest.CheckLedger(t, db, ledger.VerifyOptions{})
	}
}

// Verification of more than one batch, while writers go on.
func TestSnapshotStandsStill(t *testing.T) {
	t.Parallel()
	db := filled(t, entryBatch+30)
	err := db.Snapshot(t.Context(), func(ctx context.Context) error {
		head, err := db.Head(ctx)
		if err != nil {
			return err
		}
		if _, err := appendEntry(t.Context(), db); err != nil {
			return err
		}
		report, err := ledger.Verify(ctx, db, ledger.VerifyOptions{Trees: []tlog.Tree{head.Tree()}})
		if err != nil || !report.OK || report.Size != head.Size || report.Witnessed != head.Size {
			t.Errorf("%+v, head %d, %v", report, head.Size, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// byteReplace is a call that takes bytes on SQLite and text alone on PostgreSQL.
var byteReplace = regexp.MustCompile(`replace\((leaf|details), ('.*?'), ('.*?')\)`)

// onPostgres says a statement in the words of PostgreSQL; empty when its typed
// columns do not let it happen.
func onPostgres(statement string) string {
	for _, impossible := range []string{"'soon'", "idx = 'x'", "kind = 7", "randomblob(31)"} {
		if strings.Contains(statement, impossible) {
			return ""
		}
	}
	statement = byteReplace.ReplaceAllString(statement, "convert_to(replace(convert_from($1, 'UTF8'), $2, $3), 'UTF8')")
	statement = strings.ReplaceAll(statement, "randomblob(16)", "substr(sha256('another'), 1, 16)")
	return strings.ReplaceAll(statement, "randomblob(32)", "sha256('another')")
}

func TestTamperingShows(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, statement string
		first           int64
	}{
		{"leaf", "UPDATE ledger_entries SET leaf = replace(leaf, 'r-abc', 'r-abd') WHERE idx = 3", 3},
		{"leaf emptied", "UPDATE ledger_entries SET leaf = x'' WHERE idx = 3", 3},
		{"leaf's hash", "UPDATE ledger_entries SET hash = randomblob(32) WHERE idx = 3", 3},
		{"leaf's hash of the newest block", "UPDATE ledger_entries SET hash = randomblob(32) WHERE idx = 40", 40},
		{"leaf's hash cut", "UPDATE ledger_entries SET hash = x'00' WHERE idx = 3", 3},
		{"leaf with its hash", "UPDATE ledger_entries SET leaf = (SELECT leaf FROM ledger_entries WHERE idx = 4), hash = (SELECT hash FROM ledger_entries WHERE idx = 4) WHERE idx = 3", 3},
		{"kind", "UPDATE ledger_entries SET kind = 'recipient.revoked' WHERE idx = 4", 4},
		{"kind as number", "UPDATE ledger_entries SET kind = 7 WHERE idx = 4", 4},
		{"time by a microsecond", "UPDATE ledger_entries SET at = at + 1 WHERE idx = 5", 5},
		{"time as text", "UPDATE ledger_entries SET at = 'soon' WHERE idx = 5", 5},
		{"index", "UPDATE ledger_entries SET idx = 99 WHERE idx = 6", 6},
		{"negative index", "UPDATE ledger_entries SET idx = -1 WHERE idx = 6", -1},
		{"details", "UPDATE ledger_details SET details = replace(details, '1', '2') WHERE idx = 1", 1},
		{"details emptied", "UPDATE ledger_details SET details = x'' WHERE idx = 1", 1},
		{"salt", "UPDATE ledger_details SET salt = randomblob(16) WHERE idx = 1", 1},
		{"details of another entry", "UPDATE ledger_details SET idx = 100 WHERE idx = 1", 1},
		{"details removed", "DELETE FROM ledger_details WHERE idx = 1", 1},
		{"details without entry", "INSERT INTO ledger_details VALUES (43, x'00', x'00')", 43},
		{"details below the first", "INSERT INTO ledger_details VALUES (-5, x'00', x'00')", -5},
		{"subject's noun", "UPDATE ledger_subjects SET noun = 'dataset' WHERE idx = 2 AND noun = 'actor'", 2},
		{"subject's id", "UPDATE ledger_subjects SET id = 'u-other' WHERE idx = 2 AND noun = 'actor'", 2},
		{"subject's index", "UPDATE ledger_subjects SET idx = 3 WHERE idx = 2 AND noun = 'provision'", 2},
		{"subject's index as text", "UPDATE ledger_subjects SET idx = 'x' WHERE idx = 2 AND noun = 'provision'", 2},
		{"subject added", "INSERT INTO ledger_subjects VALUES ('dataset', 'ds-x', 2)", 2},
		{"second id for a noun", "INSERT INTO ledger_subjects VALUES ('actor', 'u-a', 2)", 2},
		{"subject removed", "DELETE FROM ledger_subjects WHERE idx = 2 AND noun = 'actor'", 2},
		{"subject without entry", "INSERT INTO ledger_subjects VALUES ('dataset', 'ds-x', 50)", 43},
		{"subject of the newest block", "INSERT INTO ledger_subjects VALUES ('actor', 'u-abc', 35)", 35},
		{"leaf of the newest block", "UPDATE ledger_entries SET leaf = replace(leaf, 'r-abc', 'r-abd') WHERE idx = 36", 36},
		{"malformed leaf of the newest block", "UPDATE ledger_entries SET leaf = x'7b' WHERE idx = 36", 36},
		{"entry of the newest block deleted", "DELETE FROM ledger_entries WHERE idx = 37", 37},
		{"subjects of a block removed", "DELETE FROM ledger_subjects", 0},
		{"hash of the newest block", "INSERT INTO ledger_hashes SELECT 63, hash FROM ledger_hashes WHERE idx = 0", 32},
		{"hash", "UPDATE ledger_hashes SET hash = randomblob(32) WHERE idx = 0", 0},
		{"hash cut", "UPDATE ledger_hashes SET hash = x'00' WHERE idx = 0", 0},
		{"hash removed", "DELETE FROM ledger_hashes WHERE idx = 0", 0},
		{"hash moved", "UPDATE ledger_hashes SET idx = 500 WHERE idx = 0", 0},
		{"hash beyond", "INSERT INTO ledger_hashes VALUES (500, randomblob(32))", -1},
		{"head's size", "UPDATE ledger_head SET size = size + 1", 43},
		{"head's size less", "UPDATE ledger_head SET size = 42", 42},
		{"head's root", "UPDATE ledger_head SET root = randomblob(32)", -1},
		{"head's time", "UPDATE ledger_head SET at = at + 1000", -1},
		{"head's id", "UPDATE ledger_head SET id = 2", 0},
		{"head removed", "DELETE FROM ledger_head", 0},
		{"first deleted", "DELETE FROM ledger_entries WHERE idx = 0", 0},
		{"middle deleted", "DELETE FROM ledger_entries WHERE idx = 5", 5},
		{"last deleted", "DELETE FROM ledger_entries WHERE idx = 42", 42},
		{"inserted", "INSERT INTO ledger_entries SELECT 43, leaf, hash, kind, at FROM ledger_entries WHERE idx = 42", 43},
		{"swapped", "UPDATE ledger_entries SET idx = CASE idx WHEN -3 THEN 4 ELSE idx END", 3},
		{"time turned back", "UPDATE ledger_entries SET at = 1, leaf = replace(leaf, '\"time\":\"2', '\"time\":\"1') WHERE idx = 7", 7},
	}
	for _, c := range cases {
		if dbtest.OnPostgres() {
			if c.statement = onPostgres(c.statement); c.statement == "" {
				continue
			}
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db := filled(t, 43) // a block with its rows, and entries of the next
			if c.name == "swapped" {
				db.tamper(t, "UPDATE ledger_entries SET idx = -3 WHERE idx = 3")
				db.tamper(t, "UPDATE ledger_entries SET idx = 3 WHERE idx = 4")
			}
			db.tamper(t, c.statement)
			report, err := ledger.Verify(t.Context(), db, ledger.VerifyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if report.OK || report.FirstBad != c.first {
				t.Fatalf("first bad %d (%s), want %d", report.FirstBad, report.Problem, c.first)
			}
		})
	}
}

func TestOpenReadOnlyBesideAWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "teikyo.db")
	db, err := Open(t.Context(), Options{URL: "sqlite:" + path, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := appendEntry(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	reader, err := OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if report := ledgertest.CheckLedger(t, reader, ledger.VerifyOptions{}); report.Size != 1 {
		t.Fatalf("%+v", report)
	}
	if _, err := appendEntry(t.Context(), reader); err == nil {
		t.Fatal("a reader could write")
	}
	if _, err := OpenReadOnly(t.Context(), path+"x"); !models.IsKind(err, models.NotFound) {
		t.Fatal(err)
	}
}

func TestReceiptWaitsForTheSecondPlace(t *testing.T) {
	t.Parallel()
	db := filled(t, 5)
	if _, err := db.Receipt(t.Context(), 4); !models.IsKind(err, models.Unavailable) {
		t.Fatalf("without a second place: %v", err)
	}
	skey, vkey, err := ledger.GenerateKey(rand.Reader, "example.org")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ledger.NewSigner(ledger.LogOrigin("example.org", 1), skey)
	if err != nil {
		t.Fatal(err)
	}
	publisher := checkpoints.NewPublisher(checkpoints.Config{
		Signer: signer, Second: &ledgertest.Place{}, Hashes: db.HashReader(t.Context()),
		Head: func(ctx context.Context) (tlog.Tree, error) { h, err := db.Head(ctx); return h.Tree(), err },
	})
	db.OnCommit(func(h ledger.Head) { publisher.Committed(h.Tree()) })
	db.AttachPublisher(publisher)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- publisher.Run(ctx) }()
	verifier, err := ledger.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	var receipts [][]byte
	for range 3 {
		e, err := appendEntry(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		text, err := db.Receipt(t.Context(), e.Index)
		if err != nil {
			t.Fatal(err)
		}
		r, err := ledger.VerifyReceipt(text, nil, verifier)
		if err != nil || r.Index() != e.Index {
			t.Fatal(r.Index(), err)
		}
		receipts = append(receipts, text)
	}
	stop()
	<-done
	ledgertest.CheckLedger(t, db, ledger.VerifyOptions{Verifiers: []ledger.Verifier{verifier}, Receipts: receipts})
	if _, err := db.Receipt(t.Context(), 99); !models.IsKind(err, models.NotFound) {
		t.Fatal(err)
	}
}

func TestEntriesByWhatTheySpeakOf(t *testing.T) {
	t.Parallel()
	db := filled(t, 11)
	index, err := db.EntryIndex(t.Context(), "provision", "p-abc", ledger.ProvisionIssued)
	if err != nil || index != 8 {
		t.Fatal(index, err)
	}
	if _, err := db.EntryIndex(t.Context(), "provision", "p-none", ledger.ProvisionIssued); !models.IsKind(err, models.NotFound) {
		t.Fatal(err)
	}
	page := models.Page{Limit: 2}
	list, err := db.Entries(t.Context(), models.EntryFilter{Noun: "provision", ID: "p-abc", Kind: "provision.issued"}, page)
	if err != nil || len(list) != 2 || list[0].Index != 2 || string(list[0].Details) != `{"number":2}` {
		t.Fatal(list, err)
	}
	page.After = "5"
	list, err = db.Entries(t.Context(), models.EntryFilter{}, models.Page{After: "5", Limit: 500})
	if err != nil || len(list) != 5 || list[0].Index != 6 {
		t.Fatal(list, err)
	}
	if _, err = db.Entries(t.Context(), models.EntryFilter{}, models.Page{After: "x"}); !models.IsKind(err, models.Invalid) {
		t.Fatal(err)
	}
}

func TestGateRefusesTheWholeChange(t *testing.T) {
	t.Parallel()
	open := true
	db, err := Open(t.Context(), Options{
		URL: dbtest.URL(t, t.TempDir()), Rand: rand.Reader,
		Gate: func(k ledger.Kind) error {
			if open {
				return nil
			}
			return models.Errorf(models.Unavailable, "the clock was moved")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := appendEntry(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	open = false
	if _, err := appendEntry(t.Context(), db); !models.IsKind(err, models.Unavailable) {
		t.Fatal(err)
	}
	if report := ledgertest.CheckLedger(t, db, ledger.VerifyOptions{}); report.Size != 1 {
		t.Fatal(report)
	}
}

func TestServerKeys(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	save := func(check string) error {
		return db.Update(t.Context(), func(ctx context.Context) error {
			return db.SaveServerKey(ctx, "kek", "kek-0001-aa", check, time.Now())
		})
	}
	if err := save("c1"); err != nil {
		t.Fatal(err)
	}
	if err := save("c2"); !models.IsKind(err, models.Conflict) {
		t.Fatal(err)
	}
	keys, err := db.ServerKeys(t.Context(), "kek")
	if err != nil || len(keys) != 1 || keys["kek-0001-aa"] != "c1" {
		t.Fatal(keys, err)
	}
}
