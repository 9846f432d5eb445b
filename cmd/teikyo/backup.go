package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"teikyo/backup"
	"teikyo/client"
	"teikyo/config"
	"teikyo/models"
)

func (c *cli) backupCommand() *cobra.Command {
	settings, out, keysTo := &settingFlags{}, "", ""
	cmd := &cobra.Command{
		Use: "backup", Short: "Write everything but the objects into one file", Args: noArgs,
		Long: `Write the database, the ledger in it, the issuer file, the checkpoints, the
settings without their secrets and the list of objects into one new file, while
the server runs or not. The objects themselves are not copied: the list names
each with its size and digest, and the tools of the disk or the bucket copy them.
Copy them after this command, so that every object in the list is there.

No keys are in the file unless --keys-to names an age public key whose secret
half is kept offline: they are sealed to it. Without the keys a restored server
opens nothing, so keep a copy of the keys folder in another place else.

teikyo backup verify FILE checks a backup, teikyo restore puts one in place.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return usageError(cmd, "name the file with -o")
			}
			cfg, err := settings.load(cmd)
			if err != nil {
				return err
			}
			return c.backup(cmd.Context(), cfg.Config, out, keysTo)
		},
	}
	settings.addData(cmd)
	cmd.Flags().StringVarP(&out, "out", "o", "", "the new file")
	cmd.Flags().StringVar(&keysTo, "keys-to", "", "seal the keys to this age public key (age1… or age1pq1…), or to that in this file")
	cmd.AddCommand(c.backupVerifyCommand())
	return cmd
}

// backup writes the file under a temporary name, reads it again, and gives it
// its name.
func (c *cli) backup(ctx context.Context, cfg config.Config, out, keysTo string) error {
	if _, err := os.Lstat(out); err == nil {
		return models.Errorf(models.Conflict, "%s is there already; choose another name", out)
	}
	in, err := backupRequestOf(keysTo)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(out), "."+filepath.Base(out)+".*.part") // mode 0600
	if err != nil {
		return models.Wrap(models.Invalid, nil, "the backup cannot be written: "+err.Error())
	}
	defer func() {
		f.Close()
		_ = removeFile(f.Name())
	}()
	if err := c.fetchBackup(ctx, cfg, f, in); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return diskError(err)
	}
	made, err := openBackup(f)
	if err != nil {
		return err
	}
	if err := nameForGood(f.Name(), out); err != nil {
		return err
	}
	return c.showBackup(out, made)
}

// backupRequestOf reads the key from the argument or the file that it names.
func backupRequestOf(keysTo string) (backupRequest, error) {
	if keysTo == "" {
		return backupRequest{}, nil
	}
	if text, err := readFileLimited(keysTo, 8<<10); err == nil {
		keysTo = string(text)
	}
	return backupRequest{KeysTo: keysTo}, nil
}

// fetchBackup gets it from the running server, else makes it here.
func (c *cli) fetchBackup(ctx context.Context, cfg config.Config, f *os.File, in backupRequest) error {
	w := &diskWriter{w: f}
	err := c.onServer(ctx, cfg, serverWork{
		stream: func(ctx context.Context, api *client.Client) error {
			text, err := json.Marshal(in)
			if err != nil {
				return err
			}
			resp, err := api.Do(ctx, http.MethodPost, "/backup", nil, bytes.NewReader(text))
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if _, err = io.Copy(w, resp.Body); err != nil && w.err == nil {
				return models.Wrap(models.Unavailable, err, "the server broke the backup off; its log says why")
			}
			return err
		},
		alone: func(ctx context.Context, a *app) error { return a.backup(ctx, w, in) },
	})
	if w.err != nil {
		return diskError(w.err)
	}
	return err
}

// diskWriter keeps the error of the disk apart from that of the source.
type diskWriter struct {
	w   io.Writer
	err error
}

func (d *diskWriter) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	if err != nil {
		d.err = err
	}
	return n, err
}

func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return models.Wrap(models.Full, nil, "no space left on the disk; free some and try again; nothing was left behind")
	}
	return models.Wrap(models.Unavailable, nil, "the disk does not take it: "+err.Error())
}

func openBackup(f *os.File) (*backup.File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, models.Wrap(models.Invalid, nil, err.Error())
	}
	if !info.Mode().IsRegular() {
		return nil, models.Errorf(models.Invalid, "%s is no file", f.Name())
	}
	return backup.Open(f, info.Size())
}

// nameForGood gives a finished file its name and never takes the place of
// another one.
func nameForGood(tmp, path string) error {
	err := os.Link(tmp, path)
	if errors.Is(err, fs.ErrExist) {
		return models.Errorf(models.Conflict, "%s is there already; choose another name", path)
	}
	if err != nil { // a filesystem without links
		if _, statErr := os.Lstat(path); statErr == nil {
			return models.Errorf(models.Conflict, "%s is there already; choose another name", path)
		}
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return diskError(err)
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return diskError(err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EINVAL) {
		return diskError(err)
	}
	return nil
}

func (c *cli) backupVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "verify FILE", Short: "Check every part of a backup (restore checks the ledger in it, too)", Args: exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return models.Wrap(models.Invalid, nil, "the backup cannot be read: "+err.Error())
			}
			defer f.Close()
			made, err := openBackup(f)
			if err != nil {
				return err
			}
			return c.showBackup(args[0], made)
		},
	}
}

// backupView is a backup in a few lines.
type backupView struct {
	File       string `json:"file"`
	SHA256     string `json:"sha256"`
	MadeAt     string `json:"made_at"`
	Origin     string `json:"origin"`
	LedgerSize int64  `json:"ledger_size"`
	LedgerRoot string `json:"ledger_root"`
	Rows       int64  `json:"rows"`
	Objects    int64  `json:"objects"`
	ObjectSize int64  `json:"object_bytes"`
	KeysFor    string `json:"keys_for,omitempty"`
}

func viewOfBackup(path string, f *backup.File) backupView {
	m := f.Manifest
	view := backupView{
		File: path, SHA256: f.SHA256, MadeAt: m.MadeAt.Format("2006-01-02T15:04:05Z"), Origin: m.Ledger.Origin,
		LedgerSize: m.Ledger.Size, LedgerRoot: m.Ledger.Root.String(),
		Objects: m.Objects.Count, ObjectSize: m.Objects.Bytes, KeysFor: m.KeysFor,
	}
	for _, table := range m.Tables {
		view.Rows += table.Rows
	}
	return view
}

func (c *cli) showBackup(path string, f *backup.File) error {
	view := viewOfBackup(path, f)
	if c.json {
		c.printJSON(view)
		return nil
	}
	fmt.Fprintf(c.out, "%s: made %s, %d rows, ledger %s of %d entries, root %s\nsha256 %s\n",
		path, view.MadeAt, view.Rows, view.Origin, view.LedgerSize, view.LedgerRoot, view.SHA256)
	c.say("%d objects of %d bytes are listed and not copied: copy the object store now", view.Objects, view.ObjectSize)
	if view.KeysFor == "" {
		c.say("no keys are in it: keep a copy of the keys folder elsewhere")
	} else {
		c.say("the keys in it are sealed to %s", view.KeysFor)
	}
	return nil
}
