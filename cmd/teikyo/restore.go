package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"teikyo/backup"
	"teikyo/config"
	"teikyo/crypto"
	"teikyo/database"
	"teikyo/internal/datadir"
	"teikyo/ledger"
	"teikyo/models"
)

// restoreFlags are what a restore is asked for.
type restoreFlags struct {
	settings    settingFlags
	identity    string
	checkpoints []string
	force       bool
	inPlace     bool
	reason      string
	by          []string
}

func (c *cli) restoreCommand() *cobra.Command {
	f := &restoreFlags{}
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup in place on a clean machine", Args: func(cmd *cobra.Command, args []string) error {
			if f.inPlace {
				return noArgs(cmd, args)
			}
			return exactArgs("FILE")(cmd, args)
		},
		Long: `Put a backup in place in a data folder that holds no server. The folder may hold
objects, keys and checkpoints that were brought there first; their places may also
be set in the configuration file, and a database.url names an empty database.

Every part is checked first, then the ledger. A state that is older than the newest
checkpoint of the second place is refused (exit 7): entries that people hold proofs
of would be gone. Bring back a newer one if there is any. If there is none, --force
restores it for two administrators, each named with a file of their password, and
begins a new log whose first entry says what was lost. Links, sessions, tokens, jobs
and webhooks end; recipients, their keys, provisions and all accounts but those two
wait until a person confirms each again.

A database that its own tools brought back to an earlier moment, such as PostgreSQL's
recovery to a point in time, is refused by the server in the same way. --in-place
--force, without FILE and with every node stopped, begins the new log on it.

Objects that rows name and that are not there are listed, each with what needs it
(exit 3).`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := f.settings.load(cmd)
			if err != nil {
				return err
			}
			if f.force && (f.reason == "" || len(f.by) != 2) {
				return usageError(cmd, "--force takes --reason and two --by EMAIL=PASSWORD_FILE")
			}
			if f.inPlace && (!f.force || f.identity != "") {
				return usageError(cmd, "--in-place takes --force, --reason and two --by, and no identity")
			}
			r := &restore{cli: c, cfg: cfg.WithDefaults(), flags: f}
			if f.inPlace {
				return r.runInPlace(cmd.Context())
			}
			r.file = args[0]
			return r.run(cmd.Context())
		},
	}
	f.settings.add(cmd, "data", "the new data folder (default teikyo-data)")
	f.settings.addFile(cmd)
	cmd.Flags().StringVarP(&f.identity, "identity", "i", "", "identity file that opens the keys in the backup")
	cmd.Flags().StringArrayVar(&f.checkpoints, "checkpoint", nil, "file of a checkpoint that somebody holds; the state must contain it; may be repeated")
	cmd.Flags().BoolVar(&f.force, "force", false, "restore an older state for two administrators and begin a new log")
	cmd.Flags().BoolVar(&f.inPlace, "in-place", false, "with --force and without FILE: the database that is there, brought back by its own tools")
	cmd.Flags().StringVar(&f.reason, "reason", "", "with --force: why, in words; it stays in the ledger")
	cmd.Flags().StringArrayVar(&f.by, "by", nil, "with --force, twice: EMAIL=PASSWORD_FILE of an administrator who agrees")
	return cmd
}

// restore is one restore; its steps follow each other in run.
type restore struct {
	*cli
	cfg   config.Config
	flags *restoreFlags
	file  string

	backup *backup.File
	folder *datadir.Folder
	work   string // folder for what is not finished
	issuer crypto.Issuer
	keys   []backup.Small
	result restored
}

// restored is what the command says.
type restored struct {
	Data       string           `json:"data"`
	Origin     string           `json:"origin"` // of the log
	LedgerSize int64            `json:"ledger_size"`
	MadeAt     string           `json:"made_at"`
	Keys       []string         `json:"keys"`     // put in place
	KeysTo     string           `json:"keys_dir"` // where they are looked for
	KeysNeeded []string         `json:"keys_needed"`
	Unchecked  bool             `json:"unchecked"` // no second place told how new the state is
	Suspended  map[string]int64 `json:"suspended,omitempty"`
	Missing    []missingObject  `json:"missing"`
}

// workDir is the folder below the data folder in which a restore works. What a
// killed one left is removed by the next.
const workDir = ".restore"

func (r *restore) run(ctx context.Context) (err error) {
	f, err := os.Open(r.file)
	if err != nil {
		return models.Wrap(models.Invalid, nil, "the backup cannot be read: "+err.Error())
	}
	defer f.Close()
	if r.backup, err = openBackup(f); err != nil {
		return err
	}
	if err := r.openFolder(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.work), r.folder.Close()) }()
	for _, step := range []func(context.Context) error{
		r.readIssuer, r.openKeys, r.fillDatabase, r.useDatabase, r.placeKeys, r.placeCheckpoints, r.placeDatabase,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return r.report()
}

