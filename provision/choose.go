package provision

import (
	"context"
	"path"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"teikyo/models"
)

// filePage is how many files are read at once.
const filePage = 1000

// maxGlob is the longest pattern of paths, in bytes.
const maxGlob = 1024

// checkGlob refuses a pattern that could never match. An empty one means the
// whole version.
func checkGlob(glob string) error {
	if len(glob) > maxGlob {
		return models.Errorf(models.Invalid, "the pattern --path is longer than %d bytes; shorten it", maxGlob)
	}
	if strings.HasPrefix(glob, "/") {
		return models.Errorf(models.Invalid, "the pattern %q is absolute; paths in a dataset are relative", glob)
	}
	for part := range strings.SplitSeq(glob, "/") {
		if _, err := path.Match(part, ""); err != nil {
			return models.Wrap(models.Invalid, err, "the pattern --path is not valid; write it like 2024/*.csv or claims/**")
		}
	}
	return nil
}

// globMatcher tells which paths a pattern chooses. Each part between slashes is
// matched by path.Match; the part ** stands for any number of folders, and a
// pattern that names a folder chooses everything in it.
func globMatcher(glob string) func(string) bool {
	parts := strings.Split(strings.TrimSuffix(norm.NFC.String(glob), "/"), "/")
	return func(p string) bool { return glob == "" || matchParts(parts, strings.Split(p, "/")) }
}

// matchParts walks the path once and keeps the set of pattern positions that
// are possible, so that its time is the product of the lengths at worst.
func matchParts(pattern, parts []string) bool {
	possible := make([]bool, len(pattern)+1)
	possible[0] = true
	skipStars(pattern, possible)
	for _, part := range parts {
		next := make([]bool, len(pattern)+1)
		for i, on := range possible {
			switch {
			case !on:
			case i == len(pattern): // the pattern named a folder above
				next[i] = true
			case pattern[i] == "**":
				next[i] = true
			default:
				ok, err := path.Match(pattern[i], part)
				next[i+1] = next[i+1] || ok && err == nil
			}
		}
		possible = next
		skipStars(pattern, possible)
	}
	return possible[len(pattern)]
}

// skipStars lets ** stand for no folder at all.
func skipStars(pattern []string, possible []bool) {
	for i, part := range pattern {
		if possible[i] && part == "**" {
			possible[i+1] = true
		}
	}
}

// choice is what a request is for: a version or a part of it.
type choice struct {
	items []models.Item
	count int
	size  int64         // plaintext bytes
	files []models.File // nil for a whole version
}

// choose finds the files of a version that the pattern names.
func (s *Service) choose(ctx context.Context, v models.Version, glob string) (choice, error) {
	if glob == "" {
		return choice{items: v.Items, count: v.FileCount, size: v.TotalSize}, nil
	}
	var c choice
	files, err := s.files(ctx, v, glob)
	if err != nil {
		return c, err
	}
	if len(files) == 0 {
		return c, models.Errorf(models.Invalid, "no file of version %d matches %q; see teikyo dataset show %s@%d",
			v.Number, glob, v.DatasetID, v.Number)
	}
	c.files, c.count = files, len(files)
	for _, f := range files {
		c.size += f.Size
		for _, item := range f.Items {
			if !slices.Contains(c.items, item) {
				c.items = append(c.items, item)
			}
		}
	}
	slices.Sort(c.items)
	return c, nil
}

// files reads the files that the pattern chooses, by path.
func (s *Service) files(ctx context.Context, v models.Version, glob string) ([]models.File, error) {
	matches := globMatcher(glob)
	var chosen []models.File
	for after := ""; ; {
		page, err := s.Store.Files(ctx, v.DatasetID, v.Number, after, filePage)
		if err != nil {
			return nil, err
		}
		for _, f := range page {
			if matches(f.Path) {
				chosen = append(chosen, f)
			}
			after = f.Path
		}
		if len(page) < filePage {
			return chosen, nil
		}
	}
}
