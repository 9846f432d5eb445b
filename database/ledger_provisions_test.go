package database

import (
	"testing"

	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
)

// The manifest in the leaf and the one in the row vouch for each other.
func TestManifestsOfProvisions(t *testing.T) {
	t.Parallel()
	db := filled(t, 6) // entries 2 and 5 issue p-abc
	const sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	verify := func() ledger.Report {
		report, err := ledger.Verify(t.Context(), db, ledger.VerifyOptions{Manifest: db.ManifestOf})
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	if report := verify(); report.OK || report.FirstBad != 2 {
		t.Fatalf("an entry without its provision: %+v", report)
	}
	db.tamper(t, `INSERT INTO provisions SELECT 'p-abc', '2026-0001', 'q-abc', 'ds-abc', 1, 'r-abc', 'a-abc', 'k-abc', '', 'download',
		'test', 0, 'issued', 1, '', 'pack', '', 0, '[]', '`+sum+`', '', 5, 0, 'u-abc', 0, '', 0, '', '', 0, '', x'7b7d'`)
	if report := verify(); !report.OK {
		t.Fatalf("%+v", report)
	}
	if id, err := db.UnrecordedProvision(t.Context()); id != "" || err != nil {
		t.Fatal(id, err)
	}
	ledgertest.CheckLedger(t, db, ledger.VerifyOptions{Manifest: db.ManifestOf})

	db.tamper(t, "UPDATE provisions SET manifest_sha256 = replace(manifest_sha256, 'e3b0', 'e3b1')")
	if report := verify(); report.OK || report.FirstBad != 2 {
		t.Fatalf("another manifest in the row: %+v", report)
	}
	db.tamper(t, "UPDATE provisions SET id = 'p-abd'")
	if id, err := db.UnrecordedProvision(t.Context()); id != "p-abd" || err != nil {
		t.Fatal(id, err)
	}
}
