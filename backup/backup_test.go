package backup_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"teikyo/backup"
	"teikyo/crypto"
	"teikyo/database"
	"teikyo/database/dbtest"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
)

func sqliteURL(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "teikyo.db") }

func open(t *testing.T, url string) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{URL: url, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// fill writes rows with every kind of value, and entries.
func fill(t *testing.T, db *database.DB) {
	t.Helper()
	for n := range 50 {
		id := fmt.Sprintf("r-%014d", n)
		err := db.Update(t.Context(), func(ctx context.Context) error {
			rcpt := models.Recipient{
				ID: id, Name: "東都\u2028\"大学\" \\ \x01", Country: "JP", State: models.RecipientApplied,
				Contacts: []models.Contact{{Role: "technical", Name: "<鈴木>", Email: "a@example.jp"}}, AppliedAt: time.UnixMicro(1_790_000_000_000_001),
			}
			if err := db.SaveRecipient(ctx, rcpt); err != nil {
				return err
			}
			key := models.RecipientKey{ID: "k-" + id, RecipientID: id, Public: "age1" + id, PostQuantum: n%2 == 0, State: models.KeyAdded, Challenge: []byte{0, 1, 0xff}}
			if err := db.SaveRecipientKey(ctx, key); err != nil {
				return err
			}
			return db.Append(ctx, &ledger.Entry{Kind: ledger.RecipientApplied, IDs: map[string]string{"recipient": id}, Details: map[string]string{"x": "<é>"}})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func source(db *database.DB) backup.Source {
	none := func() ([]backup.Small, error) { return nil, nil }
	return backup.Source{
		Database: db, LogOrigin: func(context.Context) (string, error) { return "example.org/ledger/1", nil },
		Before: none, After: func() ([]backup.Small, error) {
			return []backup.Small{{Name: backup.IssuerPart, Data: []byte("{}\n")}}, nil
		},
		Keys: func() ([]backup.Small, error) {
			return []backup.Small{{Name: "kek-0001.key", Data: []byte("key bytes\n")}}, nil
		},
		Program: "test", Now: time.Unix(1_790_000_000, 0),
	}
}

func makeBackup(t *testing.T, src backup.Source) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := backup.Make(t.Context(), &out, src); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func openBackup(t *testing.T, data []byte) *backup.File {
	t.Helper()
	f, err := backup.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Rows are the same whichever database they go through.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, from, to string }{
		{"sqlite to sqlite", "sqlite", "sqlite"},
		{"sqlite to postgres", "sqlite", "postgres"},
		{"postgres to sqlite", "postgres", "sqlite"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := func(kind string) string {
				if kind == "postgres" {
					return dbtest.Postgres(t)
				}
				return sqliteURL(t)
			}
			from := open(t, url(c.from))
			fill(t, from)
			data := makeBackup(t, source(from))
			f := openBackup(t, data)
			to := url(c.to)
			err := database.Load(t.Context(), database.Options{URL: to, Rand: rand.Reader}, f.Manifest.Schema, func(put database.PutTable) error { return f.Fill(put) })
			if err != nil {
				t.Fatal(err)
			}
			db := open(t, to)
			ledgertest.CheckLedger(t, db, ledger.VerifyOptions{})
			if got, want := dump(t, db), dump(t, from); got != want {
				t.Errorf("rows differ:\n%s\nwant\n%s", got, want)
			}
			err = db.Update(t.Context(), func(ctx context.Context) error {
				return db.Append(ctx, &ledger.Entry{Kind: ledger.RecipientApplied})
			})
			if err != nil {
				t.Fatal(err)
			}
			ledgertest.CheckLedger(t, db, ledger.VerifyOptions{})
		})
	}
}

// dump is every row of every table, sorted.
func dump(t *testing.T, db *database.DB) string {
	t.Helper()
	var lines []string
	err := db.Snapshot(t.Context(), func(ctx context.Context) error {
		tables, err := db.Tables(ctx)
		if err != nil {
			return err
		}
		for _, table := range tables {
			for row, err := range db.TableRows(ctx, table) {
				if err != nil {
					return err
				}
				lines = append(lines, table.Name+" "+string(row))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// A backup goes into an empty database alone.
func TestAFullDatabaseIsNotOverwritten(t *testing.T) {
	t.Parallel()
	url := sqliteURL(t)
	db := open(t, url)
	fill(t, db)
	f := openBackup(t, makeBackup(t, source(db)))
	err := database.Load(t.Context(), database.Options{URL: url, Rand: rand.Reader}, f.Manifest.Schema, func(put database.PutTable) error { return f.Fill(put) })
	if !models.IsKind(err, models.Conflict) {
		t.Fatalf("got %v", err)
	}
}

// Whatever bit of the file flips, the backup is refused, and the part is named
// where it can be.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	db := open(t, sqliteURL(t))
	fill(t, db)
	_, public, err := crypto.GenerateIdentity(false)
	if err != nil {
		t.Fatal(err)
	}
	rcpt, err := crypto.ParseRecipient(public)
	if err != nil {
		t.Fatal(err)
	}
	src := source(db)
	src.KeysTo = &rcpt
	data := makeBackup(t, src)
	whole := openBackup(t, data)
	for _, part := range whole.Manifest.Parts {
		at := bytes.Index(data, append([]byte(part.Name), 0)) + 512 // contents follow the header
		for _, offset := range []int{at, at + int(part.Size) - 1} {
			data[offset] ^= 1
			_, err := backup.Open(bytes.NewReader(data), int64(len(data)))
			if !models.IsKind(err, models.Integrity) || !strings.Contains(err.Error(), part.Name) {
				t.Errorf("%s changed: %v", part.Name, err)
			}
			data[offset] ^= 1
		}
	}
	for offset := 0; offset < len(data); offset += len(data)/400 + 1 {
		data[offset] ^= 0x10
		if _, err := backup.Open(bytes.NewReader(data), int64(len(data))); !models.IsKind(err, models.Integrity) && !models.IsKind(err, models.Invalid) {
			t.Fatalf("bit at %d of %d: %v", offset, len(data), err)
		}
		data[offset] ^= 0x10
	}
	for _, size := range []int{0, 1, 511, 512, 5000, len(data) / 2, len(data) - 1024, len(data) - 1} {
		if _, err := backup.Open(bytes.NewReader(data[:size]), int64(size)); !models.IsKind(err, models.Integrity) {
			t.Errorf("cut to %d: %v", size, err)
		}
	}
}

func TestKeysOpenWithTheirIdentityAlone(t *testing.T) {
	t.Parallel()
	db := open(t, sqliteURL(t))
	secret, public, err := crypto.GenerateIdentity(false)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := crypto.GenerateIdentity(false)
	if err != nil {
		t.Fatal(err)
	}
	rcpt, err := crypto.ParseRecipient(public)
	if err != nil {
		t.Fatal(err)
	}
	src := source(db)
	if f := openBackup(t, makeBackup(t, src)); f.Manifest.KeysFor != "" {
		t.Error("keys without --keys-to")
	} else if _, err := f.Keys(identity(t, secret)); !models.IsKind(err, models.NotFound) {
		t.Errorf("keys of a backup without: %v", err)
	}
	src.KeysTo = &rcpt
	data := makeBackup(t, src)
	if bytes.Contains(data, []byte("key bytes")) {
		t.Error("a key stands in the backup in clear")
	}
	f := openBackup(t, data)
	if _, err := f.Keys(identity(t, other)); !models.IsKind(err, models.Denied) {
		t.Errorf("another identity: %v", err)
	}
	keys, err := f.Keys(identity(t, secret))
	if err != nil || len(keys) != 1 || keys[0].Name != "kek-0001.key" || string(keys[0].Data) != "key bytes\n" {
		t.Errorf("got %v, %v", keys, err)
	}
}

func identity(t *testing.T, text string) crypto.Identity {
	t.Helper()
	id, err := crypto.ParseIdentity(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// A backup that its source breaks off, or that does not fit on the disk, is no
// backup.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	db := open(t, sqliteURL(t))
	fill(t, db)
	size := len(makeBackup(t, source(db)))
	for _, room := range []int{0, 600, size / 2, size - 1} {
		w := &small{room: room}
		if _, err := backup.Make(t.Context(), w, source(db)); err == nil {
			t.Errorf("%d bytes of %d were enough", room, size)
		}
		if _, err := backup.Open(bytes.NewReader(w.Bytes()), int64(w.Len())); !models.IsKind(err, models.Integrity) {
			t.Errorf("after %d bytes: %v", room, err)
		}
	}
	src := source(db)
	src.Database = failing{db}
	if _, err := backup.Make(t.Context(), &bytes.Buffer{}, src); err == nil {
		t.Error("a table that cannot be read went unseen")
	}
}

// small takes so many bytes and no more.
type small struct {
	bytes.Buffer
	room int
}

func (s *small) Write(p []byte) (int, error) {
	if s.Len()+len(p) > s.room {
		n, _ := s.Buffer.Write(p[:s.room-s.Len()])
		return n, os.ErrDeadlineExceeded
	}
	return s.Buffer.Write(p)
}

type failing struct{ *database.DB }

func (f failing) TableRows(ctx context.Context, table models.Table) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for row, err := range f.DB.TableRows(ctx, table) {
			if table.Name == "recipients" {
				yield(nil, os.ErrClosed)
				return
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("x"))
	f.Add(make([]byte, 4096))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := backup.Open(bytes.NewReader(data), int64(len(data))); err == nil {
			t.Error("accepted")
		}
	})
}
