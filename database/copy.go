package database

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"iter"
	"math/big"
	"net/url"

	"teikyo/models"
)

// copySchema is where a copy is made: nobody sees it before it is whole, and one
// that was interrupted is made again from the start.
const copySchema = "teikyo_copy"

// Copied says what was copied.
type Copied struct {
	Tables int   `json:"tables"`
	Rows   int64 `json:"rows"`
}

// CopyToPostgres copies the whole of from into the empty PostgreSQL database of
// opts: into a schema of its own first, where every row is compared with the
// source and check looks at the copy, and then in one transaction to where the
// server finds it. from stays as it is; nobody may write to it meanwhile. Errors:
// Conflict when the database is not empty or from has another schema version
// than this program, Integrity when the copy is not equal.
func CopyToPostgres(ctx context.Context, from *DB, opts Options, check func(ctx context.Context, copied *DB) error) (Copied, error) {
	staged, err := stagedOptions(opts)
	if err != nil {
		return Copied{}, err
	}
	target := &DB{opts: opts, settleFor: defaultSettle}
	defer target.Close()
	if err := target.openPostgres(ctx); err != nil {
		return Copied{}, err
	}
	var done Copied
	err = target.Exclusive(ctx, "copy", func(ctx context.Context) error {
		if err := target.clearForCopy(ctx, from); err != nil {
			return err
		}
		return from.Snapshot(ctx, func(ctx context.Context) error {
			var err error
			if done, err = copyInto(ctx, from, staged, check); err != nil {
				return err
			}
			return translate(target.showCopy(ctx), "the copy could not be put in place; run the command again")
		})
	})
	return done, err
}

func stagedOptions(opts Options) (Options, error) {
	u, err := url.Parse(opts.URL)
	if err != nil {
		return opts, models.Errorf(models.Invalid, "the address of the PostgreSQL database must be a URL, postgres://…")
	}
	q := u.Query()
	q.Set("search_path", copySchema)
	u.RawQuery = q.Encode()
	opts.URL = u.String()
	return opts, nil
}

// clearForCopy wants an empty database, but for what an interrupted copy left.
func (db *DB) clearForCopy(ctx context.Context, from *DB) error {
	version, err := from.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	pool, err := db.pool()
	if err != nil {
		return err
	}
	provider, err := db.migrations(pool)
	if err != nil {
		return err
	}
	sources := provider.ListSources()
	if known := sources[len(sources)-1].Version; version != known {
		return models.Errorf(models.Conflict, "the database has the schema %d, this program's is %d; start this version of the server "+
			"once on the old database, stop it, and come again", version, known)
	}
	tables, err := db.catalogue(ctx)
	if err == nil && len(tables) > 0 {
		err = models.Errorf(models.Conflict, "the PostgreSQL database is not empty: it has the table %s; name a new one", tables[0].Name)
	}
	if err == nil {
		_, err = pool.ExecContext(ctx, "DROP SCHEMA IF EXISTS "+copySchema+" CASCADE; CREATE SCHEMA "+copySchema)
	}
	return translate(err, "the PostgreSQL database cannot be prepared: its account must own it")
}

func copyInto(ctx context.Context, from *DB, staged Options, check func(ctx context.Context, copied *DB) error) (Copied, error) {
	version, err := from.SchemaVersion(ctx)
	if err != nil {
		return Copied{}, err
	}
	tables, err := from.Tables(ctx)
	if err != nil {
		return Copied{}, err
	}
	sums := make([]*rowSum, len(tables))
	bare := context.WithValue(ctx, snapshotKey{}, nil) // the snapshot is of the source alone
	err = Load(bare, staged, version, func(put PutTable) error {
		for i, table := range tables {
			sums[i] = &rowSum{}
			if err := put(table, sums[i].counting(from.TableRows(ctx, table))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Copied{}, err
	}
	copied, err := OpenPostgresReadOnly(bare, staged)
	if err != nil {
		return Copied{}, err
	}
	defer copied.Close()
	done := Copied{Tables: len(tables)}
	for i, table := range tables {
		there := &rowSum{}
		for _, err := range there.counting(copied.TableRows(bare, table)) {
			if err != nil {
				return Copied{}, err
			}
		}
		if !there.equals(sums[i]) {
			return Copied{}, models.Errorf(models.Integrity, "the table %s was not copied as it is (%d rows, %d in the copy); nothing was changed",
				table.Name, sums[i].rows, there.rows)
		}
		done.Rows += there.rows
	}
	return done, check(bare, copied)
}

// rowSum is equal for the same rows in whatever order.
type rowSum struct {
	rows int64
	sum  big.Int // of the rows' SHA-256
}

func (s *rowSum) counting(rows iter.Seq2[[]byte, error]) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for row, err := range rows {
			if err == nil {
				digest := sha256.Sum256(row)
				s.rows++
				s.sum.Add(&s.sum, new(big.Int).SetBytes(digest[:]))
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

func (s *rowSum) equals(other *rowSum) bool {
	return s.rows == other.rows && s.sum.Cmp(&other.sum) == 0
}

// showCopy moves the copy to the schema of the database, all of it or nothing.
func (db *DB) showCopy(ctx context.Context) error {
	pool, err := db.pool()
	if err != nil {
		return err
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	moves, err := copyMoves(ctx, tx)
	if err != nil {
		return err
	}
	for _, move := range append(moves, "DROP SCHEMA "+copySchema) {
		if _, err := tx.ExecContext(ctx, move); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// copyMoves are the statements that move tables, views and functions; what belongs
// to a table goes with it.
func copyMoves(ctx context.Context, tx *sql.Tx) ([]string, error) {
	rows, err := tx.QueryContext(ctx, `SELECT format('ALTER %s %I.%I SET SCHEMA %I', CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END,
		$1::text, relname, current_schema()) FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relkind IN ('r', 'v')
		UNION ALL SELECT format('ALTER FUNCTION %s SET SCHEMA %I', oid::regprocedure, current_schema())
		FROM pg_proc WHERE pronamespace = $1::text::regnamespace`, copySchema)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var moves []string
	for rows.Next() {
		var move string
		if err := rows.Scan(&move); err != nil {
			return nil, err
		}
		moves = append(moves, move)
	}
	return moves, rows.Err()
}
