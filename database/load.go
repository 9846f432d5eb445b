package database

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"

	"teikyo/models"
)

// rowsPerInsert is how many rows of a backup one statement writes.
const rowsPerInsert = 40

// Load makes the database of opts, which must be empty, from the tables of a
// backup. schema is the version that the tables have; afterwards they are
// brought up to date. fill calls put for every table, parents first. A database
// that could not be filled is of no use: remove it.
func Load(ctx context.Context, opts Options, schema int64, fill func(put PutTable) error) error {
	db := &DB{opts: opts}
	scheme, rest, _ := strings.Cut(opts.URL, ":")
	var err error
	if scheme == "sqlite" {
		err = db.openSQLite(ctx, rest)
	} else {
		err = db.openPostgres(ctx)
	}
	if err != nil {
		return errors.Join(err, db.Close())
	}
	l := &loader{db: db, filled: map[string]bool{}}
	return errors.Join(l.load(ctx, schema, fill), db.Close())
}

// PutTable fills a table with rows as TableRows wrote them.
type PutTable func(table models.Table, rows iter.Seq2[[]byte, error]) error

type loader struct {
	db     *DB
	tables []models.Table
	filled map[string]bool
}

func (l *loader) load(ctx context.Context, schema int64, fill func(put PutTable) error) error {
	if err := l.makeTables(ctx, schema); err != nil {
		return err
	}
	if err := l.empty(ctx); err != nil {
		return translate(err, "the new database cannot be written")
	}
	err := fill(func(table models.Table, rows iter.Seq2[[]byte, error]) error { return l.put(ctx, table, rows) })
	if err != nil {
		return err
	}
	for _, table := range l.tables {
		if !l.filled[table.Name] {
			return models.Errorf(models.Integrity, "the backup lacks the table %s", table.Name)
		}
	}
	if err := l.finish(ctx); err != nil {
		return translate(err, "the new database cannot be written")
	}
	return l.db.bringUpToDate(ctx)
}

// makeTables makes the tables as they were when the backup was made.
func (l *loader) makeTables(ctx context.Context, schema int64) error {
	if old, err := l.db.catalogue(ctx); err != nil || len(old) > 0 {
		if err == nil {
			err = models.Errorf(models.Conflict, "the database is not empty; a restore goes into a new one alone")
		}
		return translate(err, "the new database cannot be read")
	}
	pool, err := l.db.pool()
	if err != nil {
		return err
	}
	provider, err := l.db.migrations(pool)
	if err != nil {
		return err
	}
	sources := provider.ListSources()
	if known := sources[len(sources)-1].Version; schema > known {
		return models.Errorf(models.Conflict, "the backup was made by a newer version of this program (schema %d, this one knows %d); restore with that version", schema, known)
	}
	if !slices.ContainsFunc(sources, func(s *goose.Source) bool { return s.Version == schema }) {
		return models.Errorf(models.Integrity, "the backup names the schema %d, which never was", schema)
	}
	if _, err := provider.UpTo(ctx, schema); err != nil {
		return translate(err, "the tables cannot be made")
	}
	l.tables, err = l.db.catalogue(ctx)
	return translate(err, "the new database cannot be read")
}

// empty removes the rows that migrations put into tables.
func (l *loader) empty(ctx context.Context) error {
	pool, err := l.db.pool()
	if err != nil {
		return err
	}
	for _, table := range slices.Backward(l.tables) {
		if _, err := pool.ExecContext(ctx, "DELETE FROM "+quoted(table.Name)); err != nil {
			return err
		}
	}
	return nil
}

