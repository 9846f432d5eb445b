package database

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/ledger"
)

// rowsAtOnce is how many hashes or subjects one statement inserts at most.
const rowsAtOnce = 32

// ledgerSQL are the statements of an append. They are prepared once and go past
// GORM: with the head locked, making them anew took longer than running them.
type ledgerSQL struct {
	readHead, moveHead, entry, details, leaves *sql.Stmt

	hashes   [rowsAtOnce + 1]*sql.Stmt // by the number of rows, from 1 on
	subjects [rowsAtOnce + 1]*sql.Stmt
}

// preparer is a pool, or the connection that will run the statements.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

func (db *DB) prepareLedger(ctx context.Context, on preparer) (*ledgerSQL, error) {
	var err error
	prepare := func(query string) *sql.Stmt {
		if err != nil {
			return nil
		}
		if db.isPostgres() {
			query = numbered(query)
		}
		var stmt *sql.Stmt
		stmt, err = on.PrepareContext(ctx, query)
		return stmt
	}
	readHead := "SELECT size, root, at FROM ledger_head WHERE id = 1"
	if db.isPostgres() {
		readHead += " FOR UPDATE"
	}
	s := &ledgerSQL{
		readHead: prepare(readHead),
		moveHead: prepare("UPDATE ledger_head SET size = ?, root = ?, at = ? WHERE id = 1 AND size = ? AND root = ? AND at = ?"),
		entry:    prepare("INSERT INTO ledger_entries (idx, leaf, hash, kind, at) VALUES (?, ?, ?, ?, ?)"),
		details:  prepare("INSERT INTO ledger_details (idx, salt, details) VALUES (?, ?, ?)"),
		leaves:   prepare("SELECT idx, hash, leaf FROM ledger_entries WHERE idx >= ? AND idx < ? ORDER BY idx"),
	}
	for n := 1; n <= rowsAtOnce; n++ {
		s.hashes[n] = prepare("INSERT INTO ledger_hashes (idx, hash) VALUES (?, ?)" + strings.Repeat(", (?, ?)", n-1))
		s.subjects[n] = prepare("INSERT INTO ledger_subjects (noun, id, idx) VALUES (?, ?, ?)" + strings.Repeat(", (?, ?, ?)", n-1))
	}
	return s, translate(err, "the ledger's tables are not what they should be; restore the database")
}

// close ends the statements.
func (s *ledgerSQL) close() {
	if s == nil {
		return
	}
	list := append(append([]*sql.Stmt{s.readHead, s.moveHead, s.entry, s.details, s.leaves}, s.hashes[:]...), s.subjects[:]...)
	for _, stmt := range list {
		if stmt != nil {
			_ = stmt.Close() // nothing was written by that
		}
	}
}

// numbered writes placeholders as PostgreSQL wants them: $1, $2 and so on.
func numbered(query string) string {
	parts := strings.Split(query, "?")
	var b strings.Builder
	b.WriteString(parts[0])
	for i, part := range parts[1:] {
		b.WriteString("$" + strconv.Itoa(i+1) + part)
	}
	return b.String()
}

// ledgerRows reads and writes the ledger's tables in one transaction.
type ledgerRows struct {
	ctx context.Context
	raw transaction
	sql *ledgerSQL
}

// lockHead reads the head and, on PostgreSQL, locks its row.
func (r ledgerRows) lockHead() (ledgerTree, error) {
	var size, at int64
	var root []byte
	err := r.raw.StmtContext(r.ctx, r.sql.readHead).QueryRowContext(r.ctx).Scan(&size, &root, &at)
	if err == nil && len(root) != tlog.HashSize {
		err = errors.New("the head's root has a wrong length")
	}
	if err != nil {
		return ledgerTree{}, err
	}
	tree := tlog.Tree{N: size, Hash: tlog.Hash(root)}
	return ledgerTree{Tree: tree, at: fromMicros(at), edge: map[int64]tlog.Hash{}, valid: true}, nil
}

// moveHead puts a head in the place of another; false means that the head was not
// that other one.
func (r ledgerRows) moveHead(from, to ledgerTree) (bool, error) {
	result, err := r.raw.StmtContext(r.ctx, r.sql.moveHead).ExecContext(r.ctx,
		to.N, to.Hash[:], toMicros(to.at), from.N, from.Hash[:], toMicros(from.at))
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// ledgerRow is an entry as the tables hold it.
type ledgerRow struct {
	index               int64
	at                  time.Time
	kind                ledger.Kind
	leaf, salt, details []byte
	hash                tlog.Hash // of the leaf
}

func (r ledgerRows) insert(row ledgerRow) error {
	if err := r.exec(r.sql.entry, row.index, row.leaf, row.hash[:], string(row.kind), toMicros(row.at)); err != nil {
		return err
	}
	return r.exec(r.sql.details, row.index, row.salt, row.details)
}

// insertMany inserts rows of that many columns.
func (r ledgerRows) insertMany(by *[rowsAtOnce + 1]*sql.Stmt, columns int, args []any) error {
	for len(args) > 0 {
		n := min(len(args)/columns, rowsAtOnce)
		if err := r.exec(by[n], args[:n*columns]...); err != nil {
			return err
		}
		args = args[n*columns:]
	}
	return nil
}

func (r ledgerRows) exec(stmt *sql.Stmt, args ...any) error {
	_, err := r.raw.StmtContext(r.ctx, stmt).ExecContext(r.ctx, args...)
	return err
}
