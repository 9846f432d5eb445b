package main

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

// premises are what a server stands on, looked at behind its back: after every
// fault the invariants of DESIGN.md, section 5, must hold in them.
type premises struct {
	*world
	stored string   // of the objects
	local  []string // flags for commands on the server's machine
	object func(key string) string
	rows   func(query string) [][]string

	size float64 // of the ledger, the last time somebody looked
}

// premises are those of the embedded defaults.
func (w *world) premises() *premises {
	return &premises{
		world: w, stored: filepath.Join(w.data, "objects"),
		object: func(key string) string { return filepath.Join(w.data, "objects", key[:2], key) },
		rows:   func(query string) [][]string { return sqliteRows(w.t, filepath.Join(w.data, "teikyo.db"), query) },
	}
}

// sqliteRows are the rows of a query, as text.
func sqliteRows(t *testing.T, path, query string) (found [][]string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	for err == nil && rows.Next() {
		row := make([]string, len(columns))
		into := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		err = rows.Scan(into...)
		found = append(found, row)
	}
	if err == nil {
		err = rows.Err()
	}
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// hold wants every invariant that can be seen while the server runs: the ledger
// verifies, has grown, and every receipt ever given is consistent with it (I5);
// provisions, download sessions and their entries belong together (I1); nothing
// that a row names is missing, short or other bytes (I4); no limit of a link is
// passed (I8).
func (p *premises) hold(receipts ...string) {
	p.t.Helper()
	size := p.verifyLedger(p.local...)["size"].(float64)
	if size < p.size {
		p.t.Fatalf("the ledger shrank from %v to %v", p.size, size)
	}
	p.size = size
	for _, receipt := range receipts {
		p.verifyLedger(append([]string{"--receipt", receipt}, p.local...)...)
	}
	p.recordsAndRows()
	p.noDanglingRows()
	for _, row := range p.rows("SELECT id, uses, max_uses FROM links WHERE uses > max_uses") {
		p.t.Errorf("link %s was used %s times of %s", row[0], row[1], row[2])
	}
}

// recordsAndRows wants an entry for each provision and each download session, and
// none without its row.
func (p *premises) recordsAndRows() {
	p.t.Helper()
	for kind, table := range map[string]string{"provision.issued": "provisions", "download.opened": "download_sessions"} {
		row := p.rows("SELECT (SELECT count(*) FROM ledger_entries WHERE kind = '" + kind + "'), (SELECT count(*) FROM " + table + ")")[0]
		if row[0] != row[1] {
			p.t.Errorf("%s entries of %s, %s rows", row[0], kind, row[1])
		}
	}
}

// noDanglingRows wants what a row names to be there, whole.
func (p *premises) noDanglingRows() {
	p.t.Helper()
	for _, row := range p.rows("SELECT object_key, size FROM sealed_segments") {
		info, err := os.Stat(p.object(row[0]))
		if err != nil || strconv.FormatInt(info.Size(), 10) != row[1] {
			p.t.Errorf("segment %s: %v, %v, want %s bytes", row[0], info, err, row[1])
		}
	}
	for _, row := range p.rows("SELECT pack_key, pack_sha256 FROM provisions") {
		if sum := sha256.Sum256(p.read(p.object(row[0]))); hex.EncodeToString(sum[:]) != row[1] {
			p.t.Errorf("pack %s has another digest", row[0])
		}
	}
	for _, row := range p.rows(`SELECT f.path FROM dataset_files f JOIN sealed_files s ON s.id = f.sealed_id
		JOIN dataset_versions v ON v.dataset_id = f.dataset_id AND v.number = f.version
		WHERE v.state = 'registered' AND s.payload_size <> (SELECT coalesce(sum(size), 0) FROM sealed_segments WHERE sealed_id = s.id)`) {
		p.t.Errorf("%s: bytes of its segments are missing", row[0])
	}
}

// noOrphans wants nothing in the store that no row names, once a start has swept
// what faults left; young objects may be of work under way.
func (p *premises) noOrphans() {
	p.t.Helper()
	p.stop()
	old := time.Now().Add(-48 * time.Hour)
	for _, name := range listTree(p.t, p.stored) {
		if err := os.Chtimes(filepath.Join(p.stored, name), old, old); err != nil {
			p.t.Fatal(err)
		}
	}
	p.start()
	known := map[string]bool{}
	for _, row := range p.rows("SELECT object_key FROM sealed_segments UNION ALL SELECT pack_key FROM provisions") {
		known[row[0]] = true
	}
	if len(known) == 0 {
		p.t.Fatal("no row names an object")
	}
	var left []string
	p.until("orphans are swept", func() bool {
		left = listTree(p.t, p.stored)
		return !slices.ContainsFunc(left, func(name string) bool { return !known[filepath.Base(name)] }) && len(left) == len(known)
	})
	p.hold()
}

// mustEnd runs do, which must come to its end within a time however things stand.
func (p *premises) mustEnd(within time.Duration, what string, do func()) {
	p.t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(within):
		p.t.Fatal(fmt.Sprintf("%s goes on after %v", what, within))
	}
}
