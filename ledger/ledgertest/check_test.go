package ledgertest_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
)

// probe is a test whose failures are looked at.
type probe struct {
	testing.TB
	failure string
}

func (p *probe) Helper() {}

func (p *probe) Fatalf(format string, args ...any) {
	p.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (p *probe) Cleanup(func()) {}

// failure is what CheckLedger says about a log.
func (p *probe) check(log ledger.Source) string {
	p.failure = ""
	done := make(chan struct{})
	go func() {
		defer close(done)
		ledgertest.CheckLedger(p, log, ledger.VerifyOptions{})
	}()
	<-done
	return p.failure
}

func TestCheckLedger(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	log := ledgertest.NewMemoryLog()
	var p probe
	for range 3 {
		if failure := p.check(log); failure != "" {
			t.Errorf("a log that grows: %s", failure)
		}
		if err := log.Fill(3, start.Add(time.Duration(log.Row.Size)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	cut := log.Clone()
	cut.Rows = cut.Rows[:5]
	if err := cut.Rebuild(); err != nil {
		t.Fatal(err)
	}
	if failure := p.check(cut); !strings.Contains(failure, "rolled back") {
		t.Errorf("a log that shrank: %q", failure)
	}
	other := ledgertest.NewMemoryLog()
	if err := other.Fill(20, start); err != nil {
		t.Fatal(err)
	}
	if failure := p.check(other); !strings.Contains(failure, "rewritten") {
		t.Errorf("another log: %q", failure)
	}
	var fresh probe
	if failure := fresh.check(other); failure != "" {
		t.Errorf("another test's log: %s", failure)
	}
	other.Rows[7].Kind = ledger.Recalled
	if failure := fresh.check(other); !strings.Contains(failure, "entry 7") {
		t.Errorf("a tampered log: %q", failure)
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	var p ledgertest.Place
	for i, step := range []struct {
		fault ledgertest.Fault
		want  error
		kept  int
	}{{ledgertest.NoFault, nil, 1}, {ledgertest.Fails, ledgertest.ErrFault, 1}, {ledgertest.FailsButKeeps, ledgertest.ErrFault, 2}} {
		p.Set(step.fault)
		if err := p.Put(t.Context(), []byte{byte(i)}); !errors.Is(err, step.want) || len(p.Kept()) != step.kept || p.Puts() != i+1 {
			t.Errorf("fault %d: %v, %d kept, %d puts", step.fault, err, len(p.Kept()), p.Puts())
		}
	}
	if newest, err := p.Newest(t.Context()); err != nil || len(newest) != 1 || newest[0] != 2 {
		t.Errorf("Newest = %v, %v", newest, err)
	}
}
