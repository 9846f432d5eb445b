package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"teikyo/backup"
	"teikyo/config"
	"teikyo/crypto"
	"teikyo/internal/buildinfo"
	"teikyo/ledger"
	"teikyo/models"
)

// maxHistory bounds the history of checkpoints in a backup, in bytes: its newest
// part. The history is for inquiries.
const maxHistory = 16 << 20

// backupRequest asks a running server for a backup.
type backupRequest struct {
	KeysTo string `json:"keys_to"` // age public key; empty: without keys
}

// backup writes everything of this server but its objects.
func (a *app) backup(ctx context.Context, w io.Writer, in backupRequest) error {
	src := backup.Source{
		Database: a.db, LogOrigin: a.logOrigin, Before: a.checkpointParts, After: a.plainParts, Keys: a.keyParts,
		Program: buildinfo.Version(), Now: a.clock.Now(),
	}
	if in.KeysTo != "" {
		rcpt, err := crypto.ParseRecipient(in.KeysTo)
		if err != nil {
			return models.Wrap(models.Invalid, nil, "--keys-to: "+err.Error())
		}
		src.KeysTo = &rcpt
	}
	_, err := backup.Make(ctx, w, src)
	return err
}

func (a *app) logOrigin(ctx context.Context) (string, error) {
	number, err := a.db.LogNumber(ctx)
	return ledger.LogOrigin(a.keys.Issuer().Origin, number), err
}

// checkpointParts are the second place's newest checkpoint and, when the place
// is a folder, its history.
func (a *app) checkpointParts() ([]backup.Small, error) {
	text, err := a.second.Newest(context.Background())
	if err != nil {
		return nil, models.Wrap(models.Unavailable, err, "the second place for checkpoints does not answer, and a backup without its newest checkpoint could not be checked: "+err.Error())
	}
	var parts []backup.Small
	if text != nil {
		parts = append(parts, backup.Small{Name: backup.CheckpointPart, Data: text})
	}
	if a.secondDir == "" { // a bucket keeps every checkpoint as an object
		return parts, nil
	}
	history, err := readEnd(filepath.Join(a.secondDir, backup.HistoryPart), maxHistory)
	if err == nil {
		parts = append(parts, backup.Small{Name: backup.HistoryPart, Data: history})
	}
	return parts, nil
}

// readEnd is the end of a file, at most limit bytes.
func readEnd(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-limit), limit))
}

// plainParts are the issuer file and the settings, secrets redacted.
func (a *app) plainParts() ([]backup.Small, error) {
	issuer, err := a.keys.Issuer().JSON()
	if err != nil {
		return nil, models.Wrap(models.Internal, err, "the issuer file cannot be written")
	}
	settings := map[string]any{}
	for _, s := range (config.Loaded{Config: a.cfg}).Settings() {
		settings[s.Name] = s.Value
	}
	text, err := json.MarshalIndent(settings, "", "  ")
	if err != nil {
		return nil, models.Wrap(models.Internal, err, "the settings cannot be written")
	}
	return []backup.Small{{Name: backup.IssuerPart, Data: issuer}, {Name: backup.SettingsPart, Data: append(text, '\n')}}, nil
}

// keyParts are the files of the keys folder.
func (a *app) keyParts() ([]backup.Small, error) {
	entries, err := os.ReadDir(a.keysDir())
	if err != nil {
		return nil, models.Wrap(models.Unavailable, nil, "the keys cannot be read: "+err.Error())
	}
	var parts []backup.Small
	for _, entry := range entries {
		if !entry.Type().IsRegular() || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(a.keysDir(), entry.Name()))
		if errors.Is(err, fs.ErrNotExist) { // replaced or destroyed meanwhile
			continue
		}
		if err != nil {
			return nil, models.Wrap(models.Unavailable, nil, "the keys cannot be read: "+err.Error())
		}
		parts = append(parts, backup.Small{Name: entry.Name(), Data: data})
	}
	return parts, nil
}

// answerBackup streams a backup over the admin socket. What breaks after its
// beginning breaks the connection; the reader finds the end missing.
func (a *app) answerBackup(w http.ResponseWriter, r *http.Request) {
	var in backupRequest
	if err := json.NewDecoder(io.LimitReader(r.Body, 16<<10)).Decode(&in); err != nil {
		answerAdmin(w, nil, models.Errorf(models.Invalid, "the request for a backup cannot be read"))
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // a large one takes its time
	out := &firstWrite{Writer: w}
	if err := a.backup(r.Context(), out, in); err != nil {
		if !out.begun {
			answerAdmin(w, nil, err)
			return
		}
		a.log.Error("backup", "error", err)
		panic(http.ErrAbortHandler)
	}
}

// firstWrite notes whether anything was written.
type firstWrite struct {
	io.Writer
	begun bool
}

func (f *firstWrite) Write(p []byte) (int, error) {
	f.begun = true
	return f.Writer.Write(p)
}
