package database

import (
	"context"
	"testing"

	"teikyo/ledger"
)

// BenchmarkVerify reads a log of 50,000 entries and checks all of it.
func BenchmarkVerify(b *testing.B) {
	const entries = 50_000
	db := openTest(b)
	err := db.Update(b.Context(), func(ctx context.Context) error {
		for range entries {
			e := &ledger.Entry{Kind: ledger.DownloadOpened, IDs: map[string]string{"provision": "p-abc", "link": "l-abc", "actor": "u-abc"}}
			if err := db.Append(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		err := db.Snapshot(b.Context(), func(ctx context.Context) error {
			report, err := ledger.Verify(ctx, db, ledger.VerifyOptions{})
			if err == nil && (!report.OK || report.Size != entries) {
				b.Fatalf("%+v", report)
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*entries/b.Elapsed().Seconds(), "entries/s")
}