// openFolder takes the data folder, which must hold no server.
func (r *restore) openFolder() error {
	may := []string{datadir.ObjectsDir, datadir.KeysDir, datadir.CheckpointsDir, datadir.LockFile, workDir}
	entries, err := os.ReadDir(r.cfg.Data)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return models.Wrap(models.Invalid, nil, err.Error())
	}
	for _, entry := range entries {
		if !slices.Contains(may, entry.Name()) {
			return models.Errorf(models.Conflict, "%s is not empty (it holds %s); a restore goes into a folder that holds nothing but objects, keys and checkpoints",
				r.cfg.Data, entry.Name())
		}
	}
	folder, err := datadir.Reserve(r.cfg.Data)
	if errors.Is(err, datadir.ErrLocked) {
		return models.Wrap(models.Conflict, nil, err.Error())
	}
	if err != nil {
		return models.Wrap(models.Invalid, nil, err.Error())
	}
	r.folder, r.work = folder, folder.Path(workDir)
	if err := errors.Join(os.RemoveAll(r.work), os.Mkdir(r.work, 0o700)); err != nil {
		return errors.Join(diskError(err), folder.Close())
	}
	r.result.Data = folder.Root()
	return nil
}

// readIssuer reads the issuer file, and compares it with the one that the keys
// folder holds already.
func (r *restore) readIssuer(context.Context) error {
	text, err := r.backup.Small(backup.IssuerPart)
	if err != nil {
		return err
	}
	if r.issuer, err = crypto.ParseIssuer(text); err != nil {
		return models.Wrap(models.Integrity, nil, "the issuer file in the backup: "+err.Error())
	}
	text, err = readFileLimited(filepath.Join(r.keysDir(), issuerFile), 1<<20+1)
	if err != nil {
		return nil //nolint:nilerr // none is there yet
	}
	present, err := crypto.ParseIssuer(text)
	if err != nil {
		return models.Wrap(models.Integrity, nil, "the issuer file in "+r.keysDir()+": "+err.Error())
	}
	if crypto.Extends(r.issuer, present) == nil { // keys were changed after the backup
		r.issuer = present
	} else if !errors.Is(crypto.Extends(r.issuer, present), crypto.ErrIssuerOlder) {
		return models.Errorf(models.Conflict, "the keys in %s are of %s (fingerprint %s), the backup is of %s (fingerprint %s); set keys_dir",
			r.keysDir(), present.Origin, present.Fingerprint(), r.issuer.Origin, r.issuer.Fingerprint())
	}
	return nil
}

func (r *restore) keysDir() string {
	if r.cfg.KeysDir != "" {
		return r.cfg.KeysDir
	}
	return r.folder.Path(datadir.KeysDir)
}

// openKeys opens the sealed keys when there is an identity for them.
func (r *restore) openKeys(context.Context) error {
	if r.flags.identity == "" {
		return nil
	}
	text, err := r.readSecret(r.flags.identity, "identity")
	if err != nil {
		return err
	}
	id, err := crypto.ParseIdentity(strings.NewReader(text))
	if err != nil {
		return models.Wrap(models.Invalid, nil, err.Error())
	}
	r.keys, err = r.backup.Keys(id)
	return err
}

// databaseOptions says where the rows go: SQLite below a name that is not the last
// one, unless it is there already.
func (r *restore) databaseOptions() (database.Options, error) {
	opts, err := databaseOptions(r.cfg)
	opts.Rand = rand.Reader
	switch {
	case r.onSQLite() && r.flags.inPlace:
		opts.URL = "sqlite:" + r.finalPath()
	case r.onSQLite():
		opts.URL = "sqlite:" + filepath.Join(r.work, datadir.DatabaseFile)
	}
	return opts, err
}

func (r *restore) onSQLite() bool {
	url := r.cfg.Database.URL.Reveal()
	return url == "" || strings.HasPrefix(url, "sqlite:")
}

// finalPath is where the file of SQLite ends up.
func (r *restore) finalPath() string {
	if path, ok := strings.CutPrefix(r.cfg.Database.URL.Reveal(), "sqlite:"); ok {
		return path
	}
	return r.folder.Path(datadir.DatabaseFile)
}

