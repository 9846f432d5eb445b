package database

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"gorm.io/gorm"

	"teikyo/ledger"
	"teikyo/models"
)

// ledgerTree is the state of the ledger after a commit.
type ledgerTree struct {
	tlog.Tree
	at    time.Time
	edge  map[int64]tlog.Hash // hashes on the right edge of the tree and of the incomplete block
	valid bool
}

// Append adds an entry to the transaction of ctx. It is written last, just
// before COMMIT, when the head row is locked; Index and Time of e are set then.
func (db *DB) Append(ctx context.Context, e *ledger.Entry) error {
	c := changeOf(ctx)
	if c == nil {
		panic("database: ledger entry outside Update")
	}
	c.entries = append(c.entries, e)
	return nil
}

// appendAll writes the entries of a change and moves the head.
func (db *DB) appendAll(c *change) (ledgerTree, error) {
	if len(c.entries) == 0 {
		return ledgerTree{}, nil
	}
	if err := db.askGate(c.entries); err != nil {
		return ledgerTree{}, err
	}
	rows := ledgerRows{ctx: c.tx.Statement.Context, raw: c.raw, sql: db.ledgerSQL}
	tree, err := db.lockHead(rows, c.tx)
	if err != nil {
		return ledgerTree{}, err
	}
	before := tree
	for _, e := range c.entries {
		if c.leaf, err = db.appendOne(rows, &tree, tree.reader(c.tx), e); err != nil {
			return ledgerTree{}, err
		}
		if tree.N%ledgerBlock == 0 {
			if err := rows.storeBlock(&tree, tree.N); err != nil {
				return ledgerTree{}, db.fault(err, "the ledger could not be written")
			}
			tree.prune()
		}
	}
	root, err := tlog.TreeHash(tree.N, tree.reader(c.tx))
	if err != nil {
		return ledgerTree{}, damaged(err, "the ledger's hashes are damaged; run teikyo ledger verify")
	}
	tree.Hash = root
	moved, err := rows.moveHead(before, tree)
	if err != nil {
		return ledgerTree{}, db.fault(err, "the ledger could not be written")
	}
	if !moved {
		db.head.forget()
		return ledgerTree{}, errHeadMoved
	}
	return tree, nil
}

func (db *DB) askGate(entries []*ledger.Entry) error {
	if db.opts.Gate == nil {
		return nil
	}
	for _, e := range entries {
		if err := db.opts.Gate(e.Kind); err != nil {
			return err
		}
	}
	return nil
}

// lockHead is the tree that the entries are added to. PostgreSQL locks the head
// row here. SQLite's transaction has locked everything and, unlike another node,
// nobody else moves the head: what the last commit left is taken for true, and
// moveHead finds out if it is not.
func (db *DB) lockHead(rows ledgerRows, tx *gorm.DB) (ledgerTree, error) {
	cached, ok := db.head.latest()
	if ok && !db.isPostgres() {
		return cached, nil
	}
	head, err := rows.lockHead()
	if errors.Is(err, sql.ErrNoRows) {
		return ledgerTree{}, models.Wrap(models.Integrity, err, "the ledger's head is gone; run teikyo ledger verify")
	}
	if err != nil {
		return ledgerTree{}, db.fault(err, "the ledger's head cannot be read")
	}
	switch {
	case ok && cached.Tree == head.Tree && cached.at.Equal(head.at):
		return cached, nil
	case ok && cached.N >= head.N: // other nodes only add
		db.head.forget()
		return ledgerTree{}, errHeadMoved
	}
	tree, err := rows.catchUp(cached, head, tx)
	if err != nil {
		db.head.forget()
		return ledgerTree{}, damaged(err, "the ledger is damaged; run teikyo ledger verify")
	}
	return tree, nil
}

// errHeadMoved: somebody changed the head without adding to the ledger.
var errHeadMoved = models.Errorf(models.Conflict, "another program wrote to the ledger; nothing was changed; stop it and try again")

