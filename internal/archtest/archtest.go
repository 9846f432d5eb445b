// Package archtest reads the import lines of every file and compares them with
// the table of DESIGN.md, section 2. It asks no build system, so that files for
// other systems and broken packages count too.
package archtest

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Module is the path that imports of ours begin with.
const Module = "teikyo"

// everything is the row of a package that wires all others together.
const everything = "*"

// rows says what the files of a package, tests apart, may import of ours. A
// folder without a row is an error: decide first where it stands.
var rows = map[string][]string{
	"models":  {},
	"config":  {},
	"egress":  {},
	"wording": {},
	"web":     {},

	"internal/archtest":  {},
	"internal/buildinfo": {},
	"internal/clock":     {},
	"internal/datadir":   {},
	"internal/packaging": {},
	"internal/sbom":      {},
	"internal/sizes":     {},

	"ledger":             {},
	"ledger/checkpoints": {"ledger"},
	"ledger/export":      {"ledger"},
	"ledger/ledgertest":  {"models", "ledger"},

	"storage":             {},
	"storage/disk":        {"storage"},
	"storage/memory":      {"storage"},
	"storage/move":        {"storage"},
	"storage/s3":          {"storage"},
	"storage/s3/s3test":   {"storage", "storage/s3", "models", "ledger"},
	"storage/storagetest": {"storage", "models", "ledger"},

	"crypto":                     {"egress"},
	"crypto/transit":             {"crypto", "egress"},
	"crypto/transit/transittest": {},
	"deid":                       {"deid/archive", "deid/change", "deid/dicom", "deid/dpc", "deid/excel", "deid/fhir", "deid/jsonlines", "deid/kaigo", "deid/parquet", "deid/plain", "deid/profile", "deid/program", "deid/recognise", "deid/risk", "deid/rowrisk", "deid/scan", "deid/source", "deid/spill", "deid/table", "deid/tabular", "deid/uke", "models"},
	"deid/change":                {"models", "deid/profile", "deid/recognise"},
	"deid/dicom":                 {"models", "deid/change", "deid/profile", "deid/recognise", "deid/scan", "deid/source"},
	"deid/dpc":                   {"deid/recognise", "deid/records"},
	"deid/fhir":                  {"models", "deid/change", "deid/jsontext", "deid/profile", "deid/recognise", "deid/scan", "deid/source"},
	"deid/jsonlines":             {"models", "deid/change", "deid/jsontext", "deid/profile", "deid/recognise", "deid/scan", "deid/source", "deid/table"},
	"deid/excel":                 {"deid/change", "deid/program", "deid/recognise", "deid/scan", "deid/source", "deid/table", "deid/zipfile", "models"},
	"deid/jsontext":              {"models"},
	"deid/kaigo":                 {"deid/recognise", "deid/records"},
	"deid/profile":               {"models", "deid/recognise"},
	"deid/program":               {"models", "deid/change", "deid/scan", "deid/source"},
	"deid/archive":               {"models", "deid/change", "deid/excel", "deid/program", "deid/recognise", "deid/scan", "deid/source", "deid/zipfile"},
	"deid/parquet":               {"models", "deid/change", "deid/recognise", "deid/scan", "deid/source"},
	"deid/plain":                 {"models", "deid/change", "deid/scan", "deid/source", "deid/table"},
	"deid/recognise":             {"models"},
	"deid/records":               {"models", "deid/change", "deid/profile", "deid/recognise", "deid/scan", "deid/source"},
	"deid/records/recordstest":   {"deid", "deid/change", "deid/profile", "deid/recognise", "deid/records", "deid/source"},
	"deid/risk":                  {"models"},
	"deid/rowrisk":               {"models", "deid/profile", "deid/recognise", "deid/risk"},
	"deid/scan":                  {"deid/profile", "deid/recognise", "deid/table"},
	"deid/source":                {"models", "deid/table"},
	"deid/spill":                 {},
	"deid/table":                 {"models"},
	"deid/zipfile":               {},
	"deid/tabular":               {"models", "deid/change", "deid/profile", "deid/recognise", "deid/scan", "deid/source", "deid/table"},
	"deid/uke":                   {"deid/recognise", "deid/records"},
	"database":                   {"models", "ledger"},
	"database/dbtest":            {"database", "models", "ledger"},
	"access":                     {"models", "crypto", "ledger", "egress"},
	"delivery":                   {"models"},
	"delivery/sftp":              {"models", "egress", "delivery"},
	"delivery/sftp/sftptest":     {},
	"jobs":                       {"models"},
	"events":                     {"models", "crypto", "ledger", "access", "egress", "jobs"},

	"dataset":            {"models", "crypto", "storage", "ledger", "deid", "access", "jobs", "dataset/intake"},
	"dataset/intake":     {"models", "crypto", "storage", "deid"},
	"recipient":          {"models", "crypto", "ledger", "access"},
	"keys":               {"models", "crypto", "ledger"},
	"rekey":              {"models", "crypto", "ledger", "access", "deid/recognise"},
	"provision":          {"models", "crypto", "storage", "ledger", "delivery", "access", "wording", "provision/parcel"},
	"provision/parcel":   {"models", "crypto", "storage", "ledger", "wording"},
	"provision/dispatch": {"models", "crypto", "ledger", "access", "jobs", "delivery", "provision/parcel"},

	"report":       {"models", "ledger", "access", "provision", "wording", "report/sheet"},
	"report/sheet": {},
	"backup":       {"models", "crypto", "ledger"},
	"disposal":     {"models", "crypto", "storage", "ledger", "access", "provision/parcel"},
	"legacy":       {"models", "ledger", "access", "recipient", "provision", "wording"},
	"evidence":     {"models", "crypto", "ledger"},
	"audit":        {"models", "crypto", "ledger", "access", "provision", "provision/parcel", "report", "evidence"},

	"client":            {"models", "crypto", "ledger", "ledger/checkpoints", "egress", "client/arrival", "client/received"},
	"client/arrival":    {"models", "crypto", "ledger"},
	"client/received":   {"models", "crypto", "ledger", "ledger/checkpoints", "client/arrival"},
	"client/clienttest": {"models", "crypto", "ledger", "ledger/ledgertest", "client"},

	"handlers": {"models", "access", "dataset", "recipient", "provision", "provision/parcel", "provision/dispatch", "report", "report/sheet", "audit", "legacy", "events", "disposal", "rekey", "ledger", "web", "wording"},

	"cmd/teikyo": {everything},
	"bench":      {everything},
}

