package database

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"sync"
	"time"

	"teikyo/ledger"
	"teikyo/models"
)

// receiptWait is how long Receipt waits for the second place before it tells
// the caller to come again.
const receiptWait = 30 * time.Second

// Publisher brings checkpoints to the second place (ledger/checkpoints).
type Publisher interface {
	// Wait blocks until a checkpoint that covers the entry is durable there.
	Wait(ctx context.Context, index int64) ([]byte, error)
}

// secondPlace is the publisher once it is attached.
type secondPlace struct {
	mu        sync.RWMutex
	publisher Publisher
}

// AttachPublisher lets Published and Receipt wait for p.
func (db *DB) AttachPublisher(p Publisher) {
	db.second.mu.Lock()
	defer db.second.mu.Unlock()
	db.second.publisher = p
}

// OnCommit calls f after every commit that grew the ledger, with the new head.
// f must not block.
func (db *DB) OnCommit(f func(ledger.Head)) {
	db.notify.add(func(t ledgerTree) { f(ledger.Head{Size: t.N, Root: t.Hash, Time: t.at}) })
}

// Published waits until the second place holds a checkpoint that covers entry
// index, and returns it. Only then may a receipt or a byte be released
// (DESIGN decision 8). The entry stays committed whatever the answer is.
func (db *DB) Published(ctx context.Context, index int64) ([]byte, error) {
	if changeOf(ctx) != nil {
		panic("database: waiting for the second place inside Update")
	}
	db.second.mu.RLock()
	p := db.second.publisher
	db.second.mu.RUnlock()
	if p == nil {
		return nil, models.Errorf(models.Unavailable, "the ledger has no second place for its checkpoints; start the server")
	}
	ctx, cancel := context.WithTimeout(ctx, receiptWait)
	defer cancel()
	checkpoint, err := p.Wait(ctx, index)
	if err != nil {
		return nil, models.Wrap(models.Unavailable, err,
			"the second place for checkpoints does not answer; the record is kept; try again when it does (see /readyz)")
	}
	return checkpoint, nil
}

// Receipt is the proof of an entry (C2SP tlog-proof with the leaf inside). It
// waits as Published does.
func (db *DB) Receipt(ctx context.Context, index int64) ([]byte, error) {
	var leaf []byte
	err := scanRow(db.conn(ctx).Raw("SELECT leaf FROM ledger_entries WHERE idx = ?", index), &leaf)
	if err != nil {
		return nil, notFoundRow(err, "the ledger has no entry "+strconv.FormatInt(index, 10))
	}
	checkpoint, err := db.Published(ctx, index)
	if err != nil {
		return nil, err
	}
	receipt, err := ledger.WriteReceipt(index, leaf, db.HashReader(ctx), checkpoint)
	if err != nil {
		return nil, damaged(err, "the ledger cannot prove this entry; run teikyo ledger verify")
	}
	return receipt, nil
}

// EntryIndex is the newest entry of a kind about one thing, such as
// ("provision", "p-…", ledger.ProvisionIssued).
func (db *DB) EntryIndex(ctx context.Context, noun, id string, kind ledger.Kind) (int64, error) {
	var index int64
	err := scanRow(db.conn(ctx).Raw(`SELECT idx FROM ledger_entries WHERE kind = ?
		AND idx IN (SELECT idx FROM ledger_subject_index WHERE noun = ? AND id = ?) ORDER BY idx DESC LIMIT 1`, string(kind), noun, id), &index)
	if err != nil {
		return 0, notFoundRow(err, "the ledger has no such entry")
	}
	return index, nil
}

// Entries lists entries by index, the oldest first. The cursor is the index of
// the last entry seen.
func (db *DB) Entries(ctx context.Context, f models.EntryFilter, page models.Page) ([]ledger.Record, error) {
	after := int64(-1)
	if page.After != "" {
		var err error
		if after, err = strconv.ParseInt(page.After, 10, 64); err != nil || after < 0 {
			return nil, models.Errorf(models.Invalid, "the cursor is not one of this list; start without it")
		}
	}
	if f.Log != 0 {
		return db.archivedEntries(ctx, f, after, page.Size())
	}
	q := db.conn(ctx).Table("ledger_entries").Where("ledger_entries.idx > ?", after)
	switch {
	case f.Noun != "" && f.Kind == "": // the entries of the page are the first that the index gives
		q = q.Where("ledger_entries.idx IN (SELECT idx FROM ledger_subject_index WHERE noun = ? AND id = ? AND idx > ? ORDER BY idx LIMIT ?)",
			f.Noun, f.ID, after, page.Size())
	case f.Noun != "":
		// Not a join: SQLite would go through all entries for it.
		q = q.Where("ledger_entries.idx IN (SELECT idx FROM ledger_subject_index WHERE noun = ? AND id = ?)", f.Noun, f.ID)
	}
	if f.Kind != "" {
		q = q.Where("ledger_entries.kind = ?", f.Kind)
		if !ledger.Kind(f.Kind).Batches() { // the index has the other kinds
			q = q.Where("ledger_entries.kind NOT IN ('download.opened', 'download.closed')")
		}
	}
	var rows []storedEntry
	err := q.Joins("LEFT JOIN ledger_details d ON d.idx = ledger_entries.idx").
		Select("ledger_entries.idx, ledger_entries.leaf, d.salt, d.details").
		Order("ledger_entries.idx").Limit(page.Size()).Scan(&rows).Error
	if err != nil {
		return nil, translate(err, "the ledger cannot be read")
	}
	return recordsOf(rows)
}

// storedEntry is an entry with its details, of the present log or a closed one.
type storedEntry struct {
	Idx                 int64
	Leaf, Salt, Details []byte
}

func recordsOf(rows []storedEntry) ([]ledger.Record, error) {
	records := make([]ledger.Record, len(rows))
	for i, row := range rows {
		rec, err := ledger.NewRecord(row.Idx, row.Leaf, row.Salt, row.Details)
		if err != nil {
			return nil, models.Wrap(models.Integrity, err, "the ledger is damaged; run teikyo ledger verify")
		}
		records[i] = rec
	}
	return records, nil
}

// notFoundRow is translate for queries of one row; msg names what is absent.
func notFoundRow(err error, msg string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return models.Wrap(models.NotFound, err, msg)
	}
	return translate(err, "the database cannot be read")
}