// damaged says that what the ledger needs is not as it was written, unless the
// database merely does not answer.
func damaged(err error, msg string) error {
	if reached := translate(err, msg); models.IsKind(reached, models.Unavailable) {
		return reached
	}
	return models.Wrap(models.Integrity, err, msg)
}

// appendOne writes an entry and returns its leaf.
func (db *DB) appendOne(rows ledgerRows, tree *ledgerTree, r tlog.HashReader, e *ledger.Entry) ([]byte, error) {
	at := db.opts.Now().UTC().Truncate(time.Millisecond)
	if at.Before(tree.at) { // DESIGN decision 20: time in the ledger never goes back
		at = tree.at
	}
	kept := *e
	kept.Retain = db.keep.until(kept, at)
	leaf, salt, details, err := ledger.Build(kept, at, db.opts.Rand)
	if err != nil {
		return nil, models.Wrap(models.Internal, err, "a ledger entry could not be built; nothing was changed")
	}
	index := tree.N
	hashes, err := ledger.Hashes(index, leaf, r)
	if err != nil {
		return nil, damaged(err, "the ledger's hashes are damaged; run teikyo ledger verify")
	}
	row := ledgerRow{index: index, at: at, kind: e.Kind, leaf: leaf, salt: salt, details: details, hash: hashes[0]}
	if err := rows.insert(row); err != nil {
		return nil, db.fault(err, "the ledger could not be written")
	}
	tree.put(index, hashes)
	tree.at = at
	e.Index, e.Time = index, at
	return leaf, nil
}

// reader gives tlog the hashes it asks for: the right edge from memory, the
// others from the table.
func (t *ledgerTree) reader(tx *gorm.DB) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			if h, ok := t.edge[index]; ok {
				hashes[i] = h
				continue
			}
			found, err := readHashes(tx, indexes[i:i+1])
			if err != nil {
				return nil, err
			}
			hashes[i] = found[0]
		}
		return hashes, nil
	})
}

// prune keeps, of a tree whose last block is complete, only what appending the
// next entry can ask for: the roots of the complete subtrees.
func (t *ledgerTree) prune() {
	keep := map[int64]tlog.Hash{}
	var at int64
	for level := 62; level >= 0; level-- {
		if t.N&(1<<level) == 0 {
			continue
		}
		index := tlog.StoredHashIndex(level, at>>level)
		if h, ok := t.edge[index]; ok {
			keep[index] = h
		}
		at += 1 << level
	}
	t.edge = keep
}

// headCache remembers the tree after our own last commit, so that an append
// need not read hashes. On PostgreSQL another node may have moved the head:
// then catchUp adds what is new.
type headCache struct {
	mu   sync.Mutex
	last ledgerTree
}

func (h *headCache) keep(t ledgerTree) {
	if !t.valid {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = t
}

// forget makes the next append read the head and the hashes it needs.
func (h *headCache) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = ledgerTree{}
}

// latest is a copy of the tree that was kept, if there is one.
func (h *headCache) latest() (ledgerTree, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	copied := h.last
	copied.edge = make(map[int64]tlog.Hash, len(h.last.edge)+8)
	maps.Copy(copied.edge, h.last.edge)
	return copied, copied.valid
}

// readHashes reads stored hashes, and computes those of the incomplete block.
func readHashes(tx *gorm.DB, indexes []int64) ([]tlog.Hash, error) {
	found := make(map[int64]tlog.Hash, len(indexes))
	for start := 0; start < len(indexes); start += 500 {
		part := indexes[start:min(start+500, len(indexes))]
		var rows []struct {
			Idx  int64
			Hash []byte
		}
		if err := tx.Raw("SELECT idx, hash FROM ledger_hashes WHERE idx IN ?", part).Scan(&rows).Error; err != nil {
			return nil, err
		}
		for _, r := range rows {
			if len(r.Hash) != tlog.HashSize {
				return nil, errWrongHash
			}
			found[r.Idx] = tlog.Hash(r.Hash)
		}
	}
	if err := computeHashes(tx, indexes, found); err != nil {
		return nil, err
	}
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = found[index]
	}
	return hashes, nil
}
