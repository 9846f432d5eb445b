package ledger_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
)

func mustVerify(t testing.TB, src ledger.Source, o ledger.VerifyOptions) ledger.Report {
	t.Helper()
	r, err := ledger.Verify(context.Background(), src, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestVerify(t *testing.T) {
	t.Parallel()
	keys := newIssuer(t)
	for _, size := range []int{0, 1, 2, 3, 255, 256, 257} {
		log := filled(t, size)
		o := ledger.VerifyOptions{
			Origin: keys.signer.Origin(), Verifiers: []ledger.Verifier{keys.verifier},
			Checkpoints: [][]byte{keys.sign(t, log.Tree())},
		}
		for i := range int64(min(size, 9)) {
			o.Receipts = append(o.Receipts, keys.receipt(t, log, i))
		}
		r := mustVerify(t, log, o)
		want := ledger.Report{OK: true, Size: int64(size), Root: log.Row.Root, FirstBad: -1, Witnessed: int64(size)}
		if r != want {
			t.Errorf("%d entries: Verify = %+v, want %+v", size, r, want)
		}
	}
}

// tampering is one change to one table of a log of 12 entries, of which entry 2
// was redacted by entry 11.
type tampering struct {
	change   func(m *ledgertest.MemoryLog)
	firstBad int64
	problem  string // part of the report
}

// columns edits every column of every table.
func columns() map[string]tampering {
	row := func(i int, change func(r *ledger.Record)) func(*ledgertest.MemoryLog) {
		return func(m *ledgertest.MemoryLog) { change(&m.Rows[i]) }
	}
	return map[string]tampering{
		"index":                   {row(5, func(r *ledger.Record) { r.Index = 50 }), 5, "entry 5 is missing"},
		"leaf, one byte":          {row(5, func(r *ledger.Record) { r.Leaf[len(r.Leaf)-9] ^= 1 }), 5, "entry 5"},
		"leaf, well formed":       {row(5, func(r *ledger.Record) { r.Leaf = []byte(strings.Replace(string(r.Leaf), "u-1", "u-2", 1)) }), 5, "ids"},
		"leaf, empty":             {row(5, func(r *ledger.Record) { r.Leaf = []byte{} }), 5, "malformed"},
		"leaf, null":              {row(5, func(r *ledger.Record) { r.Leaf = nil }), 5, "entry 5"},
		"leaf and id":             {row(5, leafAndID), 5, "entries 5 to 5 do not match"},
		"kind":                    {row(5, func(r *ledger.Record) { r.Kind = ledger.Recalled }), 5, "kind"},
		"time":                    {row(5, func(r *ledger.Record) { r.Time = r.Time.Add(time.Millisecond) }), 5, "time"},
		"id changed":              {row(5, func(r *ledger.Record) { r.IDs["dataset"] = "ds-9" }), 5, "ids"},
		"id removed":              {row(5, func(r *ledger.Record) { delete(r.IDs, "dataset") }), 5, "ids"},
		"id added":                {row(5, func(r *ledger.Record) { r.IDs["link"] = "l-1" }), 5, "ids"},
		"manifest digest":         {row(3, func(r *ledger.Record) { r.ManifestSHA256 = strings.Repeat("1", 64) }), 3, "manifest"},
		"manifest digest added":   {row(5, func(r *ledger.Record) { r.ManifestSHA256 = strings.Repeat("1", 64) }), 5, "manifest"},
		"retention":               {row(5, func(r *ledger.Record) { r.RetentionUntil = day(0) }), 5, "retention"},
		"salt":                    {row(5, func(r *ledger.Record) { r.Salt[0] ^= 1 }), 5, "salt"},
		"salt removed":            {row(5, func(r *ledger.Record) { r.Salt = nil }), 5, "salt"},
		"salt grown into details": {row(5, saltIntoDetails), 5, "salt"},
		"details":                 {row(5, func(r *ledger.Record) { r.Details[len(r.Details)-3] ^= 1 }), 5, "details"},
		"details, other spelling": {row(5, func(r *ledger.Record) { r.Details = append(r.Details, ' ') }), 5, "details"},
		"details removed":         {row(5, func(r *ledger.Record) { r.Details, r.Salt = nil, nil }), 5, "no entry.redacted"},
		"details without salt":    {row(5, func(r *ledger.Record) { r.Details = nil }), 5, "salt"},
		"details emptied":         {row(5, func(r *ledger.Record) { r.Details = []byte{} }), 5, "details"},
		"reason of redaction":     {row(11, func(r *ledger.Record) { r.Details, r.Salt = nil, nil }), 11, "reason"},
		"redacted details put in": {row(2, func(r *ledger.Record) { r.Details, r.Salt = []byte("{}"), make([]byte, ledger.SaltSize) }), 2, "details"},
		"salt of redacted put in": {row(2, func(r *ledger.Record) { r.Salt = make([]byte, ledger.SaltSize) }), 2, "salt"},
		"hash of an entry":        {func(m *ledgertest.MemoryLog) { m.Stored[tlog.StoredHashIndex(0, 5)].Hash[31] ^= 1 }, 5, "stored hash"},
		"hash of a subtree":       {func(m *ledgertest.MemoryLog) { m.Stored[tlog.StoredHashIndex(1, 2)].Hash[0] ^= 1 }, 4, "entries 4 to 5"},
		"hash of a large subtree": {func(m *ledgertest.MemoryLog) { m.Stored[tlog.StoredHashIndex(3, 0)].Hash[0] ^= 1 }, 0, "entries 0 to 7"},
		"position of a hash":      {func(m *ledgertest.MemoryLog) { m.Stored[tlog.StoredHashIndex(0, 5)].Index = 99 }, 5, "missing or stored twice"},
		"hash removed":            {func(m *ledgertest.MemoryLog) { m.Stored = slices.Delete(m.Stored, 9, 10) }, 4, "missing or stored twice"},
		"last hash removed":       {func(m *ledgertest.MemoryLog) { m.Stored = m.Stored[:len(m.Stored)-1] }, 8, "missing or stored twice"},
		"hash added": {func(m *ledgertest.MemoryLog) {
			m.Stored = append(m.Stored, ledger.StoredHash{Index: int64(len(m.Stored))})
		}, -1, "beyond"},
		"all hashes removed":       {func(m *ledgertest.MemoryLog) { m.Stored = nil }, 0, "missing or stored twice"},
		"size in the head, larger": {func(m *ledgertest.MemoryLog) { m.Row.Size++ }, 12, "entry 12 is missing"},
		"size in the head, less":   {func(m *ledgertest.MemoryLog) { m.Row.Size-- }, 11, "beyond the head"},
		"root in the head":         {func(m *ledgertest.MemoryLog) { m.Row.Root[7] ^= 1 }, -1, "root hash"},
		"time in the head":         {func(m *ledgertest.MemoryLog) { m.Row.Time = m.Row.Time.Add(time.Second) }, -1, "time in the head"},
		"head removed":             {func(m *ledgertest.MemoryLog) { m.Row = ledger.Head{} }, 0, "beyond the head"},
	}
}

// leafAndID changes the actor in the leaf and beside it.
func leafAndID(r *ledger.Record) {
	changed, err := ledger.NewRecord(r.Index, []byte(strings.Replace(string(r.Leaf), "u-1", "u-2", 1)), r.Salt, r.Details)
	if err != nil {
		panic(err)
	}
	*r = changed
}

// saltIntoDetails moves the border between salt and details, which leaves their
// digest as it was.
func saltIntoDetails(r *ledger.Record) {
	r.Details = append(r.Salt[15:16:16], r.Details...)
	r.Salt = r.Salt[:15]
}

// rows deletes, inserts and moves whole entries.
func rows() map[string]tampering {
	remove := func(i int) func(*ledgertest.MemoryLog) {
		return func(m *ledgertest.MemoryLog) { m.Rows = slices.Delete(m.Rows, i, i+1) }
	}
	return map[string]tampering{
		"first deleted":  {remove(0), 0, "entry 0 is missing"},
		"middle deleted": {remove(6), 6, "entry 6 is missing"},
		"last deleted":   {remove(11), 2, "no entry.redacted"}, // it explained entry 2
		"inserted": {func(m *ledgertest.MemoryLog) {
			m.Rows = slices.Insert(m.Rows, 6, m.Rows[6])
			renumber(m)
		}, 7, "entries 7 to 7"},
		"swapped": {func(m *ledgertest.MemoryLog) {
			m.Rows[6], m.Rows[7] = m.Rows[7], m.Rows[6]
			renumber(m)
		}, 6, "entries 6 to 6"},
		"swapped with their index": {func(m *ledgertest.MemoryLog) { m.Rows[6], m.Rows[7] = m.Rows[7], m.Rows[6] }, 6, "entry 6 is missing"},
		"details swapped": {func(m *ledgertest.MemoryLog) {
			a, b := &m.Rows[6], &m.Rows[7]
			a.Details, a.Salt, b.Details, b.Salt = b.Details, b.Salt, a.Details, a.Salt
		}, 6, "details"},
		"duplicated": {func(m *ledgertest.MemoryLog) { m.Rows = slices.Insert(m.Rows, 6, m.Rows[6]) }, 6, "stored twice"},
		"renumbered": {func(m *ledgertest.MemoryLog) {
			m.Rows = slices.Delete(m.Rows, 6, 7)
			renumber(m)
		}, 6, "entries 6 to 6"},
		"orphan in a side table": {func(m *ledgertest.MemoryLog) {
			m.Rows = append(m.Rows, ledger.Record{Index: 77, Details: []byte("{}"), Salt: make([]byte, ledger.SaltSize)})
		}, 12, "does not exist"},
		"appended by hand": {func(m *ledgertest.MemoryLog) {
			r := m.Rows[11]
			r.Index = 12
			m.Rows = append(m.Rows, r)
		}, 12, "beyond the head"},
		"details removed, then another edit": {func(m *ledgertest.MemoryLog) {
			m.Rows[3].Details, m.Rows[3].Salt = nil, nil
			m.Rows[8].Kind = ledger.Recalled
		}, 3, "no entry.redacted"},
		"edit after a proper redaction": {func(m *ledgertest.MemoryLog) { m.Rows[8].Kind = ledger.Recalled }, 8, "kind"},
	}
}

func renumber(m *ledgertest.MemoryLog) {
	for i := range m.Rows {
		m.Rows[i].Index = int64(i)
	}
}

func TestTampering(t *testing.T) {
	t.Parallel()
	log := filled(t, 11)
	if err := log.Redact(ledger.Redaction{Index: 2, Actor: "u-1", Second: "u-2", Reason: "asked to"}, day(1)); err != nil {
		t.Fatal(err)
	}
	if r := mustVerify(t, log, ledger.VerifyOptions{}); !r.OK || r.Redacted != 1 || r.Witnessed != 0 {
		t.Fatalf("untouched: %+v", r)
	}
	for group, cases := range map[string]map[string]tampering{"column": columns(), "row": rows()} {
		for name, c := range cases {
			t.Run(group+"/"+name, func(t *testing.T) {
				t.Parallel()
				m := log.Clone()
				c.change(m)
				r := mustVerify(t, m, ledger.VerifyOptions{})
				if r.OK || r.FirstBad != c.firstBad || !strings.Contains(r.Problem, c.problem) {
					t.Errorf("Verify = %+v, want first bad entry %d and %q", r, c.firstBad, c.problem)
				}
			})
		}
	}
}

// Whoever can write the database and knows the format leaves a log that agrees
// with itself; what others hold gives it away.
func TestRewrittenHistory(t *testing.T) {
	t.Parallel()
	keys, log := newIssuer(t), filled(t, 12)
	old := log.Clone()
	oldCheckpoint, oldReceipt := keys.sign(t, log.Tree()), keys.receipt(t, log, 5)
	if err := log.Fill(3, day(2)); err != nil {
		t.Fatal(err)
	}
	newest := keys.sign(t, log.Tree())
	rewritten := log.Clone()
	leafAndID(&rewritten.Rows[5])
	if err := rewritten.Rebuild(); err != nil {
		t.Fatal(err)
	}
	cut := old.Clone()
	cut.Rows = cut.Rows[:9]
	if err := cut.Rebuild(); err != nil {
		t.Fatal(err)
	}
	forger := newIssuer(t)
	tests := map[string]struct {
		log                   *ledgertest.MemoryLog
		checkpoints, receipts [][]byte
		firstBad              int64
		problem               string
	}{
		"rewritten, re-signed, old receipt":     {rewritten, [][]byte{keys.sign(t, rewritten.Tree())}, [][]byte{oldReceipt}, 5, "receipt"},
		"rewritten, re-signed, old checkpoint":  {rewritten, [][]byte{keys.sign(t, rewritten.Tree()), oldCheckpoint}, nil, 0, "entries 0 to 11"},
		"rewritten, between two checkpoints":    {rewritten, [][]byte{keys.sign(t, filledAs(t, log, 4)), oldCheckpoint}, nil, 4, "entries 4 to 11"},
		"rewritten, newest checkpoint":          {rewritten, [][]byte{newest}, nil, 0, "rewritten"},
		"rolled back, newest checkpoint":        {old, [][]byte{newest}, nil, 12, "rolled back"},
		"truncated, old checkpoint":             {cut, [][]byte{oldCheckpoint}, nil, 9, "rolled back"},
		"truncated, old receipt":                {cut, nil, [][]byte{oldReceipt}, 9, "rolled back"},
		"forged checkpoint":                     {rewritten, [][]byte{forger.sign(t, rewritten.Tree())}, nil, -1, "checkpoint 1"},
		"edited checkpoint":                     {log, [][]byte{[]byte(strings.Replace(string(newest), "\n15\n", "\n12\n", 1))}, nil, -1, "checkpoint 1"},
		"forged receipt":                        {rewritten, nil, [][]byte{forger.receipt(t, rewritten, 5)}, -1, "receipt 1"},
		"checkpoint of an empty log, then real": {rewritten, [][]byte{keys.sign(t, ledgertest.NewMemoryLog().Tree()), newest}, nil, 0, "rewritten"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if r := mustVerify(t, c.log, ledger.VerifyOptions{}); !r.OK {
				t.Fatalf("alone the log should agree with itself: %+v", r)
			}
			r := mustVerify(t, c.log, ledger.VerifyOptions{
				Origin: keys.signer.Origin(), Verifiers: []ledger.Verifier{keys.verifier}, Checkpoints: c.checkpoints, Receipts: c.receipts,
			})
			if r.OK || r.FirstBad != c.firstBad || !strings.Contains(r.Problem, c.problem) {
				t.Errorf("Verify = %+v, want first bad entry %d and %q", r, c.firstBad, c.problem)
			}
		})
	}
	other := ledger.VerifyOptions{Origin: ledger.LogOrigin(issuer, 2), Verifiers: []ledger.Verifier{keys.verifier}, Checkpoints: [][]byte{newest}}
	if r := mustVerify(t, log, other); r.OK || !strings.Contains(r.Problem, "of the log") {
		t.Errorf("checkpoint of another log: %+v", r)
	}
}

// filledAs is the tree that log had at the given size.
func filledAs(t *testing.T, log *ledgertest.MemoryLog, size int64) tlog.Tree {
	t.Helper()
	root, err := tlog.TreeHash(size, log)
	if err != nil {
		t.Fatal(err)
	}
	return tlog.Tree{N: size, Hash: root}
}

func TestRedaction(t *testing.T) {
	t.Parallel()
	r := ledger.Redaction{Index: 2, Actor: "u-1", Second: "u-2", Reason: "asked to"}
	tests := map[string]struct {
		do       func(m *ledgertest.MemoryLog) error
		firstBad int64
		problem  string
	}{
		"too early": {func(m *ledgertest.MemoryLog) error { return m.Redact(r, day(0).Add(6*time.Second)) }, 7, "before its retention"},
		"twice": {func(m *ledgertest.MemoryLog) error {
			return errors.Join(m.Redact(r, day(1)), m.Redact(r, day(1)))
		}, 8, "a second time"},
		"only said": {func(m *ledgertest.MemoryLog) error {
			_, err := m.Append(r.Entry(), day(1))
			return err
		}, 7, "still there"},
		"of what comes later": {func(m *ledgertest.MemoryLog) error {
			later := r
			later.Index = 30
			_, err := m.Append(later.Entry(), day(1))
			return err
		}, 7, "still there"},
		"of a redaction": {func(m *ledgertest.MemoryLog) error {
			again := r
			again.Index = 7
			return errors.Join(m.Redact(r, day(1)), m.Redact(again, day(9000)))
		}, 7, "reason"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := filled(t, 7)
			if err := c.do(m); err != nil {
				t.Fatal(err)
			}
			report := mustVerify(t, m, ledger.VerifyOptions{})
			if report.OK || report.FirstBad != c.firstBad || !strings.Contains(report.Problem, c.problem) {
				t.Errorf("Verify = %+v, want first bad entry %d and %q", report, c.firstBad, c.problem)
			}
		})
	}
}

