package main

import (
	"bytes"
	"encoding/csv"
	"maps"
	"slices"
	"strconv"
	"strings"

	"teikyo/models"
)

// csvColumns are the columns that a table of requests can have; those that are
// absent or empty are taken from the flags.
func csvColumns() []string {
	return []string{
		"recipient", "agreement", "key", "dataset", "path", "purpose", "words", "method", "destination", "until", "basis",
	}
}

// draftsFromCSV reads a request a line (UTF-8, with or without a byte order
// mark; the first line names the columns).
func draftsFromCSV(file string, common map[string]any) ([]map[string]any, error) {
	text, err := readFileLimited(file, 16<<20)
	if err != nil {
		return nil, models.Wrap(models.Invalid, err, "the table cannot be read from "+file)
	}
	reader := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	rows, err := reader.ReadAll()
	if err != nil {
		return nil, models.Errorf(models.Invalid, "the table %s is not CSV: %v", file, err)
	}
	if len(rows) < 2 {
		return nil, models.Errorf(models.Invalid, "the table %s needs a line with the names of the columns and one for each recipient", file)
	}
	heads := rows[0]
	for i, head := range heads {
		heads[i] = strings.ToLower(strings.TrimSpace(head))
		if !slices.Contains(csvColumns(), heads[i]) || slices.Contains(heads[:i], heads[i]) {
			return nil, models.Errorf(models.Invalid, "the column %q of %s is unknown or there twice; use %s", head, file,
				strings.Join(csvColumns(), ", "))
		}
	}
	if !slices.Contains(heads, "recipient") {
		return nil, models.Errorf(models.Invalid, "the table %s has no column recipient", file)
	}
	drafts := make([]map[string]any, 0, len(rows)-1)
	for i, row := range rows[1:] {
		draft, err := draftFromRow(heads, row, common)
		if err != nil {
			return nil, models.Errorf(models.Invalid, "line %d of %s: %v", i+2, file, err)
		}
		drafts = append(drafts, draft)
	}
	return drafts, nil
}

func draftFromRow(heads, row []string, common map[string]any) (map[string]any, error) {
	draft := maps.Clone(common)
	draft["recipient"] = ""
	for i, cell := range row {
		cell = strings.TrimSpace(cell)
		switch {
		case cell == "":
		case heads[i] == "dataset":
			id, version, found := strings.Cut(cell, "@")
			draft["dataset"] = id
			delete(draft, "version")
			if n, err := strconv.Atoi(version); err == nil && n > 0 {
				draft["version"] = n
			} else if found {
				return nil, models.Errorf(models.Invalid, "%q is not ID@VERSION", cell)
			}
		default:
			draft[heads[i]] = cell
		}
	}
	if draft["recipient"] == "" {
		return nil, models.Errorf(models.Invalid, "no recipient")
	}
	return draft, nil
}
