package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"teikyo/database"
	"teikyo/ledger"
)

// ledgerPart compares appending to the ledger with bare transactions of one row,
// and times the verification of a long log.
func ledgerPart(ctx context.Context, b *bench) error {
	b.out.table("Ledger")
	for _, step := range []func(context.Context, *bench) error{sequentialAppends, concurrentAppends, longVerify} {
		if err := step(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// ledgers are the two stores that append in turns.
type ledgers struct {
	db    *database.DB
	bare  *sql.DB
	row   *sql.Stmt
	turn  chan struct{} // the FIFO queue of bare writers, as in database
	close func()
}

// bareSettings are those of database.Open for its connection that writes.
const bareSettings = "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)" +
	"&_pragma=synchronous(FULL)&_pragma=cache_size(-16000)&_pragma=temp_store(MEMORY)&_txlock=immediate"

func openLedgers(ctx context.Context, b *bench) (*ledgers, error) {
	dir, err := os.MkdirTemp(b.dir, "ledger")
	if err != nil {
		return nil, err
	}
	l := &ledgers{turn: make(chan struct{}, 1)}
	l.db, err = database.Open(ctx, database.Options{URL: "sqlite:" + filepath.Join(dir, "ours.db"), Rand: rand.Reader})
	if err != nil {
		return nil, err
	}
	l.bare, err = sql.Open("sqlite", "file:"+filepath.Join(dir, "bare.db")+bareSettings)
	if err != nil {
		return nil, err
	}
	l.bare.SetMaxOpenConns(1)
	l.close = func() { l.db.Close(); l.bare.Close(); os.RemoveAll(dir) }
	_, err = l.bare.ExecContext(ctx, "CREATE TABLE log (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL)")
	if err != nil {
		return nil, err
	}
	l.row, err = l.bare.PrepareContext(ctx, "INSERT INTO log (kind, at, body) VALUES (?, ?, ?)")
	return l, err
}

// ourAppend is one change with one entry, as a use case makes it.
func (l *ledgers) ourAppend(ctx context.Context) error {
	return l.db.Update(ctx, func(ctx context.Context) error {
		return l.db.Append(ctx, &ledger.Entry{
			Kind: ledger.DownloadOpened,
			IDs:  map[string]string{"provision": "p-0123456789abcdef", "link": "l-0123456789abcdef"},
		})
	})
}

// bareBody has the size of a leaf with its details.
var bareBody = strings.Repeat("x", 400)

func (l *ledgers) bareAppend(ctx context.Context) error {
	tx, err := l.bare.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.StmtContext(ctx, l.row).ExecContext(ctx, "download.opened", time.Now().UnixMicro(), bareBody); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// sequentialAppends compares rounds of one writer after another.
func sequentialAppends(ctx context.Context, b *bench) error {
	l, err := openLedgers(ctx, b)
	if err != nil {
		return err
	}
	defer l.close()
	const perRound = 250
	rounds := pick(b, 41, 5)
	repeat := func(one func(context.Context) error) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			return timed(func() error {
				for range perRound {
					if err := one(ctx); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	d, err := fight(rounds, repeat(l.bareAppend), repeat(l.ourAppend))
	if err != nil {
		return err
	}
	b.out.duel(fmt.Sprintf("one appender after another, an entry a transaction; peer: bare one-row transactions, same settings (%d × %d)", rounds, perRound),
		d, each(perRound), 0.8)
	return nil
}

// concurrentAppends lets 64 writers append at once, both behind a FIFO queue.
func concurrentAppends(ctx context.Context, b *bench) error {
	l, err := openLedgers(ctx, b)
	if err != nil {
		return err
	}
	defer l.close()
	const writers = 64
	perWriter := pick(b, 40, 5)
	var bareTimes, ourTimes []time.Duration
	all := func(times *[]time.Duration, one func(context.Context) error) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			return timed(func() error {
				waits, err := together(ctx, writers, perWriter, one)
				*times = append(*times, waits...)
				return err
			})
		}
	}
	queued := func(ctx context.Context) error {
		l.turn <- struct{}{}
		defer func() { <-l.turn }()
		return l.bareAppend(ctx)
	}
	d, err := fight(pick(b, 9, 3), all(&bareTimes, queued), all(&ourTimes, l.ourAppend))
	if err != nil {
		return err
	}
	b.out.duel("64 appenders at once; peer: 64 bare writers behind the same FIFO queue", d, each(writers*perWriter), 0)
	for _, q := range []float64{0.5, 0.99} {
		peer, ours := quantile(bareTimes, q), quantile(ourTimes, q)
		b.out.line(fmt.Sprintf("— wait of one writer, p%.0f", q*100), millis(peer), millis(ours), fmt.Sprintf("%.2f", float64(peer)/float64(ours)), "stated")
	}
	return nil
}

// together runs one for n writers at once, perWriter times each, and gives every
// single time.
func together(ctx context.Context, n, perWriter int, one func(context.Context) error) ([]time.Duration, error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	var waits []time.Duration
	var failed error
	for range n {
		group.Go(func() {
			for range perWriter {
				d, err := timed(func() error { return one(ctx) })
				mu.Lock()
				waits = append(waits, d)
				if err != nil {
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return waits, failed
}

// longVerify times the verification of a long log in a process of its own.
func longVerify(ctx context.Context, b *bench) error {
	entries := pick(b, 1_000_000, 20_000)
	path := filepath.Join(b.dir, "long.db")
	b.say("writing %d entries …", entries)
	made, err := timed(func() error { return writeLog(ctx, path, entries) })
	if err != nil {
		return err
	}
	b.out.line(fmt.Sprintf("append %d entries, 10,000 a transaction", entries), "—", seconds(made), "—", "stated")
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var times []time.Duration
	var most int64
	for range pick(b, 3, 1) {
		cmd := exec.CommandContext(ctx, self, "-verify", path)
		cmd.Stderr = b.log
		said, err := cmd.Output()
		if err != nil {
			return err
		}
		took, err := strconv.ParseFloat(strings.TrimSpace(string(said)), 64)
		if err != nil {
			return err
		}
		times = append(times, time.Duration(took*float64(time.Second)))
		most = max(most, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
	}
	b.out.line(fmt.Sprintf("verify %d entries from the database", entries), "—",
		fmt.Sprintf("%s, RSS %d MB", seconds(median(times)), most>>10), "—", "stated")
	return os.Remove(path)
}

func writeLog(ctx context.Context, path string, entries int) error {
	db, err := database.Open(ctx, database.Options{URL: "sqlite:" + path, Rand: rand.Reader})
	if err != nil {
		return err
	}
	defer db.Close()
	const batch = 10_000
	for n := 0; n < entries; n += batch {
		err := db.Update(ctx, func(ctx context.Context) error {
			for i := n; i < min(n+batch, entries); i++ {
				err := db.Append(ctx, &ledger.Entry{
					Kind: ledger.DownloadOpened, Details: map[string]string{"address": "192.0.2.1"},
					IDs: map[string]string{
						"provision": fmt.Sprintf("p-%d", i/100), "link": fmt.Sprintf("l-%d", i/10), "session": fmt.Sprintf("s-%d", i),
					},
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// verifyLedger is the other end of longVerify.
func verifyLedger(ctx context.Context, path string, out io.Writer) error {
	db, err := database.Open(ctx, database.Options{URL: "sqlite:" + path, Rand: rand.Reader})
	if err != nil {
		return err
	}
	defer db.Close()
	took, err := timed(func() error {
		return db.Snapshot(ctx, func(ctx context.Context) error {
			result, err := ledger.Verify(ctx, db, ledger.VerifyOptions{Manifest: db.ManifestOf})
			if err == nil && !result.OK {
				err = fmt.Errorf("the ledger does not hold: %+v", result)
			}
			return err
		})
	})
	fmt.Fprintf(out, "%.3f\n", took.Seconds())
	return err
}
