// Sbom writes the bill of materials of a built program as CycloneDX 1.6 JSON: the
// modules that the linker recorded in it, with their digests.
//
//	sbom PROGRAM > PROGRAM.cdx.json
package main

import (
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
)

// bom is a document of CycloneDX 1.6 (ECMA-424), as far as it is needed here.
type bom struct {
	Format     string       `json:"bomFormat"`
	Spec       string       `json:"specVersion"`
	Version    int          `json:"version"`
	Metadata   metadata     `json:"metadata"`
	Components []component  `json:"components"`
	Depends    []dependency `json:"dependencies"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Ref     string `json:"bom-ref"`
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl,omitempty"`
	Hashes  []hash `json:"hashes,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errOut io.Writer) int {
	if len(args) != 1 {
		fmt.Fprintln(errOut, "usage: sbom PROGRAM")
		return 2
	}
	info, err := buildinfo.ReadFile(args[0])
	if err != nil {
		fmt.Fprintln(errOut, "sbom:", err)
		return 1
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(billOf(info)); err != nil {
		fmt.Fprintln(errOut, "sbom:", err)
		return 1
	}
	return 0
}

// billOf lists the program, Go's own library and every module.
func billOf(info *debug.BuildInfo) bom {
	program := component{Ref: info.Main.Path, Type: "application", Name: info.Main.Path, Version: version(info)}
	list := []component{{
		Ref: "pkg:golang/std@" + info.GoVersion, Type: "library", Name: "std", Version: info.GoVersion, PURL: "pkg:golang/std@" + info.GoVersion,
	}}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		list = append(list, library(m))
	}
	uses := dependency{Ref: program.Ref}
	for _, c := range list {
		uses.DependsOn = append(uses.DependsOn, c.Ref)
	}
	return bom{
		Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: metadata{program}, Components: list, Depends: []dependency{uses},
	}
}

// library is a module; its sum is Go's own digest of the module's files
// (golang.org/x/mod/sumdb/dirhash, Hash1), a SHA-256.
func library(m *debug.Module) component {
	purl := "pkg:golang/" + m.Path + "@" + m.Version
	c := component{Ref: purl, Type: "library", Name: m.Path, Version: m.Version, PURL: purl}
	if text, ok := strings.CutPrefix(m.Sum, "h1:"); ok {
		if sum, err := base64.StdEncoding.DecodeString(text); err == nil {
			c.Hashes = []hash{{"SHA-256", hex.EncodeToString(sum)}}
		}
	}
	return c
}

// version is what the release was built as (-X …buildinfo.version), else what Go
// recorded.
func version(info *debug.BuildInfo) string {
	for _, s := range info.Settings {
		if s.Key != "-ldflags" {
			continue
		}
		for word := range strings.FieldsSeq(s.Value) {
			if v, ok := strings.CutPrefix(word, "teikyo/internal/buildinfo.version="); ok && v != "" {
				return v
			}
		}
	}
	return info.Main.Version
}