// cmdOnly are the packages that cmd and bench alone may import.
var cmdOnly = []string{"config", "database", "storage/s3", "storage/disk", "handlers"}

// pure packages know nothing of the rest of the house, their tests neither:
// beside their row those may import test packages and the store in memory.
var pure = []string{"models", "config", "storage", "ledger", "egress", "wording", "web", "crypto", "deid", "internal"}

// fences are the third-party modules that belong to few packages, by the
// beginning of the import path. Tests may look from outside.
var fences = map[string][]string{
	"gorm.io/":                        {"database"},
	"modernc.org/sqlite":              {"database"},
	"github.com/jackc/pgx":            {"database"},
	"github.com/pressly/goose":        {"database"},
	"github.com/minio/minio-go":       {"storage/s3", "delivery", "bench"},
	"github.com/pkg/sftp":             {"delivery/sftp"},
	"github.com/gin-gonic/":           {"handlers"},
	"github.com/danielgtaylor/huma":   {"handlers"},
	"github.com/spf13/cobra":          {"cmd/teikyo"},
	"github.com/knadh/koanf":          {"config"},
	"github.com/prometheus/":          {"cmd/teikyo"},
	"filippo.io/age":                  {"crypto"},
	"github.com/golang-jwt/":          {"crypto"},
	"github.com/hiddeco/sshsig":       {"crypto"},
	"github.com/rogpeppe/go-internal": {},
	"pgregory.net/rapid":              {"storage/storagetest", "ledger/ledgertest"},
	"go.uber.org/goleak":              {},
	"c2sp.org/CCTV":                   {},
	"github.com/xuri/excelize":        {},
	"github.com/parquet-go/":          {"deid/parquet"},
	"github.com/standard-webhooks/":   {},
	"github.com/compose-spec/":        {},
	"github.com/CycloneDX/":           {},
}

