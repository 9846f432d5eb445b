package deid

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"

	"teikyo/deid/scan"
	"teikyo/models"
)

// dataPackage is what is read of a datapackage.json (Frictionless Data Package).
type dataPackage struct {
	Resources []struct {
		Name   string `json:"name"`
		Path   any    `json:"path"` // a string or a list of them
		Schema struct {
			Fields []struct {
				Name string `json:"name"`
				Type string `json:"type"`
			} `json:"fields"`
		} `json:"schema"`
	} `json:"resources"`
}

// Compare adds to a report what the schema of a data package declares and what
// was found: columns that nobody declared block, for they may be there by
// mistake; declared columns that are missing or stand elsewhere warn. A file that
// the package does not name warns. The error is a *models.Error of kind invalid.
func Compare(r Report, schema string) (Report, error) {
	var pkg dataPackage
	if err := json.Unmarshal([]byte(schema), &pkg); err != nil {
		return r, models.Wrap(models.Invalid, err, "the schema is no datapackage.json (Frictionless Data Package)")
	}
	if slices.ContainsFunc(r.Findings, func(f models.Finding) bool { return alwaysBlocks(f.Rule) }) {
		return r, nil // there is nothing to compare with
	}
	for _, res := range pkg.Resources {
		if !names(res.Path, r.Path) {
			continue
		}
		if len(res.Schema.Fields) == 0 || !r.Header {
			r.NotLookedAt = append(r.NotLookedAt, "the declared schema: the file or the schema has no names of columns")
			return r, nil
		}
		declared := make([]string, len(res.Schema.Fields))
		for i, f := range res.Schema.Fields {
			declared[i] = scan.DisplayName(f.Name)
		}
		r.compareColumns(declared)
		r.close()
		return r, nil
	}
	r.warn("not-declared", "", "the data package declares no resource with the path of this file")
	r.close()
	return r, nil
}

// names reports whether a resource's path names the file.
func names(declared any, file string) bool {
	switch p := declared.(type) {
	case string:
		return p == file || path.Base(p) == path.Base(file)
	case []any:
		for _, one := range p {
			if names(one, file) {
				return true
			}
		}
	}
	return false
}

func (r *Report) compareColumns(declared []string) {
	at := map[string]int{}
	for i, name := range declared {
		at[name] = i
	}
	found := map[string]bool{}
	for i, c := range r.Columns {
		found[c.Name] = true
		where := fmt.Sprintf("column %d %q", i+1, c.Name)
		switch n, ok := at[c.Name]; {
		case !ok:
			r.block("undeclared-column", where, where+" is not declared in the schema; take it out or declare it")
		case n != i:
			r.warn("column-order", where, fmt.Sprintf("%s is declared as column %d", where, n+1))
		}
	}
	for i, name := range declared {
		if !found[name] {
			where := fmt.Sprintf("column %d %q", i+1, name)
			r.warn("missing-column", where, where+" is declared in the schema and not in the file")
		}
	}
}
