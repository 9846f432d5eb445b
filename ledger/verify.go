package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Head is the stored head row: what the store believes its log to be.
type Head struct {
	Size int64
	Root tlog.Hash
	Time time.Time // of the newest entry; zero when there is none
}

// Tree is the head as tlog and the Publisher speak of it.
func (h Head) Tree() tlog.Tree { return tlog.Tree{N: h.Size, Hash: h.Root} }

// StoredHash is one row of the hash table.
type StoredHash struct {
	Index int64 // see tlog.StoredHashIndex
	Hash  tlog.Hash
}

// Source is one consistent snapshot of a log. A live database gives it inside a
// read transaction; an export file is one by itself. Verify reads Records and
// Hashes side by side.
type Source interface {
	// Head is the head row; a store without one answers the empty log.
	Head(ctx context.Context) (Head, error)
	// Records yields the entries from index from on, by index, with every column
	// as it is stored. A row of a side table whose entry is missing is yielded
	// as a Record without a leaf: it must not go unseen.
	Records(ctx context.Context, from int64) iter.Seq2[Record, error]
	// Hashes yields every stored hash by index; nil when the source, like an
	// export, stores none.
	Hashes(ctx context.Context) iter.Seq2[StoredHash, error]
}

// VerifyOptions is what Verify compares a log with beside itself. A log that
// agrees with nothing from outside can have been rewritten as a whole.
type VerifyOptions struct {
	// Origin is the log's name; empty takes that of the first checkpoint.
	Origin string
	// Verifiers are the issuer's checkpoint keys, old ones too.
	Verifiers []Verifier
	// Checkpoints come from the second place or from recipients.
	Checkpoints [][]byte
	// Receipts were handed out; each must still hold.
	Receipts [][]byte
	// Trees were seen before by the caller itself, so they need no signature.
	Trees []tlog.Tree
	// Manifest, when set, is the manifest digest that the tables of provisions
	// hold for an entry of kind provision.issued or provision.reissued; empty
	// when they hold none.
	Manifest func(ctx context.Context, e Record) (sha256 string, err error)
}

// Report is the verdict of Verify.
type Report struct {
	OK   bool      `json:"ok"`
	Size int64     `json:"size"` // entries according to the head row
	Root tlog.Hash `json:"root"`
	// FirstBad is the first entry that does not hold, -1 when there is none or
	// the problem is not one of an entry.
	FirstBad int64  `json:"first_bad"`
	Problem  string `json:"problem,omitempty"`
	Redacted int64  `json:"redacted"` // entries whose details were redacted by the rules
	// Witnessed entries are covered by a tree from outside (checkpoint, receipt
	// or one seen before); what comes after is only consistent with itself.
	Witnessed int64 `json:"witnessed"`
}

// Verify reads the whole log once, in memory that does not grow with it but for
// 24 bytes a redacted entry, and reports the first entry that does not hold.
// An error means that the log could not be read: it is no verdict.
func Verify(ctx context.Context, src Source, o VerifyOptions) (Report, error) {
	head, err := src.Head(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("head of the ledger: %w", err)
	}
	v := &verification{opts: o, head: head, report: Report{Size: head.Size, Root: head.Root, FirstBad: -1}}
	if err := v.gather(); err != nil {
		return v.verdict(err)
	}
	hashes := src.Hashes(ctx)
	if hashes != nil {
		next, stop := iter.Pull2(hashes)
		defer stop()
		v.nextHash = next
	}
	err = v.entries(ctx, src)
	if err == nil {
		err = v.end()
	}
	return v.verdict(err)
}

// finding is a problem of the log itself, as opposed to an error in reading it.
type finding struct {
	entry   int64 // -1: of no entry
	problem string
}

func (f *finding) Error() string { return f.problem }

func found(entry int64, format string, args ...any) error {
	return &finding{entry: entry, problem: fmt.Sprintf(format, args...)}
}

// verification is the state of one run.
type verification struct {
	opts     VerifyOptions
	head     Head
	report   Report
	trees    []outsideTree // by size, those not reached yet
	receipts []Receipt     // by index, those not reached yet
	nextHash func() (StoredHash, error, bool)
	position int64 // of the next stored hash

	size      int64 // entries read and found good
	last      time.Time
	frontier  []tlog.Hash // of the complete subtrees, the largest first
	redaction redactions
}

