package database

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"teikyo/models"
)

// Tables lists the tables of the database, each after those it refers to. The
// record of migrations is not among them: SchemaVersion says what it holds.
func (db *DB) Tables(ctx context.Context) ([]models.Table, error) {
	list, err := db.catalogue(ctx)
	if err != nil {
		return nil, translate(err, "the tables cannot be listed")
	}
	return list, nil
}

// SchemaVersion is the number of the newest migration that the database went
// through.
func (db *DB) SchemaVersion(ctx context.Context) (int64, error) {
	var version int64
	err := scanRow(db.conn(ctx).Raw("SELECT max(version_id) FROM goose_db_version WHERE is_applied"), &version)
	return version, translate(err, "the version of the database schema cannot be read")
}

// catalogue asks the database itself, so that no table can be forgotten.
func (db *DB) catalogue(ctx context.Context) ([]models.Table, error) {
	columns := sqliteColumns
	if db.isPostgres() {
		columns = postgresColumns
	}
	tables := map[string]*models.Table{}
	rows, err := db.conn(ctx).Raw(columns).Rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var table, column, kind string
		if err := rows.Scan(&table, &column, &kind); err != nil {
			return nil, err
		}
		t, ok := tables[table]
		if !ok {
			t = &models.Table{Name: table}
			tables[table] = t
		}
		written, err := columnType(kind)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", table, column, err)
		}
		t.Columns = append(t.Columns, models.Column{Name: column, Type: written})
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	parents, err := db.references(ctx)
	if err != nil {
		return nil, err
	}
	return parentsFirst(tables, parents), nil
}

const (
	sqliteColumns = `SELECT t.name, c.name, c.type FROM sqlite_master t JOIN pragma_table_info(t.name) c
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name <> 'goose_db_version' ORDER BY t.name, c.cid`
	sqliteReferences = `SELECT t.name, f."table" FROM sqlite_master t JOIN pragma_foreign_key_list(t.name) f WHERE t.type = 'table'`
	postgresColumns  = `SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c
		JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
		WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' AND c.table_name <> 'goose_db_version'
		ORDER BY c.table_name, c.ordinal_position`
	postgresReferences = `SELECT c.relname, p.relname FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid
		JOIN pg_class p ON p.oid = f.confrelid WHERE f.contype = 'f' AND f.connamespace = current_schema()::regnamespace`
)

// columnType sorts the types of both dialects.
func columnType(declared string) (models.ColumnType, error) {
	switch strings.ToLower(declared) {
	case "integer", "bigint", "smallint":
		return models.ColumnInt, nil
	case "text":
		return models.ColumnText, nil
	case "blob", "bytea":
		return models.ColumnBytes, nil
	case "boolean":
		return models.ColumnBool, nil
	}
	return "", fmt.Errorf("a column of the type %q cannot be backed up", declared)
}

// references maps a table to those it refers to.
func (db *DB) references(ctx context.Context) (map[string][]string, error) {
	query := sqliteReferences
	if db.isPostgres() {
		query = postgresReferences
	}
	rows, err := db.conn(ctx).Raw(query).Rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	parents := map[string][]string{}
	for rows.Next() {
		var child, parent string
		if err := rows.Scan(&child, &parent); err != nil {
			return nil, err
		}
		parents[child] = append(parents[child], parent)
	}
	return parents, rows.Err()
}

// parentsFirst orders tables by name, but each after those it refers to.
func parentsFirst(tables map[string]*models.Table, parents map[string][]string) []models.Table {
	names := make([]string, 0, len(tables))
	for name := range tables {
		names = append(names, name)
	}
	slices.Sort(names)
	var list []models.Table
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if seen[name] || tables[name] == nil {
			return
		}
		seen[name] = true
		slices.Sort(parents[name])
		for _, parent := range parents[name] {
			visit(parent)
		}
		list = append(list, *tables[name])
	}
	for _, name := range names {
		visit(name)
	}
	return list
}

// TableRows yields the rows of a table, each as a JSON array of its columns. A
// row is valid until the next one. Call it inside Snapshot.
func (db *DB) TableRows(ctx context.Context, table models.Table) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		err := db.eachRow(ctx, table, func(row []byte) bool { return yield(row, nil) })
		if err != nil {
			yield(nil, translate(err, "the table "+table.Name+" cannot be read"))
		}
	}
}

func (db *DB) eachRow(ctx context.Context, table models.Table, yield func([]byte) bool) error {
	rows, err := db.conn(ctx).Raw(selectAll(table)).Rows()
	if err != nil {
		return err
	}
	defer rows.Close()
	values, targets := make([]any, len(table.Columns)), make([]any, len(table.Columns))
	for i := range values {
		targets[i] = &values[i]
	}
	var line []byte
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		if line, err = appendRow(line[:0], table, values); err != nil {
			return err
		}
		if !yield(line) {
			return nil
		}
	}
	return rows.Err()
}

// selectAll reads a table; its names come from the database's own catalogue.
func selectAll(table models.Table) string {
	return "SELECT " + columnList(table) + " FROM " + quoted(table.Name)
}

func columnList(table models.Table) string {
	names := make([]string, len(table.Columns))
	for i, c := range table.Columns {
		names[i] = quoted(c.Name)
	}
	return strings.Join(names, ", ")
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func appendRow(line []byte, table models.Table, values []any) ([]byte, error) {
	line = append(line, '[')
	for i, v := range values {
		if i > 0 {
			line = append(line, ',')
		}
		var ok bool
		if line, ok = appendValue(line, table.Columns[i].Type, v); !ok {
			return nil, models.Errorf(models.Integrity, "the column %s of the table %s holds a value of another type (%T); run teikyo ledger verify",
				table.Columns[i].Name, table.Name, v)
		}
	}
	return append(line, ']'), nil
}

// appendValue writes a value as its column's type says.
func appendValue(line []byte, kind models.ColumnType, v any) ([]byte, bool) {
	switch x := v.(type) {
	case nil:
		return append(line, "null"...), true
	case int64:
		if kind == models.ColumnBool { // as SQLite keeps it
			return strconv.AppendBool(line, x != 0), x == 0 || x == 1
		}
		return strconv.AppendInt(line, x, 10), kind == models.ColumnInt
	case bool:
		return strconv.AppendBool(line, x), kind == models.ColumnBool
	case string:
		return appendText(line, x), kind == models.ColumnText
	case []byte:
		line = append(line, '"')
		line = base64.StdEncoding.AppendEncode(line, x)
		return append(line, '"'), kind == models.ColumnBytes
	}
	return line, false
}

// appendText writes a JSON string. Text that is no UTF-8 would be changed by
// that and is written as bytes.
func appendText(line []byte, s string) []byte {
	if plainText(s) {
		line = append(line, '"')
		line = append(line, s...)
		return append(line, '"')
	}
	if !utf8.ValidString(s) {
		line = append(line, `{"b":"`...)
		line = base64.StdEncoding.AppendEncode(line, []byte(s))
		return append(line, `"}`...)
	}
	text, err := json.Marshal(s)
	if err != nil { // a string has no reason to fail
		return append(line, "null"...)
	}
	return append(line, text...)
}

// plainText reports whether s stands in JSON as it is.
func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
