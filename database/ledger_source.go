package database

import (
	"context"
	"database/sql"
	"iter"
	"math"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"gorm.io/gorm"

	"teikyo/ledger"
)

// DB is the source of a verification; inside Snapshot it does not move.
var _ ledger.Source = (*DB)(nil)

const (
	entryBatch = 1000 // entries read at a time
	hashBatch  = 4000 // stored hashes read at a time
)

type snapshotKey struct{}

// Snapshot runs fn with a context in which every read sees the same state,
// however long it takes; writers go on meanwhile.
func (db *DB) Snapshot(ctx context.Context, fn func(ctx context.Context) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	if db.isPostgres() {
		opts.Isolation = sql.LevelRepeatableRead
	}
	tx := db.read.WithContext(ctx).Begin(opts)
	if tx.Error != nil {
		return translate(tx.Error, "the database is not readable now; try again")
	}
	defer tx.Rollback()
	return fn(context.WithValue(ctx, snapshotKey{}, tx))
}

// Head implements ledger.Source. A head row that is missing or damaged gives a
// size or root that no log has.
func (db *DB) Head(ctx context.Context) (ledger.Head, error) {
	damaged := ledger.Head{Size: -1}
	rows, err := db.conn(ctx).Raw("SELECT size, root, at FROM ledger_head WHERE id = 1").Rows()
	if err != nil {
		return damaged, translate(err, "the ledger's head cannot be read")
	}
	defer rows.Close()
	if !rows.Next() {
		return damaged, translate(rows.Err(), "the ledger's head cannot be read")
	}
	var size, root, at any
	if err := rows.Scan(&size, &root, &at); err != nil {
		return damaged, translate(err, "the ledger's head cannot be read")
	}
	n, ok := size.(int64)
	if !ok {
		return damaged, nil
	}
	return ledger.Head{Size: n, Root: hashOf(root), Time: timeOf(at)}, nil
}

// Records implements ledger.Source: entries with their details and subjects,
// each column as it is stored.
func (db *DB) Records(ctx context.Context, from int64) iter.Seq2[ledger.Record, error] {
	return func(yield func(ledger.Record, error) bool) {
		if from == 0 {
			from = math.MinInt64 // a row below the first entry must not hide
		}
		head, err := db.Head(ctx)
		if err != nil {
			yield(ledger.Record{}, err)
			return
		}
		for {
			batch, next, err := db.recordBatch(ctx, from, tailStart(head.Size))
			if err != nil {
				yield(ledger.Record{}, translate(err, "the ledger cannot be read"))
				return
			}
			for _, rec := range batch {
				if !yield(rec, nil) {
					return
				}
			}
			if next == math.MaxInt64 {
				return
			}
			from = next
		}
	}
}

// recordBatch reads the entries from index from on and whatever the side tables
// hold in the same range, and says where the next batch begins; MaxInt64 means
// that there is none. The entries from tail on have no subjects of their own.
func (db *DB) recordBatch(ctx context.Context, from, tail int64) ([]ledger.Record, int64, error) {
	b := recordMap{}
	count, last, err := b.readEntries(db.conn(ctx), from)
	if err != nil {
		return nil, 0, err
	}
	next := last + 1
	if count < entryBatch {
		last, next = math.MaxInt64, math.MaxInt64
	}
	if err := b.readDetails(db.conn(ctx), from, last); err != nil {
		return nil, 0, err
	}
	if err := b.readSubjects(db.conn(ctx), from, last); err != nil {
		return nil, 0, err
	}
	b.addTail(tail)
	return b.sorted(), next, nil
}

// recordMap gathers the rows of several tables by entry.
type recordMap map[int64]*ledger.Record

func (m recordMap) at(index int64) *ledger.Record {
	rec, ok := m[index]
	if !ok {
		rec = &ledger.Record{Index: index, IDs: map[string]string{}}
		m[index] = rec
	}
	return rec
}

func (m recordMap) sorted() []ledger.Record {
	list := make([]ledger.Record, 0, len(m))
	for _, rec := range m {
		list = append(list, *rec)
	}
	slices.SortFunc(list, func(a, b ledger.Record) int {
		if a.Index < b.Index {
			return -1
		}
		return 1
	})
	return list
}

// addTail gives the entries of the incomplete block, from first on, the subjects
// of their leaf, as the view ledger_subject_index does. A subject that is stored
// there all the same must not go unseen.
func (m recordMap) addTail(first int64) {
	for index, rec := range m {
		if index < first {
			continue
		}
		if len(rec.IDs) > 0 {
			rec.Fault = "a subject is stored before its block is complete"
			continue
		}
		if leaf, err := ledger.ParseLeaf(rec.Leaf); err == nil {
			rec.IDs = leaf.IDs
		}
	}
}

