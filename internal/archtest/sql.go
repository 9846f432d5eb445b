package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"slices"
	"strings"
)

// sqlMethods are the methods of GORM whose first argument is, or can be, SQL.
// A struct there is a condition that leaves out its zero fields, and so finds
// other people's rows; a string made from data is an injection.
var sqlMethods = []string{"Where", "Or", "Not", "Having", "Order", "Group", "Joins", "Raw", "Exec", "Pluck", "Distinct"}

// CheckSQL reads the Go files of a folder and returns a line for every call
// whose SQL is not constant: literals, constants of the package, their
// concatenation, variables that only ever hold such, maps, GORM's clauses, and
// calls of the functions named in makers, which make SQL from no data.
func CheckSQL(tree fs.FS, folder string, makers ...string) ([]string, error) {
	files, constants, err := parseFolder(tree, folder)
	if err != nil {
		return nil, err
	}
	check := sqlCheck{constants: constants, makers: makers}
	for name, file := range files {
		for _, decl := range file.ast.Decls {
			check.file, check.fset = name, file.fset
			check.variables = map[string]bool{}
			check.collectVariables(decl)
			check.inspect(decl)
		}
	}
	slices.Sort(check.wrong)
	return check.wrong, nil
}

type parsedFile struct {
	ast  *ast.File
	fset *token.FileSet
}

func parseFolder(tree fs.FS, folder string) (map[string]parsedFile, map[string]bool, error) {
	entries, err := fs.ReadDir(tree, folder)
	if err != nil {
		return nil, nil, err
	}
	files, constants := map[string]parsedFile{}, map[string]bool{}
	for _, entry := range entries {
		name := folder + "/" + entry.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return nil, nil, err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, err
		}
		files[name] = parsedFile{file, fset}
		collectConstants(file, constants)
	}
	return files, constants, nil
}

// collectConstants notes the names of all constants, also of those inside
// functions.
func collectConstants(file *ast.File, constants map[string]bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		decl, ok := n.(*ast.GenDecl)
		if !ok || decl.Tok != token.CONST {
			return true
		}
		for _, spec := range decl.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				constants[name.Name] = true
			}
		}
		return true
	})
}

type sqlCheck struct {
	constants map[string]bool
	variables map[string]bool // of the function: whether it holds constant SQL only
	makers    []string
	file      string
	fset      *token.FileSet
	wrong     []string
}

// collectVariables notes for each variable whether all that is assigned to it
// is constant.
func (c *sqlCheck) collectVariables(decl ast.Decl) {
	ast.Inspect(decl, func(n ast.Node) bool {
		assign, ok := n.(*ast.AssignStmt)
		if !ok {
			return true
		}
		for i, left := range assign.Lhs {
			name, ok := left.(*ast.Ident)
			if !ok {
				continue
			}
			constant := len(assign.Lhs) == len(assign.Rhs) && c.constant(assign.Rhs[i])
			before, known := c.variables[name.Name]
			c.variables[name.Name] = constant && (before || !known)
		}
		return true
	})
}

func (c *sqlCheck) inspect(decl ast.Decl) {
	ast.Inspect(decl, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if ok && slices.Contains(sqlMethods, method.Sel.Name) && !c.constant(call.Args[0]) {
			line := c.fset.Position(call.Pos()).Line
			c.wrong = append(c.wrong, fmt.Sprintf("%s:%d: the SQL given to %s is not constant", c.file, line, method.Sel.Name))
		}
		return true
	})
}

func (c *sqlCheck) constant(arg ast.Expr) bool {
	switch x := arg.(type) {
	case *ast.BasicLit:
		return x.Kind == token.STRING
	case *ast.Ident:
		return c.constants[x.Name] || c.variables[x.Name]
	case *ast.BinaryExpr:
		return x.Op == token.ADD && c.constant(x.X) && c.constant(x.Y)
	case *ast.ParenExpr:
		return c.constant(x.X)
	case *ast.CompositeLit:
		_, isMap := x.Type.(*ast.MapType)
		name, selected := x.Type.(*ast.SelectorExpr)
		return isMap || selected && isIdent(name.X, "clause")
	case *ast.CallExpr:
		name, ok := x.Fun.(*ast.Ident)
		return ok && slices.Contains(c.makers, name.Name)
	default:
		return false
	}
}

func isIdent(x ast.Expr, name string) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == name
}
