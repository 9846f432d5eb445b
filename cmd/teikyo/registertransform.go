package main

import (
	"context"
	"fmt"
	"os"

	"teikyo/deid/profile"
	"teikyo/models"
)

// transformedBy is what the files of a registration were changed with, and where
// the results are until they are sent.
type transformedBy struct {
	profile map[string]string
	folder  string
}

func (t *transformedBy) remove() {
	if t != nil {
		_ = os.RemoveAll(t.folder) // de-identified files; the next run makes them again
	}
}

// transformFirst changes the files before anything is sent: the originals never
// leave this machine. What the server seals, and reports on, are the results.
func (c *cli) transformFirst(ctx context.Context, r *registration) error {
	if r.transform.profile == "" {
		return nil
	}
	p, err := profile.Load(r.transform.profile)
	if err != nil {
		return err
	}
	t, err := r.transform.changer(ctx, c, p)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", ".teikyo-deid-*")
	if err != nil {
		return models.Wrap(models.Full, err, "there is no room for the changed files in the folder for temporary files")
	}
	r.transformed = &transformedBy{
		profile: map[string]string{"profile": p.Name, "version": p.Version, "profile_sha256": p.Hash}, folder: folder,
	}
	for i, f := range r.files {
		t.Reset()
		target := fmt.Sprintf("%s/%d", folder, i)
		if err := applyFile(ctx, f, t, target); err != nil {
			r.transformed.remove()
			return err
		}
		info, err := os.Stat(target)
		if err != nil {
			r.transformed.remove()
			return cannotRead(target, err)
		}
		r.files[i].disk, r.files[i].size = target, info.Size()
		if !c.json {
			c.sayChanges(t.Report())
		}
	}
	return nil
}
