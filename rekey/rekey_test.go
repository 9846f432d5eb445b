package rekey_test

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

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/database"
	"teikyo/database/dbtest"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
	"teikyo/rekey"
)

var (
	admin   = access.Actor{UserID: "u-admin00000000000", Role: models.Administrator}
	manager = access.Actor{UserID: "u-manager000000000", Role: models.Manager}
	auditor = access.Actor{UserID: "u-auditor000000000", Role: models.Auditor}
)

type local struct {
	*rekey.Service
	t   *testing.T
	db  *database.DB
	kek *crypto.FileKeyring
	dir string
}

func setup(t *testing.T) *local {
	t.Helper()
	dir := t.TempDir()
	db, err := database.Open(t.Context(), database.Options{URL: dbtest.URL(t, dir), Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ledgertest.CheckLedger(t, db, ledger.VerifyOptions{})
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	kek, err := crypto.OpenFileKeyring(filepath.Join(dir, "keys"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &local{t: t, db: db, kek: kek, dir: dir, Service: &rekey.Service{
		Store: db, KEK: kek, Origin: func() string { return "example.org" }, Now: time.Now, Rand: rand.Reader,
	}}
}

func (l *local) key(from interface {
	Key(ctx context.Context, domain string) ([]byte, error)
}, domain string) string {
	l.t.Helper()
	key, err := from.Key(l.t.Context(), domain)
	if err != nil {
		l.t.Fatal(err)
	}
	if len(key) != rekey.KeySize {
		l.t.Fatalf("a key of %d bytes", len(key))
	}
	return string(key)
}

// details are those of the entries of a kind, as text.
func (l *local) details(kind ledger.Kind) string {
	l.t.Helper()
	var out strings.Builder
	for r, err := range l.db.Records(l.t.Context(), 0) {
		if err != nil {
			l.t.Fatal(err)
		}
		if r.Kind == kind {
			fmt.Fprintf(&out, "%s\n", r.Details)
		}
	}
	return out.String()
}

// A domain's key stays the same, also after a rotation of the key above it, and
// is another than that of every other domain.
func TestKeysOfDomains(t *testing.T) {
	t.Parallel()
	l := setup(t)
	keys := l.For(manager)
	first := l.key(keys, "keio-2026")
	if l.key(keys, "keio-2026") != first || l.key(keys, "project-12") == first {
		t.Fatal("keys are not stable in their domain, or equal between domains")
	}
	if _, err := l.kek.Rotate(); err != nil {
		t.Fatal(err)
	}
	if l.key(keys, "keio-2026") != first {
		t.Fatal("after a rotation the key is another")
	}
	if _, err := l.Create(t.Context(), manager, "keio-2026"); !models.IsKind(err, models.Conflict) {
		t.Errorf("made twice: %v", err)
	}
	list, err := l.Keys(t.Context(), auditor, models.Page{})
	if err != nil || len(list) != 2 || list[1].Domain != "keio-2026" || bytes.Contains(list[1].Wrapped, []byte(first)) {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, name := range []string{"", "Keio", "objections:", "a b", strings.Repeat("a", 65), "../x"} {
		if _, err := keys.Key(t.Context(), name); !models.IsKind(err, models.Invalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A destroyed key is in no row, and its domain is used up.
func TestDestroy(t *testing.T) {
	t.Parallel()
	l := setup(t)
	l.key(l.For(manager), "release-1")
	if _, err := l.Destroy(t.Context(), admin, "release-1", ""); !models.IsKind(err, models.Invalid) {
		t.Errorf("without a reason: %v", err)
	}
	k, err := l.Destroy(t.Context(), admin, "release-1", "the release is out")
	if err != nil || k.State != models.DeidKeyDestroyed || len(k.Wrapped) > 0 || k.KEKID != "" {
		t.Fatalf("%+v, %v", k, err)
	}
	if row, err := l.db.DeidKey(t.Context(), "release-1"); err != nil || len(row.Wrapped) > 0 {
		t.Fatalf("%+v, %v", row, err)
	}
	_, again := l.For(manager).Key(t.Context(), "release-1")
	_, anew := l.Create(t.Context(), manager, "release-1")
	_, twice := l.Destroy(t.Context(), admin, "release-1", "again")
	for _, err := range []error{again, anew, twice} {
		if !models.IsKind(err, models.Conflict) {
			t.Errorf("after the destruction: %v", err)
		}
	}
	if got := l.details(ledger.RekeyDestroyed); !strings.Contains(got, "the release is out") {
		t.Errorf("the ledger says %q", got)
	}
	for _, name := range []string{"absent", models.ObjectionDomain} {
		if _, err := l.Destroy(t.Context(), admin, name, "x"); !models.IsKind(err, models.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhoMay(t *testing.T) {
	t.Parallel()
	l := setup(t)
	l.key(l.For(manager), "a")
	partner := access.Actor{UserID: "u-partner000000000", Role: models.RecipientUser, RecipientID: "r-1"}
	_, use := l.For(auditor).Key(t.Context(), "a")
	_, export := l.Export(t.Context(), auditor, []string{"a"}, "")
	_, destroy := l.Destroy(t.Context(), manager, "a", "x")
	_, add := l.AddObjections(t.Context(), auditor, []string{"1"}, "")
	_, list := l.Keys(t.Context(), partner, models.Page{})
	_, batches := l.Batches(t.Context(), partner, models.Page{})
	_, objections := l.Objections(t.Context(), auditor)
	_, create := l.Create(t.Context(), auditor, "b")
	for i, err := range []error{use, export, destroy, add, list, batches, objections, create} {
		if !models.IsKind(err, models.Denied) {
			t.Errorf("case %d: %v", i, err)
		}
	}
}

// Whatever spelling of a source key a file has, the person is left out; and no
// source key stands anywhere.
func TestObjections(t *testing.T) {
	t.Parallel()
	l := setup(t)
	if list, err := l.Objections(t.Context(), manager); err != nil || list.Left(t.Context(), []byte("1")) {
		t.Fatal("an empty list leaves somebody out", err)
	}
	batch, err := l.AddObjections(t.Context(), manager, []string{"0000987651", "AB-77", "987651", "９８７６５２"}, "letters of November")
	if err != nil || batch.Keys != 3 || batch.New != 3 {
		t.Fatalf("%+v, %v", batch, err)
	}
	if batch, err = l.AddObjections(t.Context(), manager, []string{"987651", "987653"}, ""); err != nil || batch.Keys != 2 || batch.New != 1 {
		t.Fatalf("%+v, %v", batch, err)
	}
	list, err := l.Objections(t.Context(), manager)
	if err != nil || list.Len() != 4 {
		t.Fatalf("%d, %v", list.Len(), err)
	}
	for source, left := range map[string]bool{
		"987651": true, "0987651": true, "９８７６５１": true, " 987652 ": true, "ab-77": true, "ＡＢ-77": true,
		"987654": false, "9876510": false, "AB77": false, "": false, "0": false, "000": false,
	} {
		if list.Left(t.Context(), []byte(source)) != left {
			t.Errorf("%q: left out %v, want %v", source, !left, left)
		}
	}
	for _, bad := range [][]string{nil, {""}, {"  "}, {strings.Repeat("1", 200)}, make([]string, rekey.MaxBatch+1)} {
		if _, err := l.AddObjections(t.Context(), manager, bad, ""); !models.IsKind(err, models.Invalid) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	batches, err := l.Batches(t.Context(), auditor, models.Page{})
	if err != nil || len(batches) != 2 || batches[1].Reason != "letters of November" {
		t.Fatalf("%+v, %v", batches, err)
	}
	if got := l.details(ledger.ObjectionAdded); !strings.Contains(got, `"total":4`) {
		t.Errorf("the ledger says %q", got)
	}
	l.findNowhere("987651", "987652", "AB-77", "ab-77")
}

// findNowhere looks into every file of the data folder.
func (l *local) findNowhere(words ...string) {
	l.t.Helper()
	files, err := filepath.Glob(filepath.Join(l.dir, "*"))
	if err != nil {
		l.t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a folder
		}
		for _, word := range words {
			if bytes.Contains(text, []byte(word)) {
				l.t.Errorf("%s holds %s", file, word)
			}
		}
	}
}

// What leaves for a transformation elsewhere is sealed, recorded, and works
// there as it does here.
func TestBundle(t *testing.T) {
	t.Parallel()
	l := setup(t)
	text, public, err := crypto.GenerateIdentity(false)
	if err != nil {
		t.Fatal(err)
	}
	id, err := crypto.ParseIdentity(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.AddObjections(t.Context(), manager, []string{"42"}, ""); err != nil {
		t.Fatal(err)
	}
	sealed, err := l.Export(t.Context(), manager, []string{"b", "a", "a"}, public)
	if err != nil {
		t.Fatal(err)
	}
	b, err := rekey.OpenBundle(sealed, id)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(b.Domains()) != "[a b]" || b.Issuer() != "example.org" || b.MadeAt().IsZero() || fmt.Sprint(*b) != "[redacted]" {
		t.Errorf("%v, %s", b.Domains(), b)
	}
	if l.key(b, "a") != l.key(l.For(manager), "a") || !b.Objections().Left(t.Context(), []byte("042")) || b.Objections().Len() != 1 {
		t.Error("the bundle works in another way than the server")
	}
	if _, err := b.Key(t.Context(), "c"); !models.IsKind(err, models.NotFound) {
		t.Error(err)
	}
	if got := l.details(ledger.RekeyExported); strings.Count(got, `"sealed_to":`) != 2 || !strings.Contains(got, `"with_objections":true`) {
		t.Errorf("the ledger says %q", got)
	}
	other, _, err := crypto.GenerateIdentity(false)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := crypto.ParseIdentity(strings.NewReader(other))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rekey.OpenBundle(sealed, stranger); !models.IsKind(err, models.Denied) {
		t.Errorf("a stranger: %v", err)
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := rekey.OpenBundle(sealed, id); err == nil {
		t.Error("a damaged bundle was opened")
	}
	for _, bad := range []string{"", "age1xyz", other} {
		if _, err := l.Export(t.Context(), manager, []string{"a"}, bad); !models.IsKind(err, models.Invalid) || strings.Contains(err.Error(), "SECRET-KEY-1") {
			t.Errorf("sealed to %.6q: %v", bad, err)
		}
	}
}

func TestBundleWithoutAServer(t *testing.T) {
	t.Parallel()
	text, public, err := crypto.GenerateIdentity(true)
	if err != nil {
		t.Fatal(err)
	}
	id, err := crypto.ParseIdentity(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	to, err := crypto.ParseRecipient(public)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := rekey.NewBundle(rand.Reader, time.Now(), []string{"a"}, to)
	if err != nil {
		t.Fatal(err)
	}
	b, err := rekey.OpenBundle(sealed, id)
	if err != nil || b.Issuer() != "" || b.Objections().Len() != 0 {
		t.Fatalf("%v, %v", b, err)
	}
	if key, err := b.Key(t.Context(), "a"); err != nil || len(key) != rekey.KeySize {
		t.Fatal(err)
	}
	if _, err := rekey.NewBundle(rand.Reader, time.Now(), []string{"A B"}, to); !models.IsKind(err, models.Invalid) {
		t.Error(err)
	}
}

func TestOnce(t *testing.T) {
	t.Parallel()
	o := &rekey.Once{Rand: rand.Reader}
	get := func(domain string) string {
		key, err := o.Key(t.Context(), domain)
		if err != nil {
			t.Fatal(err)
		}
		return string(key)
	}
	first := get("a")
	if get("a") != first || get("b") == first {
		t.Fatal("keys in memory are not stable")
	}
	if n := o.Destroy(); n != 2 || get("a") == first {
		t.Fatalf("%d destroyed", n)
	}
}
