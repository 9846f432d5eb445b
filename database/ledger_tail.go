package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
	"gorm.io/gorm"

	"teikyo/ledger"
)

// ledgerBlock is how many entries get their rows in ledger_hashes and
// ledger_subjects together, when the last of them is appended. Written with each
// entry those rows were more than half of what an append costs. The rows of the
// newest, incomplete block are not stored: they follow from its leaves, and the
// view ledger_subject_index shows its subjects beside the others. The migration
// 00016 names the number too; it is a power of two.
const (
	ledgerBlock      = 1 << ledgerBlockLevel
	ledgerBlockLevel = 5
)

// tailStart is the first entry of the incomplete block of a log.
func tailStart(size int64) int64 { return max(size, 0) / ledgerBlock * ledgerBlock }

// isTail says whether a stored hash may be one of an incomplete block.
func isTail(level int) bool { return level < ledgerBlockLevel }

// leafRow is an entry's leaf with its hash.
type leafRow struct {
	index int64
	hash  tlog.Hash
	leaf  []byte
}

// leavesBetween reads the leaves of the entries from first on, before end. A
// leaf that is missing is an error.
func leavesBetween(rows *sql.Rows, err error, first, end int64) ([]leafRow, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := make([]leafRow, 0, end-first)
	for rows.Next() {
		var row leafRow
		var hash []byte
		if err := rows.Scan(&row.index, &hash, &row.leaf); err != nil {
			return nil, err
		}
		if len(hash) != tlog.HashSize {
			return nil, errWrongHash
		}
		row.hash = tlog.Hash(hash)
		if want := first + int64(len(list)); row.index != want {
			return nil, fmt.Errorf("entry %d is missing", want)
		}
		list = append(list, row)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if int64(len(list)) != end-first {
		return nil, fmt.Errorf("entry %d is missing", first+int64(len(list)))
	}
	return list, nil
}

// extend adds the hashes of leaves that are in the table already to a tree.
func (t *ledgerTree) extend(leaves []leafRow, r tlog.HashReader) error {
	for _, row := range leaves {
		hashes, err := tlog.StoredHashesForRecordHash(row.index, row.hash, r)
		if err != nil {
			return err
		}
		t.put(row.index, hashes)
	}
	return nil
}

// put keeps the hashes that entry index has made, and the entry.
func (t *ledgerTree) put(index int64, hashes []tlog.Hash) {
	first := tlog.StoredHashIndex(0, index)
	for i, h := range hashes {
		t.edge[first+int64(i)] = h
	}
	t.N = index + 1
}

// catchUp makes the tree of a head row out of one that is older, or of none.
func (r ledgerRows) catchUp(from, head ledgerTree, tx *gorm.DB) (ledgerTree, error) {
	tree := ledgerTree{edge: map[int64]tlog.Hash{}, valid: true}
	tree.N = tailStart(head.N)
	if from.valid && from.N >= tree.N && from.N <= head.N { // only some entries of the same block are new
		tree.N, tree.edge = from.N, from.edge
	}
	first := tree.N
	rows, err := r.raw.StmtContext(r.ctx, r.sql.leaves).QueryContext(r.ctx, first, head.N)
	leaves, err := leavesBetween(rows, err, first, head.N)
	if err != nil {
		return ledgerTree{}, err
	}
	if err := tree.extend(leaves, tree.reader(tx)); err != nil {
		return ledgerTree{}, err
	}
	root, err := tlog.TreeHash(head.N, tree.reader(tx))
	if err != nil {
		return ledgerTree{}, err
	}
	if root != head.Hash {
		return ledgerTree{}, errors.New("the head does not have the root of its entries")
	}
	tree.Tree, tree.at = head.Tree, head.at
	return tree, nil
}

// storeBlock writes the hashes and subjects of the block that ends before end.
func (r ledgerRows) storeBlock(tree *ledgerTree, end int64) error {
	first := end - ledgerBlock
	rows, err := r.raw.StmtContext(r.ctx, r.sql.leaves).QueryContext(r.ctx, first, end)
	leaves, err := leavesBetween(rows, err, first, end)
	if err != nil {
		return err
	}
	var subjects []subject
	for _, row := range leaves {
		leaf, err := ledger.ParseLeaf(row.leaf)
		if err != nil {
			return err
		}
		for noun, id := range leaf.IDs {
			subjects = append(subjects, subject{noun, id, row.index})
		}
	}
	if err := r.insertSubjects(subjects); err != nil {
		return err
	}
	return r.insertHashes(tree, tlog.StoredHashIndex(0, first), tlog.StoredHashIndex(0, end))
}

// subject is a row of ledger_subjects.
type subject struct {
	noun, id string
	index    int64
}

func (r ledgerRows) insertSubjects(list []subject) error {
	slices.SortFunc(list, func(a, b subject) int { // by primary key: neighbours share pages
		switch {
		case a.noun < b.noun, a.noun == b.noun && a.id < b.id, a.noun == b.noun && a.id == b.id && a.index < b.index:
			return -1
		default:
			return 1
		}
	})
	args := make([]any, 0, 3*len(list))
	for _, s := range list {
		args = append(args, s.noun, s.id, s.index)
	}
	return r.insertMany(&r.sql.subjects, 3, args)
}

// insertHashes writes the stored hashes from first on, before end.
func (r ledgerRows) insertHashes(tree *ledgerTree, first, end int64) error {
	args := make([]any, 0, 2*(end-first))
	for i := first; i < end; i++ {
		h, ok := tree.edge[i]
		if !ok {
			return fmt.Errorf("the hash %d was not computed", i)
		}
		args = append(args, i, h[:])
	}
	return r.insertMany(&r.sql.hashes, 2, args)
}

// computeHashes adds to found the hashes that are not stored because their block
// is incomplete.
func computeHashes(tx *gorm.DB, indexes []int64, found map[int64]tlog.Hash) error {
	first, end := int64(-1), int64(-1)
	for _, index := range indexes {
		if _, ok := found[index]; ok {
			continue
		}
		level, n := tlog.SplitStoredHashIndex(index)
		if !isTail(level) {
			return errMissingHash
		}
		if at := n << level; first < 0 || at < first {
			first = at
		}
		end = max(end, (n+1)<<level)
	}
	if first < 0 {
		return nil
	}
	if end-first > ledgerBlock {
		return errMissingHash
	}
	rows, err := tx.Raw("SELECT idx, hash, leaf FROM ledger_entries WHERE idx >= ? AND idx < ? ORDER BY idx", first, end).Rows()
	leaves, err := leavesBetween(rows, err, first, end)
	if err != nil {
		return err
	}
	for _, index := range indexes {
		if _, ok := found[index]; !ok {
			level, n := tlog.SplitStoredHashIndex(index)
			found[index] = rootOf(leaves[n<<level-first : (n+1)<<level-first])
		}
	}
	return nil
}

var (
	errMissingHash = errors.New("a stored hash is missing")
	errWrongHash   = errors.New("a stored hash has a wrong length")
)

// rootOf is the tree hash of leaves, a power of two of them.
func rootOf(leaves []leafRow) tlog.Hash {
	if len(leaves) == 1 {
		return leaves[0].hash
	}
	half := len(leaves) / 2
	return tlog.NodeHash(rootOf(leaves[:half]), rootOf(leaves[half:]))
}

// tailHashes are the hashes of the incomplete block, as Hashes yields them. Where
// an entry is missing they end.
func (db *DB) tailHashes(ctx context.Context, size int64) ([]ledger.StoredHash, error) {
	tx := db.conn(ctx)
	tree := ledgerTree{edge: map[int64]tlog.Hash{}}
	first := tailStart(size)
	rows, err := tx.Raw("SELECT idx, hash FROM ledger_entries WHERE idx >= ? AND idx < ? ORDER BY idx", first, max(size, 0)).Rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []ledger.StoredHash
	for at := first; rows.Next(); at++ {
		var index int64
		var hash any
		if err := rows.Scan(&index, &hash); err != nil {
			return nil, err
		}
		if index != at {
			break
		}
		if tree.extend([]leafRow{{index: index, hash: hashOf(hash)}}, tree.reader(tx)) != nil {
			break // a hash before the block is missing, which whoever reads them in order has seen
		}
		for i := tlog.StoredHashIndex(0, at); i < tlog.StoredHashIndex(0, at+1); i++ {
			list = append(list, ledger.StoredHash{Index: i, Hash: tree.edge[i]})
		}
	}
	return list, rows.Err()
}
