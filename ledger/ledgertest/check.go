package ledgertest

import (
	"context"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/ledger"
)

// seen remembers, for each running test and log, the tree of the last check. It
// is the one variable here: a test calls CheckLedger from places that share
// nothing but their testing.TB.
var seen sync.Map // of seenKey to tlog.Tree

type seenKey struct {
	t      testing.TB
	origin string
}

// CheckLedger verifies the whole log and that it only grew since the last call
// with the same t and opts.Origin. It belongs after every step of every test
// that writes, restarts and faults included.
func CheckLedger(t testing.TB, src ledger.Source, opts ledger.VerifyOptions) ledger.Report {
	t.Helper()
	key := seenKey{t, opts.Origin}
	if last, ok := seen.Load(key); ok {
		opts.Trees = append(opts.Trees[:len(opts.Trees):len(opts.Trees)], last.(tlog.Tree))
	}
	// Not the test's own context: checks also run in its cleanup.
	report, err := ledger.Verify(context.Background(), src, opts)
	if err != nil {
		t.Fatalf("the ledger cannot be read: %v", err)
	}
	if !report.OK {
		t.Fatalf("the ledger does not hold: entry %d: %s", report.FirstBad, report.Problem)
	}
	if _, again := seen.Swap(key, tlog.Tree{N: report.Size, Hash: report.Root}); !again {
		t.Cleanup(func() { seen.Delete(key) })
	}
	return report
}