func (m recordMap) readEntries(tx *gorm.DB, from int64) (count int, last int64, err error) {
	rows, err := tx.Raw("SELECT idx, leaf, hash, kind, at FROM ledger_entries WHERE idx >= ? ORDER BY idx LIMIT ?",
		from, entryBatch).Rows()
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var index int64
		var leaf, hash, kind, at any
		if err := rows.Scan(&index, &leaf, &hash, &kind, &at); err != nil {
			return 0, 0, err
		}
		rec := m.at(index)
		rec.Leaf, rec.Kind, rec.Time = bytesOf(leaf), ledger.Kind(bytesOf(kind)), timeOf(at)
		if hashOf(hash) != tlog.RecordHash(rec.Leaf) {
			rec.Fault = "it does not match its stored hash"
		}
		if l, err := ledger.ParseLeaf(rec.Leaf); err == nil { // these two have no column of their own
			rec.ManifestSHA256, rec.RetentionUntil = l.ManifestSHA256, l.RetentionUntil
		}
		count, last = count+1, index
	}
	return count, last, rows.Err()
}

func (m recordMap) readDetails(tx *gorm.DB, from, last int64) error {
	rows, err := tx.Raw("SELECT idx, salt, details FROM ledger_details WHERE idx >= ? AND idx <= ?", from, last).Rows()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var index int64
		var salt, details any
		if err := rows.Scan(&index, &salt, &details); err != nil {
			return err
		}
		rec := m.at(index)
		rec.Salt, rec.Details = bytesOf(salt), bytesOf(details)
	}
	return rows.Err()
}

func (m recordMap) readSubjects(tx *gorm.DB, from, last int64) error {
	query := "SELECT noun, id, idx FROM ledger_subjects WHERE idx >= ? AND idx <= ?"
	args := []any{from, last}
	if last == math.MaxInt64 { // in SQLite a text lies above every number
		query, args = "SELECT noun, id, idx FROM ledger_subjects WHERE idx >= ?", args[:1]
	}
	rows, err := tx.Raw(query, args...).Rows()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var noun, id, index any
		if err := rows.Scan(&noun, &id, &index); err != nil {
			return err
		}
		at, ok := index.(int64)
		if !ok {
			at = math.MaxInt64
		}
		key := string(bytesOf(noun))
		ids := m.at(at).IDs
		if _, twice := ids[key]; twice { // a second id for a noun must not hide behind the first
			key += " (again)"
		}
		ids[key] = string(bytesOf(id))
	}
	return rows.Err()
}

// Hashes implements ledger.Source. The hashes of the incomplete block, which are
// not stored, come in their places.
func (db *DB) Hashes(ctx context.Context) iter.Seq2[ledger.StoredHash, error] {
	return func(yield func(ledger.StoredHash, error) bool) {
		head, err := db.Head(ctx)
		if err != nil {
			yield(ledger.StoredHash{}, err)
			return
		}
		tail, err := db.tailHashes(ctx, head.Size)
		if err != nil {
			yield(ledger.StoredHash{}, translate(err, "the ledger's hashes cannot be read"))
			return
		}
		for h, err := range db.storedHashes(ctx) {
			for err == nil && len(tail) > 0 && tail[0].Index < h.Index {
				if !yield(tail[0], nil) {
					return
				}
				tail = tail[1:]
			}
			if !yield(h, err) {
				return
			}
		}
		for _, h := range tail {
			if !yield(h, nil) {
				return
			}
		}
	}
}

// storedHashes reads the whole table.
func (db *DB) storedHashes(ctx context.Context) iter.Seq2[ledger.StoredHash, error] {
	return func(yield func(ledger.StoredHash, error) bool) {
		from := int64(math.MinInt64)
		for {
			batch, err := db.hashBatch(ctx, from)
			if err != nil {
				yield(ledger.StoredHash{}, translate(err, "the ledger's hashes cannot be read"))
				return
			}
			for _, h := range batch {
				if !yield(h, nil) {
					return
				}
			}
			if len(batch) < hashBatch {
				return
			}
			from = batch[len(batch)-1].Index + 1
		}
	}
}

func (db *DB) hashBatch(ctx context.Context, from int64) ([]ledger.StoredHash, error) {
	rows, err := db.conn(ctx).Raw("SELECT idx, hash FROM ledger_hashes WHERE idx >= ? ORDER BY idx LIMIT ?", from, hashBatch).Rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	batch := make([]ledger.StoredHash, 0, hashBatch)
	for rows.Next() {
		var h ledger.StoredHash
		var value any
		if err := rows.Scan(&h.Index, &value); err != nil {
			return nil, err
		}
		h.Hash = hashOf(value)
		batch = append(batch, h)
	}
	return batch, rows.Err()
}

// HashReader reads single hashes, for proofs and tiles.
func (db *DB) HashReader(ctx context.Context) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes, err := readHashes(db.conn(ctx), indexes)
		if err != nil {
			return nil, damaged(err, "the ledger's hashes are damaged; run teikyo ledger verify")
		}
		return hashes, nil
	})
}

// bytesOf is the value of a column, never nil: a value of a type that does not
// belong there becomes one that nothing equals.
func bytesOf(v any) []byte {
	switch x := v.(type) {
	case []byte:
		return append([]byte{}, x...)
	case string:
		return []byte(x)
	default:
		return []byte{}
	}
}

func timeOf(v any) time.Time {
	micros, ok := v.(int64)
	if !ok {
		return time.Unix(0, math.MinInt64)
	}
	return fromMicros(micros)
}

func hashOf(v any) tlog.Hash {
	b := bytesOf(v)
	if len(b) != tlog.HashSize {
		return tlog.Hash{}
	}
	return tlog.Hash(b)
}
