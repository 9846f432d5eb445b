package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teikyo/config"
	"teikyo/database"
	"teikyo/internal/datadir"
	"teikyo/ledger"
	"teikyo/models"
)

// stoppedEntries are more than a block whose search rows are stored together.
const stoppedEntries = 45

// stoppedFolder is a data folder with a few entries whose server has stopped.
func stoppedFolder(t *testing.T) string {
	t.Helper()
	s := startServer(t, config.Config{})
	for range stoppedEntries {
		if err := s.append(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.app.publishAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.check()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.app.close(); err != nil {
		t.Fatal(err)
	}
	return s.app.folder.Root()
}

// ledgerColumns lists every column of every table of the ledger, so that a new
// one cannot be forgotten here.
func ledgerColumns(t *testing.T, path string) map[string][]string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name LIKE 'ledger\_%' ESCAPE '\'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns := map[string][]string{}
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			t.Fatal(err)
		}
		columns[table] = append(columns[table], column)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return columns
}

func verifyFolder(t *testing.T, dir string) (int, ledger.Report) {
	t.Helper()
	var out, errOut bytes.Buffer
	code := run(t.Context(), []string{"ledger", "verify", "--data", dir, "--json"}, strings.NewReader(""), &out, &errOut)
	var report ledger.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v: %s%s", err, &out, &errOut)
	}
	return code, report
}

func TestEveryColumnOfTheLedgerIsGuarded(t *testing.T) {
	t.Parallel()
	folder := stoppedFolder(t)
	if code, report := verifyFolder(t, folder); code != 0 || report.Size != stoppedEntries || report.Witnessed != stoppedEntries {
		t.Fatal(code, report)
	}
	tamperWithEveryColumn(t, folder, func(table string) bool { return table != "ledger_closed" && table != "ledger_archive" })
}

// A log that a forced restore ended is guarded as the present one.
func TestEveryColumnOfAClosedLogIsGuarded(t *testing.T) {
	t.Parallel()
	folder := stoppedFolder(t)
	db, err := database.Open(t.Context(), database.Options{URL: "sqlite:" + filepath.Join(folder, datadir.DatabaseFile), Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	head, err := db.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last, err := os.ReadFile(filepath.Join(folder, "checkpoints", "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	err = db.Update(t.Context(), func(ctx context.Context) error {
		closed := models.ClosedLog{Number: 1, Size: head.Size, Root: head.Root, Time: head.Time, Checkpoint: last, ClosedAt: now}
		if err := db.CloseLog(ctx, closed, 2); err != nil {
			return err
		}
		return db.Append(ctx, &ledger.Entry{
			Kind: ledger.Restored, IDs: map[string]string{"actor": "u-a", "second": "u-b"},
			Details: restoredDetails{
				Log: 2, OldLog: oldLog{Checkpoint: string(last)},
				Restored: restoredState{Log: 1, Size: head.Size, Root: head.Root, ClosedAt: now.UnixMicro()},
			},
		})
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if code, report := verifyFolder(t, folder); code != 0 || report.Size != 1 {
		t.Fatal(code, report)
	}
	tamperWithEveryColumn(t, folder, func(table string) bool {
		return table == "ledger_closed" || table == "ledger_archive" || table == "ledger_log"
	})
}

// tamperWithEveryColumn changes a value of each column of the tables, each in a
// copy of the folder, and wants it found.
func tamperWithEveryColumn(t *testing.T, folder string, of func(table string) bool) {
	t.Helper()
	columns := ledgerColumns(t, filepath.Join(folder, datadir.DatabaseFile))
	if len(columns) < 5 {
		t.Fatal(columns)
	}
	for table, names := range columns {
		if !of(table) {
			continue
		}
		for _, column := range names {
			for how, value := range map[string]string{
				"another value": "CASE typeof(%[1]s) WHEN 'integer' THEN %[1]s + 1000 WHEN 'blob' THEN CAST(substr(%[1]s, 2) || '!' AS BLOB) ELSE %[1]s || 'x' END",
				"emptied":       "CASE typeof(%[1]s) WHEN 'integer' THEN -7 WHEN 'blob' THEN x'' ELSE '' END",
			} {
				if table+"."+column == "ledger_archive.provision" && how == "emptied" {
					continue // the entries of this folder speak of none
				}
				t.Run(fmt.Sprintf("%s.%s %s", table, column, how), func(t *testing.T) {
					t.Parallel()
					dir := filepath.Join(t.TempDir(), "copy")
					if err := copyFolder(folder, dir); err != nil {
						t.Fatal(err)
					}
					// The row in the middle, whatever the table's key is.
					statement := fmt.Sprintf("UPDATE %[1]s SET %[2]s = %[3]s WHERE %[2]s IN (SELECT %[2]s FROM %[1]s ORDER BY %[2]s LIMIT 1 OFFSET (SELECT count(*) / 2 FROM %[1]s))",
						table, column, fmt.Sprintf(value, column))
					if err := execSQL(filepath.Join(dir, datadir.DatabaseFile), statement); err != nil {
						t.Fatalf("%s: %v", statement, err)
					}
					if code, report := verifyFolder(t, dir); code != 7 || report.OK || report.Problem == "" {
						t.Fatalf("exit %d, %+v\n%s", code, report, statement)
					}
				})
			}
		}
	}
}
