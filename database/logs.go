package database

import (
	"context"
	"iter"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/ledger"
	"teikyo/models"
)

// LogNumber is the N of the ledger's origin ORIGIN/ledger/N.
func (db *DB) LogNumber(ctx context.Context) (int, error) {
	var n int
	err := scanRow(db.conn(ctx).Raw("SELECT number FROM ledger_log WHERE id = 1"), &n)
	return n, translate(err, "the number of the log cannot be read")
}

// ClosedLogs are the logs before the present one, the oldest first.
func (db *DB) ClosedLogs(ctx context.Context) ([]models.ClosedLog, error) {
	var rows []struct {
		Number     int
		Size       int64
		Root       []byte
		At         int64
		Checkpoint []byte
		ClosedAt   int64
	}
	err := db.conn(ctx).Raw("SELECT number, size, root, at, checkpoint, closed_at FROM ledger_closed ORDER BY number").Scan(&rows).Error
	if err != nil {
		return nil, translate(err, "the closed logs cannot be read")
	}
	list := make([]models.ClosedLog, len(rows))
	for i, row := range rows {
		list[i] = models.ClosedLog{
			Number: row.Number, Size: row.Size, Root: hashOf(row.Root), Time: fromMicros(row.At),
			Checkpoint: row.Checkpoint, ClosedAt: fromMicros(row.ClosedAt),
		}
	}
	return list, nil
}

const (
	archiveColumns = `INSERT INTO ledger_archive (log, idx, kind, at, provision, leaf, salt, details)
		SELECT CAST(? AS BIGINT), e.idx, e.kind, e.at, `
	archiveRows = `, e.leaf, d.salt, d.details
		FROM ledger_entries e LEFT JOIN ledger_details d ON d.idx = e.idx`
	sqliteProvision   = `COALESCE(json_extract(CAST(e.leaf AS TEXT), '$.ids.provision'), '')`
	postgresProvision = `COALESCE(convert_from(e.leaf, 'UTF8')::jsonb -> 'ids' ->> 'provision', '')`
)

// CloseLog puts the present log aside and begins the one of that number, inside
// Update. The entries of the change are the first of the new log.
func (db *DB) CloseLog(ctx context.Context, closed models.ClosedLog, next int) error {
	archive := archiveColumns + sqliteProvision + archiveRows
	if db.isPostgres() {
		archive = archiveColumns + postgresProvision + archiveRows
	}
	empty, err := tlog.TreeHash(0, nil)
	if err != nil {
		return err
	}
	steps := []statement{
		{"INSERT INTO ledger_closed (number, size, root, at, checkpoint, closed_at) VALUES (?, ?, ?, ?, ?, ?)", []any{
			closed.Number, closed.Size, closed.Root[:], toMicros(closed.Time), append([]byte{}, closed.Checkpoint...), toMicros(closed.ClosedAt),
		}, nil},
		{archive, []any{closed.Number}, nil},
		{"DELETE FROM ledger_subjects", nil, nil},
		{"DELETE FROM ledger_hashes", nil, nil},
		{"DELETE FROM ledger_details", nil, nil},
		{"DELETE FROM ledger_entries", nil, nil},
		// Time in the ledger never goes back: at stays.
		{"UPDATE ledger_head SET size = 0, root = ? WHERE id = 1", []any{empty[:]}, nil},
		{"UPDATE ledger_log SET number = ? WHERE id = 1", []any{next}, nil},
	}
	if err := db.execAll(ctx, steps); err != nil {
		return db.fault(err, "the new log could not be begun")
	}
	db.head.forget()
	return nil
}

// statement is SQL that changes rows; count, unless nil, gets how many.
type statement struct {
	sql   string
	args  []any
	count *int64
}

// execAll runs constant statements in the transaction of ctx, past GORM.
func (db *DB) execAll(ctx context.Context, steps []statement) error {
	c := changeOf(ctx)
	if c == nil {
		panic("database: write outside Update")
	}
	for _, step := range steps {
		query := step.sql
		if db.isPostgres() {
			query = numbered(query)
		}
		result, err := c.raw.ExecContext(ctx, query, step.args...)
		if err != nil {
			return err
		}
		if step.count == nil {
			continue
		}
		if *step.count, err = result.RowsAffected(); err != nil {
			return err
		}
	}
	return nil
}

// ClosedLog is a closed log as a source of verification.
func (db *DB) ClosedLog(log models.ClosedLog) ledger.Source { return closedLog{db, log} }

type closedLog struct {
	db  *DB
	log models.ClosedLog
}