// standardOnly may import the standard library alone.
var standardOnly = []string{"models", "egress", "wording", "web", "storage", "internal/clock", "internal/buildinfo", "internal/archtest", "report/sheet"}

// Check reads every Go file below root and returns what breaks the rules, one
// line each.
func Check(root fs.FS) ([]string, error) {
	var broken []string
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if skipped(name) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		found, err := checkFile(root, name)
		broken = append(broken, found...)
		return err
	})
	return broken, err
}

func skipped(folder string) bool {
	base := path.Base(folder)
	return base == "testdata" || base == "node_modules" || base != "." && strings.HasPrefix(base, ".")
}

func checkFile(root fs.FS, name string) ([]string, error) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	from := importer{pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go")}
	if _, ok := rows[from.pkg]; !ok {
		return []string{fmt.Sprintf("%s: the package %s has no row in the table of imports", name, from.pkg)}, nil
	}
	var broken []string
	for _, line := range file.Imports {
		imported, err := strconv.Unquote(line.Path.Value)
		if err != nil {
			return nil, err
		}
		alias := ""
		if line.Name != nil {
			alias = line.Name.Name
		}
		if problem := from.check(imported, alias); problem != "" {
			broken = append(broken, fmt.Sprintf("%s: %s", name, problem))
		}
	}
	return broken, nil
}

// importer is a file that imports something.
type importer struct {
	pkg  string
	test bool
}

func (i importer) check(imported, alias string) string {
	switch {
	case alias == ".":
		return "imports " + imported + " with a dot"
	case imported == "crypto" && i.pkg == "crypto" && alias != "stdcrypto":
		return "imports the standard package crypto under another name than stdcrypto"
	case imported == Module+"/crypto" && alias != "":
		return "gives our package crypto another name"
	}
	if ours, ok := strings.CutPrefix(imported, Module+"/"); ok {
		return i.checkOurs(ours)
	}
	return i.checkOther(imported)
}

func (i importer) checkOurs(imported string) string {
	row := rows[i.pkg]
	if slices.Contains(row, everything) || slices.Contains(row, imported) {
		return ""
	}
	if i.test && (imported == i.pkg || i.mayTestWith(imported)) {
		return ""
	}
	if slices.Contains(cmdOnly, imported) {
		return fmt.Sprintf("%s may not import %s: cmd alone does", i.pkg, imported)
	}
	return fmt.Sprintf("%s may not import %s", i.pkg, imported)
}

// mayTestWith says what tests may import beyond the row of their package.
func (i importer) mayTestWith(imported string) bool {
	if strings.HasSuffix(imported, "test") || imported == "storage/memory" || imported == "models" {
		return true
	}
	top, _, _ := strings.Cut(i.pkg, "/")
	other, _, _ := strings.Cut(imported, "/")
	return top == other || !slices.Contains(pure, top) && imported != "config"
}

func (i importer) checkOther(imported string) string {
	first, _, _ := strings.Cut(imported, "/")
	if !strings.Contains(first, ".") {
		return ""
	}
	if i.test {
		return ""
	}
	if slices.Contains(standardOnly, i.pkg) {
		return fmt.Sprintf("%s may import the standard library alone, not %s", i.pkg, imported)
	}
	for prefix, owners := range fences {
		if strings.HasPrefix(imported, prefix) && !slices.Contains(owners, i.pkg) {
			return fmt.Sprintf("%s may not import %s: %s", i.pkg, imported, ownersText(owners))
		}
	}
	return ""
}

func ownersText(owners []string) string {
	if len(owners) == 0 {
		return "tests alone may, or nobody"
	}
	return "it belongs to " + strings.Join(owners, " and ")
}
