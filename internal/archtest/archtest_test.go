package archtest

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func TestTheTree(t *testing.T) {
	t.Parallel()
	broken, err := Check(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range broken {
		t.Error(line)
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, file, imports, want string }{
		{"allowed", "dataset/register.go", `"context"; "teikyo/crypto"; "teikyo/models"`, ""},
		{"no row", "helper/x.go", ``, "has no row"},
		{"no row below", "ledger/deep/x.go", ``, "has no row"},
		{"upwards", "models/x.go", `"teikyo/access"`, "models may not import access"},
		{"sideways", "dataset/x.go", `"teikyo/recipient"`, "dataset may not import recipient"},
		{"database", "dataset/x.go", `"teikyo/database"`, "cmd alone does"},
		{"database in a test", "dataset/x_test.go", `"teikyo/database"; "teikyo/storage/disk"`, ""},
		{"database in a test of a pure package", "ledger/x_test.go", `"teikyo/database"`, "ledger may not import database"},
		{"test package", "ledger/x_test.go", `"teikyo/ledger/ledgertest"`, ""},
		{"own package from outside", "ledger/x_test.go", `"teikyo/ledger"`, ""},
		{"config in a test", "handlers/x_test.go", `"teikyo/config"`, "cmd alone does"},
		{"handlers and database", "handlers/x.go", `"teikyo/database"`, "cmd alone does"},
		{"parts are no back door", "handlers/x.go", `"teikyo/ledger/checkpoints"`, "handlers may not import ledger/checkpoints"},
		{"cmd", "cmd/teikyo/x.go", `"teikyo/database"; "teikyo/config"; "teikyo/storage/disk"`, ""},
		{"other system", "models/x_plan9.go", `"teikyo/crypto"`, "models may not import crypto"},
		{"gorm", "access/x.go", `"gorm.io/gorm"`, "it belongs to database"},
		{"age", "client/x.go", `"filippo.io/age/armor"`, "it belongs to crypto"},
		{"age in a test", "client/x_test.go", `"filippo.io/age"`, ""},
		{"gin", "cmd/teikyo/x.go", `"github.com/gin-gonic/gin"`, "it belongs to handlers"},
		{"cobra", "config/x.go", `"github.com/spf13/cobra"`, "it belongs to cmd/teikyo"},
		{"goleak", "cmd/teikyo/x.go", `"go.uber.org/goleak"`, "tests alone"},
		{"standard library alone", "models/x.go", `"golang.org/x/text/width"`, "standard library alone"},
		{"dot", "access/x.go", `. "teikyo/models"`, "with a dot"},
		{"ours under another name", "access/x.go", `tc "teikyo/crypto"`, "another name"},
		{"standard crypto", "crypto/x.go", `"crypto"`, "stdcrypto"},
		{"standard crypto named", "crypto/x.go", `stdcrypto "crypto"`, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := "package x\n\nimport (" + c.imports + ")\n"
			tree := fstest.MapFS{
				c.file: {Data: []byte(text)}, "x/testdata/y.go": {Data: []byte("no Go at all")}, ".git/x.go": {Data: []byte("neither")},
			}
			broken, err := Check(tree)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(broken, "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Fatalf("got %q, want %q", got, c.want)
			}
		})
	}
	if _, err := Check(fstest.MapFS{"models/x.go": {Data: []byte("package")}}); err == nil {
		t.Fatal("a file that cannot be read was passed over")
	}
}

// Every row names packages that have a row: a misspelt one would allow nothing
// and forbid nothing.
func TestRowsAreWellFormed(t *testing.T) {
	t.Parallel()
	for pkg, row := range rows {
		for _, imported := range row {
			if _, ok := rows[imported]; !ok && imported != everything {
				t.Errorf("%s: %s has no row", pkg, imported)
			}
		}
	}
}