func (c closedLog) Head(context.Context) (ledger.Head, error) {
	return ledger.Head{Size: c.log.Size, Root: c.log.Root, Time: c.log.Time}, nil
}

// Hashes: none are kept of a closed log; they follow from its leaves.
func (c closedLog) Hashes(context.Context) iter.Seq2[ledger.StoredHash, error] { return nil }

func (c closedLog) Records(ctx context.Context, from int64) iter.Seq2[ledger.Record, error] {
	return func(yield func(ledger.Record, error) bool) {
		for {
			batch, err := c.batch(ctx, from)
			if err != nil {
				yield(ledger.Record{}, translate(err, "the closed log cannot be read"))
				return
			}
			for _, rec := range batch {
				if !yield(rec, nil) {
					return
				}
			}
			if len(batch) < entryBatch {
				return
			}
			from = batch[len(batch)-1].Index + 1
		}
	}
}

func (c closedLog) batch(ctx context.Context, from int64) ([]ledger.Record, error) {
	var rows []struct {
		Idx                 int64
		Kind                string
		At                  int64
		Provision           string
		Leaf, Salt, Details []byte
	}
	err := c.db.conn(ctx).Raw("SELECT idx, kind, at, provision, leaf, salt, details FROM ledger_archive WHERE log = ? AND idx >= ? ORDER BY idx LIMIT ?",
		c.log.Number, from, entryBatch).Scan(&rows).Error
	if err != nil {
		return nil, err
	}
	list := make([]ledger.Record, len(rows))
	for i, row := range rows {
		rec, err := ledger.NewRecord(row.Idx, row.Leaf, row.Salt, row.Details)
		if err != nil {
			rec = ledger.Record{Index: row.Idx, Leaf: row.Leaf, Salt: row.Salt, Details: row.Details}
		}
		rec.Kind, rec.Time = ledger.Kind(row.Kind), fromMicros(row.At)
		if row.Provision != rec.IDs["provision"] {
			rec.Fault = "the stored provision is not that of its leaf"
		}
		list[i] = rec
	}
	return list, nil
}

const (
	sqliteSpeaksOf = `EXISTS (SELECT 1 FROM json_each(CAST(leaf AS TEXT), '$.ids') WHERE key = ? AND value = ?)`
	// The cast tells PostgreSQL which of its operators -> means.
	postgresSpeaksOf = `convert_from(leaf, 'UTF8')::jsonb -> 'ids' ->> CAST(? AS TEXT) = ?`
)

// archivedEntries is Entries of a closed log.
func (db *DB) archivedEntries(ctx context.Context, f models.EntryFilter, after int64, limit int) ([]ledger.Record, error) {
	var known int
	if err := scanRow(db.conn(ctx).Raw("SELECT count(*) FROM ledger_closed WHERE number = ?", f.Log), &known); err != nil {
		return nil, translate(err, "the closed logs cannot be read")
	}
	if known == 0 {
		return nil, models.Errorf(models.NotFound, "no log %d was closed here", f.Log)
	}
	q := db.conn(ctx).Table("ledger_archive").Where("log = ? AND idx > ?", f.Log, after)
	switch {
	case f.Noun == "provision": // has a column of its own
		q = q.Where("provision = ?", f.ID)
	case f.Noun != "" && db.isPostgres():
		q = q.Where(postgresSpeaksOf, f.Noun, f.ID)
	case f.Noun != "":
		q = q.Where(sqliteSpeaksOf, f.Noun, f.ID)
	}
	q = equals(q, "kind", f.Kind)
	var rows []storedEntry
	if err := q.Select("idx, leaf, salt, details").Order("idx").Limit(limit).Scan(&rows).Error; err != nil {
		return nil, translate(err, "the closed log cannot be read")
	}
	return recordsOf(rows)
}

// ClosedManifestOf is ManifestOf for an entry of a closed log.
func (db *DB) ClosedManifestOf(log models.ClosedLog) func(ctx context.Context, e ledger.Record) (string, error) {
	return func(ctx context.Context, e ledger.Record) (string, error) {
		var later int64
		err := scanRow(db.conn(ctx).Raw(`SELECT count(*) FROM ledger_archive WHERE provision = ? AND kind = ? AND (log > ? OR log = ? AND idx > ?)`,
			e.IDs["provision"], string(ledger.ProvisionReissued), log.Number, log.Number, e.Index), &later)
		if err != nil {
			return "", translate(err, "the provisions cannot be read")
		}
		if later > 0 {
			return e.ManifestSHA256, nil
		}
		e.Index = -1 // every entry of the present log is later
		return db.ManifestOf(ctx, e)
	}
}