// put fills one table in one transaction.
func (l *loader) put(ctx context.Context, table models.Table, rows iter.Seq2[[]byte, error]) error {
	known := slices.ContainsFunc(l.tables, func(t models.Table) bool {
		return t.Name == table.Name && sameColumns(t.Columns, table.Columns)
	})
	if !known || l.filled[table.Name] {
		return models.Errorf(models.Integrity, "the backup's table %s is not one of its schema", table.Name)
	}
	l.filled[table.Name] = true
	pool, err := l.db.pool()
	if err != nil {
		return err
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return translate(err, "the new database cannot be written")
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	in := &inserter{tx: tx, table: table, postgres: l.db.isPostgres()}
	for row, err := range rows {
		if err == nil {
			err = in.add(ctx, row)
		}
		if err != nil {
			return translate(err, "the table "+table.Name+" cannot be restored")
		}
	}
	if err := in.flush(ctx); err != nil {
		return translate(err, "the table "+table.Name+" cannot be restored")
	}
	return translate(tx.Commit(), "the table "+table.Name+" cannot be restored")
}

// sameColumns does not mind their order, in which the dialects may differ.
func sameColumns(a, b []models.Column) bool {
	if len(a) != len(b) {
		return false
	}
	for _, c := range a {
		if !slices.Contains(b, c) {
			return false
		}
	}
	return true
}

// inserter writes rows in batches.
type inserter struct {
	tx       *sql.Tx
	table    models.Table
	postgres bool
	full     *sql.Stmt // of rowsPerInsert rows
	values   []any
}

func (in *inserter) add(ctx context.Context, row []byte) error {
	values, err := decodeRow(in.table, row)
	if err != nil {
		return err
	}
	in.values = append(in.values, values...)
	if len(in.values) < rowsPerInsert*len(in.table.Columns) {
		return nil
	}
	if in.full == nil {
		if in.full, err = in.tx.PrepareContext(ctx, in.statement(rowsPerInsert)); err != nil {
			return err
		}
	}
	_, err = in.full.ExecContext(ctx, in.values...)
	in.values = in.values[:0]
	return err
}

// flush writes what is left.
func (in *inserter) flush(ctx context.Context) error {
	if in.full != nil {
		defer in.full.Close()
	}
	if len(in.values) == 0 {
		return nil
	}
	_, err := in.tx.ExecContext(ctx, in.statement(len(in.values)/len(in.table.Columns)), in.values...)
	return err
}

func (in *inserter) statement(rows int) string {
	row := "(" + strings.Repeat("?, ", len(in.table.Columns)-1) + "?)"
	query := " VALUES " + strings.Repeat(row+", ", rows-1) + row
	if in.postgres { // numbers that the database gave stay
		query = " OVERRIDING SYSTEM VALUE" + numbered(query)
	}
	return "INSERT INTO " + quoted(in.table.Name) + " (" + columnList(in.table) + ")" + query
}

// decodeRow reads a JSON array as the columns say.
func decodeRow(table models.Table, row []byte) ([]any, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(row, &raw); err != nil || len(raw) != len(table.Columns) {
		return nil, models.Errorf(models.Integrity, "a row of the backup's table %s is malformed", table.Name)
	}
	values := make([]any, len(raw))
	for i, text := range raw {
		var err error
		if values[i], err = decodeValue(table.Columns[i].Type, text); err != nil {
			return nil, models.Wrap(models.Integrity, err, fmt.Sprintf("a value of the backup's column %s.%s is malformed", table.Name, table.Columns[i].Name))
		}
	}
	return values, nil
}

func decodeValue(kind models.ColumnType, text json.RawMessage) (any, error) {
	if bytes.Equal(text, []byte("null")) {
		return nil, nil
	}
	switch kind {
	case models.ColumnInt:
		var n int64
		err := json.Unmarshal(text, &n)
		return n, err
	case models.ColumnBool:
		var b bool
		err := json.Unmarshal(text, &b)
		return b, err
	case models.ColumnBytes:
		var b []byte
		err := json.Unmarshal(text, &b)
		return b, err
	case models.ColumnText:
		return decodeText(text)
	}
	return nil, fmt.Errorf("unknown type %q", kind)
}

func decodeText(text json.RawMessage) (string, error) {
	if len(text) > 0 && text[0] == '{' {
		var odd struct {
			B string `json:"b"`
		}
		if err := json.Unmarshal(text, &odd); err != nil {
			return "", err
		}
		b, err := base64.StdEncoding.DecodeString(odd.B)
		return string(b), err
	}
	var s string
	err := json.Unmarshal(text, &s)
	return s, err
}

// finish checks what the tables refer to, and sets counters behind the rows.
func (l *loader) finish(ctx context.Context) error {
	if l.db.isPostgres() {
		return l.moveSequences(ctx)
	}
	pool, err := l.db.pool()
	if err != nil {
		return err
	}
	rows, err := pool.QueryContext(ctx, "PRAGMA foreign_key_check")
	if err != nil {
		return err
	}
	defer rows.Close()
	if rows.Next() {
		return models.Errorf(models.Integrity, "rows of the backup refer to others that are not in it")
	}
	return rows.Err()
}

func (l *loader) moveSequences(ctx context.Context) error {
	pool, err := l.db.pool()
	if err != nil {
		return err
	}
	rows, err := pool.QueryContext(ctx, `SELECT table_name, column_name FROM information_schema.columns
		WHERE table_schema = current_schema() AND is_identity = 'YES'`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var moves []string
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			return err
		}
		moves = append(moves, fmt.Sprintf("SELECT setval(pg_get_serial_sequence('%s', '%s'), greatest((SELECT max(%s) FROM %s), 1))",
			quoted(table), column, quoted(column), quoted(table)))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, move := range moves {
		if _, err := pool.ExecContext(ctx, move); err != nil {
			return err
		}
	}
	return nil
}