// outsideTree is a tree that the log must contain.
type outsideTree struct {
	tlog.Tree
	from string // where it comes from, for the report
}

func (v *verification) verdict(err error) (Report, error) {
	var f *finding
	switch {
	case err == nil:
		v.report.OK = true
	case errors.As(err, &f):
		v.report.FirstBad, v.report.Problem = f.entry, f.problem
	default:
		return Report{}, err
	}
	return v.report, nil
}

// gather opens everything the log is compared with.
func (v *verification) gather() error {
	origin := v.opts.Origin
	add := func(c Checkpoint, from string) error {
		if origin == "" {
			origin = c.Origin
		}
		if c.Origin != origin {
			return found(-1, "the %s is of the log %q, this is %q", from, c.Origin, origin)
		}
		v.trees = append(v.trees, outsideTree{c.Tree, from})
		return nil
	}
	for i, text := range v.opts.Checkpoints {
		c, err := OpenCheckpoint(text, v.opts.Verifiers...)
		if err != nil {
			return found(-1, "checkpoint %d: %v", i+1, err)
		}
		if err := add(c, fmt.Sprintf("checkpoint of %d entries", c.Tree.N)); err != nil {
			return err
		}
	}
	for i, text := range v.opts.Receipts {
		r, err := VerifyReceipt(text, nil, v.opts.Verifiers...)
		if err != nil {
			return found(-1, "receipt %d: %v", i+1, err)
		}
		if err := add(r.Checkpoint(), fmt.Sprintf("receipt for entry %d", r.Index())); err != nil {
			return err
		}
		v.receipts = append(v.receipts, r)
	}
	for _, t := range v.opts.Trees {
		v.trees = append(v.trees, outsideTree{t, fmt.Sprintf("tree of %d entries seen before", t.N)})
	}
	slices.SortFunc(v.trees, func(a, b outsideTree) int { return cmp.Compare(a.N, b.N) })
	slices.SortFunc(v.receipts, func(a, b Receipt) int { return cmp.Compare(a.Index(), b.Index()) })
	return v.reachTrees()
}

