package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"teikyo/database"
	"teikyo/models"
	"teikyo/storage"
)

// missingObject is something that rows name and the object store lacks.
type missingObject struct {
	Kind       string   `json:"kind"` // sealed, pack
	ID         string   `json:"id"`
	Keys       []string `json:"keys"`       // of the objects that are absent or of another size
	Paths      []string `json:"paths"`      // files of versions that are in it
	Provisions []string `json:"provisions"` // in force, that need it
}

// findMissing asks the object store for every object that a row names.
func (r *restore) findMissing(ctx context.Context, db *database.DB) error {
	cfg := r.cfg
	cfg.Data = r.folder.Root()
	objects, err := openStore(cfg)
	if err != nil {
		return err
	}
	r.result.Missing = []missingObject{}
	for object, err := range db.StoredObjects(ctx) {
		if err != nil {
			return err
		}
		absent, err := absentKeys(ctx, objects, object)
		if err != nil {
			return err
		}
		if len(absent) == 0 {
			continue
		}
		use, err := db.ObjectUses(ctx, object)
		if err != nil {
			return err
		}
		r.result.Missing = append(r.result.Missing, missingObject{
			Kind: object.Kind, ID: object.ID, Keys: absent, Paths: notNil(use.Paths), Provisions: notNil(use.Provisions),
		})
	}
	return nil
}

func notNil(list []string) []string { return append([]string{}, list...) }

func absentKeys(ctx context.Context, objects storage.Store, object models.StoredObject) ([]string, error) {
	var absent []string
	for _, s := range object.Segments {
		found, err := objects.Stat(ctx, s.Key)
		if err != nil && !errors.Is(err, storage.ErrNotExist) {
			return nil, models.Wrap(models.Unavailable, err, "the object store does not answer: "+err.Error())
		}
		if err != nil || found.Size != s.Size {
			absent = append(absent, s.Key)
		}
	}
	return absent, nil
}

func (r *restore) reportMissing() error {
	if len(r.result.Missing) == 0 {
		return nil
	}
	if !r.json {
		for _, m := range r.result.Missing {
			fmt.Fprintf(r.out, "missing %s\n", strings.Join(m.Keys, ", "))
			for _, path := range m.Paths {
				fmt.Fprintf(r.out, "  file %s\n", printable(path))
			}
			for _, id := range m.Provisions {
				fmt.Fprintf(r.out, "  provision %s\n", id)
			}
		}
	}
	msg := fmt.Sprintf("%d objects are missing: bring them into the object store before the server starts", len(r.result.Missing))
	if r.json {
		msg = ""
	}
	return &exitWith{code: 3, msg: msg}
}
