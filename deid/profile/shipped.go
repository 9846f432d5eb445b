package profile

import (
	"embed"
	"io/fs"
	"path"
	"slices"
	"sync"

	"teikyo/models"
)

// The profiles that are shipped.
const (
	JPPolicy         = "jp-policy"           // the rules of the Japanese policy (DOMAIN.md 1.1, 1.4, 3)
	USSafeHarbor     = "us-safe-harbor"      // 45 CFR 164.514(b)(2)
	USLimitedDataSet = "us-limited-data-set" // 45 CFR 164.514(e)
	None             = "none"                // nothing is looked at; every file needs a waiver
)

//go:embed shipped
var shippedFiles embed.FS

// Names are the shipped profiles.
func Names() []string { return []string{JPPolicy, USSafeHarbor, USLimitedDataSet, None} }

// Shipped returns a shipped profile; the empty name is jp-policy. The error is a
// *models.Error of kind invalid.
func Shipped(name string) (*Profile, error) {
	if name == "" {
		name = JPPolicy
	}
	read, ok := loaders()[name]
	if !ok {
		return nil, models.Errorf(models.Invalid, "there is no de-identification profile %q; use %s, %s, %s, or %s with a waiver",
			name, JPPolicy, USSafeHarbor, USLimitedDataSet, None)
	}
	return read()
}

// loaders read each shipped profile once.
var loaders = sync.OnceValue(func() map[string]func() (*Profile, error) {
	all := map[string]func() (*Profile, error){}
	for _, name := range Names() {
		all[name] = sync.OnceValues(func() (*Profile, error) { return loadFolder(shippedFiles, "shipped/"+name) })
	}
	return all
})

// loadFolder joins profile.yaml and the files of the formats, in the order of
// their names.
func loadFolder(files fs.FS, folder string) (*Profile, error) {
	entries, err := fs.ReadDir(files, folder)
	if err != nil {
		return nil, models.Wrap(models.Internal, err, "the shipped profiles cannot be read")
	}
	parts := []part{{file: "profile.yaml"}}
	for _, e := range entries {
		text, err := fs.ReadFile(files, path.Join(folder, e.Name()))
		switch {
		case err != nil:
			return nil, models.Wrap(models.Internal, err, "the shipped profiles cannot be read")
		case e.Name() == "profile.yaml":
			parts[0].text = text
		case path.Ext(e.Name()) == ".yaml":
			parts = append(parts, part{e.Name(), text})
		}
	}
	slices.SortStableFunc(parts[1:], func(a, b part) int {
		if a.file < b.file {
			return -1
		}
		return 1
	})
	return parse(parts, nil)
}