// entries reads every record. After the first problem it only looks for the
// redactions that explain what was missing before it, because an entry whose
// details are gone without one is the earlier problem.
func (v *verification) entries(ctx context.Context, src Source) error {
	var problem error
	for rec, err := range src.Records(ctx, 0) {
		if err != nil {
			return fmt.Errorf("entry %d of the ledger: %w", v.size, err)
		}
		if problem == nil {
			problem = v.entry(ctx, rec)
		}
		if problem == nil {
			continue
		}
		v.redaction.excuse(rec.Leaf)
		var f *finding
		if !errors.As(problem, &f) || !v.redaction.open() {
			return problem
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	missing := v.redaction.unexplained()
	var f *finding
	if missing == nil || errors.As(problem, &f) && f.entry < missing.entry {
		return problem
	}
	return missing
}

// entry checks the next record and adds it to the tree.
func (v *verification) entry(ctx context.Context, rec Record) error {
	i := v.size
	if err := v.place(rec, i); err != nil {
		return err
	}
	l, err := ParseLeaf(rec.Leaf)
	if err != nil {
		return found(i, "entry %d: %v", i, err)
	}
	if err := compareColumns(rec, l); err != nil {
		return err
	}
	if l.Time.Before(v.last) {
		return found(i, "entry %d: its time %s lies before that of the entry before it", i, formatTime(l.Time))
	}
	if err := v.details(rec, l); err != nil {
		return err
	}
	if err := v.manifest(ctx, rec); err != nil {
		return err
	}
	hash := tlog.RecordHash(rec.Leaf)
	if err := v.reachReceipts(hash); err != nil {
		return err
	}
	if err := v.grow(hash); err != nil {
		return err
	}
	v.size, v.last = i+1, l.Time
	return v.reachTrees()
}

// place checks that rec is the row that must come next.
func (v *verification) place(rec Record, i int64) error {
	switch {
	case rec.Leaf == nil:
		return found(min(rec.Index, i), "details or columns are stored for entry %d, which does not exist", rec.Index)
	case rec.Index > i:
		return found(i, "entry %d is missing; the next one stored is %d", i, rec.Index)
	case rec.Index < i:
		return found(rec.Index, "entry %d is stored twice or out of order", rec.Index)
	case i >= v.head.Size:
		return found(i, "entry %d lies beyond the head row, which says %d entries", i, v.head.Size)
	}
	return nil
}

// manifest compares the digest in the leaf with the one of the provision itself.
func (v *verification) manifest(ctx context.Context, rec Record) error {
	if v.opts.Manifest == nil || !rec.Kind.hasManifest() {
		return nil
	}
	sum, err := v.opts.Manifest(ctx, rec)
	if err != nil {
		return fmt.Errorf("provision of entry %d: %w", rec.Index, err)
	}
	if sum != rec.ManifestSHA256 {
		return found(rec.Index, "entry %d: the provision %s does not have the manifest that was recorded", rec.Index, rec.IDs["provision"])
	}
	return nil
}

// grow adds an entry's hash to the tree and compares every hash that this
// completes with the stored one.
func (v *verification) grow(h tlog.Hash) error {
	i := v.size
	if err := v.compareHash(h, i, i); err != nil {
		return err
	}
	for width := int64(1); i&width != 0; width <<= 1 {
		h = tlog.NodeHash(v.frontier[len(v.frontier)-1], h)
		v.frontier = v.frontier[:len(v.frontier)-1]
		// What an outside tree has confirmed cannot be the cause.
		first := max(i+1-2*width, v.report.Witnessed)
		if err := v.compareHash(h, first, i); err != nil {
			return err
		}
	}
	v.frontier = append(v.frontier, h)
	return nil
}

// compareHash reads the next stored hash, which must be h, of entries first to last.
func (v *verification) compareHash(h tlog.Hash, first, last int64) error {
	if v.nextHash == nil {
		return nil
	}
	stored, err, ok := v.nextHash()
	switch {
	case err != nil:
		return fmt.Errorf("hash %d of the ledger: %w", v.position, err)
	case !ok || stored.Index != v.position:
		return found(first, "the stored hash %d, of entries %d to %d, is missing or stored twice", v.position, first, last)
	case stored.Hash != h:
		return found(first, "entries %d to %d do not match their stored hash", first, last)
	}
	v.position++
	return nil
}

// root is the root hash of what was read so far.
func (v *verification) root() tlog.Hash {
	if len(v.frontier) == 0 {
		empty, _ := tlog.TreeHash(0, nil)
		return empty
	}
	h := v.frontier[len(v.frontier)-1]
	for i := len(v.frontier) - 2; i >= 0; i-- {
		h = tlog.NodeHash(v.frontier[i], h)
	}
	return h
}

// reachTrees compares the outside trees of the present size.
func (v *verification) reachTrees() error {
	for len(v.trees) > 0 && v.trees[0].N == v.size {
		t := v.trees[0]
		if t.Hash != v.root() {
			return found(v.report.Witnessed, "entries %d to %d are not those of the %s: history was rewritten", v.report.Witnessed, t.N-1, t.from)
		}
		v.report.Witnessed, v.trees = t.N, v.trees[1:]
	}
	return nil
}

// reachReceipts compares the receipts for the present entry with its hash.
func (v *verification) reachReceipts(h tlog.Hash) error {
	for len(v.receipts) > 0 && v.receipts[0].Index() == v.size {
		if tlog.RecordHash(v.receipts[0].leafBytes) != h {
			return found(v.size, "entry %d is not the one that its receipt was given for: history was rewritten", v.size)
		}
		v.receipts = v.receipts[1:]
	}
	return nil
}

// end compares what was read with the head row and with what should be there.
func (v *verification) end() error {
	if v.size < v.head.Size {
		return found(v.size, "entry %d is missing; the head row says %d entries", v.size, v.head.Size)
	}
	if v.root() != v.head.Root {
		return found(-1, "the root hash in the head row is not that of the %d entries", v.size)
	}
	if !v.head.Time.Equal(v.last) {
		return found(-1, "the time in the head row is not that of the newest entry")
	}
	if v.nextHash != nil {
		h, err, ok := v.nextHash()
		if err != nil {
			return fmt.Errorf("hash %d of the ledger: %w", v.position, err)
		}
		if ok {
			return found(-1, "a hash is stored at %d, beyond the %d entries", h.Index, v.size)
		}
	}
	if len(v.trees) > 0 {
		t := v.trees[len(v.trees)-1]
		return found(v.size, "the log ends before entry %d, but the %s covers %d entries: it was cut or rolled back", v.size, t.from, t.N)
	}
	return nil
}
