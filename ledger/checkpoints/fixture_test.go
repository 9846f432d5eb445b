package checkpoints_test

import (
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
)

var start = time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)

type keys struct {
	signer   ledger.Signer
	verifier ledger.Verifier
}

func newKeys(t testing.TB) keys {
	t.Helper()
	skey, vkey, err := ledger.GenerateKey(rand.Reader, "hospital.example")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ledger.NewSigner(ledger.LogOrigin("hospital.example", 1), skey)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := ledger.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return keys{signer, verifier}
}

func (k keys) sign(t testing.TB, tree tlog.Tree) []byte {
	t.Helper()
	text, err := k.signer.Sign(tree)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (k keys) checkpoint(t testing.TB, tree tlog.Tree) ledger.Checkpoint {
	t.Helper()
	c, err := ledger.OpenCheckpoint(k.sign(t, tree), k.verifier)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// database is a log that several goroutines use.
type database struct {
	mu  sync.Mutex
	log *ledgertest.MemoryLog
}

func newDatabase(t testing.TB, entries int) *database {
	t.Helper()
	d := &database{log: ledgertest.NewMemoryLog()}
	d.commit(t, entries)
	return d
}

func (d *database) commit(t testing.TB, entries int) tlog.Tree {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.log.Fill(entries, start.Add(time.Duration(d.log.Row.Size)*time.Hour)); err != nil {
		t.Error(err)
	}
	return d.log.Tree()
}

func (d *database) tree() tlog.Tree {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Tree()
}

func (d *database) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.ReadHashes(indexes)
}
