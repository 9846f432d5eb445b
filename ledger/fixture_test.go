package ledger_test

import (
	"crypto/rand"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
)

const issuer = "hospital.example"

func day(n int) time.Time { return time.Date(2026, 4, 1+n, 9, 0, 0, 0, time.UTC) }

// issuerKeys can sign for log 1 of the issuer.
type issuerKeys struct {
	signer   ledger.Signer
	verifier ledger.Verifier
}

func newIssuer(t testing.TB) issuerKeys {
	t.Helper()
	skey, vkey, err := ledger.GenerateKey(rand.Reader, issuer)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ledger.NewSigner(ledger.LogOrigin(issuer, 1), skey)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := ledger.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return issuerKeys{signer, verifier}
}

func (k issuerKeys) sign(t testing.TB, tree tlog.Tree) []byte {
	t.Helper()
	text, err := k.signer.Sign(tree)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (k issuerKeys) receipt(t testing.TB, log *ledgertest.MemoryLog, index int64) []byte {
	t.Helper()
	text, err := ledger.WriteReceipt(index, log.Rows[index].Leaf, log, k.sign(t, log.Tree()))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func filled(t testing.TB, n int) *ledgertest.MemoryLog {
	t.Helper()
	log := ledgertest.NewMemoryLog()
	if err := log.Fill(n, day(0)); err != nil {
		t.Fatal(err)
	}
	return log
}