func TestTimeGoesBack(t *testing.T) {
	t.Parallel()
	m := filled(t, 4)
	if _, err := m.Append(ledger.Entry{Kind: ledger.Recalled}, day(0)); err != nil {
		t.Fatal(err)
	}
	if r := mustVerify(t, m, ledger.VerifyOptions{}); r.OK || r.FirstBad != 4 || !strings.Contains(r.Problem, "time") {
		t.Errorf("Verify = %+v", r)
	}
}

func TestManifestOfTheProvision(t *testing.T) {
	t.Parallel()
	log := filled(t, 10) // entries 3 and 8 are provisions
	sums := map[string]string{"p-000003": strings.Repeat("0", 64), "p-000008": strings.Repeat("0", 64)}
	o := ledger.VerifyOptions{Manifest: func(_ context.Context, e ledger.Record) (string, error) { return sums[e.IDs["provision"]], nil }}
	if r := mustVerify(t, log, o); !r.OK {
		t.Errorf("Verify = %+v", r)
	}
	sums["p-000008"] = strings.Repeat("1", 64)
	if r := mustVerify(t, log, o); r.OK || r.FirstBad != 8 || !strings.Contains(r.Problem, "p-000008") {
		t.Errorf("changed: %+v", r)
	}
	delete(sums, "p-000003")
	if r := mustVerify(t, log, o); r.OK || r.FirstBad != 3 {
		t.Errorf("provision deleted: %+v", r)
	}
}

