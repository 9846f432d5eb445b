package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"teikyo/access"
	"teikyo/backup"
	"teikyo/crypto"
	"teikyo/database"
	"teikyo/internal/datadir"
	"teikyo/ledger"
	"teikyo/ledger/checkpoints"
	"teikyo/models"
)

// secondPlace is the configured second place, and whether it was there before.
func (r *restore) secondPlace(ctx context.Context) (place secondPlace, found bool, err error) {
	cfg := r.cfg
	cfg.Data = r.folder.Root()
	if place, _, err = secondPlaceOf(cfg); err != nil {
		return nil, false, err
	}
	_, err = place.Newest(ctx)
	if errors.Is(err, checkpoints.ErrPlaceGone) && cfg.CheckpointsDir == "" && cfg.CheckpointsURL == "" {
		return place, false, nil
	}
	if err != nil {
		return nil, false, models.Wrap(models.Unavailable, nil, "the second place cannot be read, and without it nobody knows how new this state is: "+err.Error())
	}
	return place, true, nil
}

// compare refuses a state that lacks what a known checkpoint covers, or begins a
// new log for two administrators.
func (r *restore) compare(ctx context.Context, db *database.DB) error {
	second, found, err := r.secondPlace(ctx)
	if err != nil {
		return err
	}
	known, err := readFiles(r.flags.checkpoints, ledger.MaxCheckpointSize)
	if err != nil {
		return err
	}
	if found {
		newest, err := second.Newest(ctx)
		if err != nil {
			return models.Wrap(models.Unavailable, nil, err.Error())
		}
		if newest != nil {
			known = append(known, newest)
		}
	}
	r.result.Unchecked = len(known) == 0
	refused := r.contains(ctx, db, known)
	if refused != nil && !models.IsKind(refused, models.Integrity) {
		return refused
	}
	if refused == nil && r.flags.force {
		return models.Errorf(models.Invalid, "nothing that is known is newer than this state, so it needs no --force")
	}
	if refused == nil {
		return nil
	}
	if !r.flags.force {
		return refused
	}
	return r.beginLog(ctx, db, known)
}

// contains checks that the state holds everything that the checkpoints cover.
func (r *restore) contains(ctx context.Context, db *database.DB, known [][]byte) error {
	verifiers, err := checkpointVerifiers(r.issuer)
	if err != nil {
		return err
	}
	head, err := db.Head(ctx)
	if err != nil {
		return err
	}
	number, err := db.LogNumber(ctx)
	if err != nil {
		return err
	}
	closed, err := db.ClosedLogs(ctx)
	if err != nil {
		return err
	}
	var last [][]byte
	for _, log := range closed {
		last = append(last, log.Checkpoint)
	}
	origin := ledger.LogOrigin(r.issuer.Origin, number)
	for _, text := range known {
		place := checkpoints.AfterClosed(oneCheckpoint(text), last...)
		if _, err := checkpoints.CheckStart(ctx, origin, head.Tree(), db.HashReader(ctx), place, verifiers...); err != nil {
			return models.Wrap(models.Integrity, nil, "the backup cannot be restored as it is: "+err.Error())
		}
	}
	return nil
}

// oneCheckpoint is a second place that holds this checkpoint.
type oneCheckpoint []byte

func (o oneCheckpoint) Put(context.Context, []byte) error      { return errors.ErrUnsupported }
func (o oneCheckpoint) Newest(context.Context) ([]byte, error) { return o, nil }

// beginLog suspends what was restored and begins a new log with the entry that
// says what happened (DESIGN decision 25).
func (r *restore) beginLog(ctx context.Context, db *database.DB, known [][]byte) error {
	last, number, err := r.lastKnown(ctx, db, known)
	if err != nil {
		return err
	}
	first, second, independence, err := r.people(ctx, db)
	if err != nil {
		return err
	}
	head, err := db.Head(ctx)
	if err != nil {
		return err
	}
	present, err := db.LogNumber(ctx)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	closed := models.ClosedLog{Number: present, Size: head.Size, Root: head.Root, Time: head.Time, Checkpoint: last, ClosedAt: now}
	return db.Update(ctx, func(ctx context.Context) error {
		suspended, err := db.Suspend(ctx, [2]string{first.ID, second.ID}, "forced restore: "+r.flags.reason, now)
		if err != nil {
			return err
		}
		if err := db.CloseLog(ctx, closed, number+1); err != nil {
			return err
		}
		r.result.Suspended = countsOf(suspended)
		r.result.Origin, r.result.LedgerSize = ledger.LogOrigin(r.issuer.Origin, number+1), 1
		return db.Append(ctx, &ledger.Entry{
			Kind: ledger.Restored, IDs: map[string]string{"actor": first.ID, "second": second.ID},
			Details: restoredDetails{
				Log: number + 1, Reason: r.flags.reason, Second: second.ID, Independence: independence,
				OldLog:    oldLog{Origin: originOf(last), Checkpoint: string(last)},
				Restored:  r.restoredState(present, head, now),
				Suspended: r.result.Suspended,
			},
		})
	})
}