func (r *restore) fillDatabase(ctx context.Context) error {
	if r.onSQLite() {
		if _, err := os.Lstat(r.finalPath()); err == nil {
			return models.Errorf(models.Conflict, "there is a database at %s already; a restore goes into a new one", r.finalPath())
		}
		f, err := os.OpenFile(filepath.Join(r.work, datadir.DatabaseFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return diskError(err)
		}
		if err := f.Close(); err != nil {
			return diskError(err)
		}
	}
	opts, err := r.databaseOptions()
	if err != nil {
		return err
	}
	return database.Load(ctx, opts, r.backup.Manifest.Schema,
		func(put database.PutTable) error { return r.backup.Fill(put) })
}

// useDatabase checks what was restored, decides whether it may count, and looks
// for what it needs.
func (r *restore) useDatabase(ctx context.Context) error {
	opts, err := r.databaseOptions()
	if err != nil {
		return err
	}
	db, err := database.Open(ctx, opts)
	if err != nil {
		return err
	}
	defer db.Close()
	steps := []func(context.Context, *database.DB) error{r.verify, r.compare, r.neededKeys, r.findMissing}
	for _, step := range steps {
		if err := step(ctx, db); err != nil {
			return err
		}
	}
	return errors.Join(db.Flush(ctx), db.Close())
}

// verify checks the ledger as a whole, against the backup's own checkpoint.
func (r *restore) verify(ctx context.Context, db *database.DB) error {
	verifiers, err := checkpointVerifiers(r.issuer)
	if err != nil {
		return err
	}
	opts := ledger.VerifyOptions{Origin: r.issuer.Origin, Verifiers: verifiers}
	checkpoint, err := r.part(backup.CheckpointPart)
	if err != nil {
		return err
	}
	if checkpoint != nil {
		opts.Checkpoints = append(opts.Checkpoints, checkpoint)
	}
	var report ledger.Report
	err = db.Snapshot(ctx, func(ctx context.Context) error {
		report, err = verifySource(ctx, db, opts)
		return err
	})
	if err != nil {
		return err
	}
	if r.flags.inPlace {
		return r.verifiedInPlace(ctx, db, report)
	}
	want := r.backup.Manifest.Ledger
	if report.OK && (report.Size != want.Size || report.Root != want.Root) {
		report.OK, report.Problem = false, "it is not the one that the backup's manifest names"
	}
	if !report.OK {
		return models.Errorf(models.Integrity, "the ledger in the backup does not hold: %s; use another backup", report.Problem)
	}
	r.result.Origin, r.result.LedgerSize, r.result.MadeAt = want.Origin, want.Size, r.backup.Manifest.MadeAt.Format("2006-01-02T15:04:05Z")
	return nil
}

// neededKeys says which keys the restored server will look for and that are
// neither there nor in the backup.
func (r *restore) neededKeys(ctx context.Context, db *database.DB) error {
	r.result.KeysTo, r.result.Keys, r.result.KeysNeeded = r.keysDir(), []string{}, []string{}
	have := map[string]bool{}
	for _, key := range r.keys {
		have[key.Name] = true
	}
	versions, err := db.KEKVersions(ctx)
	if err != nil {
		return err
	}
	need := []string{issuerFile}
	for _, v := range versions {
		if needsKeyFiles([]models.KEKVersion{v}) {
			need = append(need, v.ID+".key")
		}
	}
	for _, name := range need {
		if _, err := os.Stat(filepath.Join(r.keysDir(), name)); err != nil && !have[name] {
			r.result.KeysNeeded = append(r.result.KeysNeeded, name)
		}
	}
	return nil
}

// placeKeys writes the key files; one that is there already must be the same.
func (r *restore) placeKeys(context.Context) error {
	if len(r.keys) == 0 {
		return nil
	}
	dir := r.keysDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return diskError(err)
	}
	for _, key := range r.keys {
		path := filepath.Join(dir, key.Name)
		if present, err := os.ReadFile(path); err == nil {
			if key.Name != issuerFile && string(present) != string(key.Data) {
				return models.Errorf(models.Conflict, "%s is there already and is another key; set keys_dir to an empty folder", path)
			}
			continue
		}
		if err := writeDurably(path, key.Data); err != nil {
			return err
		}
		r.result.Keys = append(r.result.Keys, key.Name)
	}
	return syncDir(dir)
}

// writeDurably writes a new file (0600) as a whole.
func writeDurably(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return diskError(err)
	}
	defer func() { _ = removeFile(f.Name()) }()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return diskError(err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return diskError(err)
	}
	return nil
}

// placeDatabase gives the database its name: from then on the folder is a
// server's.
func (r *restore) placeDatabase(context.Context) error {
	if !r.onSQLite() {
		return nil
	}
	from := filepath.Join(r.work, datadir.DatabaseFile)
	if info, err := os.Lstat(from + "-wal"); err == nil && info.Size() > 0 {
		return models.Errorf(models.Internal, "the restored database has a log of changes beside it")
	}
	f, err := os.OpenFile(from, os.O_RDWR, 0)
	if err != nil {
		return diskError(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return diskError(err)
	}
	if err := os.Rename(from, r.finalPath()); err != nil {
		return diskError(err)
	}
	return syncDir(filepath.Dir(r.finalPath()))
}

// report says what was done and what is left to do.
func (r *restore) report() error {
	if r.json {
		r.printJSON(r.result)
	} else {
		fmt.Fprintf(r.out, "restored %s as of %s: log %s, %d entries\n", r.result.Data, r.result.MadeAt, r.result.Origin, r.result.LedgerSize)
	}
	if r.result.Unchecked {
		r.say("no second place told how new this state is: entries may be missing that people hold proofs of; set checkpoints_dir, or name what they hold with --checkpoint")
	}
	if len(r.result.KeysNeeded) > 0 {
		r.say("put these keys into %s before the server starts: %s", r.result.KeysTo, strings.Join(r.result.KeysNeeded, ", "))
	}
	if r.result.Suspended != nil {
		r.say("everything waits for people: teikyo user enable, recipient reinstate, recipient key approve, provision reinstate")
	}
	return r.reportMissing()
}