// A log that cannot be read gets no verdict.
func TestVerifyUnreadable(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	log := filled(t, 5)
	o := ledger.VerifyOptions{Manifest: func(context.Context, ledger.Record) (string, error) { return "", broken }}
	if _, err := ledger.Verify(context.Background(), log, o); !errors.Is(err, broken) {
		t.Errorf("manifest: %v", err)
	}
	if _, err := ledger.Verify(context.Background(), brokenSource{log, broken}, ledger.VerifyOptions{}); !errors.Is(err, broken) {
		t.Errorf("records: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := ledger.Verify(ctx, log, ledger.VerifyOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// brokenSource fails after three records.
type brokenSource struct {
	*ledgertest.MemoryLog
	err error
}

func (s brokenSource) Records(ctx context.Context, from int64) iter.Seq2[ledger.Record, error] {
	return func(yield func(ledger.Record, error) bool) {
		for rec, err := range s.MemoryLog.Records(ctx, from) {
			if rec.Index == 3 {
				rec, err = ledger.Record{}, s.err
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// Any one byte of any leaf, salt, details or hash that changes is found.
func TestTamperingAnywhere(t *testing.T) {
	t.Parallel()
	log := filled(t, 40)
	rapid.Check(t, func(t *rapid.T) {
		m := log.Clone()
		row := &m.Rows[rapid.IntRange(0, len(m.Rows)-1).Draw(t, "row")]
		hash := &m.Stored[rapid.IntRange(0, len(m.Stored)-1).Draw(t, "hash")].Hash
		target := rapid.SampledFrom([][]byte{row.Leaf, row.Salt, row.Details, hash[:]}).Draw(t, "column")
		i := rapid.IntRange(0, len(target)-1).Draw(t, "byte")
		target[i] ^= byte(rapid.IntRange(1, 255).Draw(t, "change"))
		r, err := ledger.Verify(context.Background(), m, ledger.VerifyOptions{})
		if err != nil || r.OK {
			t.Fatalf("not found: %+v, %v", r, err)
		}
	})
}
