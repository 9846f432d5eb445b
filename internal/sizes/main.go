// Command sizes prints how long functions, files and packages are, against the
// sizes the project aims at. It reports; it fails nothing.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

type count struct {
	lines int
	name  string
}

// tree is what was measured: non-test Go only.
type tree struct{ functions, files, packages []count }

func main() {
	t, err := measure(".")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("functions  %d, median %d (aim 15), 90th percentile %d (aim 45)\n",
		len(t.functions), percentile(t.functions, 50), percentile(t.functions, 90))
	over("function", t.functions, 80)
	over("file", t.files, 500)
	over("package", t.packages, 1500)
}

func measure(root string) (tree, error) {
	var t tree
	perPackage := map[string]int{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		lines := fset.File(file.Pos()).LineCount()
		t.files = append(t.files, count{lines, path})
		perPackage[filepath.Dir(path)] += lines
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				length := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1
				t.functions = append(t.functions, count{length, path + ": " + f.Name.Name})
			}
		}
		return nil
	})
	for name, lines := range perPackage {
		t.packages = append(t.packages, count{lines, name})
	}
	return t, err
}

func percentile(counts []count, p int) int {
	if len(counts) == 0 {
		return 0
	}
	sorted := slices.SortedFunc(slices.Values(counts), func(a, b count) int { return a.lines - b.lines })
	return sorted[(len(sorted)-1)*p/100].lines
}

func over(what string, counts []count, limit int) {
	slices.SortFunc(counts, func(a, b count) int { return b.lines - a.lines })
	for _, c := range counts {
		if c.lines > limit {
			fmt.Printf("%s over %d lines: %5d  %s\n", what, limit, c.lines, c.name)
		}
	}
}
