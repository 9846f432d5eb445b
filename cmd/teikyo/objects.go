package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"teikyo/config"
	"teikyo/internal/datadir"
	"teikyo/models"
	"teikyo/storage"
	"teikyo/storage/disk"
	"teikyo/storage/s3"
)

// folderScheme begins the setting storage.url of a store in a folder.
const folderScheme = "folder:"

// objectStore is the store of sealed objects that a setting names.
type objectStore struct {
	storage.Store
	// name is the store without what only says how it is reached. It is what
	// DATA/store remembers.
	name string
	// shared means that other machines may use it, too.
	shared bool
	// check asks whether the store is there and lets the server in; nil when
	// nothing can be asked.
	check func(ctx context.Context) error
}

// openStore opens the store of cfg.Storage.URL without asking it anything.
func openStore(cfg config.Config) (objectStore, error) {
	path, isFolder := strings.CutPrefix(cfg.Storage.URL, folderScheme)
	if cfg.Storage.URL == "" || isFolder {
		return openFolderStore(cfg.Data, path)
	}
	opts, err := s3.ParseURL(cfg.Storage.URL)
	if err != nil {
		return objectStore{}, models.Wrap(models.Invalid, nil, "storage.url: "+err.Error())
	}
	store, err := s3.New(opts)
	if err != nil {
		return objectStore{}, models.Wrap(models.Invalid, nil, "storage.url: "+err.Error())
	}
	return objectStore{Store: store, name: opts.Name(), shared: true, check: store.Check}, nil
}

func openFolderStore(data, path string) (objectStore, error) {
	name := folderScheme + path
	if path == "" {
		path = filepath.Join(data, datadir.ObjectsDir)
	}
	store, err := disk.New(path)
	if err != nil {
		return objectStore{}, models.Wrap(models.Unavailable, err, "the folder for objects cannot be used: "+err.Error())
	}
	return objectStore{Store: store, name: name}, nil
}

// openObjects opens the store and refuses one that lacks what rows name.
func (a *app) openObjects(ctx context.Context) error {
	cfg := a.cfg
	cfg.Data = a.folder.Root()
	store, err := openStore(cfg)
	if err != nil {
		return err
	}
	a.objects = store
	if problem := a.objectsProblem(ctx); problem != nil {
		return models.Wrap(models.Unavailable, problem, "the object store cannot be used: "+problem.Error())
	}
	return a.checkMoved(ctx)
}

// objectsProblem asks the store whether it works.
func (a *app) objectsProblem(ctx context.Context) error {
	if a.objects.check == nil {
		return nil
	}
	return a.objects.check(ctx)
}

// checkMoved compares the store with the rows when it is another than the last
// time: somebody changed storage.url, and perhaps forgot to copy something.
func (a *app) checkMoved(ctx context.Context) error {
	path := a.folder.Path(datadir.StoreFile)
	last, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return models.Wrap(models.Unavailable, nil, "the name of the object store cannot be read: "+err.Error())
	}
	name := strings.TrimSpace(string(last))
	if name == a.objects.name {
		return nil
	}
	var lost []string
	if name != "" || a.hasFolderOfObjects() { // else the folder is new, or restored: restore names what is missing
		if lost, err = a.compareStore(ctx); err != nil {
			return err
		}
	}
	if len(lost) > 0 {
		from := "the store that was used before"
		if name != "" {
			from = name
		}
		return models.Errorf(models.Conflict, "the server does not start: storage.url is now %s, and %d objects that the database names are missing "+
			"or short there (the first is %s); set storage.url back to %s and copy them with teikyo storage copy --to URL",
			a.objects.name, len(lost), lost[0], from)
	}
	if err := os.WriteFile(path, []byte(a.objects.name+"\n"), 0o600); err != nil {
		return models.Wrap(models.Unavailable, err, "the name of the object store cannot be written to "+path)
	}
	return nil
}

// hasFolderOfObjects reports whether the data folder has objects although the
// settings name another store.
func (a *app) hasFolderOfObjects() bool {
	if a.objects.name == folderScheme {
		return false
	}
	_, err := os.Stat(a.folder.Path(datadir.ObjectsDir))
	return err == nil
}

// compareStore lists the objects that rows name and that the store lacks, or has
// in another size.
func (a *app) compareStore(ctx context.Context) ([]string, error) {
	there := map[string]int64{}
	for obj, err := range a.objects.List(ctx) {
		if err != nil {
			return nil, models.Wrap(models.Unavailable, err, "the object store cannot be listed: "+err.Error())
		}
		there[obj.Key] = obj.Size
	}
	var lost []string
	for object, err := range a.db.StoredObjects(ctx) {
		if err != nil {
			return nil, err
		}
		for _, segment := range object.Segments {
			if size, ok := there[segment.Key]; !ok || size != segment.Size {
				lost = append(lost, segment.Key)
			}
		}
	}
	return lost, nil
}

// storeReport is the answer of storage check.
type storeReport struct {
	Store   string   `json:"store"`
	OK      bool     `json:"ok"`
	Missing []string `json:"missing"` // keys, at most 100
	Count   int      `json:"missing_count"`
}

// reportStore compares the store with the rows.
func (a *app) reportStore(ctx context.Context) (storeReport, error) {
	lost, err := a.compareStore(ctx)
	if err != nil {
		return storeReport{}, err
	}
	return storeReport{Store: a.objects.name, OK: len(lost) == 0, Missing: append([]string{}, lost[:min(len(lost), 100)]...), Count: len(lost)}, nil
}

// text is the report in one line.
func (r storeReport) text() string {
	if r.OK {
		return fmt.Sprintf("%s holds everything that the database names", r.Store)
	}
	return fmt.Sprintf("%s lacks %d objects that the database names, the first is %s", r.Store, r.Count, r.Missing[0])
}
