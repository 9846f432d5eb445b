package wording

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// grammar parses a good and a bad script with the grammar of PowerShell and
// prints, as JSON, what does not fit in each. Loading the grammar takes seconds.
const grammar = `
const [tools, ...scripts] = process.argv.slice(2)
const { Parser, Language } = require("node:module").createRequire(tools + "/")("web-tree-sitter")
const { readFileSync } = require("node:fs")
async function main() {
	await Parser.init()
	const parser = new Parser()
	parser.setLanguage(await Language.load(tools + "/node_modules/tree-sitter-powershell/tree-sitter-powershell.wasm"))
	const wrong = (node) => {
		const here = node.type === "ERROR" || node.isMissing ? ["line " + (node.startPosition.row + 1) + ": " + node.text] : []
		return here.concat(...Array.from({ length: node.childCount }, (_, i) => wrong(node.child(i))))
	}
	console.log(JSON.stringify(scripts.map((s) => wrong(parser.parse(readFileSync(s, "utf8")).rootNode))))
}
main()
`

// The commands of section C cannot be run without Windows; that they are
// PowerShell at least is shown by its grammar.
func TestPowerShellGrammar(t *testing.T) {
	t.Parallel()
	tools := grammarFolder(t)
	text, err := load(t, "").Readme(readme())
	if err != nil {
		t.Fatal(err)
	}
	section := strings.Join(commands(t, text, "C. ", "IF ANYTHING FAILS"), "\n") + "\n"
	wrong := parse(t, tools, section, "ssh-keygen < manifest.json\nif ( {\n")
	if len(wrong[0]) > 0 {
		t.Errorf("no PowerShell: %q", wrong[0])
	}
	if len(wrong[1]) == 0 {
		t.Error("the grammar takes anything")
	}
}

// grammarFolder is where scripts/check.sh installed the grammar.
func grammarFolder(t *testing.T) string {
	t.Helper()
	need(t, "node")
	dir := os.Getenv("TEST_TOOLS")
	if dir == "" {
		dir, _ = filepath.Abs("../dist/tools")
	}
	for _, name := range []string{"web-tree-sitter", "tree-sitter-powershell"} {
		if _, err := os.Stat(filepath.Join(dir, "node_modules", name)); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is not installed", name)
			}
			t.Skipf("%s is not installed", name)
		}
	}
	return dir
}

func parse(t *testing.T, tools string, scripts ...string) [][]string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "parse.cjs")
	args := []string{program, tools}
	if err := os.WriteFile(program, []byte(grammar), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, script := range scripts {
		name := filepath.Join(dir, fmt.Sprintf("script%d.ps1", i))
		if err := os.WriteFile(name, []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
	}
	cmd := exec.Command("node", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	var wrong [][]string
	if err := json.Unmarshal(out, &wrong); err != nil || len(wrong) != len(scripts) {
		t.Fatalf("node printed %q: %v", out, err)
	}
	return wrong
}
