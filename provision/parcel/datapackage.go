package parcel

import (
	"encoding/json"
	"io"
	"time"
)

const dataPackageProfile = "https://datapackage.org/profiles/2.0/datapackage.json"

// resource is a Data Resource of Frictionless Data Package v2. It describes the
// opened file; it holds no digest, because a digest of the plaintext would let
// small records be guessed.
type resource struct {
	Name      string          `json:"name"`
	Path      string          `json:"path"`
	MediaType string          `json:"mediatype,omitempty"`
	Bytes     int64           `json:"bytes"`
	Schema    json.RawMessage `json:"schema,omitempty"`
}

// writeDataPackage streams datapackage.json: as large as the manifest.
func (b *builder) writeDataPackage() error {
	schemas := tableSchemas(b.Schema)
	return b.document(DataPackagePath, func(w io.Writer) error {
		head, err := json.Marshal(map[string]any{
			"$schema": dataPackageProfile, "name": b.Head.Dataset.ID, "id": b.Head.Provision,
			"title": b.Head.Dataset.Title, "version": b.Head.Dataset.Version,
			"created": b.Head.Created.UTC().Format(time.RFC3339),
		})
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, string(head[:len(head)-1])+`,"resources":[`); err != nil {
			return err
		}
		for i, f := range b.Files {
			if err := writeResource(w, i, f, schemas[f.Path]); err != nil {
				return err
			}
		}
		_, err = io.WriteString(w, "\n]}\n")
		return err
	})
}

func writeResource(w io.Writer, i int, f File, schema json.RawMessage) error {
	line, err := json.Marshal(resource{
		Name: f.Path, Path: dataFolder + f.Path, MediaType: f.MediaType, Bytes: f.Size, Schema: schema,
	})
	if err != nil {
		return err
	}
	separator := ",\n"
	if i == 0 {
		separator = "\n"
	}
	_, err = io.WriteString(w, separator+string(line))
	return err
}

// tableSchemas finds the Table Schemas in the package that was given at
// registration, by path. What it cannot read it leaves out: the schema is a help
// and no part of what is provided.
func tableSchemas(given string) map[string]json.RawMessage {
	var pkg struct {
		Resources []struct {
			Path   json.RawMessage `json:"path"`
			Schema json.RawMessage `json:"schema"`
		} `json:"resources"`
	}
	schemas := map[string]json.RawMessage{}
	if json.Unmarshal([]byte(given), &pkg) != nil {
		return schemas
	}
	for _, r := range pkg.Resources {
		var path string // a list of paths is allowed, too; then there is no one file
		if json.Unmarshal(r.Path, &path) == nil && len(r.Schema) > 0 && r.Schema[0] == '{' {
			schemas[path] = r.Schema
		}
	}
	return schemas
}