func (r *restore) restoredState(log int, head ledger.Head, now time.Time) restoredState {
	state := restoredState{Log: log, Size: head.Size, Root: head.Root, ClosedAt: now.UnixMicro()}
	if r.backup != nil {
		state.Backup, state.MadeAt = r.backup.SHA256, r.backup.Manifest.MadeAt.Format(time.RFC3339)
	}
	return state
}

func originOf(checkpoint []byte) string {
	c, err := ledger.ParseCheckpoint(checkpoint)
	if err != nil {
		return ""
	}
	return c.Origin
}

// lastKnown is the newest of the checkpoints that the issuer signed, and the
// highest number of a log that anybody has seen.
func (r *restore) lastKnown(ctx context.Context, db *database.DB, known [][]byte) (last []byte, number int, err error) {
	verifiers, err := checkpointVerifiers(r.issuer)
	if err != nil {
		return nil, 0, err
	}
	if number, err = db.LogNumber(ctx); err != nil {
		return nil, 0, err
	}
	own, err := r.part(backup.CheckpointPart)
	if err != nil {
		return nil, 0, err
	}
	var size int64 = -1
	for _, text := range append(known, own) {
		if text == nil {
			continue
		}
		c, err := ledger.OpenCheckpoint(text, verifiers...)
		if err != nil {
			return nil, 0, models.Wrap(models.Integrity, nil, "a checkpoint that was named or lies in the second place is not this issuer's: "+err.Error())
		}
		n, err := strconv.Atoi(strings.TrimPrefix(c.Origin, r.issuer.Origin+"/ledger/"))
		if err != nil {
			return nil, 0, models.Errorf(models.Integrity, "the checkpoint of %s is none of this issuer's logs", c.Origin)
		}
		if n > number || n == number && c.Tree.N > size {
			last, number, size = text, n, c.Tree.N
		}
	}
	return last, number, nil
}

// people are the two administrators who agree.
func (r *restore) people(ctx context.Context, db *database.DB) (first, second models.User, independence models.Independence, err error) {
	people := &access.Service{Store: db, Hasher: crypto.NewPasswordHasher(rand.Reader, 1), Now: time.Now, Rand: rand.Reader}
	found := make([]models.User, 2)
	for i, by := range r.flags.by {
		email, file, ok := strings.Cut(by, "=")
		if !ok {
			return first, second, "", models.Errorf(models.Invalid, "--by takes EMAIL=PASSWORD_FILE")
		}
		password, err := r.readSecret(file, "password")
		if err != nil {
			return first, second, "", err
		}
		if found[i], err = people.Vouch(ctx, email, password); err != nil {
			return first, second, "", err
		}
	}
	first, second = found[0], found[1]
	if first.ID == second.ID {
		return first, second, "", models.Errorf(models.Denied, "a forced restore takes two people; the same one was named twice")
	}
	independence, err = people.Pair(ctx, first.ID, second.ID)
	return first, second, independence, err
}

func countsOf(s models.Suspended) map[string]int64 {
	return map[string]int64{
		"recipients": s.Recipients, "keys": s.Keys, "provisions": s.Provisions, "requests": s.Requests, "links": s.Links,
		"sessions": s.Sessions, "tokens": s.Tokens, "accounts": s.Accounts, "jobs": s.Jobs, "webhooks": s.Webhooks,
	}
}

// placeCheckpoints makes the second place in the data folder, when it is to be
// there and is not, with what the backup knows.
func (r *restore) placeCheckpoints(ctx context.Context) error {
	second, found, err := r.secondPlace(ctx)
	if err != nil || found {
		return err
	}
	checkpoint, err := r.backup.Small(backup.CheckpointPart)
	if err != nil {
		return err
	}
	if err := second.Create(); err != nil {
		return models.Wrap(models.Unavailable, nil, err.Error())
	}
	history, err := r.backup.Small(backup.HistoryPart)
	if err != nil {
		return err
	}
	if len(history) > 0 {
		path := filepath.Join(r.folder.Path(datadir.CheckpointsDir), backup.HistoryPart)
		if err := os.WriteFile(path, history, 0o600); err != nil {
			return diskError(err)
		}
	}
	if checkpoint == nil || r.result.Suspended != nil {
		return nil
	}
	if err := second.Put(ctx, checkpoint); err != nil {
		return models.Wrap(models.Unavailable, nil, fmt.Sprintf("the checkpoint cannot be written: %v", err))
	}
	return nil
}
